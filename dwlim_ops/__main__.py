"""`python -m dwlim_ops` is the command `dwlim`."""

from dwlim_ops.cli.main import main

main()

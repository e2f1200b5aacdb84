"""The command line `dwlim`."""

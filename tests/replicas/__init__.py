"""The outside services on this machine: `python -m tests.replicas --help`."""

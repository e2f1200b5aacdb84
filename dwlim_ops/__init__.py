"""DWLIM, operational: daily terrestrial water storage from GNSS displacement."""

__version__ = "0.1.0"

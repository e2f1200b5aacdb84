"""Alerts of past years against what came to be known."""

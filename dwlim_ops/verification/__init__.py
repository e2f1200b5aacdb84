"""Scores against GRACE and stations left out, and their report."""

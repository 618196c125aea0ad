"""Counts observations in windows of time."""

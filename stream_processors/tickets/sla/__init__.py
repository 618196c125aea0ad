"""Measures the time of tickets."""

"""Finds the tags that break out of their own daily and weekly rhythm."""

"""Labelled messages for the tests of tagging."""

"""Decides first contact resolution."""

"""Normalisers: one channel per file, from the input of a source to its events. Pure."""

"""Formats of imports: one product per file, from its records to events. Pure."""

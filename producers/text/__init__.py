"""Texts, fields and locales: cleaning, bounding, masking card numbers. Pure."""

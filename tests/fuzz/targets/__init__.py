"""Targets of the fuzz: each module declares `TARGETS`."""

"""Holds one dashboard per module, as `BOARD`."""

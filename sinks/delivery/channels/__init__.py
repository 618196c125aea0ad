"""Implements one delivery channel per module; see `sinks/delivery/adapter.py` for the contract."""

"""Recomputation: what clocks and metrics would be if other rules had always been in force."""

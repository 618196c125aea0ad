"""Simulates a shop: its customers, what they write, and what agents do about it. Pure and seeded: no clock."""

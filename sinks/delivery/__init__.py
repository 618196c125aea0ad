"""Delivers outbound messages over the channels of customers."""

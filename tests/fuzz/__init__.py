"""Fuzzes everything that strangers can reach: broken inputs, measured one by one, repeatable by their seed."""

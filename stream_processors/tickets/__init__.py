"""Folds the events of customers into tickets: one pure step per file."""

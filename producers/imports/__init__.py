"""Imports of other help desks' exports, mbox files and JSON lines."""

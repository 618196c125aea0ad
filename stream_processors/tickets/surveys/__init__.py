"""Invites to surveys, and acts on their answers."""

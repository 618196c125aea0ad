"""Manifests, and what generates the derived ones."""

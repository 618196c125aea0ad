"""Lets the rules of `automations.yaml` act on tickets."""

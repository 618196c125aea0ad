"""Forgets a customer everywhere, proves it, and gives a person all that is stored of them (ADR 52)."""

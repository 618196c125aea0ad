"""Helpers, fixtures and fakes of the tests."""

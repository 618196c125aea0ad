"""Tests mirror the packages; `conftest.py` has the fixtures that all of them share."""

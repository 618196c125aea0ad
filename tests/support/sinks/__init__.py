"""Helpers of the tests of the sinks."""

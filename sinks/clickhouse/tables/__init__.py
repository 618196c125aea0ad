"""Declares one ClickHouse table per module, as `TABLE`."""

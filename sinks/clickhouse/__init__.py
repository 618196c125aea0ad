"""Writes facts to ClickHouse, and keeps its tables and views."""

"""Moves records out of Kafka: to ClickHouse, to customers, and to subscribed systems."""

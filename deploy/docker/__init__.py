"""Builds the image, and stand-ins for the images of Kafka, ClickHouse and Python."""

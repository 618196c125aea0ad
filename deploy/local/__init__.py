"""The embedded stack: Apache Kafka and the ClickHouse engine from Python packages alone, on loopback, under one directory.

`stack.py` starts, checks and stops both; `kafka.py` and `clickhouse.py` know one server each; `child.py` is what
both have in common: a child process that never outlives us.
"""

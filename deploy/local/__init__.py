"""Runs Deskstream on this machine: Apache Kafka, the ClickHouse engine and every process, from Python packages alone.

`stack.py` starts, checks and stops both servers. `kafka.py` and `clickhouse.py` know one server each; `process.py` runs a
server as a process that ends with us. `supervisor.py` runs the pipeline's processes.
"""

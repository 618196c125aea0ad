"""The runtime of a worker: Kafka, RocksDB and metrics around pure folds. It knows no aggregate and no rules."""

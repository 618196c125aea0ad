"""The parts of the publisher: the connection to Kafka, records on their way, published ids, and receipts."""

"""Everything that brings contacts into Kafka: channels, sources, imports and the replay of dead letters."""

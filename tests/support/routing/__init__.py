"""A help desk in simulation: customers, agents and the tickets' partitions around the real router."""

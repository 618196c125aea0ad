"""Says how many people each team needs, hour by hour: live contacts by Erlang A, written ones by their backlog."""

"""The routing aggregate: assigns waiting tickets to agents, one state machine per team."""

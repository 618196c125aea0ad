"""Stream processors: workers that fold contact events into tickets, clocks, surveys and assignments."""

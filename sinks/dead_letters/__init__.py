"""Lists, shows and replays dead letters of every topic."""

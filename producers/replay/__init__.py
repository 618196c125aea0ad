"""Replays dead letters of producers: the engine, one dead letter, the handlers, and the command."""

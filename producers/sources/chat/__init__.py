"""The source that serves live chat."""

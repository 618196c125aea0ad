"""The quality of tagging: what the rules and the suggester find in labelled messages, and the suggester itself."""

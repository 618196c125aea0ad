"""One module per dashboard, each with its `BOARD`."""

"""The vocabulary of the project: the words that were replaced, and where one of them is still in use."""

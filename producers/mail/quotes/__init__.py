"""Finds what the customer wrote now in the text of a mail; `newest.py` says by which rules."""

from producers.mail.quotes.marks import read_marks
from producers.mail.quotes.newest import newest_part
from producers.mail.quotes.thread import Thread

__all__ = ["Thread", "newest_part", "read_marks"]

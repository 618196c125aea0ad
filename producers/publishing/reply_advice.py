"""Notes on each public answer which kinds of advice its wording gets, so that they can be counted; never the words."""

from __future__ import annotations

from pathlib import Path

import msgspec

from schemas.events import AgentReplied, Event
from schemas.replies.followed import RepliesDirectory, shipped

__all__ = ["ReplyAdvice"]


class ReplyAdvice:
    """Checks answers with the lists of a directory. Those that ship are read with the first answer: few producers publish any.

    Raises:
        ConfigurationError: at the start, the directory is invalid.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = None if directory is None else RepliesDirectory(directory)

    def noted(self, event: Event) -> Event:
        """Returns an answer with the kinds of advice on it; every other event, a note, and a history, as it is."""
        if not isinstance(event, AgentReplied) or not event.public or event.imported:
            return event
        replies = self._directory.replies if self._directory is not None else shipped()
        kinds = replies.wording.kinds(event.text)
        return event if kinds == event.advice else msgspec.structs.replace(event, advice=kinds)

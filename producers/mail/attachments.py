"""The files of a mail: their names, media types and bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from producers.mail import charsets

__all__ = ["File", "clean_name"]

#: Characters that turn the direction of writing: in a file name they hide its true ending.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a mail. `content()` decodes its bytes anew each time: a mail is not held in memory twice."""

    name: str
    media_type: str
    size: int
    content: Callable[[], bytes]


def clean_name(name: str) -> str:
    """Returns a file name that is no path and shows its true ending."""
    return _TURNING.sub("", charsets.clean(name)).replace("/", "_").replace("\\", "_").replace("\n", " ").strip()[:200]

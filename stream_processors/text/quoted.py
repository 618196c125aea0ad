"""Writes the messages that an answer by mail quotes, as mail programs do: who wrote when, and the text behind `> `."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from schemas.clock import from_micros
from schemas.events import QuotedMessage
from schemas.safe_html import from_text

__all__ = ["as_html", "as_text", "attribution"]

#: Per locale: Babel's locale, the pattern of a date, and the line with time and author, with either of both, as mail programs write it.
_WORDING = {
    "en": ("en_GB", "d MMMM y", "On {date} at {time}, {author} wrote:", "{author} wrote:", "On {date} at {time}:"),
    "zh-Hans": ("zh_Hans", "y年M月d日", "{date} {time}，{author} 写道：", "{author} 写道：", "{date} {time}："),
    "zh-Hant": ("zh_Hant", "y年M月d日", "{date} {time}，{author} 寫道：", "{author} 寫道：", "{date} {time}："),
    "ja": ("ja", "y年M月d日(E)", "{date} {time}、{author}のメール:", "{author}のメール:", "{date} {time}:"),
}


def attribution(message: QuotedMessage, locale: str, zone: ZoneInfo) -> str:
    """Returns the line that says who wrote a message, and when in this zone; '' when neither is known."""
    babel_locale, pattern, both, author, time = _WORDING.get(locale) or _WORDING["en"]
    at = None if message.at is None else _local(message.at, zone)
    if at is None:
        return author.format(author=message.author) if message.author else ""
    return (both if message.author else time).format(
        author=message.author,
        date=format_date(at.date(), pattern, locale=babel_locale),
        time=f"{at.hour:02}:{at.minute:02}",
    )


def as_text(messages: Sequence[QuotedMessage], locale: str, zone: ZoneInfo) -> str:
    """Returns the quoted messages as plain text, one below the other."""
    written = []
    for message in messages:
        lines = (f"> {line}".rstrip() for line in message.text.strip("\n").split("\n"))
        written.append("\n".join(filter(None, (attribution(message, locale, zone), *lines))))
    return "\n\n".join(written)


def as_html(messages: Sequence[QuotedMessage], locale: str, zone: ZoneInfo) -> str:
    """Returns the same as HTML. What somebody else wrote becomes no link of ours."""
    return "".join(
        f"{from_text(attribution(message, locale, zone), links=False)}"
        f"<blockquote>{from_text(message.text, links=False)}</blockquote>"
        for message in messages
    )


def _local(at: int, zone: ZoneInfo) -> datetime | None:
    """Returns the time in the zone; None where no calendar has it."""
    try:
        return from_micros(at).astimezone(zone)
    except (OverflowError, ValueError):
        return None

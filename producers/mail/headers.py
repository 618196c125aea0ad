"""Reads the headers of a mail: text, addresses, message ids and dates.

Headers are decoded here and not by the standard library's modern policy, because that one refuses what real
mailers send: encoded words cut inside a character, raw bytes, a whole address inside an encoded word.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import quopri
import re
from calendar import timegm
from datetime import datetime, timedelta
from email.message import Message
from email.utils import getaddresses, parsedate_tz

from producers.mail import charsets
from schemas.clock import MICROS

__all__ = ["Headers", "addresses", "date", "decode", "ids", "of", "text"]

#: Names in lower case, each with its values in their order, as they stand in the mail.
Headers = dict[str, list[str]]

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_FOLD = re.compile(r"[\r\n]+[ \t]*|[\t\u3000]")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,300}>")
#: Nothing is tried twice: a header of 20,000 blanks would take hours.
_SIMPLE_ADDRESS = re.compile(r'^\s*+"?+([^"<>@,;:\\]*+)("?+)\s*+<\s*+([^<>\s@,;"]++@[^<>\s@,;"]++)\s*+>\s*+$')
_BARE_ADDRESS = re.compile(r"^[\w.+=-]{1,64}@[\w.-]{1,253}$", re.ASCII)
_ADDRESS = re.compile(r"^(?:[^\s<>@,;:\"()\[\]\\]{1,64}|\"[^\"\\<>@\r\n]{1,62}\")@[^\s<>@,;:\"()\\]{1,253}$")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_LONGEST_DOMAIN = 253
#: Characters of headers of one name that the library's parser of addresses is given; it takes half a microsecond for each.
_MAX_PARSED_CHARS = 20_000
_EARLIEST = 631152000  # 1990-01-01: mail dated before that has a broken clock
_TWO_DAYS = 2 * 86400
#: Zones by name that the standard library reads as UTC.
_ZONES = {"JST": 9, "HKT": 8, "SGT": 8, "KST": 9, "CET": 1, "CEST": 2, "BST": 1, "EET": 2, "EEST": 3, "AEST": 10}


def of(mail: Message) -> Headers:
    """Returns all headers of a mail."""
    found: Headers = {}
    for name, value in mail.raw_items():
        found.setdefault(name.rstrip().lower(), []).append(str(value))
    return found


def text(headers: Headers, name: str) -> str:
    """Returns the first header of that name, decoded; '' when there is none."""
    return decode(headers[name][0]) if name in headers else ""


def decode(value: str) -> str:
    """Returns one line of text: unfolded, raw bytes and encoded words decoded, adjacent words joined before they are."""
    value = _raw_text(value)
    if "=?" not in value:
        return charsets.clean(value).strip()
    words = _Words()
    last = 0
    for word in _ENCODED_WORD.finditer(value):
        words.plain(value[last : word.start()])
        words.encoded(word[1].split("*")[0].lower(), word[2] in "bB", word[3])
        last = word.end()
    words.plain(value[last:], at_end=True)
    return charsets.clean("".join(words.parts)).replace("\n", " ").strip()


class _Words:
    """Joins adjacent encoded words: many mailers cut them inside a character, or inside its base64."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._bytes, self._base64, self._charset = b"", "", ""

    def plain(self, words: str, *, at_end: bool = False) -> None:
        if at_end or words.strip():
            self._end()
            self.parts.append(words)

    def encoded(self, charset: str, is_base64: bool, payload: str) -> None:
        if charset != self._charset:
            self._end()
            self._charset = charset
        if not is_base64:
            self._end_base64()
            self._bytes += quopri.decodestring(payload.replace("_", "=20").encode("utf-8", "surrogateescape"))
            return
        self._base64 += _NOT_BASE64.sub("", payload)
        if len(self._base64) % 4 == 0 or payload.endswith("="):
            self._end_base64()

    def _end_base64(self) -> None:
        data, self._base64 = self._base64, ""
        if data:
            whole = data + "=" * (-len(data) % 4)
            try:
                self._bytes += base64.b64decode(whole)
            except binascii.Error:  # one character too many
                self._bytes += base64.b64decode(data[: len(data) // 4 * 4])

    def _end(self) -> None:
        self._end_base64()
        if self._bytes:
            self.parts.append(charsets.decode(self._bytes, self._charset))
        self._bytes, self._charset = b"", ""


def _raw_text(value: str) -> str:
    if "\n" in value or "\t" in value or "\r" in value or "\u3000" in value:
        value = _FOLD.sub(" ", value)
    if value.isascii():
        return charsets.decode(value.encode()) if "\x1b" in value else value
    try:
        return charsets.decode(value.encode("ascii", "surrogateescape")).replace("\n", " ")
    except UnicodeEncodeError:
        return charsets.clean(value)


def addresses(values: list[str]) -> list[tuple[str, str]]:
    """Returns `(name, address)` of every usable address; addresses keep their spelling, domains become ASCII."""
    found: list[tuple[str, str]] = []
    left = _MAX_PARSED_CHARS
    for value in values:
        if _BARE_ADDRESS.match(value):
            found.append(("", value))
            continue
        value = _raw_text(value)
        simple = _SIMPLE_ADDRESS.match(value)
        value = value if simple else value[:left]
        left -= 0 if simple else len(value)
        pairs = [_simple(simple)] if simple else _parsed(value)
        usable = [(decode(name)[:200], _canonical(address)) for name, address in pairs]
        if "=?" in value and not any(_ADDRESS.match(address) for _, address in usable):
            usable = [(name[:200], _canonical(address)) for name, address in _parsed(decode(value))]
        found += [(name.strip("\"' "), address) for name, address in usable if _ADDRESS.match(address)]
    return found


def _simple(found: re.Match[str]) -> tuple[str, str]:
    """Returns name and address; blanks at the end belong to a name in quotes only."""
    return found[1] if found[2] else found[1].rstrip(), found[3]


def _parsed(value: str) -> list[tuple[str, str]]:
    try:
        return getaddresses([value[:_MAX_PARSED_CHARS]])
    except (ValueError, IndexError, TypeError, AttributeError, RecursionError):
        return []


def _canonical(address: str) -> str:
    address = address.strip().strip("<>'").replace("＠", "@")
    if address.isascii():
        return address
    local, _, domain = charsets.clean(address).rpartition("@")
    with contextlib.suppress(UnicodeError):
        if len(domain) > _LONGEST_DOMAIN:
            return address
        domain = domain.encode("idna").decode()
    return f"{local}@{domain}"


def ids(headers: Headers, name: str, most: int) -> list[str]:
    """Returns message ids with their angle brackets: the last `most`, because the last reference is the nearest."""
    if name not in headers:
        return []
    value = charsets.clean(_raw_text(" ".join(headers[name][:3])))
    found: list[str] = _MESSAGE_ID.findall(value[-40_000:])
    if not found and (bare := value.strip("<> ")) and len(bare) <= 300:
        found = [f"<{bare.split()[0]}>"]
    return found[:1] if most == 1 else found[-most:]


def date(value: str, now: int) -> tuple[int | None, int]:
    """Returns `(microseconds, offset in seconds)`; None for a date that cannot be read or cannot be true."""
    if not value:
        return None, 0
    value = _raw_text(value)[:100].strip()
    try:
        seconds, offset = _date(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None, 0
    if not _EARLIEST <= seconds <= now // MICROS + _TWO_DAYS:
        return None, 0
    return seconds * MICROS, offset


def _date(value: str) -> tuple[int, int]:
    """Returns seconds since 1970 and the offset of the zone. Raises ValueError and the like."""
    parsed = None if value[4:5] == "-" else parsedate_tz(value)
    if parsed is None:  # not as mail has it: perhaps as ISO 8601 has it
        moment = datetime.fromisoformat(value.replace(" +", "+").replace(" -", "-"))
        offset = int((moment.utcoffset() or timedelta()).total_seconds())
    else:
        offset = parsed[9] or 0
        if not offset:
            offset = _ZONES.get(value.rpartition(" ")[2], 0) * 3600
        moment = datetime(*parsed[:6])
    return timegm(moment.timetuple()) - offset, offset

"""Masks card numbers: only the last four digits of each reach Kafka.

A card number is 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1 annex B) and start with 2 to 6, the
industry digits of payment cards; the digits may be full-width and stand in groups. Blanks, dashes and dots may stand
between any digits. What else people and mail programs put between groups (one line's end, strokes, ` - `) counts where
the groups are those that are printed on cards, because dates look alike otherwise; numbers below each other, or with
commas between them, are a list. What is invisible (directions of writing, zero-width joints) counts for nothing.

Other secrets of a company are patterns of its own: `also` sets them, once, when a process starts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from pathlib import Path

from schemas.errors import ConfigurationError
from schemas.text import NOT_A_PATTERN

__all__ = ["MARGIN", "Allowance", "also", "luhn", "mask", "mask_bytes", "maskable", "read_patterns"]

#: A text is masked with so many more characters before it is cut, or the cut could split a card number.
MARGIN = 128
_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\u20e3\ufeff"
_BLANK = "\t\u00a0\u2000-\u200a\u202f\u3000\\-\u2010-\u2015\u2212\uff0d.\uff0e\u00b7 "
_WIDE = "\r\n_/|*>~\uff0f"
#: Blanks between digits in encoded requests and mails: `4111+1111`, `4111=20=\r\n1111`.
_ESCAPED = (
    r"%(?:20|2[dD]|0[aAdD]|[cC]2%[aA]0|[eE]3%80%80)|=(?:20|2D|C2=A0|E3=80=80|\r?\n)|\\(?:u00a0|u3000|[nrt])|&nbsp;"
)
_FILL = rf"(?:[{_BLANK}{_WIDE}{_INVISIBLE}+\x00\udca0]|{_ESCAPED})"
_TEXT_RUN = re.compile(rf"\d(?:[{_BLANK}{_WIDE}{_INVISIBLE}]{{0,5}}\d){{12,}}+")
#: Where digits and what may stand between them lie close, and in there: what lies between, or a chain of digits.
_REGION = re.compile(rf"(?:{_ESCAPED}|\d)(?:{_FILL}|\d){{12,}}+")
_LINK = re.compile(rf"{_FILL}++|(\d(?:{_FILL}{{0,5}}+\d)*+)")
#: The same in pieces, where only their lengths count.
_PIECE_OF_REGION = re.compile(rf"(?:{_ESCAPED}|\d)(?:{_FILL}|\d){{12,2000}}+")
#: The digits of an id: `"sender_id": "5123..."`, `From=%2B5511...`. A text in JSON has no quote that is not escaped, and
#: a value of a form no `&`: nobody can write one into a message.
_ID = re.compile(
    r'"(?<!\\")(?:[A-Za-z_]+_)?(?:m?id|id_str|ref|address)"\s*:\s*"?(?:[a-z_]+:)?\+?(\d{13,})(?=["\s,}\]])'
    r"|&(?:From|To|Caller|Called|WaId)=(?:whatsapp(?::|%3A))?(?:\+|%2B)?(\d{13,})(?=&|\Z)"
)
_TEXT_PIECE = re.compile(r"()(\d+)")
_RAW_PIECE = re.compile(rf"({_ESCAPED})|(\d+)")
#: Between two groups: invisible characters, and at most two blanks.
_NARROW = re.compile(rf"[{_INVISIBLE}]*(?:[{_BLANK}][{_INVISIBLE}]*){{0,2}}")
_NARROW_RAW = re.compile(rf"(?:{_ESCAPED}|[{_BLANK}{_INVISIBLE}+\x00\udca0])*")
#: Groups of digits as printed on cards.
_PRINTED = frozenset(((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 5), (8, 8)))
_SHORTEST, _LONGEST, _SHOWN = 13, 19, 4
_ROUNDS = 4
_PORTION = 4096
#: Digits with something between each two cost most, 1.8 microseconds each: so many cost 0.07 s, and half as much again when masked twice.
_MOST_DIGITS = 40_000
_FEW_DIGITS = 1_000
_DIGITS = b"0123456789"
_INDUSTRIES = (2, 3, 4, 5, 6)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NOT_BLANK = re.compile(r"\S")
_others: tuple[re.Pattern[str], ...] = ()


def luhn(digits: str) -> bool:
    """Says if the last digit is the Luhn check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        total += _DOUBLED[value] if place % 2 else value
    return total % 10 == 0


def mask(text: str) -> str:
    """Returns the text with every card number's digits but the last four replaced by `*`; its length does not change."""
    if len(text) >= _SHORTEST:
        text = _until_unchanged(text, lambda text: _TEXT_RUN.sub(_masked_run, text))
    for pattern in _others:
        text = pattern.sub(_mask_secret, text)
    return text


def _masked_run(run: re.Match[str]) -> str:
    return _mask_run(run[0], _TEXT_PIECE, _NARROW)


def _until_unchanged(text: str, masked: Callable[[str], str]) -> str:
    """Masks again what was masked: the last four digits of a card, and what follows, may be those of another."""
    for _ in range(_ROUNDS):
        before, text = text, masked(text)
        if text == before:
            break
    return text


@dataclass(slots=True)
class Allowance:
    """Holds what the search in the files of one contact may still cost: bytes, and characters in chains of digits."""

    size_bytes: int = 5_000_000
    characters: int = 2 * _MOST_DIGITS

    def take(self, raw: bytes) -> bool:
        """Says if a file can be searched, and takes off what that costs."""
        if len(raw) > self.size_bytes:
            return False
        self.size_bytes -= len(raw)
        cost = _chained(raw, self.characters)
        if cost > self.characters:
            return False
        self.characters -= cost
        return True


def _chained(raw: bytes, most: int) -> int:
    """Returns how many characters stand in chains of digits; stops beyond `most`."""
    if raw.isascii() and len(raw) - len(raw.translate(None, _DIGITS)) <= _FEW_DIGITS:
        return 0
    found = 0
    for start, end in _chains(raw.decode("utf-8", "surrogateescape"), _PIECE_OF_REGION):
        found += end - start
        if found > most:
            break
    return found


def _chains(text: str, regions: re.Pattern[str] = _REGION) -> Iterator[tuple[int, int]]:
    """Yields start and end of chains of digits in which a card number may stand, in time linear in the text."""
    for region in regions.finditer(text):
        for chain in _LINK.finditer(text, region.start(), region.end()):
            if chain[1] is not None:
                yield chain.span()


def maskable(raw: bytes) -> int:
    """Returns how many of the first bytes `mask_bytes` searches in 0.1 s; beyond them too many digits stand in chains."""
    if raw.isascii() and len(raw) - len(raw.translate(None, _DIGITS)) <= _MOST_DIGITS:
        return len(raw)
    text, left = raw.decode("utf-8", "surrogateescape"), 2 * _MOST_DIGITS
    for start, end in _chains(text, _PIECE_OF_REGION):
        left -= end - start
        if left < 0:
            return len(text[:start].encode("utf-8", "surrogateescape"))
    return len(raw)


def mask_bytes(raw: bytes, *, keep_ids: bool = False) -> bytes:
    """Masks card numbers in bytes of unknown encoding, also where blanks are escaped. Base64 is not decoded.

    With `keep_ids`, for requests that a program wrote, the ids in them stay: each tenth looks like a card number.
    """
    text = raw.decode("utf-8", "surrogateescape")
    ids = {(start - 1, end - 1) for start, end in map(_span_of_id, _ID.finditer("&" + text))} if keep_ids else set()
    masked = _until_unchanged(text, lambda text: _mask_chains(text, ids))
    for pattern in _others:
        masked = pattern.sub(_mask_secret, masked)
    return raw if masked == text else masked.encode("utf-8", "surrogateescape")


def _mask_chains(text: str, ids: Collection[tuple[int, int]]) -> str:
    done, until = list[str](), 0
    for start, end in _chains(text):
        if end - start >= _SHORTEST and (start, end) not in ids:
            done += (text[until:start], _mask_run(text[start:end], _RAW_PIECE, _NARROW_RAW))
            until = end
    return "".join((*done, text[until:])) if done else text


def _span_of_id(found: re.Match[str]) -> tuple[int, int]:
    return found.span(found.lastindex or 0)


def also(patterns: Iterable[re.Pattern[str]]) -> None:
    """Adds patterns whose finds are masked from now on: their groups if they have any, otherwise the whole match."""
    global _others
    _others = tuple(patterns)


def read_patterns(path: Path | None) -> tuple[re.Pattern[str], ...]:
    """Returns the patterns of a file, a regular expression a line; empty lines and those that begin with `#` are none.

    Raises:
        ConfigurationError: the file cannot be read, or a line is no regular expression, or one that finds nothing.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path), fix="see DESKSTREAM_MASK_FILE") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            pattern = re.compile(line)
        except NOT_A_PATTERN as error:
            raise ConfigurationError(f"is no regular expression: {error}", where=f"{path}:{number}") from error
        if pattern.fullmatch(""):
            raise ConfigurationError("matches nothing at all, which is everywhere", where=f"{path}:{number}")
        found.append(pattern)
    return tuple(found)


def _mask_run(text: str, piece: re.Pattern[str], narrow: re.Pattern[str]) -> str:
    """Finds a card in a run of groups that may hold more (an order number before it), trying every stretch of groups.

    The groups are looked at in portions, because a run may be millions of them.
    """
    pieces = (match.span(2) for match in piece.finditer(text) if match[2])
    done: list[str] = []
    waiting: list[tuple[int, int]] = []
    until, is_last = 0, False
    while not is_last:
        portion = list(islice(pieces, _PORTION))
        is_last = len(portion) < _PORTION
        run = _Run(text, waiting + portion, narrow)
        first, end = 0, len(run.groups) - (0 if is_last else _LONGEST)  # a card may go on in the next portion
        while first < end:
            last = run.card_from(first)
            if last is None:
                first += 1
                continue
            found = run.groups[first : last + 1]
            done += (text[until : found[0][0]], _starred(text, found))
            first, until = last + 1, found[-1][1]
        waiting = run.groups[first:]
    return "".join((*done, text[until:]))


class _Run:
    """Holds a run of groups of digits with sums over its beginnings, so that a stretch of it is judged in constant time.

    groups  `(start, end)` of each group in the text
    ends    by group: the number of digits up to its end
    wide    by group: the gaps up to it that are more than blanks; `lines`: those of them with a line end
    sums    of the Luhn digits before a place, with every even place doubled, and with every odd one
    """

    def __init__(self, text: str, groups: list[tuple[int, int]], narrow: re.Pattern[str]) -> None:
        self.groups = groups
        self.ends = list(accumulate(end - start for start, end in groups))
        gaps = ["", *(text[end:start] for (_, end), (start, _) in pairwise(groups))]
        is_wide = {gap: narrow.fullmatch(gap) is None for gap in set(gaps)}
        self.wide = list(accumulate(is_wide[gap] for gap in gaps))
        self.lines = list(accumulate(is_wide[gap] and "\n" in gap for gap in gaps)) if "\n" in text else None
        self.digits = [int(digit) for start, end in groups for digit in text[start:end]]
        doubled = [_DOUBLED[digit] for digit in self.digits]
        self.sums = []
        for parity in (0, 1):
            mixed = self.digits.copy()
            mixed[parity::2] = doubled[parity::2]
            self.sums.append(list(accumulate(mixed, initial=0)))

    def card_from(self, first: int) -> int | None:
        """Returns the index of the last group of the longest card number that starts with group `first`."""
        ends = self.ends
        begin = ends[first - 1] if first else 0
        if self.digits[begin] not in _INDUSTRIES:
            return None
        found, wide = None, self.wide[first]
        lines = self.lines
        for index in range(bisect_left(ends, begin + _SHORTEST, first), len(ends)):
            end = ends[index]
            if end - begin > _LONGEST or (lines is not None and lines[index] - lines[first] > 1):
                break
            sums = self.sums[end % 2]
            if (sums[end] - sums[begin]) % 10 == 0 and (self.wide[index] == wide or self._is_printed(first, index)):
                found = index
        return found

    def _is_printed(self, first: int, last: int) -> bool:
        return tuple(end - start for start, end in self.groups[first : last + 1]) in _PRINTED


def _starred(text: str, groups: list[tuple[int, int]]) -> str:
    """Returns the text from the first group to the last, with stars for their digits but for the last four."""
    begin = groups[0][0]
    done = list(text[begin : groups[-1][1]])
    digits = [place - begin for start, end in groups for place in range(start, end)]
    for place in digits[:-_SHOWN]:
        done[place] = "*"
    return "".join(done)


def _mask_secret(found: re.Match[str]) -> str:
    """Returns stars for every matched group, or for the whole match; blanks and the length stay."""
    spans = [found.span(number) for number in range(1, found.re.groups + 1)] if found.re.groups else [found.span()]
    text, begin = found[0], found.start()
    for start, end in spans:
        if start >= 0:
            text = text[: start - begin] + _NOT_BLANK.sub("*", text[start - begin : end - begin]) + text[end - begin :]
    return text

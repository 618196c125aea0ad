"""Mutators of bytes, whatever they mean: bits, spans, splices, long rows, nests, Unicode, numbers and dates at limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from tests.fuzz.target import Mutator

__all__ = ["BINARY", "TEXT", "inserting", "nesting"]

#: Bytes of the longest row: an endpoint takes more of some inputs, and `tests/producers/test_mail_costs.py` sends it.
_ROWS = (300, 3_000, 3_000, 30_000, 30_000, 300_000)
_UNICODE = [
    "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\x00", "\x1b", "\x7f", "\u0085", "\u2028", "e\u0301", "\u0301" * 40, "\U0001f468\u200d\U0001f469",
    "\U000e0041", "\ufdfa", "\u0130", "\u1e9e", "\ufb03", "\u3000", "\uff11\uff12", "\u0661", "\u00b2", "\u2460", "\U0010ffff", "\ufffe", "=", "+", "@", "-",
]  # fmt: skip
_RAW = [
    b"\xff",
    b"\xfe\xff",
    b"\xed\xa0\x80",
    b"\xed\xb2\xa0",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\\ud800",
    b"\\udfff",
    b"\\u0000",
    b"%00",
    b"%ff",
]
_NUMBERS = [
    b"0", b"-1", b"1e309", b"-1e400", b"NaN", b"Infinity", b"2147483648", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"1e-400",
    b"18446744073709551616", b"253402300800", b"253402300799999999", b"-62135596800000001", b"0.1", b"00", b"1_0", b"0x10", b"9" * 400, b"9" * 5000, b"4111111111111111",
]  # fmt: skip
_DATES = [
    b"0000-01-01T00:00:00Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59.999999-12:00", b"2016-12-31T23:59:60Z", b"2024-02-30T00:00:00Z",
    b"1969-12-31T23:59:59Z", b"2026-03-29T01:30:00+01:00", b"2026-03-02T10:00:00+99:99", b"2026-03-02T24:00:00Z", b"2026-03-02", b"10000-01-01T00:00:00Z",
    b"-001-01-01T00:00:00Z", b"2026-W10-1", b"20260302T100000Z", b"2026-03-02T10:00:00.123456789Z", b"Mon, 02 Mar 0000 10:00:00 +0000",
    b"Fri, 31 Dec 9999 23:59:60 -9999", b"2 Mar 26 10:00 ZZZ",
]  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_DATE = re.compile(
    rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?|\d{1,2} [A-Z][a-z]{2} \d{4} [\d:]+ \S+"
)
_WORD = re.compile(rb"[A-Za-z_]{3,}")


def _span(chance: Random, raw: bytes, most: int = 400) -> tuple[int, int]:
    start = chance.randrange(len(raw) + 1)
    return start, min(len(raw), start + chance.randint(1, most))


def flip_bits(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    data = bytearray(raw)
    for _ in range(chance.randint(1, 8) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def set_bytes(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw, 8)
    return raw[:start] + chance.randbytes(end - start) + raw[end:]


def truncate(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


def delete(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:start] + raw[end:]


def duplicate(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:end] + raw[start:end] * chance.randint(1, 4) + raw[end:]


def splice(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    other = chance.choice(seeds)
    return raw[: chance.randrange(len(raw) + 1)] + other[chance.randrange(len(other) + 1) :]


def insert_span(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    other = chance.choice(seeds)
    start, end = _span(chance, other)
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + other[start:end] + raw[at:]


def swap_lines(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    lines = raw.splitlines(keepends=True)
    if len(lines) > 1:
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def row(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Puts a long row of one short thing into the input, or a short thing of its own."""
    if chance.random() < 0.9:  # rows cost time, and most of what they find a few of them find
        return duplicate(chance, raw, seeds)
    start, end = _span(chance, raw, 12)
    piece = chance.choice((raw[start:end] or b"x", bytes((chance.randrange(256),)), chance.choice(_UNICODE).encode()))
    size = chance.choice(_ROWS)
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + piece * (size // len(piece)) + raw[at:]


def unicode(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    token = chance.choice(_RAW) if chance.random() < 0.3 else chance.choice(_UNICODE).encode()
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + token * chance.choice((1, 1, 1, 3, 40)) + raw[at:]


def _exchange(pattern: re.Pattern[bytes], values: Sequence[bytes]) -> Mutator:
    def mutate(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
        found = [match.span() for match in pattern.finditer(raw[:50_000])]
        if not found:
            return unicode(chance, raw, seeds)
        start, end = chance.choice(found)
        return raw[:start] + chance.choice(values) + raw[end:]

    return mutate


number_at_limit = _exchange(_NUMBER, _NUMBERS)
date_at_limit = _exchange(_DATE, _DATES)


def another_word(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Exchanges a word for one of another example: types, names of fields, charsets."""
    ours = [match.span() for match in _WORD.finditer(raw[:20_000])]
    other = chance.choice(seeds)
    theirs = [match[0] for match in _WORD.finditer(other[:20_000])]
    if not ours or not theirs:
        return splice(chance, raw, seeds)
    start, end = chance.choice(ours)
    return raw[:start] + chance.choice(theirs) + raw[end:]


def inserting(*tokens: bytes) -> Mutator:
    """Returns a mutator that puts one of these somewhere."""

    def insert(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
        at = chance.randrange(len(raw) + 1)
        return raw[:at] + chance.choice(tokens) + raw[at:]

    return insert


def nesting(*pairs: tuple[bytes, bytes]) -> Mutator:
    """Returns a mutator that wraps a span into one of these pairs, up to 3,000 times."""

    def nest(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
        opening, closing = chance.choice(pairs)
        start, end = _span(chance, raw)
        depth = chance.choice((1, 1, 1, 2, 10, 100, 3_000))
        return raw[:start] + opening * depth + raw[start:end] + closing * chance.choice((depth, depth, 0)) + raw[end:]

    return nest


BINARY: tuple[Mutator, ...] = (flip_bits, set_bytes, truncate, delete, duplicate, splice, insert_span, row)
TEXT: tuple[Mutator, ...] = (*BINARY, swap_lines, unicode, unicode, number_at_limit, date_at_limit, another_word)

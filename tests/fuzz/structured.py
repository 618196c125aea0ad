"""Mutators that know a structure: JSON, JSON lines, forms, mails and requests stay well-formed and mean something else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.fuzz import mutators
from tests.fuzz.target import Mutator

__all__ = ["FORM", "JSON", "JSON_LINES", "MAIL", "body_of", "form", "json_value", "line_of", "mail_headers"]

_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30, 1e308, "", " ", "0", "\x00", "\ud800", "\u202e", "x" * 5_000,
    "a@b.example", "4111 1111 1111 1111", "2026-03-02T10:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", [], {}, [[]], [None], {"": {}}, ["x"] * 300,
    {"id": 1}, "=cmd|' /C calc'!A1", "../../etc/passwd", "ABCDEFGHIJKL-1", "<b>x</b>", "e\u0301" * 50, "\U0001f468\u200d\U0001f469",
]  # fmt: skip


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Lists each container with each of its keys, without recursion: an input may be nested deeply."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        items = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        for key, inner in items:
            found.append((each, key))
            waiting.append(inner)
    return found


def _load(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _donor(chance: Random, seeds: Sequence[bytes]) -> Any:
    """Returns a value out of another example, or one at a limit."""
    if chance.random() < 0.5:
        return chance.choice(_VALUES)
    found = _places(_load(chance.choice(seeds)), [])
    if not found:
        return chance.choice(_VALUES)
    container, key = chance.choice(found)
    return container[key]


def json_value(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Exchanges, removes, adds, renames or nests one value anywhere in a JSON document."""
    document = json.loads(json.dumps(_load(raw))) if len(raw) < 100_000 else None
    found = _places(document, [])
    if not found:
        return mutators.truncate(chance, raw, seeds)
    container, key = chance.choice(found)
    what = chance.randrange(7)
    if what <= 2:
        container[key] = _donor(chance, seeds)
    elif what == 3:
        del container[key]
    elif what == 4:
        depth = chance.choice((1, 2, 20, 400))
        for _ in range(depth):
            container[key] = [container[key]] if depth % 2 else {"type": container[key]}
    elif isinstance(container, dict):
        keys = [known for _, known in _places(_load(chance.choice(seeds)), []) if isinstance(known, str)]
        name = chance.choice(keys) if keys else "x"
        container[name] = container.pop(key) if what == 5 else _donor(chance, seeds)
    else:
        container += [container[key]] * chance.choice((1, 3, 200))
    try:
        return _dump(document)
    except RecursionError:
        return raw


def duplicate_key(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Writes a member twice, as no encoder does."""
    at = raw.rfind(b"}")
    names = [key for _, key in _places(_load(raw) if len(raw) < 100_000 else None, []) if isinstance(key, str)]
    if at < 1 or not names:
        return mutators.duplicate(chance, raw, seeds)
    member = b"," + _dump(chance.choice(names)) + b":" + _dump(chance.choice(_VALUES))
    return raw[:at] + member + raw[at:]


def line_of(*inner: Mutator) -> Mutator:
    """Returns a mutator that breaks one line, repeats it, moves it, or puts in one of another example."""

    def mutate(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
        lines = raw.split(b"\n")
        at = chance.randrange(len(lines))
        what = chance.randrange(6)
        if what <= 2:
            donors = [line for seed in (chance.choice(seeds), raw) for line in seed.split(b"\n")]
            lines[at] = chance.choice(inner)(chance, lines[at], donors)
        elif what == 3:
            lines.insert(at, chance.choice(chance.choice(seeds).split(b"\n")))
        elif what == 4:
            lines[at:at] = [chance.choice(lines)] * chance.choice((1, 1, 5))
        else:
            lines.append(lines.pop(at))
        return b"\n".join(lines)

    return mutate


def form(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Changes a form-encoded body field by field."""
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True)
    except (ValueError, UnicodeDecodeError):
        pairs = []
    if not pairs:
        return mutators.another_word(chance, raw, seeds)
    at = chance.randrange(len(pairs))
    name, value = pairs[at]
    what = chance.randrange(5)
    if what == 0:
        del pairs[at]
    elif what == 1:
        pairs += [(name, chance.choice(pairs)[1])] * chance.choice((1, 2, 300))
    else:
        text = (
            str(_donor(chance, seeds)) if what < 4 else value + mutators.unicode(chance, b"", seeds).decode("latin-1")
        )
        pairs[at] = (name, text.encode("utf-8", "replace").decode())
    return urlencode(pairs).encode()


def mail_headers(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Exchanges, repeats or removes header lines, or takes all of another example."""
    head, separator, body = raw.partition(b"\n\n" if b"\n\n" in raw else b"\r\n\r\n")
    other, _, _ = chance.choice(seeds).partition(b"\n\n")
    lines = head.split(b"\n")
    what, at = chance.randrange(5), chance.randrange(len(lines))
    if what == 0:
        lines[at] = chance.choice(other.split(b"\n"))
    elif what == 1:
        lines.insert(at, chance.choice(other.split(b"\n")))
    elif what == 2:
        del lines[at]
    elif what == 3:
        lines[at] = chance.choice(mutators.TEXT)(chance, lines[at], [other])
    else:
        return other + separator + body
    return b"\n".join(lines) + separator + body


def wrap_mail(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
    """Makes the whole mail a part of another one, up to forty times."""
    kind = chance.choice(
        (
            b"message/rfc822",
            b"text/plain; charset=gb18030",
            b"application/ms-tnef",
            b"text/html",
            b"text/calendar",
            b"multipart/mixed; boundary=m",
        )
    )
    for number in range(chance.choice((1, 1, 2, 40))):
        boundary = b"W%d" % number
        raw = (
            b"From: o@o.example\nContent-Type: multipart/mixed; boundary=%s\n\n--%s\nContent-Type: %s\n\n%s\n--%s--\n"
            % (boundary, boundary, kind, raw, boundary)
        )
    return raw


def body_of(*inner: Mutator) -> Mutator:
    """Returns a mutator of the body of a request: what follows the first blank line."""

    def mutate(chance: Random, raw: bytes, seeds: Sequence[bytes]) -> bytes:
        head, separator, body = raw.partition(b"\n\n")
        bodies = [seed.partition(b"\n\n")[2] for seed in seeds]
        return head + separator + chance.choice(inner)(chance, body, bodies)

    return mutate


_JSON_NESTS = mutators.nesting((b"[", b"]"), (b'{"a":', b"}"))
JSON: tuple[Mutator, ...] = (*mutators.TEXT, *[json_value] * 30, duplicate_key, _JSON_NESTS)
JSON_LINES: tuple[Mutator, ...] = (*mutators.TEXT[:8], *[line_of(*JSON)] * 12)
FORM: tuple[Mutator, ...] = (*mutators.TEXT, *[form] * 8)
MAIL: tuple[Mutator, ...] = (*mutators.TEXT, *[mail_headers] * 6, wrap_mail)

"""Splits an insert from its inline data, and refuses more than one statement, as ClickHouse's HTTP interface does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.local.engine_errors import SYNTAX_ERROR, EngineError

__all__ = ["Insert", "parse_insert", "require_one_statement", "tokens"]

_INSERT = re.compile(rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*INSERT\s+INTO\b", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    rb"--[^\n]*(?:\n|\Z)|#[ !][^\n]*(?:\n|\Z)|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
    rb"|\xe2\x80\x98.*?\xe2\x80\x99|\xe2\x80\x9c.*?\xe2\x80\x9d|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|\w+|[()]|[^\w()'`\"]",
    re.DOTALL,
)
_NAME = re.compile(rb"\s*(\w+)[ \t]*(?:\r?\n)?")


@dataclass(frozen=True, slots=True)
class Insert:
    """An `INSERT INTO table (columns) FORMAT name`; its data begins at `data_at`. `statement` lacks the FORMAT clause."""

    statement: str
    format: str
    data_at: int


def tokens(sql: bytes) -> Iterator[bytes]:
    """Yields the words, quoted names, texts and signs of a statement, without comments and white space."""
    for token in _TOKEN.finditer(sql):
        word = token[0]
        if not word.isspace() and not word.startswith((b"--", b"/*", b"# ", b"#!")):
            yield word


def parse_insert(sql: bytes) -> Insert | None:
    """Returns the insert whose data follows inline; None for other statements, INSERT SELECT and VALUES included."""
    start = _INSERT.match(sql)
    if not start:
        return None
    depth = 0
    for token in _TOKEN.finditer(sql, start.end()):
        word = token[0]
        if word == b"(":
            depth += 1
        elif word == b")":
            depth -= 1
        elif depth == 0 and word.isalpha():
            keyword = word.upper()
            if keyword in (b"SELECT", b"VALUES", b"WITH", b"FROM", b"WATCH"):
                return None
            if keyword == b"FORMAT" and (name := _NAME.match(sql, token.end())):
                return Insert(sql[: token.start()].decode(), name[1].decode(), name.end())
    return None


def require_one_statement(sql: bytes) -> None:
    """Refuses several statements, which chdb would run and ClickHouse's HTTP interface refuses.

    Raises:
        EngineError: there is no statement, or a second one follows.
    """
    if not sql.strip():
        raise EngineError(
            "Syntax error: failed at position 1 (end of query): Empty query. (SYNTAX_ERROR)", SYNTAX_ERROR
        )
    if b";" not in sql.rstrip(b"; \t\r\n"):
        return
    ended = False
    for token in _TOKEN.finditer(sql):
        word = token[0]
        if word == b";":
            ended = True
        elif ended and not word.isspace() and not word.startswith((b"--", b"/*")):
            raise EngineError("Syntax error: Multi-statements are not allowed. (SYNTAX_ERROR)", SYNTAX_ERROR)

"""Holds an export until it is sorted, in a private database file that no crash leaves behind.

SQLite keeps it in memory while it is small and in an unlinked temporary file beyond that. First the parts of tickets,
as the files hold them, then the events and dead letters, in the order of their times.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from schemas.errors import Refused

__all__ = ["Outgoing", "Part", "Spool"]

_BATCH = 5_000


class Part(NamedTuple):
    """A part of a ticket: what it is, whose, where it was found."""

    kind: str
    owner: str
    place: str
    record: int
    body: bytes


class Outgoing(NamedTuple):
    """An event (`value` is its encoded record) or, with a `reason`, a dead letter (`value` are its raw bytes)."""

    at: int
    tag: str
    place: str
    record: int
    own_id: str
    reason: str
    detail: str
    total_bytes: int
    value: bytes

    @property
    def refused(self) -> Refused | None:
        """The reason why this is a dead letter, None for an event."""
        return Refused(self.reason, self.detail) if self.reason else None


class Spool:
    """Takes parts, gives tickets; takes events, gives them back in the order of their times."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute(
            "CREATE TABLE part (seq INTEGER PRIMARY KEY, kind TEXT, owner TEXT, place TEXT, record INTEGER, body BLOB)"
        )
        self._db.execute(
            "CREATE TABLE outgoing (seq INTEGER PRIMARY KEY, at INTEGER, tag TEXT, place TEXT, record INTEGER,"
            " own_id TEXT, reason TEXT, detail TEXT, total_bytes INTEGER, value BLOB)"
        )
        self._parts: list[Part] = []
        self._outgoing: list[Outgoing] = []
        self.person = lru_cache(maxsize=100_000)(self._person)

    def close(self) -> None:
        """Closes and thereby removes the database."""
        self._db.close()

    # -- parts --------------------------------------------------------------------------------------------------

    def put_part(self, part: Part) -> None:
        """Adds a part of a ticket, or a person."""
        if not (part.owner.isascii() and part.place.isascii()):
            part = part._replace(owner=_storable(part.owner), place=_storable(part.place))
        self._parts.append(part)
        if len(self._parts) >= _BATCH:
            self._flush()

    def tickets(self) -> Iterator[tuple[str, list[Part]]]:
        """Yields `(id, its parts)`, in the order in which the parts were put."""
        self._flush()
        self._db.execute("CREATE INDEX part_owner ON part (owner, kind)")
        rows = self._db.execute(
            "SELECT kind, owner, place, record, body FROM part WHERE kind != 'person' ORDER BY owner, seq"
        )
        for owner, found in groupby(map(Part._make, rows), key=lambda part: part.owner):
            yield owner, list(found)

    def count_tickets(self) -> int:
        """Returns the number of tickets that have a part."""
        self._flush()
        return int(self._db.execute("SELECT count(DISTINCT owner) FROM part WHERE kind != 'person'").fetchone()[0])

    def _person(self, own_id: str) -> Mapping[str, Any] | None:
        rows = self._db.execute(
            "SELECT body FROM part WHERE owner = ? AND kind = 'person' ORDER BY seq", (_storable(own_id),)
        )
        found: dict[str, Any] = {}
        for (body,) in rows:
            found.update(msgspec.json.decode(body))
        return found or None

    # -- events -------------------------------------------------------------------------------------------------

    def put(self, outgoing: Outgoing) -> None:
        """Adds an event or a dead letter."""
        self._outgoing.append(outgoing)
        if len(self._outgoing) >= _BATCH:
            self._flush()

    def count(self) -> int:
        """Returns the number of events and dead letters."""
        self._flush()
        return int(self._db.execute("SELECT count(*) FROM outgoing").fetchone()[0])

    def in_order(self, leave_out: int = 0) -> Iterator[Outgoing]:
        """Yields all by time, then in the order of putting, without the first `leave_out`."""
        self._flush()
        rows = self._db.execute(
            "SELECT at, tag, place, record, own_id, reason, detail, total_bytes, value FROM outgoing"
            " ORDER BY at, seq LIMIT -1 OFFSET ?",
            (leave_out,),
        )
        yield from map(Outgoing._make, rows)

    def _flush(self) -> None:
        db = self._db
        db.execute("BEGIN")
        if self._parts:
            db.executemany("INSERT INTO part (kind, owner, place, record, body) VALUES (?, ?, ?, ?, ?)", self._parts)
        if self._outgoing:
            db.executemany(
                "INSERT INTO outgoing (at, tag, place, record, own_id, reason, detail, total_bytes, value)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_stored, self._outgoing),
            )
        db.execute("COMMIT")
        self._parts.clear()
        self._outgoing.clear()


def _stored(outgoing: Outgoing) -> Outgoing:
    """Returns what is stored of it. An event has no text of a stranger beside its record; a dead letter quotes some."""
    if not outgoing.reason:
        return outgoing
    return outgoing._replace(
        place=_storable(outgoing.place), own_id=_storable(outgoing.own_id), detail=_storable(outgoing.detail)
    )


def _storable(text: str) -> str:
    """Returns the text without lone surrogates, which names of files and broken characters in them are read as."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()

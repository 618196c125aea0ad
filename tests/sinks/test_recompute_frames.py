"""What the sink of a recomputation makes of the command's span and of the frames that it reads, without a server."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest

from schemas import codec
from schemas.errors import ConfigurationError
from schemas.facts import ClockFact, TagFact
from sinks.clickhouse import recompute
from tests.support.records import example


def test_a_span_is_a_condition_on_when_tickets_were_created() -> None:
    begins, ends = "2026-03-02T10:00:00Z", "2026-03-02T11:00:00+01:00"
    since = "created_at >= fromUnixTimestamp64Micro(1772445600000000, 'UTC')"
    until = "created_at < fromUnixTimestamp64Micro(1772445600000000, 'UTC')"
    assert recompute._span("", "") == "1"
    assert recompute._span(begins, "") == since
    assert recompute._span("", ends) == until
    assert recompute._span(begins, ends) == f"{since} AND {until}"


@pytest.mark.parametrize(
    ("begins", "ends", "where", "told"),
    [
        ("yesterday", "", "--from", "'yesterday' is no time"),
        ("", "2026-03-02T10:00:00", "--to", "names no time zone"),
    ],
)
def test_a_span_that_cannot_be_meant_names_its_option(begins: str, ends: str, where: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        recompute._span(begins, ends)
    assert raised.value.where == where


class Client:
    """Notes what is inserted."""

    def __init__(self) -> None:
        self.inserted: list[tuple[str, list[Any], Any]] = []
        self.blocks: list[tuple[str, int]] = []

    def insert(self, table: str, rows: list[Any], *, column_names: Any) -> None:
        self.inserted.append((table, rows, column_names))

    def raw_insert(self, table: str, columns: Any, block: Any, *, settings: Any, fmt: str) -> None:
        assert fmt == "Avro"
        records = list(fastavro.reader(io.BytesIO(b"".join(block) if not isinstance(block, bytes) else block)))
        assert all(set(record) == set(columns) for record in records)
        self.blocks.append((table, len(records)))


SUMMARY = {"rules": "r1", "policies": "p1", "until": 1_772_445_600_000_000, "events": 9, "facts": 7,
           "refused": {"undecodable": 1}, "cut": 2}  # fmt: skip


def frame(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def test_facts_go_into_their_tables_by_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "_BLOCK_RECORDS", 2)
    tag, clock = frame(codec.encode(example(TagFact))), frame(codec.encode(example(ClockFact)))
    told = tag + clock + tag + frame(b"\xc3\x01 a fact without a table") + tag
    tables = [recompute.shapes()[codec.encode(example(kind))[:10]].table.name for kind in (TagFact, ClockFact)]
    client = Client()
    pipe = io.BytesIO(told + bytes(4) + json.dumps(SUMMARY).encode())
    assert recompute._fill(client, pipe) is True  # type: ignore[arg-type]
    assert (client.blocks[0], sorted(client.blocks[1:])) == ((tables[0], 2), sorted((name, 1) for name in tables))
    assert len(client.inserted) == 1


def test_a_pipe_that_breaks_off_has_no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    pipe = io.BytesIO(frame(codec.encode(example(TagFact))) + b"\x00\x00")
    assert recompute._fill(client, pipe) is False  # type: ignore[arg-type]
    assert (client.blocks, client.inserted) == ([], [])


def test_the_summary_is_the_row_of_a_run() -> None:
    client = Client()
    recompute._conclude(client, SUMMARY)  # type: ignore[arg-type]
    [(table, [row], columns)] = client.inserted
    assert (table, columns) == ("recompute_run", ("rules", "policies", "until", "events", "facts", "refused", "cut"))
    assert row == ["r1", "p1", datetime(2026, 3, 2, 10, tzinfo=UTC), 9, 7, {"undecodable": 1}, 2]

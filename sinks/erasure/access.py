"""Gives a person all that is stored of them as one archive: what they wrote and what came of it, as JSON and as a page to read."""

from __future__ import annotations

import html
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.clock import MICROS, from_micros
from schemas.codec import decode, snake
from schemas.dead_letter import reader
from schemas.errors import CodecError, ConfigurationError
from schemas.settings import SinkSettings
from schemas.topics import CONTACT_EVENTS
from sinks.clickhouse import connection
from sinks.erasure import files, request, tables
from sinks.erasure.log import Found, LogScan, scan
from sinks.erasure.person import Person

__all__ = ["export"]

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap}"
    "td,th{text-align:left;padding:.2rem .6rem;vertical-align:top}"
)
_TEXTS = ("subject", "text", "transcript", "comment", "question", "answer")


async def export(settings: SinkSettings, person: Person, to: Path) -> list[str]:
    """Writes the archive; returns a line for each part of it. The file is there whole or not at all.

    Raises:
        ConfigurationError: the file cannot be written.
        Unavailable: Kafka or ClickHouse does not answer.
    """
    person = request.joined(person, await request.requests(settings))
    log = await scan(settings, person)
    log = await scan(settings, log.learned)
    records = await _records(settings, log)
    client = connection.connect(settings)
    owned = (table for table, owned in tables.tables(client).items() if owned)
    rows = {table: found for table in owned if (found := _rows(client, table, log.learned))}
    attachments = files.attachments(settings, log.learned)
    draft = to.with_name(f".{to.name}.part")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("index.html", _page(settings, log.learned, records, rows, attachments))
            archive.writestr("records.json", _json(records))
            for table, found in rows.items():
                archive.writestr(f"tables/{table}.json", _json(found))
            for name, data in attachments:
                archive.writestr(f"attachments/{name}", data)
        draft.replace(to)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigurationError(f"{to}: {error.strerror}", where="--to") from error
    return [
        f"{len(records)} records of {len({each['topic'] for each in records})} topics",
        *(f"{len(found)} rows of {table}" for table, found in rows.items()),
        f"{len(attachments)} attachments",
    ]


async def _records(settings: SinkSettings, log: LogScan) -> list[dict[str, Any]]:
    """Returns the records that a scan found, decoded where they are ours."""
    wanted = {(each.topic, each.partition, each.offset) for each in _newest(log)}
    found = []
    async with reader.reader(settings) as consumer:
        places = await reader.spans(consumer, {topic for topic, _, _ in wanted})
        async for record in reader.records(consumer, places):
            if (record.topic, record.partition, record.offset) in wanted:
                at = from_micros(record.timestamp * 1000).isoformat()
                place = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "stored_at": at}
                found.append(place | _content(record.value))
    return sorted(found, key=lambda each: (str(each.get("occurred_at", each.get("at", ""))), each["offset"]))


def _newest(log: LogScan) -> Iterable[Found]:
    return [*log.theirs, *log.states.values()]


def _content(value: bytes) -> dict[str, Any]:
    try:
        record = decode(value)
    except CodecError:
        return {"kind": "bytes", "content": value.decode("utf-8", "backslashreplace")}
    fields = msgspec.to_builtins(record)
    return {"kind": snake(type(record).__name__)} | {name: _readable(name, value) for name, value in fields.items()}


def _readable(name: str, value: Any) -> Any:
    if name.endswith("_at") or name == "at":
        return from_micros(value).isoformat() if isinstance(value, int) and abs(value) > MICROS else value
    return value


def _rows(client: Client, table: str, person: Person) -> list[Mapping[str, Any]]:
    sql = f"SELECT * FROM `{table}` WHERE customer_tag IN {{tags:Array(String)}}"  # noqa: S608 - ClickHouse's own name
    return list(client.query(sql, parameters={"tags": sorted(person.tags)}).named_results())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=_as_text)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _page(
    settings: SinkSettings,
    person: Person,
    records: list[dict[str, Any]],
    rows: Mapping[str, list[Mapping[str, Any]]],
    attachments: list[tuple[str, bytes]],
) -> str:
    log = settings.topic(CONTACT_EVENTS)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>What is stored of you</title>",
        f"<style>{_STYLE}</style><h1>What is stored of you</h1>",
        f"<p>You are known here as {', '.join(map(html.escape, sorted(person.words | person.names | person.tags)))}.</p>",
        f"<p>Everything is in this archive: <code>records.json</code> ({len(records)} records), "
        f"<code>tables/</code> ({sum(map(len, rows.values()))} rows), <code>attachments/</code> ({len(attachments)} files). "
        "Times are UTC.</p><h2>What you wrote and what was done</h2><table>",
    ]
    for each in records:
        if each["topic"] == log:
            words = "\n".join(str(each[name]) for name in _TEXTS if each.get(name))
            cells = str(each.get("occurred_at", ""))[:19], each["kind"].replace("_", " "), each.get("channel", "")
            shown = "".join(f"<td>{html.escape(str(cell))}" for cell in cells)
            parts.append(f"<tr>{shown}<td><pre>{html.escape(words)}</pre>")
    parts.append("</table><h2>Tables</h2><ul>")
    parts += [f"<li><a href='tables/{table}.json'>{table}</a>: {len(found)} rows" for table, found in rows.items()]
    parts.append("</ul><h2>Attachments</h2><ul>")
    parts += [f"<li><a href='attachments/{html.escape(name)}'>{html.escape(name)}</a>" for name, _ in attachments]
    return "\n".join((*parts, "</ul></html>\n"))

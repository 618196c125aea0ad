"""Reads the files of an export: their format, and their records one by one.

JSON comes as one object a line, as one array, or as one page (an object); CSV with a head line; mail as mbox. An array
or page is read as a whole, so a large export should have one object a line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from producers.channels import generic, generic_fields
from producers.imports import jsonl
from producers.imports.formats import chatwoot, freshdesk, zendesk
from producers.sources import files
from schemas.errors import ConfigurationError, Refused

__all__ = ["FORMATS", "Record", "detect", "digest", "found_at", "records"]

#: What `--format` takes beside `auto`.
FORMATS = ("jsonl", "mbox", "zendesk", "freshdesk", "chatwoot")
_SUFFIXES = {".json", ".jsonl", ".ndjson", ".csv", ".mbox", ""}
_RECOGNISERS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "zendesk": zendesk.recognises,
    "freshdesk": freshdesk.recognises,
    "chatwoot": chatwoot.recognises,
}
#: A document beyond this is not read as a whole.
_MOST_WHOLE_BYTES = 1_000_000_000
_LOOKED_AT = 20
#: The library's own limit of 131,072 is less than a long mail.
_MOST_FIELD_CHARACTERS = 25_000_000


@dataclass(frozen=True)
class Record:
    """One record of a file: `number` from 1; either its `value` (an object, or a mail's bytes) or why it is refused."""

    number: int
    raw: bytes
    value: Any = None
    refused: Refused | None = None
    total_bytes: int = 0


def found_at(path: Path) -> list[Path]:
    """Returns the files to read: the file itself, or all of a folder in the order of their names.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        path.stat()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
        found = [each for each in found if each.suffix.lower() in _SUFFIXES]
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise ConfigurationError("there is nothing to import", where=str(path), fix="give a file, or a folder of files")
    return found


def detect(path: Path) -> str:
    """Returns the format of the files at `path`, found in their first records.

    Raises:
        ConfigurationError: nothing in it says what it is.
    """
    for each in found_at(path):
        if _is_mbox(each):
            return "mbox"
        for place, record in enumerate(records(each, max_bytes=files_limit(each))):
            if isinstance(record.value, Mapping) and (known := _format_of(record.value)):
                return known
            if place >= _LOOKED_AT:
                break
    raise ConfigurationError(
        "its records are of no format that we know", where=str(path), fix=f"say --format {'|'.join(FORMATS)}"
    )


def files_limit(path: Path) -> int:
    """Reads records only to look at them: no record is too long."""
    return max(1, path.stat().st_size)


def _format_of(record: Mapping[str, Any]) -> str:
    kind = record.get("type")
    if (
        "occurred_at" in record
        and isinstance(kind, str)
        and (kind in generic_fields.KINDS or kind in generic_fields.ALIASES)
    ):
        return "jsonl"
    return next((name for name, recognises in _RECOGNISERS.items() if recognises(record)), "")


def _is_mbox(path: Path) -> bool:
    with _opened(path) as file:
        return path.suffix.lower() == ".mbox" or file.read(5) == b"From "


def digest(paths: list[Path], advance: Callable[[int], None] = lambda _: None) -> str:
    """Returns the digest of all files: the same digest is the same export."""
    state = blake2b(digest_size=16)
    for path in paths:
        state.update(f"{path.name}:{path.stat().st_size}\n".encode())
        with _opened(path) as file:
            while chunk := file.read(1 << 20):
                state.update(chunk)
                advance(len(chunk))
    return state.hexdigest()


def records(
    path: Path, *, max_bytes: int, kind: str = "", advance: Callable[[int], None] = lambda _: None
) -> Iterator[Record]:
    """Yields every record of a file; `advance` hears how many bytes were read.

    Raises:
        ConfigurationError: it cannot be read, or is too large to be read as a whole.
    """
    if kind == "mbox" or (not kind and _is_mbox(path)):
        yield from _mails(path, max_bytes, advance)
    elif path.suffix.lower() == ".csv":
        yield from _rows(path, advance)
    elif kind == "jsonl" or not _is_document(path):
        yield from _lines(path, max_bytes, advance)
    else:
        yield from _document(path, advance)


def _mails(path: Path, max_bytes: int, advance: Callable[[int], None]) -> Iterator[Record]:
    before = 0
    for number, mail in enumerate(files.Mbox(path, max_bytes).waiting(settled_only=False), start=1):
        advance(mail.end - before)
        before = mail.end
        yield Record(number, mail.raw, mail.raw, mail.refused, mail.total_bytes)


def _rows(path: Path, advance: Callable[[int], None]) -> Iterator[Record]:
    with _opened(path) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline=""))
        size, before = path.stat().st_size, 0
        csv.field_size_limit(_MOST_FIELD_CHARACTERS)
        for number in count(1):
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:  # the next line is another row
                yield Record(number, b"", refused=Refused("bad_csv", f"line {rows.line_num}: {error}"))
                continue
            value = {str(name): found for name, found in row.items() if name is not None}
            now = min(size, file.tell())
            advance(now - before)
            before = now
            yield Record(number, msgspec.json.encode(value), value)


def _lines(path: Path, max_bytes: int, advance: Callable[[int], None]) -> Iterator[Record]:
    with _opened(path) as file:
        for line in jsonl.lines(file, max_bytes, advance):
            if line is None:
                continue
            if line.total_bytes > max_bytes:
                problem = Refused("too_large", f"the record has {line.total_bytes} bytes, the limit is {max_bytes}")
                yield Record(line.number, line.raw, None, problem, line.total_bytes)
            else:
                yield _parsed(line.number, line.raw)


def _parsed(number: int, raw: bytes) -> Record:
    try:
        return Record(number, raw, generic.parse(raw.strip().removeprefix(b"\xef\xbb\xbf")))
    except Refused as error:
        return Record(number, raw, refused=error)


def _is_document(path: Path) -> bool:
    """Says if a file is one array or one object over several lines, rather than one object a line."""
    with _opened(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith(b"["):
            return True
        if not start.startswith(b"{"):
            return False
        file.seek(0)
        first = file.readline(_MOST_WHOLE_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        msgspec.json.decode(first)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return start.split(b"\n", 1)[0].strip() in (b"{", b"") or _decodes(path)
    return False


def _decodes(path: Path) -> bool:
    """Decides about a first line that is no object: a page over several lines, or lines of which the first is broken."""
    if path.stat().st_size > _MOST_WHOLE_BYTES:
        return False
    try:
        msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True


def _document(path: Path, advance: Callable[[int], None]) -> Iterator[Record]:
    size = path.stat().st_size
    if size > _MOST_WHOLE_BYTES:
        raise ConfigurationError(
            f"has {size} bytes as one document", where=str(path), fix="write one object a line: jq -c '.[]'"
        )
    raw = path.read_bytes()
    try:
        value = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        yield Record(1, raw, refused=Refused("bad_json", str(error)[:300]), total_bytes=size)
        return
    finally:
        advance(size)
    for number, each in enumerate(value if isinstance(value, list) else [value], start=1):
        if isinstance(each, Mapping):
            yield Record(number, b"", each)
        else:
            problem = Refused("bad_json", f"an object is expected, not {type(each).__name__}")
            yield Record(number, json.dumps(each).encode(), refused=problem)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=1 << 20)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error

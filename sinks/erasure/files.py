"""Removes a person's files: attachments, and lines of the files that sinks write; and looks into every file it can reach."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas import attachment_store
from schemas.settings import SinkSettings
from sinks.erasure.person import Person

__all__ = ["Files", "count_attachments", "erase_attachments", "erase_lines", "found", "line_files", "roots"]

_QUARANTINE = "quarantine/"
_CHUNK_BYTES = 1 << 20


class Files(NamedTuple):
    """Says what a search of files looked at, and which files hold something of the person."""

    looked: int
    looked_bytes: int
    holding: tuple[str, ...]


def roots(settings: SinkSettings, more: Iterable[Path] = ()) -> list[Path]:
    """Returns the folders that the sinks write to, and `more` that are given: of producers and workers, say."""
    ours = (settings.outbox_dir, settings.delivery_sent_log_dir, *more)
    return [each for each in dict.fromkeys(ours) if each is not None and each.exists()]


def erase_attachments(settings: SinkSettings, person: Person) -> int:
    """Removes the folder of each tag from the attachment store, quarantine included; returns how many files went."""
    count = 0
    for files, folder in _folders(settings, person):
        count += len(files.find(folder))
        files.rm(folder, recursive=True)
    return count


def _folders(settings: SinkSettings, person: Person) -> Iterator[tuple[Any, str]]:
    if not settings.attachments_url:
        return
    files, root = attachment_store.opened(settings.attachments_url)
    for tag in sorted(person.tags):
        for place in ("", _QUARANTINE):
            if files.exists(folder := f"{root}/{place}{tag}"):
                yield files, folder


def count_attachments(settings: SinkSettings, person: Person) -> int:
    """Counts the person's attachments, without reading them."""
    return sum(len(files.find(folder)) for files, folder in _folders(settings, person))


def attachments(settings: SinkSettings, person: Person) -> list[tuple[str, bytes]]:
    """Returns the person's attachments: `(tag/digest, bytes)`."""
    return [
        ("/".join(str(path).rsplit("/", 2)[-2:]), bytes(files.cat_file(path)))
        for files, folder in _folders(settings, person)
        for path in files.find(folder)
    ]


def line_files(settings: SinkSettings) -> list[Path]:
    """Returns the files of one message per line that sinks append to."""
    return sorted(path for root in roots(settings) for path in root.rglob("*.jsonl"))


def erase_lines(paths: Iterable[Path], person: Person) -> int:
    """Overwrites each line that tells of the person with spaces; returns how many lines.

    The files stay where they are and as long as they are: other processes append to them meanwhile.
    """
    pattern, count = person.pattern(), 0
    for path in paths:
        with path.open("r+b") as file:
            position = 0
            for line in file.read().splitlines(keepends=True):
                if pattern.search(line):
                    os.pwrite(file.fileno(), b" " * len(line.rstrip(b"\r\n")), position)
                    count += 1
                position += len(line)
            os.fsync(file.fileno())
    return count


def found(folders: Iterable[Path], person: Person) -> Files:
    """Searches the name and every byte of every file below these folders."""
    pattern, looked, size, holding = person.pattern(), 0, 0, []
    overlap = max((len(each.encode()) for each in (*person.tags, *person.words)), default=0)
    for path in sorted(path for root in folders for path in root.rglob("*") if path.is_file()):
        looked += 1
        before, hit = b"", bool(pattern.search(str(path).encode("utf-8", "surrogateescape")))
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    size += len(chunk)
                    hit = hit or bool(pattern.search(before + chunk))
                    before = chunk[-overlap:] if overlap else b""
        except FileNotFoundError:  # it was closed and merged meanwhile
            continue
        if hit:
            holding.append(str(path))
    return Files(looked, size, tuple(holding))

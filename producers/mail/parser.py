"""Finds the parts of a mail as the standard library's parser does, in time and memory linear in its bytes.

The library splits a mail into lines, keeps each as an object, and compares each with every boundary that is open: a
mail of blank lines or of nested boundaries costs it hundreds of times what the mail is. This one works on offsets, and
looks only at header lines and at lines that begin with `--`. What is found stands in the library's own tree.

The limits are on what costs time per piece. They are counted while the mail is read, so that nothing is built first:

| limit                     | of one mail                                                                     |
|---------------------------|---------------------------------------------------------------------------------|
| `MAX_PARTS`               | parts, attached mails and blocks of delivery reports, itself included            |
| `MAX_DEPTH`               | parts inside of each other                                                       |
| `MAX_HEADERS`             | lines of headers, those of the parts included                                    |
| `MAX_HEADER_BYTES`        | bytes of headers, those of the parts included                                    |
| `MAX_BOUNDARY_LINES`      | lines that begin with `--`, if it has parts                                      |
| `MAX_PARAMETER_WORK`      | sum of the squared lengths of Content-Type and Content-Disposition               |
"""

from __future__ import annotations

import re

from producers.mail.entity import Entity
from schemas.errors import Refused

__all__ = [
    "MAX_BOUNDARY_LINES",
    "MAX_DEPTH",
    "MAX_HEADERS",
    "MAX_HEADER_BYTES",
    "MAX_PARAMETER_WORK",
    "MAX_PARTS",
    "Entity",
    "Reader",
    "boundary_of",
    "read_entity",
    "read_headers",
]

MAX_PARTS = 5_000
MAX_DEPTH = 100
MAX_HEADERS = 20_000
MAX_HEADER_BYTES = 2_000_000
MAX_BOUNDARY_LINES = 100_000
#: The library's parser of parameters needs quadratic time in their length.
MAX_PARAMETER_WORK = 100_000_000

_HEADER = re.compile(rb"(?:From |[!-9;-~]*:|[\t ])")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
BLANK_LINES = frozenset((b"\n", b"\r\n", b"\r"))
_WHITE = b" \t\r\n"
#: A well-formed head with its blank line, of a bounded length: pieces that are read at once cost memory.
_WHOLE_HEAD = re.compile(rb"((?:[!-9;-~]++:[^\r\n]*+\r?\n(?:[ \t][^\r\n]*+\r?\n)*+)++)\r?\n")
_UNFOLDED, _UNFOLDED_CRLF = re.compile(r"\n(?![ \t])"), re.compile(r"\r?\n(?![ \t])")
_MAX_WHOLE_HEAD = 50_000
_WITH_PARAMETERS = frozenset(("content-type", "content-disposition"))


def read_entity(raw: bytes) -> Entity:
    """Returns the tree of parts of a mail, or of one part.

    Raises:
        Refused: `too_costly`, or `undecodable_mime` when its parts are nested without end.
    """
    return Reader(raw).entity(0, None, is_mail=True)


def read_headers(raw: bytes) -> Entity:
    """Returns the headers alone; raises as `read_entity`."""
    entity = Entity(raw)
    Reader(raw).headers(entity, is_mail=True)
    return entity


def headers_in(head: str) -> list[tuple[str, str]]:
    """Returns name and value of each header of a well-formed head, which ends with the end of its last line."""
    lines = (_UNFOLDED_CRLF if "\r" in head else _UNFOLDED).split(head)
    lines.pop()
    return [(name, value.lstrip(" \t")) for name, _, value in [line.partition(":") for line in lines]]


def too_costly(what: str, most: int) -> Refused:
    """Returns the refusal of a mail that would cost more to parse than it may."""
    return Refused("too_costly", f"the mail has more than {most} {what}")


class Reader:
    """Reads one mail from its first byte to its last. `at` is the offset of the next line."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0
        self._parts = self._header_lines = self._header_bytes = self._parameter_work = 0
        #: Boundaries that end the part being read.
        self.open: set[bytes] = set()
        #: Offsets of the lines that begin with `--`; those before the cursor lie behind `at`, or end no part.
        self._dashes: list[int] | None = None
        self._cursor = 0
        #: The part whose last line end belongs to the boundary below it.
        self.last = Entity(raw)

    def entity(self, depth: int, default_type: str | None, *, is_mail: bool = False) -> Entity:
        """Reads headers and body of one part or mail, up to an open boundary or the end."""
        if depth > MAX_DEPTH:
            raise Refused("undecodable_mime", f"its parts are nested without end: deeper than {MAX_DEPTH}")
        entity = self._new()
        if default_type is not None:
            entity.set_default_type(default_type)
        self.headers(entity, is_mail=is_mail)
        entity.body_start = self.at
        kind = entity.get_content_type()
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            self._status_blocks(entity)
        elif kind.startswith("message/"):
            entity.attach(self.entity(depth + 1, None, is_mail=True))
        elif kind.startswith("multipart/"):
            self.multipart(entity, kind, depth)
        else:
            self.at = self.boundary_below()
        entity.body_end = entity.body_end or self.at
        return entity

    def _new(self) -> Entity:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise too_costly("parts", MAX_PARTS)
        self.last = Entity(self.raw)
        return self.last

    # headers

    def headers(self, entity: Entity, *, is_mail: bool) -> None:
        """Reads header lines and the blank line below them; a line that is neither is the first of the body."""
        if self._whole_head(entity):
            return
        lines: list[bytes] = []
        line = self.head(lines, is_mail=is_mail)
        if len(lines) > 1 and lines[-1].startswith(b"From "):  # it is the first line of the body
            self.at -= len(lines.pop())
        elif line in BLANK_LINES:
            self.at += len(line)
        self._keep_all(entity, lines)

    def _whole_head(self, entity: Entity) -> bool:
        """Reads a head that is well-formed, as nearly all are, at once; returns false for any other."""
        found = _WHOLE_HEAD.match(self.raw, self.at, self.at + _MAX_WHOLE_HEAD)
        if found is None or b"\n--" in found[1] or found[1].startswith(b"--"):
            return False
        if self.is_doubtful(self.at, found.end()):
            return False
        headers = headers_in(found[1].decode("ascii", "surrogateescape"))
        with_parameters = [
            (name, value) for name, value in headers if name[0] in "Cc" and name.lower() in _WITH_PARAMETERS
        ]
        if not all(self.is_well_formed(name, value) for name, value in with_parameters):
            return False
        entity.set_all_raw(headers)
        self.at = found.end()
        self._count(found[1].count(b"\n"), len(found[1]))
        for _, value in with_parameters:
            self._count_parameters(value)
        return True

    def is_well_formed(self, name: str, value: str) -> bool:
        """Returns true when a header with parameters needs no mending: always, in a mail that is read as it stands."""
        return True

    def is_doubtful(self, begins: int, at: int) -> bool:
        """Returns true when a head up to there may end elsewhere: never, in a mail that is read as it stands."""
        return False

    def head(self, lines: list[bytes], *, is_mail: bool) -> bytes:
        """Reads header lines into `lines`. Returns the line below them."""
        while (line := self.line()) and _HEADER.match(line):
            lines.append(line)
            self.take_header(line)
        return line

    def take_header(self, line: bytes) -> None:
        """Steps over a line of headers, and counts it."""
        self.at += len(line)
        self._count(1, len(line))

    def _count(self, lines: int, size: int) -> None:
        self._header_lines += lines
        self._header_bytes += size
        if self._header_lines > MAX_HEADERS:
            raise too_costly("lines of headers", MAX_HEADERS)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise too_costly("bytes of headers", MAX_HEADER_BYTES)

    def _keep_all(self, entity: Entity, lines: list[bytes]) -> None:
        folded: list[bytes] = []
        for line in lines:
            if line[0] not in b" \t":
                self._keep(entity, folded)
                folded = [] if line.startswith((b"From ", b":")) else [line]
            elif folded:
                folded.append(line)
        self._keep(entity, folded)

    def _keep(self, entity: Entity, folded: list[bytes]) -> None:
        if not folded:
            return
        name, _, value = b"".join(folded).decode("ascii", "surrogateescape").partition(":")
        value = value.lstrip(" \t").rstrip("\r\n")
        entity.set_raw(name, value)
        if name.lower() in _WITH_PARAMETERS:
            self._count_parameters(value)

    def _count_parameters(self, value: str) -> None:
        self._parameter_work += len(value) ** 2
        if self._parameter_work > MAX_PARAMETER_WORK:
            raise too_costly("characters of parameters", int(MAX_PARAMETER_WORK**0.5))

    def line(self) -> bytes:
        """Returns the next line with its end, cut where headers are too long; b"" at an open boundary and at the end."""
        found = _LINE.match(self.raw, self.at, self.at + MAX_HEADER_BYTES + 1)
        line = found[0] if found else b""
        return b"" if line.startswith(b"--") and self._ends_part(line) else line

    # boundaries

    def _ends_part(self, line: bytes) -> bool:
        words = line.rstrip(_WHITE)[2:]
        return words in self.open or (words.endswith(b"--") and words[:-2] in self.open)

    def boundary_below(self) -> int:
        """Returns the offset of the next line that is an open boundary, or of the end of the mail."""
        if not self.open:
            return len(self.raw)
        dashes = self._lines_with_dashes()
        while self._cursor < len(dashes):
            if (offset := dashes[self._cursor]) >= self.at and self._ends_part(self._line_at(offset)):
                return offset
            self._cursor += 1
        return len(self.raw)

    def _line_at(self, offset: int) -> bytes:
        found = _LINE.match(self.raw, offset)
        return found[0] if found else b""

    def _lines_with_dashes(self) -> list[int]:
        if self._dashes is None:
            offsets = [0] if self.raw.startswith(b"--") else []
            for mark in (b"\n--", b"\r--") if b"\r" in self.raw else (b"\n--",):
                at, first = -1, len(offsets)
                while (at := self.raw.find(mark, at + 1)) >= 0:
                    offsets.append(at + 1)
                    if len(offsets) - first > MAX_BOUNDARY_LINES:
                        raise too_costly("lines that begin with --", MAX_BOUNDARY_LINES)
            self._dashes = sorted(offsets)
        return self._dashes

    # bodies

    def _status_blocks(self, entity: Entity) -> None:
        """Reads blocks of fields with a blank line between them, each into a message of its own."""
        while True:
            block = self._new()
            lines: list[bytes] = []
            Reader.head(self, lines, is_mail=False)
            if len(lines) > 1 and lines[-1].startswith(b"From "):
                self.at -= len(lines.pop())
            self._keep_all(block, lines)
            block.body_start = self.at
            block.body_end = self.at = self._blank_line_below()
            entity.attach(block)
            self.at += len(self.line())
            if not self.line():
                return

    def _blank_line_below(self) -> int:
        end = self.boundary_below()
        while self.at < end and (line := self.line()) not in BLANK_LINES:
            self.at += len(line)
            self._header_lines += 1
            if self._header_lines > MAX_HEADERS:
                raise too_costly("lines of headers and reports", MAX_HEADERS)
        return min(self.at, end)

    def multipart(self, entity: Entity, kind: str, depth: int) -> None:
        """Reads the parts of a multipart; without a boundary of its own it has none, and its body is text."""
        boundary = boundary_of(entity)
        if boundary is None or boundary in self.open:
            self.at = self.boundary_below()
            return
        self.open.add(boundary)
        self.at = self.boundary_below()
        self.open.discard(boundary)
        if is_boundary(self.line(), boundary):
            if is_closing(self.line(), boundary):  # before any part
                entity.body_end = self.at
            else:
                self.parts_between(entity, boundary, depth, default_type_in(kind))
                self.last = entity
            self.at = self.boundary_below()

    def parts_between(self, entity: Entity, boundary: bytes, depth: int, default_type: str | None) -> None:
        """Reads the parts from the first boundary to the closing one, or to one of an outer multipart."""
        while is_boundary(line := self.line(), boundary):
            self.at += len(line)
            if is_closing(line, boundary):
                return
            while is_boundary(line := self.line(), boundary):  # several in a row count as one
                self.at += len(line)
            self.open.add(boundary)
            part = self.entity(depth + 1, default_type)
            self.open.discard(boundary)
            entity.attach(part)
            for last in {part, self.last}:
                if last.is_multipart() or last.get_content_maintype() != "multipart":
                    last.end_before_line_end()


def boundary_of(entity: Entity) -> bytes | None:
    """Returns the boundary of a multipart as it stands in the mail; None for one that cannot stand there."""
    boundary = entity.get_boundary()
    try:
        return None if boundary is None else boundary.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return None


def is_boundary(line: bytes, boundary: bytes) -> bool:
    """Returns true for a line that begins a part or closes the list of parts."""
    words = line.rstrip(_WHITE)
    return words[:2] == b"--" and (words[2:] == boundary or (words[-2:] == b"--" and words[2:-2] == boundary))


def is_closing(line: bytes, boundary: bytes) -> bool:
    """Returns true for a boundary below which there is no part."""
    return line.rstrip(_WHITE)[2:] != boundary


def default_type_in(kind: str) -> str | None:
    """Returns the type of a part without one; None for text."""
    return "message/rfc822" if kind == "multipart/digest" else None

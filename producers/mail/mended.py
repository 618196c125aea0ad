"""Reads mails whose headers or boundaries broke on the way, as a person would: with their subject, sender and parts.

What is well-formed is read as `producers.mail.parser` reads it. The rest:

| what is broken                                               | how it is read                                               |
|--------------------------------------------------------------|--------------------------------------------------------------|
| a line that is no header, with known headers below it        | left out; a continuation without its blank is joined         |
| a line that is no header, with none below it                 | it is the first of the body, as in the library               |
| a blank line below what servers add, or above the Content-*  | the headers go on below it                                   |
| a line of blanks, with no known header below it               | it is the blank line below the head                          |
| a few words above the head, with or without a blank line    | left out                                                     |
| blanks before a colon, headers that are all indented         | taken away                                                   |
| a multipart inside of another with the same boundary         | it ends at its own closing boundary, the outer one goes on   |
| parts below the closing boundary                             | are parts                                                    |

A known header that the mail has already is no sign that the head goes on: it may be a pasted one, in the body.
"""

from __future__ import annotations

import re

from producers.mail.content_type import plain_content_type
from producers.mail.parser import BLANK_LINES, Entity, Reader, boundary_of, default_type_in, is_boundary, is_closing

__all__ = ["is_doubtful", "read_mended"]

#: Lines without a blank line that are looked at, and words among them that are given up for a header below.
_MOST_LINES, _MOST_LEFT_OUT = 300, 4
#: Looks ahead in one mail: each costs a pass over those lines and the head above them.
_MOST_LOOKS = 100
_MOST_WHITE_LINES = 3
_HEADER = re.compile(rb"([!-9;-~]{1,200}+)[ \t]*+:")
_WELL_FORMED = re.compile(rb"[!-9;-~]++:|[\t ]")
_CONTENT = re.compile(rb"content-[a-z-]+|mime-version", re.IGNORECASE)
_ONCE = frozenset(
    (b"from", b"to", b"subject", b"date", b"message-id", b"sender", b"reply-to", b"cc", b"mime-version", b"in-reply-to",
     b"references", b"content-type", b"content-transfer-encoding", b"content-disposition")
)  # fmt: skip
_MORE = re.compile(
    rb"received|return-path|delivered-to|bcc|x-[a-z0-9_-]+|list-[a-z]+|dkim-signature|arc-[a-z-]+|authentication-results|content-[a-z-]+|resent-[a-z-]+"
    rb"|user-agent|thread-[a-z]+|importance|priority|precedence|auto-submitted|organi[sz]ation|accept-language|errors-to|received-spf|envelope-to"
    rb"|domainkey-signature|feedback-id|keywords|comments|disposition-notification-to|mailing-list|newsgroups|lines|status",
    re.IGNORECASE,
)
#: What servers add above the head that the sender wrote.
_TRACE = re.compile(
    rb"received|return-path|delivered-to|x-[a-z0-9_-]+|dkim-signature|arc-[a-z-]+|authentication-results|received-spf|envelope-to",
    re.IGNORECASE,
)
_FROM_WITH_BLANKS = re.compile(rb"From[ \t]+:")
_PARAMETER = re.compile(rb"[A-Za-z0-9*-]{2,40}[ \t]*=(?!\?)[^\r\n]")
_BLANK_LINES_AND_HEADER = re.compile(rb"(?:[ \t]*+(?:\r\n|\r|\n)){1,20}+(?=[!-9;-~]{1,200}+[ \t]*+:)")
#: What a header says at least: "Date: Friday" in a body whose blank line was lost is none.
_ANYTHING = re.compile(rb"")
_MAILBOX, _ID = re.compile(rb"[^\r\n]*(?:@|=\?)|[ \t]*\r?\n"), re.compile(rb"[ \t]*(?:<|\r?\n)")
_PLAUSIBLE = {
    **dict.fromkeys((b"from", b"to", b"cc", b"sender", b"reply-to"), _MAILBOX),
    **dict.fromkeys((b"message-id", b"in-reply-to", b"references"), _ID),
    b"date": re.compile(rb"[^\r\n]*\d[^\r\n]*:"),
    b"mime-version": re.compile(rb"[ \t]*\d"),
    b"content-type": re.compile(rb"[^\r\n]*/"),
    b"content-transfer-encoding": re.compile(rb"[ \t\"]*(?:[78] ?-?bit|base|quoted|binary|x-|uu)", re.IGNORECASE),
    b"content-disposition": re.compile(rb"[ \t\"]*(?:inline|attachment|form)", re.IGNORECASE),
}
_LONGEST_CONTINUATION = 300
#: What the continuations of a header look like that was wrapped; those of a subject may look like anything.
_NOTHING = re.compile(rb"(?!)")
_ADDRESSES, _IDS = re.compile(rb"[^\r\n]*@"), re.compile(rb"[ \t]*<[^<>\s]+>")
_OF_HEADER = {
    b"subject": re.compile(rb"(?=.)"),
    b"to": _ADDRESSES,
    b"cc": _ADDRESSES,
    b"references": _IDS,
    b"in-reply-to": _IDS,
    b"received": re.compile(rb"(?:by|for|with|id|from|\()[ \t\w]|[A-Z][a-z]{2}, \d"),
}
#: A blank line, or one that is a boundary by its looks: the blank line above it may be lost.
_ENDS_HEAD = re.compile(rb"[\r\n]|--[!-~]{3}")
#: A line of this length was wrapped, if the next one is no header.
_WRAPPED = 60
_WHITE_LINE = re.compile(rb"\n[ \t]++\r?\n")
_INDENTED_FROM = re.compile(rb"\n[ \t]+From[ \t]*:", re.IGNORECASE)
_INDENTED = re.compile(
    rb"([ \t]+)(?:from|to|subject|date|message-id|mime-version|content-[a-z-]+)[ \t]*:", re.IGNORECASE
)


def read_mended(raw: bytes) -> Entity:
    """Returns the tree of parts of a mail; raises as `parser.read_entity`."""
    return MendingReader(raw).entity(0, None, is_mail=True)


def is_doubtful(raw: bytes, begins: int, at: int) -> bool:
    """Returns true when a header, perhaps, stands below the blank line of a head, or a line of blanks in the head."""
    return _HEADER.match(raw, at) is not None or _WHITE_LINE.search(raw, begins, at) is not None


class MendingReader(Reader):
    """Reads one mail; where its head or its boundaries break off it goes on."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self._looks_left = _MOST_LOOKS
        self._is_indented = False

    # headers

    def headers(self, entity: Entity, *, is_mail: bool) -> None:
        """Reads header lines and the blank line below them; those of a mail again if its From is indented, as it all is."""
        begins = self.at
        super().headers(entity, is_mail=is_mail)
        if is_mail and "from" not in entity.fields and _INDENTED_FROM.search(self.raw, begins, self.at):
            entity.set_all_raw([])
            self.at, self._is_indented = begins, True
            super().headers(entity, is_mail=is_mail)
            self._is_indented = False

    def is_doubtful(self, begins: int, at: int) -> bool:
        """Returns true when a head may end elsewhere, or is to be read as it is indented."""
        return self._is_indented or is_doubtful(self.raw, begins, at)

    def is_well_formed(self, name: str, value: str) -> bool:
        """Returns true for a Content-Type that says what it means, and for any other header."""
        return name.lower() != "content-type" or (bool(value.strip()) and plain_content_type(value) is None)

    def head(self, lines: list[bytes], *, is_mail: bool) -> bytes:
        """Reads header lines into `lines`, mended. Returns the line below them."""
        line = super().head(lines, is_mail=is_mail)
        while self._step_over_break(lines, line, is_mail=is_mail):
            line = super().head(lines, is_mail=is_mail)
        white = [index for index in range(1, len(lines)) if lines[index].isspace()][:_MOST_WHITE_LINES]
        for index in white:
            if _last_known(lines[:index], lines[index + 1 :], is_mail=is_mail) < 0:
                self.at -= sum(map(len, lines[index + 1 :]))  # it is the blank line below the head
                del lines[index:]
                line = self.line()
                break
        lines[:] = [_FROM_WITH_BLANKS.sub(b"From:", each) if each.startswith(b"From ") else each for each in lines]
        if (self._is_indented or not is_mail) and (indent := _indent(lines)):
            lines[:] = [each.removeprefix(indent) for each in lines]
        return line

    def _step_over_break(self, lines: list[bytes], line: bytes, *, is_mail: bool) -> bool:
        """Returns true when the head goes on below a line that is none of it; then `at` is there."""
        if not line or not self._looks_left:
            return False
        if line in BLANK_LINES:
            return self._step_over_blank_lines(lines, is_mail=is_mail)
        ahead = self._ahead(self.at)
        kept, count = _mended(lines, ahead, is_mail=is_mail) if ahead else ([], 0)
        for each in ahead[:count]:
            self.take_header(each)
        lines += kept
        return count > 0 or (is_mail and not lines and self._step_over_preface(ahead))

    def _step_over_preface(self, ahead: list[bytes]) -> bool:
        """Returns true when a few words stand above the head, and a blank line between them."""
        if not 0 < len(ahead) <= _MOST_LEFT_OUT:
            return False
        before = self.at
        self.at += sum(map(len, ahead))
        if self._step_over_blank_lines([], is_mail=True):
            return True
        self.at = before
        return False

    def _step_over_blank_lines(self, lines: list[bytes], *, is_mail: bool) -> bool:
        found = _BLANK_LINES_AND_HEADER.match(self.raw, self.at)
        if found is None or (lines and found[0].strip(b" \t") not in BLANK_LINES):
            return False  # several blank lines stand only above all headers
        ahead = self._ahead(found.end())
        names, strange = _names(ahead)
        seen, _ = _names(lines)
        goes_on = bool(names) and not strange and all(_CONTENT.fullmatch(name) for name in names) and not names & seen
        if is_mail and not goes_on and strange <= _MOST_LEFT_OUT:
            goes_on = b"from" in names and len(names & _ONCE) > 1 and all(_TRACE.fullmatch(name) for name in seen)
        if goes_on:
            self.at = found.end()
        return goes_on

    def _ahead(self, at: int) -> list[bytes]:
        """Returns the lines from there to the next blank line or open boundary; one of a bounded number of looks."""
        self._looks_left -= 1
        lines: list[bytes] = []
        before, self.at = self.at, at
        while len(lines) < _MOST_LINES and (line := self.line()) and not _ENDS_HEAD.match(line):
            lines.append(line)
            self.at += len(line)
        self.at = before
        return lines

    def _keep(self, entity: Entity, folded: list[bytes]) -> None:
        if folded and folded[0][:13].lower() == b"content-type:":
            value = b"".join(folded)[13:].strip()
            if not value:
                return
            if (plain := plain_content_type(value.decode("ascii", "surrogateescape"))) is not None:
                folded = [b"Content-Type: " + plain.encode("ascii", "surrogateescape")]
        super()._keep(entity, folded)

    # bodies

    def multipart(self, entity: Entity, kind: str, depth: int) -> None:
        """Reads the parts of a multipart, also those below its closing boundary, or with a boundary that is in use."""
        boundary = boundary_of(entity)
        if boundary is None:
            self.at = self.boundary_below()
            return
        is_in_use = boundary in self.open
        closed_at = 0
        while True:
            self.open.add(boundary)
            self.at = self.boundary_below()
            self.open.discard(boundary)
            line = self.line()
            if not is_boundary(line, boundary):
                break
            if is_closing(line, boundary):
                closed_at = closed_at or self.at
                if is_in_use:
                    break
                self.at += len(line)
                continue
            self.parts_between(entity, boundary, depth, default_type_in(kind))
            self.last = entity
            if is_in_use:
                break
        if not entity.children:
            entity.body_end = closed_at
        if is_in_use:
            self.open.add(boundary)
            self.at = self.boundary_below()


# -- lines of a head --------------------------------------------------------------------------------------------------


def _names(lines: list[bytes]) -> tuple[set[bytes], int]:
    """Returns the names of these headers in lower case, and how many of the lines are no header."""
    found: set[bytes] = set()
    strange = 0
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            continue
        if header := _HEADER.match(line):
            found.add(header[1].lower())
        elif not line.startswith((b"From ", b">From ", b":")):
            strange += 1
    return found, strange


def _mended(before: list[bytes], ahead: list[bytes], *, is_mail: bool) -> tuple[list[bytes], int]:
    """Returns the header lines among those ahead, the first of which is none, and how many lines belong to the head."""
    last = _last_known(before, ahead, is_mail=is_mail)
    kept: list[bytes] = []
    left_out = 0
    for line in ahead[: last + 1]:
        mended = _as_header(line, [*before[-20:], *kept][-20:])
        kept += [mended] if mended else []
        left_out += mended is None
    if last >= 0 and left_out <= _MOST_LEFT_OUT:
        return kept, last + 1
    if ahead[0].startswith(b">From "):
        return [], 1
    return _continuation(before, ahead)


def _last_known(before: list[bytes], ahead: list[bytes], *, is_mail: bool) -> int:
    """Returns the index of the last line that continues the head for sure, -1 when there is none."""
    seen, _ = _names(before)
    last = -1
    for index, line in enumerate(ahead):
        if line[:1] in (b" ", b"\t"):
            last = index if last == index - 1 and last >= 0 else last
        elif header := _HEADER.match(line):
            name = header[1].lower()
            known = name not in seen if name in _ONCE else is_mail and _MORE.fullmatch(name) is not None
            said = line[header.end() : header.end() + _LONGEST_CONTINUATION]
            if known and (is_mail or _CONTENT.fullmatch(name)) and _PLAUSIBLE.get(name, _ANYTHING).match(said):
                last = index
            seen.add(name)
    return last


def _as_header(line: bytes, before: list[bytes]) -> bytes | None:
    """Returns the line as one of a head; None for one that is none."""
    if _WELL_FORMED.match(line) or (line.startswith(b"From ") and not _FROM_WITH_BLANKS.match(line)):
        return line
    if header := _HEADER.match(line):
        return header[1] + line[len(header[1]) :].lstrip(b" \t")
    return b" " + line if before and _continues(before, line) else None


def _continues(before: list[bytes], line: bytes) -> bool:
    """Returns true for a line that continues the header above, although no blank says so."""
    above = before[-1].rstrip()
    header = next((_HEADER.match(each) for each in reversed(before) if each[:1] not in b" \t"), None)
    if header is None or len(line) > _LONGEST_CONTINUATION:
        return False
    name = header[1].lower()
    if name.startswith(b"content-"):
        return _PARAMETER.match(line) is not None
    if above.endswith(b"?=") and line.startswith(b"=?"):
        return True
    is_wrapped = len(above) >= _WRAPPED or above.endswith((b",", b":"))
    return is_wrapped and _OF_HEADER.get(name, _NOTHING).match(line) is not None


def _continuation(before: list[bytes], ahead: list[bytes]) -> tuple[list[bytes], int]:
    """Returns the first lines as continuations of the last header, with no known header below them."""
    kept: list[bytes] = []
    if len(ahead) > 1 and before and before[-1][:8].lower() == b"subject:":  # it may be the body, its blank line lost
        return [], 0
    while before and len(kept) < len(ahead) and _continues([*before[-20:], *kept[-20:]], ahead[len(kept)]):
        kept.append(b" " + ahead[len(kept)])
    return kept, len(kept)


def _indent(lines: list[bytes]) -> bytes:
    """Returns the blanks before every line of a head that was indented as a whole, b"" for any other head."""
    found = [match[1] for line in lines if (match := _INDENTED.match(line))]
    return min(found, key=len) if found and (len(found) > 1 or lines[0][:1] in (b" ", b"\t")) else b""

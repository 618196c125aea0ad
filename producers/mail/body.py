"""Collects what a person reads in a mail, and the files that came with it.

What a person reads is, in this order: the text parts; else what stands in an Outlook container, in a calendar, in the
attached message, in the report itself. TNEF containers and signed S/MIME content are unwrapped on the way.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.mail import charsets, headers, invitations, mime, smime, tnef, transfer
from producers.mail.attachments import File, clean_name
from producers.mail.parser import Entity
from producers.mail.part import TEXT_TYPES, Part
from producers.text import markup
from schemas.errors import Refused

__all__ = ["Body", "read"]

_MAX_DEPTH, _MAX_PARTS, _MAX_FILES, _MAX_MAILS_IN_MAILS = 30, 500, 100, 5
_HTML = re.compile(r"\s{0,50}<(?:!doctype html|html|head|body)\b[^<>]{0,500}>", re.IGNORECASE)
_BOUNDARY_LINE = re.compile(rb"^--(\S[^\r\n]{0,200}?)[ \t]{0,20}+\r?\nContent-[A-Za-z-]++[ \t]*+:", re.MULTILINE)
#: Bytes of words that are decoded of one mail, and characters of pages that are made text; far above `MAX_FULL_TEXT`.
_MAX_TEXT_BYTES, _MAX_HTML_CHARS = 4_000_000, markup.MAX_HTML_CHARS
#: Containers, signed contents and parts under other boundaries that are unwrapped in one mail; the others stay files.
_MAX_UNWRAPPED = 10
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_SMIME_TYPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))


@dataclass(slots=True)
class _Allowance:
    """The work that a mail may still cost; mails inside of it share its own."""

    text_bytes: int = _MAX_TEXT_BYTES
    html_chars: int = _MAX_HTML_CHARS
    unwrapped: int = _MAX_UNWRAPPED

    def unwrap(self) -> bool:
        """Takes one unwrapping; False when there is none left."""
        self.unwrapped -= 1
        return self.unwrapped >= 0

    def page(self, page: str) -> str:
        """Returns the text of a page, of as much of it as may still be read."""
        page = page[: self.html_chars]
        self.html_chars -= len(page)
        return markup.to_text(page)


@dataclass(slots=True)
class Body:
    """The texts of a mail in reading order, each with a flag for HTML, its files, and substitutes for missing text."""

    texts: list[tuple[bool, str]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    parts: int = 0
    left: _Allowance = field(default_factory=_Allowance)
    #: What is read when there are no words: `(rank, how to get them)`.
    substitutes: list[tuple[int, Callable[[], str]]] = field(default_factory=list)

    def text(self) -> str:
        """Returns the plain text of everything that a person reads, paragraphs apart."""
        if not _has_text(self):
            return self._substitute()
        if len(self.texts) == 1 and not self.texts[0][0]:
            return self.texts[0][1].strip()
        shown = [self.left.page(text) if is_html else text.strip("\n") for is_html, text in self.texts]
        words = "\n\n".join(part for part in shown if part.strip()).strip()
        return words or self._substitute()

    def _substitute(self) -> str:
        for _, words in sorted(self.substitutes, key=lambda each: each[0]):
            if found := words().strip():
                return found
        return ""


def read(mail: Entity) -> Body:
    """Returns the texts and files of a mail.

    Raises:
        Refused: `undecodable_mime`, when parts under an unannounced boundary are nested without end.
    """
    return _read(mail, 0, _Allowance())


def _read(mail: Entity, depth: int, left: _Allowance) -> Body:
    body = Body(left=left)
    _collect(Part(mail), body, depth)
    return body


def _collect(part: Part, body: Body, depth: int) -> None:
    body.parts += 1
    if body.parts > _MAX_PARTS or depth > _MAX_DEPTH:
        return
    if part.kind.startswith("multipart/") and not part.is_list:  # parts were announced and never began
        _unbegun(part, body, depth)
    elif part.kind.startswith("message/") or not part.is_list:
        _leaf(part, body, depth)
    elif part.kind == "multipart/alternative":
        _alternatives(part.children, body, depth)
    elif part.kind == "multipart/report":
        _report(part.children, body, depth)
    else:
        for child in part.children:
            _collect(child, body, depth + 1)


def _unbegun(part: Part, body: Body, depth: int) -> None:
    """Collects parts under a boundary that was not announced; without one it is all text."""
    source = part.message.body()
    if (real := _BOUNDARY_LINE.search(source[:100_000])) and body.left.unwrap():
        boundary = real[1].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        mended = mime.parse_part(
            b"Content-Type: " + part.kind.encode() + b'; boundary="' + boundary + b'"\n\n' + source
        )
        if mended.is_multipart():
            _collect(Part(mended), body, depth + 1)
            return
    part.kind = "text/plain"
    body.texts.append((False, _words(part, body)))


def _alternatives(children: list[Part], body: Body, depth: int) -> None:
    """Collects the first alternative with plain text, else the first with any text; the files of all."""
    best: Body | None = None
    for child in children:
        branch = Body(parts=body.parts, left=body.left)
        _collect(child, branch, depth + 1)
        body.parts = branch.parts
        body.files += branch.files
        body.substitutes += branch.substitutes
        if _has_text(branch, plain_only=True):
            best = branch if best is None or not _has_text(best, plain_only=True) else best
        elif best is None and _has_text(branch):
            best = branch
    if best is not None:
        body.texts += best.texts


def _has_text(body: Body, *, plain_only: bool = False) -> bool:
    return any(text and not text.isspace() for is_html, text in body.texts if not (plain_only and is_html))


def _report(children: list[Part], body: Body, depth: int) -> None:
    """Collects a report without the mail that it is about: that one is ours, and not what the sender writes."""
    for child in children:
        found = Body(parts=body.parts, left=body.left)
        _collect(child, found, depth + 1)
        body.parts = found.parts
        body.texts += found.texts
        body.files += found.files
        if child.kind in ("message/delivery-status", "message/disposition-notification"):
            body.substitutes.append((3, lambda part=child: charsets.decode(part.content())))  # type: ignore[misc]


def _leaf(part: Part, body: Body, depth: int) -> None:
    is_text = part.kind in TEXT_TYPES
    name = part.file_name()
    if is_text and not name and not part.disposition.startswith("attachment"):
        _text(part, body)
    elif part.kind in _TNEF_TYPES or name.lower() == "winmail.dat":
        _outlook(part, body, name)
    else:
        _file(part, body, name, depth)


def _words(part: Part, body: Body) -> str:
    text = part.text(body.left.text_bytes)
    body.left.text_bytes -= len(text)
    return text


def _text(part: Part, body: Body) -> None:
    text = _words(part, body)
    is_html = part.kind == "text/html"
    if not is_html:
        text, files = transfer.uuencoded(text)
        for name, content in files:
            _keep(body, clean_name(name), "application/octet-stream", content)
        is_html = part.kind == "text/plain" and _HTML.match(text[:600]) is not None
    body.texts.append((is_html, text))


def _outlook(part: Part, body: Body, name: str) -> None:
    container = tnef.read(part.content()) if body.left.unwrap() else tnef.Tnef()
    for inner, content in container.files:
        inner = clean_name(inner)
        _keep(body, inner, mimetypes.guess_type(inner)[0] or "application/octet-stream", content)
    if container.text.strip():
        body.substitutes.append((0, lambda: container.text))
    elif container.html.strip():
        body.substitutes.append((0, lambda: body.left.page(container.html)))
    elif container.rtf:
        body.substitutes.append((0, container.words))
    if not container.whole:
        _add(body, File(name or "winmail.dat", part.kind, part.size(), part.content))


def _file(part: Part, body: Body, name: str, depth: int) -> None:
    if part.kind == "message/rfc822" and part.is_list:
        inner = part.children[0] if part.children else None
        if inner is not None:
            name = name or clean_name(headers.text(headers.of(inner.message), "subject"))[:196] + ".eml"
            body.substitutes.append(
                (2, lambda: _read(inner.message, depth + 1, body.left).text() if depth < _MAX_MAILS_IN_MAILS else "")
            )
    elif part.kind == "text/calendar":
        body.substitutes.append((1, lambda: invitations.words(_words(part, body))))
    elif part.kind in _SMIME_TYPES and body.left.unwrap() and (content := smime.signed_content(part.content())):
        try:
            inner_body = _read(mime.parse_part(content), depth + 1, body.left)
        except Refused:
            inner_body = Body()
        body.texts += inner_body.texts
        body.substitutes += inner_body.substitutes
        _add(body, File(name, part.kind[:100], part.size(), part.content))
        body.files += inner_body.files[: max(_MAX_FILES - len(body.files), 0)]
        return
    _add(body, File(name, part.kind[:100], part.size(), part.content))


def _keep(body: Body, name: str, media_type: str, content: bytes) -> None:
    _add(body, File(name, media_type, len(content), lambda: content))


def _add(body: Body, file: File) -> None:
    if len(body.files) < _MAX_FILES:
        body.files.append(file)

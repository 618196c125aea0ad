"""Collects what a person reads in a mail, and the files that came with it.

What a person reads is, in this order: the text parts; else what stands in a text with a file name, in an Outlook container,
in a calendar, in the attached message, in the report itself, in an attached text, above or below the parts. TNEF containers
and signed S/MIME content are unwrapped on the way.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.mail import charsets, headers, invitations, mime, parser, rtf, smime, tnef, transfer
from producers.mail.attachments import File, clean_name
from producers.mail.entity import Entity
from producers.mail.part import PAGE_TYPES, PLAIN_TYPES, TEXT_TYPES, Part
from producers.text import markup
from schemas.errors import Refused

__all__ = ["Body", "read"]

_MAX_DEPTH, _MAX_PARTS, _MAX_FILES, _MAX_MAILS_IN_MAILS = 30, 500, 100, 5
_HTML = re.compile(r"\s{0,50}<(?:!doctype html|html|head|body)\b[^<>]{0,500}>", re.IGNORECASE)
#: Text that machines read: never the words of a mail, unless nothing else is there.
_DATA_TYPES = frozenset(
    ("text/calendar", "text/css", "text/csv", "text/directory", "text/javascript", "text/rfc822-headers", "text/rtf",
     "text/tab-separated-values", "text/vcard", "text/x-vcard", "text/xml")
)  # fmt: skip
_TABLES = frozenset(("text/csv", "text/tab-separated-values"))
#: Types that senders give to a text of which they know nothing.
_PERHAPS_TEXT = frozenset(("application/octet-stream", "application/text", "application/txt", "application/plain"))
_MAIL_TYPES = frozenset(("message/rfc822", "message/global", "message/news"))
_REPORTS = frozenset(
    (
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/global-delivery-status",
    )
)
_MAX_AROUND = 100_000
_PREAMBLE = re.compile(rb"\bMIME\b|multi-?part", re.IGNORECASE)
#: A plain text beside a page that is shorter than this may be there for form only.
_LONGEST_STUB = 400
_HTML_WORD = re.compile(r"(?<![A-Za-z])HTML(?![A-Za-z])", re.IGNORECASE)
#: "View this mail in your browser", where a link stands beside it.
_BROWSER = re.compile(
    r"browser|navigat(?:eu|o)r|navegador|przegląda|браузер|prohlížeč|webbläsare|selain|tarayıcı|브라우저|ブラウザ|浏览器|瀏覽器",
    re.IGNORECASE,
)
_LINKS = re.compile(r"https?://\S+|\[[^\[\]]{0,200}\]|<[^<>]{0,300}>")
_DASHED_LINE = re.compile(rb"^--(\S[^\r\n]{0,200}?)[ \t]*\r?\n", re.MULTILINE)
_BOUNDARY_LINE = re.compile(rb"^--(\S[^\r\n]{0,200}?)[ \t]{0,20}+\r?\nContent-[A-Za-z-]++[ \t]*+:", re.MULTILINE)
#: The order of what is read when there are no words.
_NAMED_TEXT, _CONTAINER, _CALENDAR, _MAIL, _REPORT, _ATTACHED_TEXT, _AROUND_PARTS = range(7)
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
        return markup.to_text(page, with_marks=True)


@dataclass(slots=True)
class Body:
    """The texts of a mail in reading order, each with a flag for HTML, its files, and substitutes for missing text."""

    texts: list[tuple[bool, str]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    parts: int = 0
    left: _Allowance = field(default_factory=_Allowance)
    #: False where a plain text says the same: then pages are not decoded.
    wants_pages: bool = True
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
        """Returns the words of the first substitute that has any; of texts with names those of all."""
        named: list[str] = []
        for rank, words in sorted(self.substitutes, key=lambda each: each[0]):
            if named and rank != _NAMED_TEXT:
                break
            if found := words().strip():
                if rank != _NAMED_TEXT:
                    return found
                named.append(found)
        return "\n\n".join(named)


def read(mail: Entity) -> Body:
    """Returns the texts and files of a mail.

    Raises:
        Refused: `undecodable_mime`, when parts under an unannounced boundary are nested without end.
    """
    return _read(mail, 0, _Allowance())


def _read(mail: Entity, depth: int, left: _Allowance) -> Body:
    body = Body(left=left)
    whole = Part(mail)
    if whole.is_list or whole.kind.startswith(("multipart/", "message/")) or not _whole(whole, body):
        _collect(whole, body, depth)
    return body


def _whole(part: Part, body: Body) -> bool:
    """Collects a mail of a single part, which is its text whatever it is called; false for one that is no text."""
    if part.kind in PLAIN_TYPES and (parts := _unannounced(part)) is not None:
        _collect(Part(parts), body, 0)
        return True
    if part.kind not in PAGE_TYPES and not _is_text(part.kind):
        if part.kind.removeprefix("application/").removeprefix("text/") in ("rtf", "x-rtf"):
            body.substitutes.append((_ATTACHED_TEXT, lambda: rtf.words(part.content().decode("latin-1"))))
        elif part.kind in _PERHAPS_TEXT:
            body.substitutes.append(
                (_ATTACHED_TEXT, lambda: _said(part, body) if transfer.is_text(part.content()) else "")
            )
        return False
    name = part.file_name()
    if name or part.is_attached or part.kind.startswith("application/"):
        _add(body, File(name, part.kind[:100], part.size(), part.content))
    _text(part, body)
    return True


def _is_text(kind: str) -> bool:
    """Returns true for the types of text that a person reads, unknown ones included."""
    return kind in TEXT_TYPES or (kind.startswith("text/") and kind not in _DATA_TYPES)


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
    if part.kind.startswith("multipart/") and part.is_list and depth == 0:
        body.substitutes.append((_AROUND_PARTS, lambda: _around(part)))


def _unbegun(part: Part, body: Body, depth: int) -> None:
    """Collects parts under a boundary that was not announced; without one it is all text."""
    source = part.message.body()
    if transfer.is_encoded(part.encoding):
        source = transfer.decode(source, part.encoding)
    boundary = _boundary_in(source)
    if boundary and body.left.unwrap() and (mended := _with_boundary(part.kind, boundary, source)) is not None:
        _collect(Part(mended), body, depth + 1)
        return
    del source
    part.kind = "text/plain"
    _text(part, body)


def _boundary_in(source: bytes) -> bytes:
    """Returns the boundary by which parts are divided, b"" when there is none."""
    if real := _BOUNDARY_LINE.search(source[:100_000]):
        return real[1]
    first = _DASHED_LINE.search(source[:2_000])
    return first[1] if first and b"\n--" + first[1] + b"--" in source else b""


def _with_boundary(kind: str, boundary: bytes, source: bytes) -> Entity | None:
    """Returns the tree of a source that a boundary divides; None when it does not."""
    quoted = boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    mended = mime.parse_part(b"Content-Type: " + kind.encode() + b'; boundary="' + quoted + b'"\n\n' + source)
    return mended if mended.is_multipart() else None


def _unannounced(part: Part) -> Entity | None:
    """Returns the parts of a mail that says nothing of them: the Content-Type was lost, or is that of the first part."""
    message = part.message
    if message.raw.find(b"--", message.body_start, message.body_start + 200) < 0 or transfer.is_encoded(part.encoding):
        return None
    source = message.body()
    real = _BOUNDARY_LINE.search(source[:2_000])
    if real is None or b"\n--" + real[1] + b"--" not in source:
        return None
    preface = source[: real.start()].strip()
    return _with_boundary("multipart/mixed", real[1], source) if not preface or _PREAMBLE.search(preface) else None


def _around(part: Part) -> str:
    """Returns the words above the first part and below the last one, which programs show only if they know no parts."""
    message = part.message
    mark = b"--" + (parser.boundary_of(message) or b"")
    first = message.raw.find(mark, message.body_start, message.body_end)
    last = message.raw.rfind(mark + b"--", message.body_start, message.body_end)
    above = message.raw[message.body_start : first][:_MAX_AROUND] if first >= 0 else b""
    below = message.raw[last + len(mark) + 2 : message.body_end][:_MAX_AROUND] if last >= 0 else b""
    said = [charsets.decode(words).strip() for words in (above, below) if not _PREAMBLE.search(words)]
    return "\n\n".join(words for words in said if words)


def _alternatives(children: list[Part], body: Body, depth: int) -> None:
    """Collects the first alternative with plain text, else the first with any text; the files of all.

    A plain text that only says that there is a page is not taken. A second plain text that says something else is.
    """
    branches: list[tuple[Part, Body]] = []
    wants_pages = body.wants_pages
    for child in children:
        branch = Body(parts=body.parts, left=body.left, wants_pages=wants_pages)
        _collect(child, branch, depth + 1)
        body.parts = branch.parts
        body.files += branch.files
        body.substitutes += branch.substitutes
        if _has_text(branch):
            branches.append((child, branch))
            wants_pages = wants_pages and (any(is_html for is_html, _ in branch.texts) or _is_stub(branch))
    plain = [(child, branch) for child, branch in branches if _has_text(branch, plain_only=True)]
    page = next((branch for _, branch in branches if not _has_text(branch, plain_only=True)), None)
    if plain and page is not None and _is_stub(plain[0][1]):
        body.texts += page.texts
        body.substitutes.append((_CONTAINER, lambda: plain[0][1].text()))
    elif plain:
        body.texts += plain[0][1].texts
        said = {" ".join(text.split()) for _, text in body.texts}
        for child, branch in plain[1:]:
            if child.kind in PLAIN_TYPES and (words := " ".join(branch.texts[0][1].split())) not in said:
                said.add(words)
                body.texts += branch.texts
    elif page is not None:
        body.texts += page.texts


def _is_stub(branch: Body) -> bool:
    return all(_says_nothing(text) for _, text in branch.texts)


def _says_nothing(text: str) -> bool:
    """Returns true for a plain text that stands for a page: a link, a picture, a request for another program."""
    if len(text) > _LONGEST_STUB:
        return False
    if _HTML_WORD.search(text) or ("://" in text and _BROWSER.search(text)):
        return True
    return not any(map(str.isalnum, _LINKS.sub("", text)))


def _has_text(body: Body, *, plain_only: bool = False) -> bool:
    return any(text and not text.isspace() for is_html, text in body.texts if not (plain_only and is_html))


def _report(children: list[Part], body: Body, depth: int) -> None:
    """Collects a report without the mail that it is about: that one is ours, and not what the sender writes."""
    for child in children:
        found = Body(parts=body.parts, left=body.left, wants_pages=body.wants_pages)
        _collect(child, found, depth + 1)
        body.parts = found.parts
        body.texts += found.texts
        body.files += found.files
        if child.kind in ("message/delivery-status", "message/disposition-notification"):
            body.substitutes.append((_REPORT, lambda part=child: charsets.decode(part.content())))  # type: ignore[misc]


def _leaf(part: Part, body: Body, depth: int) -> None:
    name = part.file_name()
    is_text = _is_text(part.kind)
    if is_text and not name and not part.is_attached:
        _text(part, body)
    elif part.kind in _TNEF_TYPES or name.lower() == "winmail.dat":
        _outlook(part, body, name)
    else:
        if is_text or part.kind in _TABLES:
            rank = _ATTACHED_TEXT if (part.is_attached and name) or not is_text else _NAMED_TEXT
            body.substitutes.append((rank, lambda: _said(part, body)))
        _file(part, body, name, depth)


def _said(part: Part, body: Body) -> str:
    """Returns the words of a text part, which may be a page."""
    text = _words(part, body)
    is_page = part.kind in PAGE_TYPES or _HTML.match(text[:600]) is not None
    return body.left.page(text) if is_page else text


def _words(part: Part, body: Body) -> str:
    text = part.text(body.left.text_bytes)
    body.left.text_bytes -= len(text)
    return text


def _text(part: Part, body: Body) -> None:
    if part.kind in PAGE_TYPES and not body.wants_pages:
        return
    text = _words(part, body)
    is_html = part.kind in PAGE_TYPES
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
        body.substitutes.append((_CONTAINER, lambda: container.text))
    elif container.html.strip():
        body.substitutes.append((_CONTAINER, lambda: body.left.page(container.html)))
    elif container.rtf:
        body.substitutes.append((_CONTAINER, container.words))
    if not container.whole:
        _add(body, File(name or "winmail.dat", part.kind, part.size(), part.content))


def _file(part: Part, body: Body, name: str, depth: int) -> None:
    if part.kind.startswith("message/") and part.is_list and part.kind not in _REPORTS:
        if (inner := _attached_mail(part, body)) is not None:
            if part.kind in _MAIL_TYPES:
                name = name or clean_name(headers.text(headers.of(inner), "subject"))[:196] + ".eml"
            deeper = depth < _MAX_MAILS_IN_MAILS
            body.substitutes.append((_MAIL, lambda: _read(inner, depth + 1, body.left).text() if deeper else ""))
    elif part.kind == "text/calendar":
        body.substitutes.append((_CALENDAR, lambda: invitations.words(_words(part, body))))
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


def _attached_mail(part: Part, body: Body) -> Entity | None:
    """Returns the mail inside of a part; of one in a transfer encoding, which it must not have, as long as allowed."""
    if not part.is_encoded_mail:
        return part.message.children[0] if part.message.children else None
    try:
        return mime.parse_mail(part.content()) if body.left.unwrap() else None
    except Refused:
        return None


def _keep(body: Body, name: str, media_type: str, content: bytes) -> None:
    _add(body, File(name, media_type, len(content), lambda: content))


def _add(body: Body, file: File) -> None:
    if len(body.files) < _MAX_FILES:
        body.files.append(file)

"""The parts of a mail: what a person reads, and the files that came with it.

The standard library's parser is used with its `compat32` policy: it takes anything and parses no header that is not
asked for. Transfer encodings and charsets are undone here.

What a person reads is, in this order: the text parts; else what stands in an Outlook container, in a calendar, in the
attached message, in the report itself.
"""

from __future__ import annotations

import email
import email.policy
import io
import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.generator import BytesGenerator
from email.message import Message

from producers.mail import charsets, headers, invitations, smime, tnef, transfer
from producers.text import markup
from schemas.errors import Refused

__all__ = ["Body", "File", "parse", "read"]

_MAX_DEPTH, _MAX_PARTS, _MAX_FILES, _MAX_MAILS_IN_MAILS = 30, 500, 100, 5
_MAX_TEXT_BYTES = markup.MAX_HTML_CHARS * 4
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s{0,3}=\s{0,3}[\"']?\s{0,3}([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']*([^\"';,\s]+)", re.IGNORECASE)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_HTML = re.compile(r"\s{0,50}<(?:!doctype html|html|head|body)\b[^<>]{0,500}>", re.IGNORECASE)
_BOUNDARY_LINE = re.compile(rb"^--(\S[^\r\n]{0,200}?)[ \t]*\r?\nContent-[A-Za-z-]+[ \t]*:", re.MULTILINE)
_ENRICHED = re.compile(r"<param>[^<]{0,1000}</param>|<(/?[a-zA-Z][^<>]{0,60})>|<<", re.IGNORECASE)
#: Characters that turn the direction of writing: in a file name they hide its true ending.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_BLANK_BEFORE_COLON = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{1,40})[ \t]+:", re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_HAS_PARTS = re.compile(r"multipart/|message/", re.IGNORECASE)
_HEADER = re.compile(r"([!-9;-~]+):[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)\n")
_HEADERS = re.compile(r"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_HEADERS_LOOKED_AT = 20_000
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_SMIME_TYPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_PLAIN_TYPES = frozenset(("text/plain", "text/markdown", "text/x-markdown", "text/enriched", "text/richtext"))
_TEXT_TYPES = _PLAIN_TYPES | {"text/html"}


@dataclass(frozen=True, slots=True)
class File:
    """Something that came along. `content()` decodes its bytes anew: a mail is not held in memory twice."""

    name: str
    media_type: str
    size: int
    content: Callable[[], bytes]


@dataclass(slots=True)
class Body:
    """What was found on the way through the parts: texts in reading order (is it HTML, and the text) and the rest."""

    texts: list[tuple[bool, str]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    parts: int = 0
    #: What is read when there are no words: `(rank, how to get them)`.
    substitutes: list[tuple[int, Callable[[], str]]] = field(default_factory=list)

    def text(self) -> str:
        """Plain text of everything that a person reads, paragraphs apart."""
        if not _has_text(self):
            return self._substitute()
        if len(self.texts) == 1 and not self.texts[0][0]:
            return self.texts[0][1].strip()
        shown = [markup.to_text(text) if is_html else text.strip("\n") for is_html, text in self.texts]
        words = "\n\n".join(part for part in shown if part.strip()).strip()
        return words or self._substitute()

    def _substitute(self) -> str:
        for _, words in sorted(self.substitutes, key=lambda each: each[0]):
            if found := words().strip():
                return found
        return ""


def parse(raw: bytes) -> Message:
    """The parsed mail.

    Raises:
        Refused: `empty`, or `undecodable_mime` when its parts are nested without end.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # saved by an editor as UTF-16
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t\x00")
    if not raw:
        raise Refused("empty", "there is nothing in it")
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    if _BLANK_BEFORE_COLON.search(raw[:_HEADERS_LOOKED_AT]):
        raw = _without_blanks_before_colons(raw)
    return _parsed(raw)


def _without_blanks_before_colons(raw: bytes) -> bytes:
    """`Subject : x` would end the headers."""
    end = _EMPTY_LINE.search(raw)
    head = raw[: end.start()] if end else raw
    return _BLANK_BEFORE_COLON.sub(rb"\1:", head) + raw[len(head) :]


def _parsed(raw: bytes) -> Message:
    if (mail := _without_parts(raw)) is not None:
        return mail
    try:
        return email.message_from_bytes(raw, policy=email.policy.compat32)
    except RecursionError as error:
        raise Refused("undecodable_mime", "its parts are nested without end") from error


def _without_parts(raw: bytes) -> Message | None:
    """What the library's parser makes of a mail of well-formed headers and one body, in a third of the time.

    None for any other mail. Most mails with words only are of this kind, and their headers are most of the work.
    """
    end = _EMPTY_LINE.search(raw, 0, _HEADERS_LOOKED_AT)
    if end is None:
        return None
    head = raw[: end.start()].decode("ascii", "surrogateescape").replace("\r\n", "\n") + "\n"
    if "\r" in head or _HAS_PARTS.search(head) or not _HEADERS.fullmatch(head):
        return None
    mail = Message(email.policy.compat32)
    for name, value in _HEADER.findall(head):
        mail.set_raw(name, value)
    mail.set_payload(raw[end.end() :].decode("ascii", "surrogateescape"))
    return mail


def read(mail: Message) -> Body:
    """Everything in a mail.

    Raises:
        Refused: `undecodable_mime`, when parts under an unannounced boundary are nested without end.
    """
    return _read(mail, 0)


def _read(mail: Message, depth: int) -> Body:
    body = Body()
    _collect(_Part(mail), body, depth)
    return body


class _Part:
    """A part with its headers at hand; the standard library looks through all of them for each question."""

    __slots__ = ("fields", "kind", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.fields: dict[str, str] = {}
        for name, value in message.raw_items():
            lower = name.lower()
            if lower.startswith("content-"):
                self.fields.setdefault(lower, str(value))
        kind = self.fields.get("content-type", "").partition(";")[0].strip().lower()
        if not kind:
            kind = message.get_default_type()
        self.kind = kind if _TYPE.fullmatch(kind) else "text/plain"

    @property
    def children(self) -> list[_Part]:
        payload = self.message.get_payload()
        return [_Part(child) for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []

    @property
    def payload(self) -> object:
        """As parsed. `get_payload()` would decode it by the declared charset, which may be a lie."""
        return getattr(self.message, "_payload", None)

    @property
    def is_list(self) -> bool:
        return self.message.is_multipart()

    @property
    def disposition(self) -> str:
        return self.fields.get("content-disposition", "").lstrip().lower()

    def content(self) -> bytes:
        """The bytes, transfer encoding undone; of a message, its source."""
        if self.is_list:
            return self._source()
        payload = self.payload
        if not isinstance(payload, str):
            return b""
        data = _bytes(payload)
        encoding = self.fields.get("content-transfer-encoding", "")
        if "uu" in encoding.lower():
            decoded = self.message.get_payload(decode=True)
            return decoded if isinstance(decoded, bytes) else data
        return transfer.decode(data, encoding) if encoding else data

    def _source(self) -> bytes:
        buffer = io.BytesIO()
        try:
            BytesGenerator(buffer, mangle_from_=False, maxheaderlen=0).flatten(self.message)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return b""
        written = buffer.getvalue().partition(b"\n\n")[2] if self.fields else buffer.getvalue().lstrip(b"\n")
        return written if self.kind == "message/rfc822" else written.rstrip(b"\n")

    def text(self) -> str:
        """The words of a text part."""
        data = self.content()[:_MAX_TEXT_BYTES]
        content_type = self.fields.get("content-type", "")
        charset = self._charset(content_type)
        if self.kind == "text/html" and charset in (None, "us-ascii") and (meta := _META_CHARSET.search(data[:2000])):
            charset = meta[1].decode()
        text = charsets.decode(data, charset)
        if self.kind in ("text/enriched", "text/richtext"):
            return _ENRICHED.sub(lambda match: "<" if match[0] == "<<" else "", text)
        if self.kind == "text/plain" and "flowed" in content_type.lower():
            return _unflow(text, delete_space="delsp=yes" in content_type.lower().replace('"', "").replace(" ", ""))
        return text

    def _charset(self, content_type: str) -> str | None:
        if match := _CHARSET.search(content_type):
            return match[1]
        if "charset*" not in content_type:
            return None
        try:
            return self.message.get_content_charset()
        except (ValueError, LookupError, TypeError):  # a parameter that cannot be parsed
            return None

    def file_name(self) -> str:
        """As the sender wrote it, without a path; '' when the part has none."""
        if "name" not in self.disposition and "name" not in self.fields.get("content-type", "").lower():
            return ""
        for header in ("content-disposition", "content-type"):
            value = self.fields.get(header, "")
            if not value.isascii():  # the library would replace what is not ASCII
                self.message.replace_header(header, charsets.decode(_bytes(value)).replace("\n", " "))
        try:
            name = self.message.get_filename() or ""
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""
        return clean_name(headers.decode(str(name)))


def clean_name(name: str) -> str:
    """A file name that is no path and shows its true ending."""
    return _TURNING.sub("", charsets.clean(name)).replace("/", "_").replace("\\", "_").replace("\n", " ").strip()[:200]


def _bytes(text: str) -> bytes:
    try:
        return text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:  # already text
        return text.encode("utf-8", "surrogateescape")


def _collect(part: _Part, body: Body, depth: int) -> None:
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


def _unbegun(part: _Part, body: Body, depth: int) -> None:
    """Under another boundary than was announced, perhaps; else it is all text."""
    payload = part.payload
    source = _bytes(payload) if isinstance(payload, str) else b""
    if real := _BOUNDARY_LINE.search(source[:100_000]):
        boundary = real[1].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        mended = _parsed(b"Content-Type: " + part.kind.encode() + b'; boundary="' + boundary + b'"\n\n' + source)
        if mended.is_multipart():
            _collect(_Part(mended), body, depth + 1)
            return
    part.kind = "text/plain"
    body.texts.append((False, part.text()))


def _alternatives(children: list[_Part], body: Body, depth: int) -> None:
    """The first alternative with plain text, else the first with any; files of all of them."""
    best: Body | None = None
    for child in children:
        branch = Body(parts=body.parts)
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


def _report(children: list[_Part], body: Body, depth: int) -> None:
    """The mail that a report is about is ours, and not what its sender says."""
    for child in children:
        found = Body(parts=body.parts)
        _collect(child, found, depth + 1)
        body.parts = found.parts
        body.texts += found.texts
        body.files += found.files
        if child.kind in ("message/delivery-status", "message/disposition-notification"):
            body.substitutes.append((3, lambda part=child: charsets.decode(part.content())))  # type: ignore[misc]


def _leaf(part: _Part, body: Body, depth: int) -> None:
    is_text = part.kind in _TEXT_TYPES
    name = part.file_name()
    if is_text and not name and not part.disposition.startswith("attachment"):
        _text(part, body)
    elif part.kind in _TNEF_TYPES or name.lower() == "winmail.dat":
        _outlook(part, body, name)
    else:
        _file(part, body, name, depth)


def _text(part: _Part, body: Body) -> None:
    text = part.text()
    is_html = part.kind == "text/html"
    if not is_html:
        text, files = transfer.uuencoded(text)
        for name, content in files:
            _keep(body, clean_name(name), "application/octet-stream", content)
        is_html = part.kind == "text/plain" and _HTML.match(text[:600]) is not None
    body.texts.append((is_html, text))


def _outlook(part: _Part, body: Body, name: str) -> None:
    container = tnef.read(part.content())
    for inner, content in container.files:
        inner = clean_name(inner)
        _keep(body, inner, mimetypes.guess_type(inner)[0] or "application/octet-stream", content)
    if container.text.strip():
        body.substitutes.append((0, lambda: container.text))
    elif container.html.strip():
        body.substitutes.append((0, lambda: markup.to_text(container.html)))
    elif container.rtf:
        body.substitutes.append((0, container.words))
    if not container.whole:
        _add(body, File(name or "winmail.dat", part.kind, len(part.content()), part.content))


def _file(part: _Part, body: Body, name: str, depth: int) -> None:
    if part.kind == "message/rfc822" and part.is_list:
        inner = part.children[0] if part.children else None
        if inner is not None:
            name = name or clean_name(headers.text(headers.of(inner.message), "subject"))[:196] + ".eml"
            body.substitutes.append(
                (2, lambda: _read(inner.message, depth + 1).text() if depth < _MAX_MAILS_IN_MAILS else "")
            )
    elif part.kind == "text/calendar":
        body.substitutes.append((1, lambda: invitations.words(part.text())))
    elif part.kind in _SMIME_TYPES and (content := smime.signed_content(part.content())):
        try:
            inner_body = _read(_parsed(content), depth + 1)
        except Refused:
            inner_body = Body()
        body.texts += inner_body.texts
        body.substitutes += inner_body.substitutes
        _add(body, File(name, part.kind[:100], len(part.content()), part.content))
        body.files += inner_body.files[: max(_MAX_FILES - len(body.files), 0)]
        return
    _add(body, File(name, part.kind[:100], len(part.content()), part.content))


def _keep(body: Body, name: str, media_type: str, content: bytes) -> None:
    _add(body, File(name, media_type, len(content), lambda: content))


def _add(body: Body, file: File) -> None:
    if len(body.files) < _MAX_FILES:
        body.files.append(file)


def _unflow(text: str, *, delete_space: bool) -> str:
    """RFC 3676: a line that ends in a space goes on in the next one of the same quote depth."""
    done: list[str] = []
    flowing = False
    for line in text.split("\n"):
        quoted = line.startswith(">")
        if flowing and not quoted:
            done[-1] += line.removeprefix(" ")
        else:
            done.append(line if quoted else line.removeprefix(" "))
        flowing = line.endswith(" ") and not quoted and line != "-- "
        if flowing and delete_space:
            done[-1] = done[-1][:-1]
    return "\n".join(done)

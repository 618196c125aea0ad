"""Reads one part of a mail: its bytes with the transfer encoding undone, its words, the name of its file.

The standard library's tree holds the parts; transfer encodings and charsets are undone here.
"""

from __future__ import annotations

import email.policy
import re
from email.message import Message

from producers.mail import charsets, headers, transfer
from producers.mail.attachments import clean_name
from producers.mail.content_type import plain_content_type
from producers.mail.entity import Entity
from producers.text import markup

__all__ = ["PAGE_TYPES", "PLAIN_TYPES", "TEXT_TYPES", "Part", "as_bytes"]

PLAIN_TYPES = frozenset(("text/plain", "text/markdown", "text/x-markdown", "text/enriched", "text/richtext"))
#: Pages for programs that show some of HTML only, beside the page itself.
PAGE_TYPES = frozenset(("text/html", "text/x-amp-html", "text/watch-html", "application/xhtml+xml", "application/html"))
TEXT_TYPES = PLAIN_TYPES | {"text/html", "text/x-amp-html", "text/watch-html"}
_MAX_TEXT_BYTES = markup.MAX_HTML_CHARS * 4
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s{0,3}=\s{0,3}[\"']?\s{0,3}([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']*([^\"';,\s]+)", re.IGNORECASE)
_FIELDS = ("content-type", "content-transfer-encoding", "content-disposition")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_ENRICHED = re.compile(r"<param>[^<]{0,1000}</param>|<(/?[a-zA-Z][^<>]{0,60})>|<<", re.IGNORECASE)


class Part:
    """A part with its headers at hand; the standard library searches all of them for each look-up."""

    __slots__ = ("fields", "kind", "message")

    def __init__(self, message: Entity) -> None:
        self.message = message
        fields = message.fields
        self.fields = {
            name: value for name in _FIELDS if name in fields and (value := next(filter(None, fields[name]), ""))
        }
        kind = self._mend_type(self.fields.get("content-type", ""))
        if not kind:
            kind = message.get_default_type()
        self.kind = kind if _TYPE.fullmatch(kind) else "text/plain"

    def _mend_type(self, value: str) -> str:
        """Returns the type in lower case; the field is as it was meant from then on."""
        kind = value.partition(";")[0].strip().lower()
        if kind and not _TYPE.fullmatch(kind) and (plain := plain_content_type(value)) is not None:
            self.fields["content-type"] = plain
            kind = plain.partition(";")[0].lower()
        return kind

    @property
    def children(self) -> list[Part]:
        """The parts inside of this one."""
        return [Part(child) for child in self.message.children]

    @property
    def is_list(self) -> bool:
        """Says if the library found parts inside of this one."""
        return self.message.is_multipart()

    @property
    def disposition(self) -> str:
        """The Content-Disposition in lower case, '' when there is none."""
        return self.fields.get("content-disposition", "").lstrip().lower()

    @property
    def is_attached(self) -> bool:
        """Says if the sender calls it an attachment."""
        return self.disposition.startswith("attachment")

    @property
    def encoding(self) -> str:
        """The transfer encoding as it was announced."""
        return self.fields.get("content-transfer-encoding", "")

    def content(self) -> bytes:
        """Returns the bytes, transfer encoding undone; of a message, its source."""
        encoding = self.encoding
        if self.is_list and not self.is_encoded_mail:
            return self._source()
        data = self.message.body()
        return transfer.decode(data, encoding) if encoding else data

    @property
    def is_encoded_mail(self) -> bool:
        """Says if this is an attached mail in base64 or quoted-printable, which RFC 2046 forbids."""
        return self.kind.startswith("message/") and transfer.is_encoded(self.encoding)

    def size(self) -> int:
        """Returns the number of bytes of its content; of an attached mail without a copy of it."""
        if self.is_list and self.kind == "message/rfc822" and not self.is_encoded_mail:
            mail = self.message
            return mail.body_end - mail.body_start - mail.raw.count(b"\r\n", mail.body_start, mail.body_end)
        return len(self.content())

    def _source(self) -> bytes:
        written = self.message.body().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return written if self.kind == "message/rfc822" else written.rstrip(b"\n")

    def text(self, max_bytes: int = _MAX_TEXT_BYTES) -> str:
        """Returns the words of a text part, of its first `max_bytes`."""
        data = self.content()[: min(max_bytes, _MAX_TEXT_BYTES)]
        if not transfer.is_encoded(self.encoding):
            data = transfer.decode_unannounced(data)
        content_type = self.fields.get("content-type", "")
        charset = self._charset(content_type)
        if self.kind in PAGE_TYPES and charset in (None, "us-ascii") and (meta := _META_CHARSET.search(data[:2000])):
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
        """Returns the name that the sender gave, without a path; '' when the part has none."""
        if "name" not in self.disposition and "name" not in self.fields.get("content-type", "").lower():
            return ""
        named = Message(email.policy.compat32)  # the parsed one must stay unchanged: its source may be asked for later
        for header in ("content-disposition", "content-type"):
            value = self.fields.get(header, "")
            if not value.isascii():  # the library would replace what is not ASCII
                value = charsets.decode(as_bytes(value)).replace("\n", " ")
            named.set_raw(header, value)
        try:
            name = named.get_filename() or ""
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""
        return clean_name(headers.decode(str(name)))


def as_bytes(text: str) -> bytes:
    """Returns the bytes of a payload or header that the library holds as text with surrogates."""
    try:
        return text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:  # already text
        return text.encode("utf-8", "surrogateescape")


def _unflow(text: str, *, delete_space: bool) -> str:
    """Joins flowed lines (RFC 3676): one that ends in a space continues in the next of the same quote depth."""
    done: list[str] = []
    flowing = False
    for line in text.split("\n"):
        quoted = line.startswith(">")
        if done and not (flowing and not quoted):
            done.append("\n")
        flowing = line.endswith(" ") and not quoted and line != "-- "
        words = line if quoted else line.removeprefix(" ")
        done.append(words[:-1] if flowing and delete_space else words)
    return "".join(done)

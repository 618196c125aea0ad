"""Writes the content of a mail: text, HTML beside it, inline images and files. Pure; it sets no address and no subject.

    text only                 text/plain
    with HTML                 multipart/alternative: text/plain, text/html; made safe here once more, whoever wrote it
    with inline images        the HTML and its images are a multipart/related within that
    with files                multipart/mixed: all of the above, then the files

A text is 8bit, so that a person can read the mail as it lies in a file, and 7bit where it is ASCII. It is quoted-printable
where a line is longer than a mail may hold, where it has control characters, and where a line begins with `From `, which
mailboxes change; and for a server that takes seven bits only, unless it is ASCII.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote

from schemas.facts import Outbound
from schemas.safe_html import clean, images
from schemas.text import printable_line

__all__ = ["File", "content", "encoded_words"]

#: Bytes of a line; 998 is the limit of a mail.
_MAX_LINE = 900
_MAX_FILE_NAME = 120
_ENCODED_BYTES = 42  # of UTF-8 in one encoded word, which may have 75 characters
_Q_CHARACTERS, _Q_MAY_BE_LONGER = 60, 1.3
_PERCENT_CHARACTERS = 60  # of a file's name in one parameter
_NEWLINE = re.compile(r"\r\n|\r|\n")
_NOT_7BIT = re.compile(r"[^\t\n\r -~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FROM_LINE = re.compile(rb"(?m)^From ")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")
#: These must not be base64, and a reader would look into them.
_COMPOSITE = ("message/", "multipart/")
_UNKNOWN = "application/octet-stream"
_IN_NAMES = re.compile(r'[\\/:*?"<>|]')
#: An image of the HTML, with the number of its attachment.
_IMAGE = re.compile(r'<img src="cid:([0-9]{1,3})"')
#: What an image of each of these types begins with.
_IMAGES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
#: Locales whose characters are drawn by the language; in any other the agent may have written another than the ticket's.
_HAN = ("ja", "zh-Hans", "zh-Hant")
_BLOCK_END = re.compile(r"(</(?:p|div|li|ul|ol|h[1-6]|blockquote|tr|table|pre)>|<br>|<hr>)(?=.)", re.DOTALL)
_VERBATIM = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class File:
    """Holds a file that goes with a mail."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """Holds header lines and a body with CRLF line ends."""

    headers: tuple[str, ...]
    body: bytes

    def written(self) -> bytes:
        return "\r\n".join(self.headers).encode("ascii") + b"\r\n\r\n" + self.body


def content(message: Outbound, files: Sequence[File], *, domain: str, eight_bit: bool) -> bytes:
    """Returns the header lines of the content, an empty line, and the content. `files` are those of `message.attachments`.

    `domain` makes the ids of inline images. `eight_bit` is for a server that takes 8BITMIME.
    """
    plain, page = _text_part("plain", message.text, eight_bit), clean(message.html) if message.html else ""
    if not page and not files:
        return plain.written()
    boundary = _Boundaries(message, files)
    best = plain
    inline: dict[int, str] = {}
    if page:
        inline = {
            number: f"{number}.{message.outbound_id}@{domain}"
            for number in dict.fromkeys(images(page))
            if number <= len(files) and _is_image(files[number - 1])
        }
        rich = _text_part("html", _document(page, message.locale, inline), eight_bit)
        if inline:
            shown = [_file_part(files[number - 1], number, inline[number]) for number in inline]
            rich = boundary.multipart("related", [rich, *shown], '; type="text/html"')
        best = boundary.multipart("alternative", [plain, rich])
    others = [_file_part(file, number) for number, file in enumerate(files, 1) if number not in inline]
    return (boundary.multipart("mixed", [best, *others]) if others else best).written()


def encoded_words(line: str) -> str:
    """Returns RFC 2047 encoded words, each with whole characters, one a line: `q`, which can be read, unless it is much longer."""
    plain, dense = _q_words(line), _b_words(line)
    return plain if len(plain) <= len(dense) * _Q_MAY_BE_LONGER else dense


def _b_words(line: str) -> str:
    words, chunk = [], b""
    for character in line:
        part = character.encode("utf-8", "replace")
        if len(chunk) + len(part) > _ENCODED_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += part
    words.append(chunk)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)


def _q_words(line: str) -> str:
    words = [""]
    for character in line:
        if character.isascii() and character.isalnum():
            part = character
        else:
            part = "_" if character == " " else "".join(f"={byte:02X}" for byte in character.encode("utf-8", "replace"))
        if len(words[-1]) + len(part) > _Q_CHARACTERS:
            words.append("")
        words[-1] += part
    return "\r\n ".join(f"=?utf-8?q?{word}?=" for word in words)


def _text_part(subtype: str, text: str, eight_bit: bool) -> _Part:
    encoding, body = _encoded(text, eight_bit)
    return _Part((f'Content-Type: text/{subtype}; charset="utf-8"', f"Content-Transfer-Encoding: {encoding}"), body)


def _encoded(text: str, eight_bit: bool) -> tuple[str, bytes]:
    data = "\r\n".join(_NEWLINE.split(text)).encode("utf-8", "replace")
    if max(map(len, data.split(b"\r\n"))) <= _MAX_LINE and not _FROM_LINE.search(data):
        if not _NOT_7BIT.search(text):
            return "7bit", data
        if eight_bit and not _CONTROLS.search(text):
            return "8bit", data
    return "quoted-printable", _quoted_printable(data)


def _quoted_printable(data: bytes) -> bytes:
    written = binascii.b2a_qp(data, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return _FROM_LINE.sub(b"=46=\r\nrom ", written)


def _document(fragment: str, locale: str, inline: dict[int, str]) -> str:
    """Returns the HTML as a page, a line for each of its blocks; the images have the ids of their parts."""

    def shown(found: re.Match[str]) -> str:
        content_id = inline.get(int(found[1]))
        return f'<img src="cid:{content_id}"' if content_id else "<img"

    fragment = _IMAGE.sub(shown, fragment)
    pieces = _VERBATIM.split(fragment)
    pieces[::2] = [_BLOCK_END.sub(r"\1\n", piece) for piece in pieces[::2]]
    language = f' lang="{locale}"' if locale in _HAN else ""
    head = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><meta name="color-scheme" content="light dark">'
    return f"<!DOCTYPE html>\n<html{language}>\n<head>{head}</head>\n<body>\n{''.join(pieces)}\n</body>\n</html>\n"


def _is_image(file: File) -> bool:
    """Returns true for what every mail program shows as an image and as nothing else."""
    return any(file.media_type == kind and beginning.match(file.data) for kind, beginning in _IMAGES.items())


def _file_part(file: File, number: int, content_id: str = "") -> _Part:
    kind = file.media_type.lower()
    if not _MEDIA_TYPE.fullmatch(kind) or kind.startswith(_COMPOSITE):
        kind = _UNKNOWN
    headers = [
        f"Content-Type: {kind}",
        f"Content-Disposition: {'inline' if content_id else 'attachment'};\r\n {_file_name(file.name, number)}",
        "Content-Transfer-Encoding: base64",
    ]
    if content_id:
        headers.append(f"Content-ID: <{content_id}>")
    return _Part(tuple(headers), base64.encodebytes(file.data).replace(b"\n", b"\r\n"))


def _file_name(name: str, number: int) -> str:
    """Returns the parameters that name a file: one line, no folder, its ending kept."""
    name = _IN_NAMES.sub("_", printable_line(name)).strip(". ") or f"attachment-{number}"
    if len(name) > _MAX_FILE_NAME:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 10 else ""
        name = name[: _MAX_FILE_NAME - len(ending)] + ending
    if name.isascii() and len(name) <= _PERCENT_CHARACTERS:
        return f'filename="{name}"'
    pieces = [""]
    for character in name:
        coded = quote(character, safe="", errors="replace")
        if len(pieces[-1]) + len(coded) > _PERCENT_CHARACTERS:
            pieces.append("")
        pieces[-1] += coded
    if len(pieces) == 1:
        return f"filename*=utf-8''{pieces[0]}"
    pieces[0] = f"utf-8''{pieces[0]}"
    return ";\r\n ".join(f"filename*{place}*={piece}" for place, piece in enumerate(pieces))


class _Boundaries:
    """Makes multiparts whose boundaries nobody can write into a text: they are a digest of all that is sent."""

    def __init__(self, message: Outbound, files: Sequence[File]) -> None:
        digest = blake2b(message.outbound_id.encode("utf-8", "replace"), digest_size=12)
        for words in (message.text, message.html):
            digest.update(blake2b(words.encode("utf-8", "replace")).digest())
        for file in files:
            digest.update(blake2b(file.data).digest())
        self._digest = digest.hexdigest()

    def multipart(self, subtype: str, parts: Sequence[_Part], parameter: str = "") -> _Part:
        boundary = f"=_{subtype[0]}_{self._digest}"
        body = b"".join(b"--" + boundary.encode() + b"\r\n" + part.written() + b"\r\n" for part in parts)
        headers = [f'Content-Type: multipart/{subtype}{parameter};\r\n boundary="{boundary}"']
        if not body.isascii():  # RFC 2045, section 6.4: it has the widest encoding of its parts
            headers.append("Content-Transfer-Encoding: 8bit")
        return _Part(tuple(headers), body + b"--" + boundary.encode() + b"--\r\n")

"""Decodes transfer encodings, also wrong ones: base64 that is none, soft breaks with blanks, uuencoded files."""

from __future__ import annotations

import binascii
import re

__all__ = ["decode", "decode_unannounced", "is_encoded", "is_text", "uuencoded"]

_NOT_IN_A_NAME = re.compile("[^a-z0-9]+")
_WHITE = b" \t\r\n\v\f"
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" + _WHITE
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_BLANK_INSIDE = re.compile(rb"(?<=\S)[\t\v\f]*+ [ \t\v\f]*+(?=\S)")
_BLANKS_AFTER_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_BASE64_LINES = re.compile(rb"\s*+(?:[A-Za-z0-9+/]{4,}+={0,2}[ \t]*+(?:\r?\n|\Z))++\s*+")
_WEB_ALPHABET = bytes.maketrans(b"-_", b"+/")
#: Shorter words may be base64 by chance.
_LEAST_BASE64, _LEAST_SIGNS, _SAMPLE_BYTES = 60, 3, 4_000
_ESCAPES = re.compile(rb"=[0-9A-F]{2}")
_HIGH_ESCAPES = re.compile(
    rb"=(?:C[2-9A-F]|D[0-9A-F])=[89AB][0-9A-F]|=E[0-9A-F](?:=[89AB][0-9A-F]){2}|=F0(?:=[89AB][0-9A-F]){3}"
)
_SOFT_BREAKS = re.compile(rb"=[ \t]*(?:\r?\n|\Z)")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_MOST_PADDINGS = 1000
_PADDING_INSIDE = re.compile(rb"=++(?=[A-Za-z0-9+/])")
#: One wrong character in so many is an accident; more of them mean that it is no base64.
_ACCIDENTS = 60
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n((?:[ -`]{1,62}\n)++)(?:`\n|\n)?end[ \t]*$", re.MULTILINE)
_MOST_UUENCODED = 20
_UU_BEGIN = re.compile(rb"^begin [0-7]+ [^\r\n]*\r?\n", re.MULTILINE)
_UU_END = re.compile(rb"^end[ \t\f]*\r?$", re.MULTILINE)


def decode(data: bytes, encoding: str) -> bytes:
    """Returns the bytes without their transfer encoding, named as in the header; an unknown name means none."""
    encoding = _NOT_IN_A_NAME.sub("", encoding.lower())
    if encoding.startswith("base64"):
        return _base64(data)
    if encoding.startswith("quotedprintable"):
        if b"\r" in data and b"\n" not in data:
            data = data.replace(b"\r", b"\n")
        return binascii.a2b_qp(_BLANKS_AFTER_SOFT_BREAK.sub(b"=", data))
    if encoding.startswith(("uu", "xuu")):
        return _uuencoded_part(data)
    return data


def is_encoded(encoding: str) -> bool:
    """Returns true for base64, quoted-printable and uuencode, in any spelling."""
    return _NOT_IN_A_NAME.sub("", encoding.lower()).startswith(("base64", "quotedprintable", "uu", "xuu"))


def decode_unannounced(data: bytes) -> bytes:
    """Returns the words of a text that is in base64 or quoted-printable although nobody says so; any other as it is."""
    sample = data[:_SAMPLE_BYTES]
    if len(data) > _SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1]
    if b"=" in sample and _is_quoted_printable(sample):
        return binascii.a2b_qp(_BLANKS_AFTER_SOFT_BREAK.sub(b"=", data)) if _is_quoted_printable(data) else data
    if len(sample) < _LEAST_BASE64 or not _BASE64_LINES.fullmatch(sample) or not is_text(_lenient(sample)):
        return data
    return words if _BASE64_LINES.fullmatch(data) and is_text(words := _lenient(data)) else data


def _is_quoted_printable(data: bytes) -> bool:
    """Returns true when every equals sign is one of quoted-printable, and some write UTF-8 or break lines."""
    signs = data.count(b"=")
    if signs < _LEAST_SIGNS or not data.isascii():
        return False
    escapes = len(_ESCAPES.findall(data))
    breaks = len(_SOFT_BREAKS.findall(data))
    if escapes + breaks < signs:
        return False
    return _HIGH_ESCAPES.search(data) is not None or (breaks > 0 and b"=3D" in data)


def is_text(words: bytes) -> bool:
    """Returns true for UTF-8 without control characters."""
    try:
        return bool(words) and not _CONTROLS.search(words.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _base64(data: bytes) -> bytes:
    if b"-" in data or b"_" in data:
        data = _of_the_web(data)
    wrong = data.translate(None, _BASE64_ALPHABET)
    if len(wrong) * _ACCIDENTS > len(data):  # text: all of it, or a footer below
        encoded = _lines_before_words(data, wrong)
        return _lenient(encoded) if encoded.strip() else data
    return _lenient(data)


def _of_the_web(data: bytes) -> bytes:
    """Returns base64 of the alphabet for URLs in the usual one; any other text as it is."""
    usual = data.translate(_WEB_ALPHABET)
    if b"+" in data or b"/" in data or not _BASE64_LINES.fullmatch(usual):
        return data
    return usual if is_text(_lenient(usual)) else data


def _lines_before_words(data: bytes, wrong: bytes) -> bytes:
    """Returns the lines above the first that has a blank inside, or one of the `wrong` characters, given in their order."""
    until = _line_start(data, data.find(wrong[:1])) if wrong else len(data)
    blank = _BLANK_INSIDE.search(data, 0, until) if data.find(b" ", 0, until) >= 0 else None
    return data[: _line_start(data, blank.start()) if blank else until]


def _line_start(data: bytes, at: int) -> int:
    return max(data.rfind(b"\n", 0, at), data.rfind(b"\r", 0, at)) + 1


def _lenient(data: bytes) -> bytes:
    """Decodes as much as there is: without the padding, or without the last, incomplete group."""
    digits = data.translate(None, _WHITE)
    if (
        0 <= digits.find(b"=") < len(digits) - 2
        and digits.count(b"=") < _MOST_PADDINGS
        and _PADDING_INSIDE.search(digits)
    ):
        return b"".join(_lenient(piece) for piece in digits.split(b"=") if piece)
    missing = -len(digits.rstrip(b"=")) % 4
    try:
        return binascii.a2b_base64(digits + b"=" * missing)
    except binascii.Error:
        digits = _NO_BASE64.sub(b"", digits).partition(b"=")[0]
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _uuencoded_part(data: bytes) -> bytes:
    """Returns the file of a part that is uuencoded; data that is not, or that does not end, as it is."""
    begin = _UU_BEGIN.search(data)
    end = _UU_END.search(data, begin.end()) if begin else None
    if begin is None or end is None:
        return data
    lines = data[begin.end() : end.start()].splitlines()
    try:
        return b"".join(map(binascii.a2b_uu, lines))
    except binascii.Error:  # some encoders write more than a line says that it holds
        try:
            return b"".join(binascii.a2b_uu(line[: ((line[0] - 32 & 63) * 4 + 5) // 3]) for line in lines if line)
        except binascii.Error:
            return data


def uuencoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Returns the text without the files that were uuencoded into it, and these files: `(name, bytes)`."""
    files: list[tuple[str, bytes]] = []
    if "begin " not in text:
        return text, files

    def take(match: re.Match[str]) -> str:
        if len(files) >= _MOST_UUENCODED:
            return match[0]
        try:
            files.append((match[1].strip(), b"".join(_uuencoded_line(line) for line in match[2].splitlines())))
        except (binascii.Error, ValueError):
            return match[0]
        return ""

    return _UUENCODED.sub(take, text), files


def _uuencoded_line(line: str) -> bytes:
    return b"" if line.strip() in ("`", "") else binascii.a2b_uu(line.encode("ascii"))

"""Decodes bytes whose declared charset is missing, unknown or wrong. Never raises; what is broken becomes U+FFFD.

Order: pure ASCII ▸ UTF-8 if it fits or nearly fits (other text is hardly ever valid UTF-8) ▸ the declared charset if it
nearly fits, in the superset that senders use ▸ the most plausible one (`charset_guess`). A broken byte is replaced; the text
around it is never read in another script for its sake.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from producers.mail import charset_guess, charset_twins

__all__ = ["clean", "decode"]

#: Declared → the superset that mailers mean by it.
_SUPERSETS = charset_guess.SUPERSETS | {
    "ascii": "cp1252",
    "gbk": "gb18030",
    "iso2022_jp": "iso2022_jp_ext",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
}
_ALIASES = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "cp-850": "cp850",
    "x-euc-jp": "euc_jp",
    "ks_c_5601-1987": "cp949",
    "ansi_x3.110-1983": "cp1252",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "x-unknown": "",
    "unknown-8bit": "",
    "default": "",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "windows-936": "gb18030",
    "windows-949": "cp949",
    "cp936": "gb18030",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
}
#: These are declared of any text, if any; what it is, its bytes say.
_SAYS_NOTHING = ("", "utf-8", "cp1252", "iso8859-1", "iso8859-15")
#: So many broken bytes, or this share of the characters beyond ASCII, and the text is still as declared.
_FEW, _BROKEN_SHARE = 3, 0.1
#: East Asian text with this share of common characters is as declared, below the other one it is something else. Between
#: them it is what has most of them.
_PLAUSIBLE, _IMPLAUSIBLE, _DECLARED_BONUS, _JUDGED_CHARACTERS = 0.8, 0.5, 0.1, 4000
#: Fewer East Asian characters than these are no evidence against what was declared: `ā` in GB18030 is `芋` in Big5.
_EVIDENCE = 3
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\ue000-\ufaff\uff00-\uffef]")
_OF_ASCII_BYTES = ("utf-7", "utf-16", "utf-32", "hz", "iso2022")
_ISO_2022_SWITCH = re.compile(rb"(\x1b(?:\$[@B]|\$\([DO]|\([BJIH]))")
_ISO_2022 = re.compile(rb"\x1b[$(][@BJI]")
_ISO_2022_KR = b"\x1b$)C"
#: Of text that no codec takes: it is decoded piece by piece.
_MAX_SWITCHED_BYTES = 500_000
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127, 0xFEFF])
_HAS_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")


def decode(data: bytes, declared: str | None = None) -> str:
    r"""Returns the text of `data`; line ends become `\n`."""
    return _decode(data, declared or "").replace("\r\n", "\n").replace("\r", "\n")


def clean(text: str) -> str:
    """Returns the text without control characters (but tab and newline) and without lone surrogates."""
    if _HAS_CONTROL.search(text):
        text = text.translate(_CONTROLS)
    return _SURROGATES.sub("\ufffd", text) if not text.isascii() else text


def _decode(data: bytes, declared: str) -> str:
    codec = _codec(declared.strip().strip("\"'").lower()[:60])
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and len(data) % 2 == 0:
        return data.decode("utf-16", "replace")
    if data.isascii():
        if not codec.startswith(_OF_ASCII_BYTES) or (codec.startswith(("utf-16", "utf-32")) and b"\0" not in data):
            return _switched(data) if b"\x1b" in data else data.decode("ascii")
    elif not codec.startswith(("utf-16", "utf-32")):  # these are valid UTF-8 by chance
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    if codec.startswith("iso2022_jp") and data.isascii():
        return _iso_2022_jp(data)
    if codec not in _SAYS_NOTHING and (text := _as_declared(data, codec, "strict")) is not None:
        return text
    if not data.isascii() and charset_guess.is_nearly_utf_8(data, declared=codec == "utf-8"):
        return data.decode("utf-8", "replace")
    if codec not in _SAYS_NOTHING and (text := _as_declared(data, codec, "replace")) is not None:
        return text
    western = codec in _SAYS_NOTHING[2:] and charset_guess.is_western(data, codec)
    return data.decode(codec if western else charset_guess.guess(data), "replace")


def _switched(data: bytes) -> str:
    """Decodes ASCII bytes that may switch to Japanese or Korean by escape sequences."""
    if _ISO_2022_KR in data:
        return data.decode("iso2022_kr", "replace")
    return _iso_2022_jp(data) if _ISO_2022.search(data) else data.decode("ascii")


def _as_declared(data: bytes, codec: str, errors: str) -> str | None:
    """Returns the text in the declared codec, None when it does not fit. Some bytes may be broken: they are replaced."""
    try:
        text = data.decode(codec, errors)
    except (UnicodeDecodeError, LookupError):
        return None
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    if text.count("\ufffd") > max(_FEW, _BROKEN_SHARE * foreign):
        return None
    if codec in charset_guess.EAST_ASIAN:
        return _of_neighbours(data, text, codec)
    return charset_twins.twin(data, text, codec)


def _of_neighbours(data: bytes, text: str, codec: str) -> str:
    """Returns an East Asian text as declared, or in the codec of a neighbour in which it makes more sense."""
    sample = text[:_JUDGED_CHARACTERS]
    score = charset_guess.everyday(sample, codec)
    if score > _PLAUSIBLE or len(_EAST_ASIAN.findall(sample)) < _EVIDENCE:
        return text
    other = charset_guess.guess(data)
    if other == codec:
        return text
    read = data.decode(other, "replace")
    if other in charset_guess.EAST_ASIAN:
        return read if charset_guess.everyday(read[:_JUDGED_CHARACTERS], other) > score + _DECLARED_BONUS else text
    return read if score < _IMPLAUSIBLE and "\ufffd" in text else text


def _iso_2022_jp(data: bytes) -> str:
    """Decodes ISO-2022-JP with the additions of Japanese mailers: rows of vendors (①㈱) and half-width kana.

    Python has no codec for that (code page 50220); the same characters have their places in code page 932.
    """
    try:
        return data.decode("iso2022_jp_ext")
    except UnicodeDecodeError:
        pass
    done: list[str] = []
    mode = b"\x1b(B"
    for piece in _ISO_2022_SWITCH.split(data[:_MAX_SWITCHED_BYTES]):
        if piece.startswith(b"\x1b"):
            mode = piece
        elif mode.startswith(b"\x1b$"):
            kanji, newline, rest = piece.partition(
                b"\n"
            )  # a line end ends the mode, with or without an escape sequence
            done.append(_rows(kanji) + (newline + rest).decode("ascii", "replace"))
        elif mode == b"\x1b(I":
            done.append(bytes(byte | 0x80 for byte in piece).decode("cp932", "replace"))
        else:
            done.append(piece.decode("ascii", "replace"))
    return "".join(done)


def _rows(pairs: bytes) -> str:
    """Decodes JIS X 0208 rows and cells, by way of Shift JIS."""
    done = bytearray()
    for row, cell in zip(pairs[::2], pairs[1::2], strict=False):
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            continue
        first = ((row - 0x21) >> 1) + 0x81
        done.append(first + 0x40 if first > 0x9F else first)
        done.append(cell + (0x1F if cell < 0x60 else 0x20) if row % 2 else cell + 0x7E)
    return done.decode("cp932", "replace")


@lru_cache(maxsize=256)
def _codec(declared: str) -> str:
    """Returns the Python codec of a declared charset, '' when there is none that decodes text."""
    name = _ALIASES.get(declared, declared)
    if not name:
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return ""
    if not getattr(info, "_is_text_encoding", True) or info.name in ("idna", "punycode", "undefined", "unicode_escape"):
        return ""
    return _SUPERSETS.get(info.name, info.name)

"""Decodes bytes whose declared charset is missing, unknown or wrong. Never raises; what is broken becomes U+FFFD.

Order: pure ASCII ▸ valid UTF-8 (other text is hardly ever valid UTF-8) ▸ the declared charset, in the superset that
senders use ▸ a guess among the East Asian encodings ▸ Windows-1252.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

__all__ = ["clean", "decode"]

#: Declared → the superset that mailers mean by it.
_SUPERSETS = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
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
_GUESSES = ("gb18030", "cp932", "big5hkscs", "euc_jp", "cp949")
_GUESS_BYTES = 4000
#: Text with this share of common characters is believed to be as declared; below it, the others are tried as well.
_PLAUSIBLE, _DECLARED_BONUS = 0.8, 0.1
#: Fewer East Asian characters than these are no evidence against what was declared: `ā` in GB18030 is `芋` in Big5.
_EVIDENCE = 3
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\ue000-\ufaff\uff00-\uffef]")
#: Two bytes above 7F together: Western text has them one by one.
_HIGH_PAIR = re.compile(rb"[\x80-\xff]{2}")
_OF_ASCII_BYTES = ("utf-7", "utf-16", "utf-32", "hz", "iso2022")
_ISO_2022_SWITCH = re.compile(rb"(\x1b(?:\$[@B]|\$\([DO]|\([BJIH]))")
_ISO_2022 = re.compile(rb"\x1b[$(][@BJI]")
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
            return data.decode("ascii") if not _ISO_2022.search(data) else _iso_2022_jp(data)
    elif not codec.startswith(("utf-16", "utf-32")):  # these are valid UTF-8 by chance
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    if codec.startswith("iso2022_jp") and data.isascii():
        return _iso_2022_jp(data)
    if codec and codec != "utf-8":
        try:
            text = data.decode(codec)
        except (UnicodeDecodeError, LookupError):
            pass
        else:
            if codec in _GUESSES:
                sample = text[:_GUESS_BYTES]
                believed = _everyday(sample, codec) > _PLAUSIBLE or len(_EAST_ASIAN.findall(sample)) < _EVIDENCE
                return text if believed else _guess(data, codec)
            if codec not in ("cp1252", "iso8859-1") or not _looks_east_asian(data):
                return text
    return _guess(data, codec)


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


def _looks_east_asian(data: bytes) -> bool:
    """Says if there are long runs of bytes above 7F: two-byte text that was declared as Latin-1."""
    sample = data[:_GUESS_BYTES]
    high = sum(byte > 0x7F for byte in sample)
    in_runs = sum(len(run) for run in re.findall(rb"[\x81-\xfe]{2,}", sample))
    return high > 16 and in_runs * 10 > high * 7 and high / len(sample) > 0.25


def _guess(data: bytes, declared: str) -> str:
    """Returns the East Asian decoding with the most everyday characters; if none fits, the declared one with U+FFFD."""
    sample = data[:_GUESS_BYTES]
    best, best_score = "", 0.5
    for codec in _GUESSES if _HIGH_PAIR.search(sample) else ():
        try:
            text = codecs.getincrementaldecoder(codec)().decode(sample)  # the cut may be inside of a character
        except UnicodeDecodeError:
            continue
        score = _everyday(text, codec) + (_DECLARED_BONUS if codec == declared else 0.0)
        if score > best_score:
            best, best_score = codec, score
    if best:
        return data.decode(best, "replace")
    if declared and declared != "utf-8":
        return data.decode(declared, "replace")
    # Mostly UTF-8 with a broken byte, or some single-byte Western text.
    text = data.decode("utf-8", "replace")
    return text if text.count("\ufffd") * 20 <= len(text) else data.decode("cp1252", "replace")


def _everyday(text: str, codec: str) -> float:
    """Returns the share of the non-ASCII characters that are common in text of this encoding."""
    foreign = [char for char in text if char > "\x7f"]
    if not foreign:
        return 0.0
    common = _common(codec)
    points = 0.0
    for char in foreign:
        if char in common:
            points += 0.97 if char > "\uac00" else 0.9  # text that reads as Hangul throughout is not Chinese
        elif char in _PUNCTUATION:
            points += 0.8
        elif "\u4e00" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3":
            points += 0.35
        elif "\uff61" <= char <= "\uff9f" or "\ue000" <= char <= "\uf8ff":
            points -= 1.0  # half-width kana and private use: the usual outcome of a wrong guess
    points += 0.1 * sum(char in _FREQUENT for char in foreign)
    return points / len(foreign)


_PUNCTUATION = frozenset("，。、！？：；「」（）　・ー～…“”‘’《》【】％")


@lru_cache(maxsize=8)
def _common(codec: str) -> frozenset[str]:
    """Returns the characters that the makers of a national standard put first because they are used most."""
    base, first, last = {
        "gb18030": ("gb2312", 0xB0, 0xD7),
        "big5hkscs": ("big5", 0xA4, 0xC6),
        "cp949": ("euc_kr", 0xB0, 0xC8),
    }.get(codec, ("euc_jp", 0xB0, 0xCF))
    found = {
        bytes((lead, trail)).decode(base, "ignore") for lead in range(first, last + 1) for trail in range(0x40, 0xFF)
    }
    if base == "euc_jp":
        found |= {chr(kana) for kana in range(0x3041, 0x30FF)}
    return frozenset(char for char in found if len(char) == 1 and char > "\x7f")


_FREQUENT = frozenset(
    "的一是不了在人有我他这個个们中来上大为和国地到以说時时要就出会可也你对生能而子那得于着下自之年过發发後后作里"
    "用道行所然家種种事成方多经麼么去法学如都同现当没動动面起看定天分还進进好小部其些主样理心她本前开但因只从想实"
    "請请問问謝谢您訂订單单貨货收到退款換换買买快遞递品客服尺寸色錢钱支付已經经沒還还沒這这樣样什時間间何時号號"
    "日本人私様申込注文商品届返品交換配送確認お願致思いたしますください送料金払込先"
)

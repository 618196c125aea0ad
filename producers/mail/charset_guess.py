"""Guesses the charset of bytes that declare none, or one that cannot be theirs.

`chardet` knows the languages; it is asked about the charsets that mail comes in. It takes a charset only if every byte is
valid in it, so East Asian text with a broken byte is judged here, by its most common characters.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import chardet

__all__ = ["EAST_ASIAN", "MOST_GUESSES", "SUPERSETS", "at_most", "everyday", "guess", "is_nearly_utf_8", "is_western"]

EAST_ASIAN = ("gb18030", "cp932", "big5hkscs", "euc_jp", "cp949")
#: What mail comes in, by the names that Python has for it.
_CANDIDATES = (
    *("cp1252", "iso8859-15", "cp1250", "iso8859-2", "cp1251", "koi8-r", "koi8-u", "iso8859-5", "cp866", "cp1253"),
    *("iso8859-7", "cp1254", "iso8859-9", "cp1255", "iso8859-8", "cp1256", "iso8859-6", "cp1257", "iso8859-13"),
    *("cp874", "gb18030", "big5hkscs", "cp932", "euc-jp", "cp949"),
)
#: What senders mean by these, who name the smaller set.
SUPERSETS = {
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "iso8859-1": "cp1252",
}
_FOUND = SUPERSETS | {"tis-620": "cp874"}
#: One costs up to five milliseconds, and a mail may have a thousand names and parts.
MOST_GUESSES = 20
_SAMPLE_BYTES = 2000
_PIECES, _LEAST_PIECE_BYTES = 4, 60
_C1 = re.compile(rb"[\x80-\x9f]")
_ASCII = bytes(range(128))
_UTF_8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
#: Without a declaration a valid continuation must stand against each stray byte; with one, most of one.
_CONTINUATIONS_PER_STRAY_BYTE, _AS_DECLARED = 1.0, 0.6
#: The letters beyond ASCII of languages that are written in Windows-1252, and what people type in all of them.
_MARKS = "«»‘’‚“”„–—…•€£§°·´©®™\xa0"
_WESTERN = tuple(
    frozenset((alphabet + alphabet.upper() + _MARKS).encode("cp1252", "ignore"))
    for alphabet in (
        "äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúü¡¿", "áâãàçéêíóôõú", "àèéìíîòóùú", "áéèëêïíóöüûçî", "åäöéáüàè", "æøåéóòôüäö",
        "áðéíóúýþæö",
    )
)  # fmt: skip
#: The euro sign and the letters by which Latin-9 differs from Latin-1.
_LATIN_9 = frozenset("€ŠšŽžŒœŸ".encode("iso8859-15"))
#: In East Asian text most bytes are above 7F; of Western letters one in six is.
_LEAST_HIGH_SHARE = 0.4
_LEAST_EVERYDAY, _MOST_BROKEN = 0.7, 0.12
#: Below so many bytes the frequency of characters is no evidence against a word of letters.
_LEAST_EVIDENT_BYTES = 40
#: More bytes say no more of whether a text is UTF-8.
_JUDGED_BYTES = 1_000_000


def is_nearly_utf_8(data: bytes, *, declared: bool) -> bool:
    """Returns true for UTF-8 with some broken bytes: no other text has many valid sequences of it."""
    data = data[:_JUDGED_BYTES]
    rest, sequences = _UTF_8_SEQUENCE.subn(b"", data)
    continuations = len(data) - len(rest) - sequences
    stray = len(rest.translate(None, _ASCII))
    if not sequences or continuations < stray * (_AS_DECLARED if declared else _CONTINUATIONS_PER_STRAY_BYTE):
        return False
    # a few East Asian characters may hold more valid sequences than stray bytes
    return continuations >= 4 * stray or not _may_be_east_asian(data[:_SAMPLE_BYTES]) or not _best_east_asian(data)


def is_western(data: bytes, codec: str = "cp1252") -> bool:
    """Returns true when all bytes above 7F are letters of one western language, or punctuation, in Windows-1252 or Latin-9."""
    high = frozenset(data.translate(None, _ASCII))
    if codec == "iso8859-15":
        high -= _LATIN_9
    return any(high <= alphabet for alphabet in _WESTERN)


class _Guesses:
    """Counts the guesses of one mail: how many are left, and what they came to."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.made: Counter[str] = Counter()


_of_this_mail: ContextVar[_Guesses | None] = ContextVar("guesses", default=None)


@contextmanager
def at_most(guesses: int = MOST_GUESSES) -> Iterator[None]:
    """Bounds what guessing costs within: texts beyond so many get the charset that was guessed most."""
    token = _of_this_mail.set(_Guesses(guesses))
    try:
        yield
    finally:
        _of_this_mail.reset(token)


def guess(data: bytes) -> str:
    """Returns the most plausible codec of bytes that are not UTF-8; Windows-1252 when nothing speaks for another."""
    guesses = _of_this_mail.get()
    if guesses is not None and not guesses.left:
        return guesses.made.most_common(1)[0][0]
    sample = data[:_SAMPLE_BYTES]
    if sample.isascii():
        high = _first_high(data)
        sample = data[max(0, high - _SAMPLE_BYTES // 2) : high + _SAMPLE_BYTES // 2]
    codec = _guess(sample)
    if guesses is not None:
        guesses.left -= 1
        guesses.made[codec] += 1
    return codec


@lru_cache(maxsize=512)
def _guess(sample: bytes) -> str:
    codec = _detected(sample)
    if codec in EAST_ASIAN or _may_be_east_asian(sample):
        east_asian = _best_east_asian(sample)
        if codec in EAST_ASIAN or (east_asian and (len(sample) >= _LEAST_EVIDENT_BYTES or not _is_word(sample, codec))):
            return east_asian or codec
    if codec == "iso8859-15" and _C1.search(sample):
        return "cp1252"
    return codec


def _detected(sample: bytes) -> str:
    """Returns the codec that most pieces of a text are in: a broken byte excludes the right one for its piece only."""
    votes: dict[str, float] = defaultdict(float)
    size = max(_LEAST_PIECE_BYTES, -(-len(sample) // _PIECES))
    pieces = [sample[start : start + size] for start in range(0, len(sample), size)]
    for piece in [sample, *pieces] if len(pieces) > 1 else [sample]:
        found = chardet.detect(piece, include_encodings=_CANDIDATES)
        if found["encoding"] and not piece.isascii():
            name = codecs.lookup(found["encoding"]).name
            votes[_FOUND.get(name, name)] += found["confidence"]
    return max(votes, key=votes.__getitem__) if votes else "cp1252"


def _is_word(sample: bytes, codec: str) -> bool:
    """Returns true when a short text has nothing but letters beyond ASCII in this codec."""
    return all(character < "\x80" or character.isalpha() for character in sample.decode(codec, "replace"))


def _may_be_east_asian(sample: bytes) -> bool:
    """Returns true when enough bytes are above 7F, in a short text those of its words that have any."""
    if len(sample) < _LEAST_EVIDENT_BYTES:
        sample = b"".join(word for word in sample.split() if not word.isascii())
    return len(sample.translate(None, _ASCII)) >= _LEAST_HIGH_SHARE * len(sample)


def _best_east_asian(sample: bytes) -> str:
    sample, best, best_score = sample[:_SAMPLE_BYTES], "", _LEAST_EVERYDAY
    for codec in EAST_ASIAN:
        text = sample.decode(codec, "replace")
        foreign = sum(character > "\x7f" for character in text)
        broken = text.count("\ufffd") / max(1, foreign)
        score = everyday(text, codec) - broken
        if broken <= _MOST_BROKEN and score > best_score:
            best, best_score = codec, score
    return best


def _first_high(data: bytes) -> int:
    found = re.search(rb"[\x80-\xff]", data)
    return found.start() if found else 0


def everyday(text: str, codec: str) -> float:
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

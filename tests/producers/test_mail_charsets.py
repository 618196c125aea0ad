"""Texts of 27 languages in all their usual charsets, declared well, falsely or not at all, with broken bytes."""

from __future__ import annotations

import base64
import random
import unicodedata
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.mail import charset_guess, charsets
from producers.mail.event import message_received
from producers.mail.parse import parse
from tests.support.each import each
from tests.support.producers.languages import CHARSETS, SENTENCES

EVERY = [(language, charset) for language, each in CHARSETS.items() for charset in each]
DECLARATIONS = ("right", "", "utf-8", "iso-8859-1")
#: A broken byte may take so many characters with it, in a charset of several bytes a character.
LOST_PER_BYTE = 4


def text_of(language: str, length: int, dice: random.Random) -> str:
    sentences, text = list(SENTENCES[language]), ""
    while len(text) < length + 40:
        dice.shuffle(sentences)
        text += " ".join(sentences) + " "
    start = dice.randrange(40)
    return text[start : start + length]


def broken(data: bytes, count: int, dice: random.Random) -> bytes:
    """Some bytes above 7F are other bytes above 7F, or ASCII."""
    damaged = bytearray(data)
    high = [at for at, byte in enumerate(damaged) if byte > 0x7F]
    for at in dice.sample(high, min(count, len(high))):
        damaged[at] = dice.choice((dice.randrange(0x80, 0x100), damaged[at] & 0x7F | 0x20))
    return bytes(damaged)


def case(language: str, charset: str, length: int, count: int, seed: str = "") -> tuple[bytes, str]:
    dice = random.Random(f"{language} {charset} {length} {count} {seed}")
    raw = text_of(language, length, dice).encode(charset, "ignore")
    return broken(raw, count, dice), raw.decode(charset)


def is_whole(text: str, found: str, count: int) -> bool:
    if not count:
        return text == found
    same = sum(block.size for block in SequenceMatcher(None, text, found, autojunk=False).get_matching_blocks())
    return same >= len(text) - LOST_PER_BYTE * count and len(found) <= len(text) + LOST_PER_BYTE * count


def scripts(text: str) -> Counter[str]:
    """Letters beyond ASCII by script; the East Asian ones together."""
    found = Counter(
        unicodedata.name(character, "?").split()[0] for character in text if character > "\x7f" and character.isalpha()
    )
    east_asian = sum(found.pop(name, 0) for name in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"))
    return found + Counter({"EAST ASIAN": east_asian})


def is_in_its_script(text: str, found: str, count: int) -> bool:
    """A broken byte may make a letter of any script; of the text around it it makes none."""
    before, after = scripts(text), scripts(found)
    return (after - before).total() <= LOST_PER_BYTE * count or most_common(before) == most_common(after)


def most_common(counted: Counter[str]) -> str:
    return counted.most_common(1)[0][0]


@each(("language", "charset"), EVERY)
def test_a_text_as_declared_is_read_as_written(language: str, charset: str) -> None:
    for length in (1, 5, 20, 200):
        raw, text = case(language, charset, length, 0)
        assert charsets.decode(raw, charset) == text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_texts_over_100_characters_are_whole_whatever_was_declared(count: int) -> None:
    wrong, tried = [], 0
    for language, charset in EVERY:
        for length in (110, 160, 250, 500):
            raw, text = case(language, charset, length, count)
            for declared in DECLARATIONS:
                found = charsets.decode(raw, charset if declared == "right" else declared)
                tried += 1
                if not is_whole(text, found, count):
                    wrong.append((language, charset, length, declared, found[:40]))
                    assert is_in_its_script(text, found, count), wrong[-1]
    assert len(wrong) <= tried * 0.01, wrong


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(EVERY),
    st.integers(101, 1500),
    st.sampled_from([0, 1, 3]),
    st.sampled_from(DECLARATIONS),
    st.text(max_size=5),
)
def test_no_text_changes_its_script(which: tuple[str, str], length: int, count: int, declared: str, seed: str) -> None:
    raw, text = case(*which, length, count, seed)
    found = charsets.decode(raw, which[1] if declared == "right" else declared)
    assert is_in_its_script(text, found, count)
    if declared == "right":
        assert found.count("\ufffd") <= LOST_PER_BYTE * count


def one_broken_byte_in_a_long_mail() -> Iterator[tuple[str, bytes, str]]:
    for language in ("ru", "el", "he", "ja", "de"):
        text = " ".join(SENTENCES[language]) * 8
        raw = bytearray(text.encode())
        at = len(raw) // 2
        while raw[at] < 0xC0:
            at += 1
        raw[at] = 0xFF
        yield language, bytes(raw), text


@pytest.mark.parametrize(("language", "raw", "text"), one_broken_byte_in_a_long_mail())
def test_a_broken_byte_of_utf_8_costs_one_character(language: str, raw: bytes, text: str) -> None:
    found = charsets.decode(raw, "utf-8")
    assert found.replace("\ufffd", "") in {text[:at] + text[at + 1 :] for at in range(len(text))}
    assert 1 <= found.count("\ufffd") <= 3


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("退款什么时候到？", "gb18030"), ("訂單", "big5"), ("佐藤健", "cp932"), ("ご注文について", "euc_jp"), ("안녕하세요", "cp949"),
        ("Привет", "cp1251"), ("Заказ", "koi8-r"), ("Спасибі", "koi8-u"), ("Καλημέρα", "cp1253"), ("שלום", "cp1255"),
        ("مرحبا", "cp1256"), ("Grüße aus Köln", "cp1252"), ("São João", "cp1252"), ("Muñoz", "cp1252"), ("Łukasz", "cp1250"),
    ],
)  # fmt: skip
def test_a_few_raw_words_of_a_header_are_read(text: str, charset: str) -> None:
    mail = parse(b"From: a@example.org\nSubject: " + text.encode(charset) + b"\n\nHello\n")
    assert message_received(mail, now=1).subject == text


def test_a_thousand_undeclared_names_cost_no_more_than_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    guessed: list[bytes] = []
    monkeypatch.setattr(charset_guess, "_guess", lambda sample: guessed.append(sample) or "cp1251")
    words = " ".join(
        f"=?x-{number}?B?{base64.b64encode(f'Заказ {number}'.encode('cp1251')).decode()}?=" for number in range(1000)
    )
    mail = parse(f"From: a@example.org\nSubject: {words}\n\nHello\n".encode())
    assert message_received(mail, now=1).subject.startswith("Заказ 0")
    assert 0 < len(guessed) <= charset_guess.MOST_GUESSES


@pytest.mark.parametrize(
    ("language", "charset", "declared"),
    [("ru", "cp1251", "koi8-r"), ("ru", "koi8-r", "windows-1251"), ("uk", "koi8-u", "windows-1251"), ("uk", "cp1251", "koi8-u"),
     ("pl", "cp1250", "iso-8859-2"), ("pl", "iso8859-2", "windows-1250"), ("cs", "cp1250", "iso-8859-2")],
)  # fmt: skip
def test_text_declared_as_the_twin_of_its_charset_is_read(language: str, charset: str, declared: str) -> None:
    for sentence in SENTENCES[language]:
        raw = sentence.encode(charset, "ignore")
        assert charsets.decode(raw, charset) == raw.decode(charset)
    raw = " ".join(SENTENCES[language]).encode(charset, "ignore")
    assert charsets.decode(raw, declared) == raw.decode(charset)


def test_capitals_are_read_in_the_declared_charset() -> None:
    for charset in ("cp1251", "koi8-r"):
        for text in ("ГДЕ МОЙ ЗАКАЗ", "ООО Ромашка", "Счёт ИП Иванова", "iPhone в ремонте"):
            assert charsets.decode(text.encode(charset), charset) == text

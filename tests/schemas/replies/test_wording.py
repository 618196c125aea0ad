"""Advice on the wording of replies: on what it comes, on what it does not, and where."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies import followed, wording_file
from schemas.replies.own_words import language_of
from schemas.replies.phrase import compiled
from schemas.replies.wording import KINDS
from tests.support.each import each
from tests.support.wording_examples import examples

LISTS = followed.load().wording
EXAMPLES = list(examples())
BAD = [row for row in EXAMPLES if row[1] not in ("fine", "shouting", "placeholder")]
FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)} | {" ": "\u3000"})
#: Names of products in capitals look like any other words: the list has to name them.
NAMES_IN_CAPITALS = ("Take It Or Leave It", "Not My Problem")


@each(("language", "kind", "text"), EXAMPLES)
def test_advice_comes_on_what_hurts_and_on_nothing_else(language: str, kind: str, text: str) -> None:
    found = LISTS.check(text, language)
    assert kind in {each.kind for each in found} if kind != "fine" else found == [], f"{kind}: {text}"
    for advice in found:
        assert text[advice.start : advice.end] == advice.words
        assert language_of(advice.say) == language or language.startswith("zh")
        assert advice.why


@each(("language", "kind", "text"), BAD)
def test_words_of_the_customer_code_and_mail_below_get_none(language: str, kind: str, text: str) -> None:
    for written in (
        f"You wrote “{text}”.",
        f'They said: "{text}" yesterday.',
        f"「{text}」",
        f"> {text}",
        f"`{text}`",
        f"```\n{text}\n```",
        f"Thank you.\n\nOn Mon, 30 Nov 2026 at 10:00, Ann Lee wrote:\n{text}",
        f"-----Original Message-----\n{text}",
    ):
        assert [each.words for each in LISTS.check(written, language)] == [], written


@each(("language", "kind", "text"), BAD)
def test_capitals_and_width_change_no_advice(language: str, kind: str, text: str) -> None:
    for written in (text.upper(), text.translate(FULL_WIDTH), f"OK。\r\n{text}\r\nOK。"):
        assert kind in {each.kind for each in LISTS.check(written, language)}, written


@each(("language", "kind", "text"), [row for row in EXAMPLES if row[1] == "fine"])
def test_what_is_fine_is_fine_in_capitals_and_full_width(language: str, kind: str, text: str) -> None:
    if not any(name in text for name in NAMES_IN_CAPITALS):
        for written in (text.upper(), text.translate(FULL_WIDTH)):
            assert [each.words for each in LISTS.check(written, language) if each.kind != "shouting"] == [], written


def test_a_language_without_a_list_gets_no_advice() -> None:
    assert LISTS.check("Leider können wir das nicht.", "de") == []


def test_every_language_has_every_kind_of_advice() -> None:
    for language in LOCALES:
        wording = LISTS.by_language[language]
        assert {rule.kind for rule in wording.rules} | set(wording.hints) == set(KINDS), language


PIECES = st.lists(st.sampled_from([row[2] for row in BAD]) | st.text(max_size=12) | st.sampled_from('\r\n ﾞ「」“”"`>'))


@given(PIECES.map("".join))
def test_advice_names_its_place_in_any_text(text: str) -> None:
    read = text.replace("\r\n", " \n").replace("\r", "\n")
    for language in LOCALES:
        found = LISTS.check(text, language)
        assert [read[advice.start : advice.end] for advice in found] == [advice.words for advice in found]


@each(
    "part",
    (
        "we can't ",
        "--_",
        "__",
        '"',
        "「",
        "`",
        "On ",
        "a@",
        "您请尽快",
        "ご迷惑をおかけし",
        "!!! ",
        "A THE ",
        "A'",
        "AA" + " " * 6_000,
        "AA" + " ," * 3_000 + " ",
        "ｶﾞ",
        "{",
        "> \n",
    ),
)
def test_no_text_takes_long(part: str) -> None:
    text = part * (20_000 // len(part))
    for language in LOCALES:
        began = time.process_time()
        LISTS.check(text, language)
        assert time.process_time() - began < 1.0, language


@each(("written", "found", "missed"), [
    ("we (can't|cannot) …help", "but we cannot really help", "we can help"),
    ("^sorry", "Fine. Sorry then", "so sorry"),
    ("no$", "I say no.", "no, I do"),
    ("cancel*", "cancelled", "a pencil"),
    ("within # days", "within 30 days", "within some days"),
    ("very [very]*good", "veryvery good" , "very bad"),
])  # fmt: skip
def test_a_phrase_says_what_it_finds(written: str, found: str, missed: str) -> None:
    phrase = compiled(written.replace("[very]*", "[very ]*"), latin=True)
    assert phrase.pattern.search(found.lower().replace("veryvery", "very very"))
    assert not phrase.pattern.search(missed.lower())


@given(st.text(st.sampled_from("ab …#*^$ "), min_size=1, max_size=8), st.text(st.sampled_from("ab 1."), max_size=20))
def test_a_phrase_stands_only_where_one_of_its_needles_does(written: str, text: str) -> None:
    if written.strip():
        phrase = compiled(f"({written}|b)[a]", latin=False)
        if phrase.needles and phrase.pattern.search(text):
            assert any(needle in text for needle in phrase.needles)


GOOD = "language: en\nadvice:\n  - kind: negative\n    why: W\n    say: S\n    phrases: [sadly]\n"


@each(("change", "line", "said"), [
    (("sadly", "'(sadly'"), 6, "brackets do not match"),
    (("sadly", "'a|b'"), 6, "outside of brackets"),
    (("sadly", "'[sadly]'"), 6, "found everywhere"),
    (("[sadly]", "sadly"), 6, "list of phrases"),
    (("negative", "nasty"), 3, "not a kind"),
    (("why: W", "why: ''"), 4, "one line"),
    (("say: S", "tell: S"), 5, "not known here"),
    (("language: en", "language: fr"), 1, "not a language"),
    (("language: en", "language: ja"), 1, "name the file"),
    (("language: en", "language: en\nnames: [1]"), 2, "not a name"),
])  # fmt: skip
def test_an_invalid_list_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    path = tmp_path / "wording.en.yaml"
    path.write_text(GOOD.replace(*change), "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        wording_file.load(path)
    assert refused.value.where == f"{path}:{line}"
    assert said in str(refused.value)


def test_names_of_a_list_are_never_advised_on(tmp_path: Path) -> None:
    path = tmp_path / "wording.en.yaml"
    path.write_text(GOOD + "names: [Sadly Yours]\n", "utf-8")
    wording = wording_file.load(path)
    assert [wording.check(text) != [] for text in ("SADLY YOURS is sold", "sadly it is sold")] == [False, True]

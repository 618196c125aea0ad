"""Examples of every acknowledgement: they are stored as files, renewed by `make generate`, and read by eye when they change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas import safe_html
from schemas.events import LOCALES
from stream_processors.rules import ruleset
from stream_processors.rules.examples import examples
from stream_processors.rules.preview import page, shown
from stream_processors.rules.templates import FITS, KINDS

RULES = ruleset.load()
STORED = Path(__file__).parents[3] / "deploy" / "docs" / "acknowledgements"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_acknowledgement_is_as_it_is_stored(locale: str) -> None:
    found = list(examples(RULES, locales=[locale]))
    assert len(found) == len(KINDS) * (1 + len(RULES.situations.names))
    stored = (STORED / f"{locale}.txt").read_text("utf-8")
    assert "\n\n".join(map(shown, found)) + "\n" == stored, "read what changed, then run `make generate`"


def test_every_acknowledgement_keeps_to_its_channel_and_says_nothing_twice() -> None:
    problems = []
    for each in examples(RULES):
        text, page_ = each.rendered.text, each.rendered.html
        name = each.rendered.template
        if each.missing or not FITS.get(each.kind, lambda _: True)(text):
            problems.append(f"{name}: has no text, or is too long")
        if bool(page_) != (each.kind == "email"):
            problems.append(f"{name}: HTML is for mails")
        if page_ and (safe_html.clean(page_) != page_ or re.search(r"<img|style=|color|src=", page_)):
            problems.append(f"{name}: its HTML fetches or paints something")
        if re.search(r"\ue000|\{|\}| {2}|，，|、、|。。|，。|\n\n\n|<p></p>", text + page_):
            problems.append(f"{name}: {text!r}")
    assert problems == []


def test_html_says_what_the_text_says() -> None:
    for each in examples(RULES, kinds=["email"]):
        words = [
            re.sub(r"[\s・：:-]+|https?://\S+", "", text)
            for text in (each.rendered.text, safe_html.to_text(each.rendered.html))
        ]
        assert re.sub(r"[>()（）*]", "", words[1]) == re.sub(r"[>()（）*]", "", words[0]), each.rendered.template


def test_each_situation_is_told_in_words_of_its_own() -> None:
    """A general word stays where a channel has no room for more: one SMS, or a voicemail's."""
    for locale in LOCALES:
        for kind in ("email", "chat"):
            found = {each.situation: each.rendered.text for each in examples(RULES, locales=[locale], kinds=[kind])}
            assert len(set(found.values())) == len(found), (locale, kind)


def test_the_page_shows_every_acknowledgement() -> None:
    found = list(examples(RULES))
    shown_ = page(found)
    assert shown_.count("<td") == len(found)
    assert "prefers-color-scheme" in shown_ or "color-scheme" in shown_
    assert not re.search(r"https?://(?!help\.)", shown_)

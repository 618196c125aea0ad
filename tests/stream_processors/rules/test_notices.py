"""The texts that answer STOP, START and HELP: one SMS each, and nothing half right is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.rules import ruleset
from stream_processors.rules.notices import KINDS, Notices
from stream_processors.text import sms
from tests.support.each import each

SHIPPED = ruleset.SHIPPED / "notices.yaml"
ALL = [(kind, locale) for kind in KINDS for locale in LOCALES]


@each(
    "domain", ["support.example", "a-very-long-name-of-a-company-that-sells-everything.example", "x" * 200 + ".example"]
)
@each(("kind", "locale"), ALL)
def test_every_text_is_one_sms_whatever_our_domain(kind: str, locale: str, domain: str) -> None:
    text = Notices.load(SHIPPED, domain).text(kind, locale)
    assert sms.units(text) <= (160 if sms.is_gsm_7(text) else 70), text
    assert "{" not in text


@pytest.mark.parametrize("locale", LOCALES)
def test_help_names_our_address_where_it_fits(locale: str) -> None:
    assert "support@support.example" in Notices.load(SHIPPED, "support.example").text("help", locale)
    assert "@" not in Notices.load(SHIPPED, "x" * 200 + ".example").text("help", locale)


@pytest.mark.parametrize(("kind", "word"), [("help", "STOP"), ("opt_out", "START"), ("opt_in", "STOP")])
def test_every_text_names_the_way_out(kind: str, word: str) -> None:
    assert all(word in Notices.load(SHIPPED, "support.example").text(kind, locale) for locale in LOCALES)


def test_another_language_is_answered_in_english() -> None:
    notices = Notices.load(SHIPPED, "support.example")
    assert notices.text("help", "fr") == notices.text("help", "en")


def edited(tmp_path: Path, kind: str, locale: str, value: Any) -> Path:
    data = yaml.safe_load(SHIPPED.read_text("utf-8"))
    if locale:
        data[kind][locale] = value
    else:
        data[kind] = value
    path = tmp_path / "notices.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), "utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "locale", "value", "complaint"),
    [
        ("help", "en", ["Reply STOP. " * 20], "none of the texts fits into one SMS"),
        ("help", "en", ["Who are we?"], "does not name STOP"),
        ("opt_out", "ja", ["終了"], "does not name START"),
        ("opt_in", "en", [], "must be a list of texts"),
        ("opt_in", "en", "STOP", "must be a list of texts"),
        ("opt_in", "en", ["STOP", 7], "must be a list of texts"),
        ("help", "fr", ["STOP"], "must hold en, zh-Hans, zh-Hant, ja"),
        ("help", "", [], "must hold en, zh-Hans, zh-Hant, ja"),
        ("goodbye", "", {}, "must hold help, opt_out, opt_in"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(
    tmp_path: Path, kind: str, locale: str, value: Any, complaint: str
) -> None:
    path = edited(tmp_path, kind, locale, value)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        Notices.load(path, "support.example")
    assert refused.value.where.startswith(f"{path}:")


def test_rules_without_notices_get_the_shipped_ones(tmp_path: Path) -> None:
    for path in ruleset.SHIPPED.rglob("*"):
        if path.is_file() and path.name != "notices.yaml":
            (tmp_path / path.relative_to(ruleset.SHIPPED)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(ruleset.SHIPPED)).write_bytes(path.read_bytes())
    assert ruleset.load(tmp_path).notices == ruleset.load().notices


@pytest.mark.parametrize(
    ("incident", "problem"),
    [
        ("{ja: 障害です}", "needs a text in `en`"),
        ("[down]", "needs a text in `en`"),
        ("{en: It is down., fr: En panne.}", "'fr' is not a locale"),
        ('{en: ""}', "must be one line"),
        ('{en: "one\\ntwo"}', "must be one line"),
        (f"{{en: {'x' * 241}}}", "must be one line"),
    ],
)
def test_an_incident_is_one_line_in_english_at_least(incident: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "notices.yaml"
    path.write_text(f"{SHIPPED.read_text()}\nincident: {incident}\n")
    with pytest.raises(ConfigurationError, match=problem):
        Notices.load(path, "support.example")

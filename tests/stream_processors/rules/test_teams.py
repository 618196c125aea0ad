"""The teams file."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from stream_processors.rules import teams as teams_module
from stream_processors.rules import teams_file
from stream_processors.rules.ruleset import SHIPPED
from stream_processors.rules.teams import Teams

GOOD = """\
fallback: support
teams:
  support: {name: Support}
  returns: {languages: [en, ja]}
"""


def load(tmp_path: Path, text: str) -> Teams:
    path = tmp_path / "teams.yaml"
    path.write_text(text, "utf-8")
    return teams_file.load(path)


def test_the_shipped_teams_are_those_agreed() -> None:
    teams = teams_file.load(SHIPPED / "teams.yaml")
    assert list(teams.teams) == ["support", "payments", "delivery", "returns", "product", "accounts"]
    assert teams.fallback == "support"


@pytest.mark.parametrize(
    ("owner", "language", "team"),
    [
        ("returns", "en", "returns"),
        ("returns", "", "returns"),
        ("returns", "zh-Hans", "support"),
        ("support", "zh-Hans", "support"),
        ("nobody", "en", "support"),
        (None, "en", "support"),
    ],
)
def test_a_ticket_goes_to_the_owner_who_speaks_its_language(
    owner: str | None, language: str, team: str, tmp_path: Path
) -> None:
    assert load(tmp_path, GOOD).choose(owner, language) == team


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    first, same = load(tmp_path, GOOD).version, load(tmp_path, GOOD).version
    assert first == same != load(tmp_path, GOOD + "# changed\n").version


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "names no teams"),
        ("fallback: support\nteams: {}\n", 2, "names no teams"),
        ("fallback: nobody\nteams:\n  support: {}\n", 1, "the fallback 'nobody' is not one of the teams"),
        ("fallback: support\nteams:\n  support: {}\nboss: me\n", 4, "'boss' is not a setting of teams"),
        ("fallback: support\nteams:\n  support: {}\n  Big Team: {}\n", 4, "'Big Team' is not a team's slug"),
        ("fallback: support\nteams:\n  support:\n    size: 3\n", 4, "'size' is not a field of a team"),
        ("fallback: support\nteams:\n  support:\n    languages: [en, xx]\n", 4, "'xx' is not a language we answer in"),
        ("fallback: support\nteams:\n  support:\n    languages: en\n", 4, "languages is not a list"),
        ("fallback: support\nteams:\n  support: 7\n", 3, "team 'support' has no fields"),
        ("fallback: support\nteams:\n  support: {}\n  support: {}\n", 4, "'support' is given twice"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text: str, line: int, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    assert refused.value.where == f"{tmp_path / 'teams.yaml'}:{line}"
    assert refused.value.problem == problem


def test_a_signature_is_that_of_the_language_else_the_english_one(tmp_path: Path) -> None:
    signed = 'fallback: a\nteams:\n  a: {signatures: {en: "{agent}\\nTeam\\n", ja: 係}}\n  b: {signatures: {ja: 係}}\n  c: {}\n'
    teams = load(tmp_path, signed).teams
    assert [teams["a"].signature(locale) for locale in ("en", "ja", "zh-Hans", "")] == [
        "{agent}\nTeam",
        "係",
        "{agent}\nTeam",
        "{agent}\nTeam",
    ]
    assert [teams["b"].signature(locale) for locale in ("ja", "en")] == ["係", ""]
    assert teams["c"].signature("en") == ""


@pytest.mark.parametrize(
    ("signatures", "problem"),
    [
        ("[en]", "signatures are not texts by language"),
        ("{de: x}", "'de' is not a language we answer in"),
        ("{en: 7}", "is no text of 1 to 2000 characters"),
        ("{en: ' '}", "is no text of 1 to 2000 characters"),
        ("{en: '{name}'}", "{name} cannot be filled in"),
    ],
)
def test_a_wrong_signature_is_refused_with_its_line(signatures: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f"fallback: a\nteams:\n  a:\n    signatures: {signatures}\n")
    assert refused.value.problem == problem
    assert refused.value.where.endswith(":4")


def test_what_strangers_tickets_say_is_not_remembered_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teams_module, "_REMEMBERED", 50)
    teams = load(tmp_path, "fallback: a\nteams:\n  a: {}\n")
    assert {teams.decide(f"brand-{number}", "en").team for number in range(500)} == {"a"}
    assert len(teams._remembered) <= 50

"""The rules by which teams are chosen, the roster, and what the router is told of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendars_file import Calendars
from schemas.errors import ConfigurationError
from stream_processors.rules import ruleset, teams_file
from stream_processors.rules.roster import Roster
from stream_processors.rules.routing_policy import announcements
from stream_processors.rules.teams import Teams
from stream_processors.rules.versions import RulesetHistory, RulesetVersion

SHIPPED = ruleset.SHIPPED
CALENDARS = Calendars.load(SHIPPED / "calendars.yaml")
SUNDAY, MONDAY = 1_772_362_800_000_000, 1_772_449_200_000_000  # 2026-03-01 and 02, 11:00 UTC
TEAMS = """\
fallback: support
all_teams:
  overflow: {chat: 2m, default: 4h}
  weights: {chat: 1/3}
teams:
  support: {}
  payments: {languages: [en], skills: [billing], overflow: {chat: 1m}, fallback: vip}
  vip: {languages: [en, ja]}
  phones: {hours: phones}
rules:
  - {name: rich, when: {order_value: 50000, channel: [chat, phone]}, team: vip, skills: {tact: 3}}
  - {name: gold, when: {tier: [gold, vip], owner: payments}, team: vip}
  - {name: kanji, when: {language: ja}, skills: {japanese: 2}}
  - {name: rings, when: {channel: phone}, team: phones}
  - {name: brand, when: {brand: acme}, team: payments}
"""
AGENTS = """\
agents:
  mei: {teams: [support, vip], skills: {japanese: 2}, limits: {chat: 2}, weights: {default: 0.25}, hours: office}
  tom: {teams: [support], languages: [en], limits: 5}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


@pytest.fixture(scope="module")
def teams(folder: Path) -> Teams:
    return teams_file.load(written(folder, "teams.yaml", TEAMS), CALENDARS, ["acme"])


def test_the_first_rule_that_fits_and_whose_team_answers_decides(teams: Teams) -> None:
    for owner, language, attributes, expected in (
        ("payments", "en", {}, ("payments", "owner", {"billing": 1})),
        ("payments", "ja", {}, ("vip", "language", {"japanese": 2})),
        ("payments", "zh-Hans", {}, ("support", "language", {})),
        (None, "en", {}, ("support", "fallback", {})),
        ("payments", "en", {"tier": "gold"}, ("vip", "rule:gold", {})),
        ("payments", "zh-Hans", {"tier": "gold"}, ("support", "language", {})),
        (None, "en", {"channel": "chat", "order_value": 50000}, ("vip", "rule:rich", {"tact": 3})),
        (None, "en", {"channel": "chat", "order_value": 49999}, ("support", "fallback", {})),
        (None, "en", {"channel": "email", "order_value": 50000}, ("support", "fallback", {})),
        (None, "ja", {"brand": "acme"}, ("support", "fallback", {"japanese": 2})),
        (None, "en", {"brand": "acme"}, ("payments", "rule:brand", {"billing": 1})),
        (None, "en", {"channel": "phone", "now": MONDAY}, ("phones", "rule:rings", {})),
        (None, "en", {"channel": "phone", "now": SUNDAY}, ("support", "hours", {})),
    ):
        assert teams.decide(owner, language, **attributes) == expected, (owner, language, attributes)


words = st.sampled_from(["", "payments", "vip", "gold", "en", "ja", "zh-Hans", "chat", "phone", "acme"])


@settings(max_examples=60)
@given(st.lists(st.tuples(words, words, words, words, words, st.integers(0, 10**5)), max_size=20))
def test_what_is_remembered_is_what_would_be_decided_anew(teams: Teams, asked: list[tuple[str, ...]]) -> None:
    for owner, language, tier, channel, brand, value in asked:
        attributes = {"tier": tier, "channel": channel, "brand": brand, "order_value": value}
        fresh = Teams(teams.teams, teams.fallback, teams.version, teams.rules, teams._values)
        assert teams.decide(owner, language, **attributes) == fresh.decide(owner, language, **attributes)


def test_a_team_has_what_is_said_for_all_and_changes_what_it_says(teams: Teams) -> None:
    assert teams.teams["support"].routing.overflow == {"chat": 120, "default": 14400}
    assert teams.teams["payments"].routing.overflow == {"chat": 60, "default": 14400}
    assert teams.teams["vip"].routing.weights == {"chat": 1 / 3}
    assert [teams.fallback_of(*each) for each in (("payments", "ja"), ("payments", "zh-Hans"), ("support", "en"))] == [
        "vip",
        "support",
        "",
    ]


def test_the_roster_says_who_works_where_and_what_they_can_do(folder: Path, teams: Teams) -> None:
    roster = Roster.load(written(folder, "agents.yaml", AGENTS), teams, CALENDARS)
    mei, tom = roster.profiles("support")
    assert (mei.agent_id, mei.skills, mei.capacity, mei.weights) == (
        "mei",
        ["japanese", "japanese.2"],
        {"chat": 2},
        {"default": 0.25},
    )
    assert (tom.capacity, [each.agent_id for each in roster.profiles("vip")]) == ({"default": 5}, ["mei"])
    assert [roster.works_in(*each) for each in (("mei", "vip"), ("tom", "vip"), ("ann", "vip"))] == [True, False, None]
    assert [roster.at_work("mei", now) for now in (SUNDAY, MONDAY)] == [False, True]


def test_a_mistake_is_refused_with_its_line(folder: Path, teams: Teams) -> None:
    head = "fallback: a\nteams:\n  a: {}\n"
    for text, line, problem in (
        (head + "  b:\n    fallback: c\n", 5, "'c' is not a team"),
        (head + "  b:\n    fallback: b\n", 5, "a team is not its own fallback"),
        (head + "  b:\n    hours: [x]\n", 5, "['x'] is not a calendar"),
        (head + "  b:\n    overflow: {chat: 0s}\n", 5, "'0s' is not a duration"),
        (head + "  b:\n    overflow:\n      fax: 3m\n", 6, "'fax' is not a channel"),
        (head + "  b:\n    weights: 3/0\n", 5, "'3/0' is not a part of a person"),
        (head + "  b:\n    weights: {chat: 2}\n", 5, "2 is not between 1/1000 and 1"),
        (head + "  b:\n    limits: {chat: -1}\n", 5, "-1 is not a number of tickets"),
        (head + "  b:\n    limits: {chat: true}\n", 5, "True is not a number of tickets"),
        (head + "  b:\n    skills: {x: 10}\n", 5, "10 is not a level"),
        (head + "  b:\n    skills: [Upper]\n", 5, "'Upper' is not a skill"),
        (head + "  b:\n    order: [channel]\n", 5, "['channel'] is not an order"),
        (head + "  b:\n    give_back: 101\n", 5, "101 is not a percentage"),
        (head + "all_teams: {size: 3}\n", 4, "'size' is not known here"),
        (head + "rules:\n  - {name: x, team: q}\n", 5, "'q' is not a team"),
        (head + "rules:\n  - {name: x}\n", 5, "a rule without a team or skills does nothing"),
        (head + "rules:\n  - {team: a}\n", 5, "a rule needs a name"),
        (head + "rules:\n  - {name: x, team: a}\n  - {name: y, team: a}\n", 5, "nothing after 'x' could ever decide"),
        (head + "rules:\n  - name: x\n    team: a\n    when: {channel: fax}\n", 7, "'fax' is not a channel"),
        (
            head + "rules:\n  - name: x\n    team: a\n    when: {tier: []}\n",
            7,
            "is an empty list: the rule could never fit",
        ),
        (head + "rules:\n  - name: x\n    team: a\n    when: {order_value: 1.5}\n", 7, "1.5 is not an amount"),
        (head + "rules:\n  - name: x\n    team: a\n    when: {mood: sad}\n", 7, "'mood' is not known here"),
        (head + "rules:\n  - name: x\n    team: a\n    when: {brand: acme}\n", 7, "'acme' is not a brand"),
    ):
        path = written(folder, "wrong.yaml", text)
        with pytest.raises(ConfigurationError) as refused:
            teams_file.load(path, CALENDARS, [])
        assert (refused.value.problem, refused.value.where) == (problem, f"{path}:{line}"), text
    for text, line, problem in (
        ("agents: [mei]\n", 1, "holds no agents"),
        ("strict: true\nagents: {}\n", 1, "names nobody, and is strict: no ticket could be given to anybody"),
        ("strict: maybe\n", 1, "'maybe' is neither true nor false"),
        ("agents:\n  mei: {}\n", 2, "agent 'mei' is in no team"),
        ("agents:\n  mei: {teams: [nowhere]}\n", 2, "'nowhere' is not a team"),
        ("agents:\n  mei: {teams: [[a]]}\n", 2, "['a'] is not a team"),
        ("agents:\n  7: {teams: [support]}\n", 2, "7 is not an agent's id"),
        ("agents:\n  mei:\n    teams: [support]\n    boss: true\n", 4, "'boss' is not known here"),
        ("agents:\n  mei:\n    teams: [support]\n    languages: [xx]\n", 4, "'xx' is not a language we answer in"),
    ):
        path = written(folder, "wrong.yaml", text)
        with pytest.raises(ConfigurationError) as refused:
            Roster.load(path, teams, CALENDARS)
        assert (refused.value.problem, refused.value.where) == (problem, f"{path}:{line}"), text


def test_the_router_is_told_of_each_team_in_the_order_in_which_rules_take_effect(tmp_path: Path) -> None:
    files = ruleset.read_files(SHIPPED)
    older = ruleset.of_files(files, "shop.example")
    removed = files["teams.yaml"].replace(b"  returns:\n    name: Returns and refunds\n", b"")
    changed = {name: content.replace(b"owner: returns", b"owner: support") for name, content in files.items()}
    newer = ruleset.of_files(
        changed | {"teams.yaml": removed, "agents.yaml": AGENTS.replace(", vip", "").encode()}, "shop.example"
    )
    history = RulesetHistory(RulesetVersion(0, older), RulesetVersion(MONDAY, newer))
    before, after = ({each.team: each for each in announcements(history, now, "w1")} for now in (SUNDAY, MONDAY))
    assert set(before) == set(after) == set(older.teams.teams)
    assert {each.number for each in before.values()} == {0} and {each.number for each in after.values()} == {MONDAY}
    assert [name for name, each in after.items() if not each.active] == ["returns"]
    assert [each.agent_id for each in after["support"].agents] == ["mei", "tom"]
    changed_content = {name for name in before if before[name].content != after[name].content}
    assert changed_content == {"support", "returns"}  # for the others the router has nothing to do
    again = announcements(RulesetHistory(*history.versions), MONDAY + 5, "w2")
    assert {each.team: each.content for each in again} == {name: each.content for name, each in after.items()}

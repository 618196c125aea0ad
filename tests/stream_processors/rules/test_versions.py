"""Versions of the rules: the one in force at a moment, and the rules of a directory."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replaced

from schemas.errors import ConfigurationError
from schemas.events import MessageReceived
from schemas.published import IncidentChanged
from stream_processors.rules import ruleset
from stream_processors.rules.incidents import problem_of
from stream_processors.rules.ruleset import SHIPPED, Rules, content_version, of_files, read_files
from stream_processors.rules.situations import Circumstances
from stream_processors.rules.versions import ALWAYS, RulesetHistory, RulesetVersion, time_of
from tests.support.records import example

RULES = ruleset.load()


def named(name: str) -> Rules:
    return replace(RULES, version=name)


@given(
    starts=st.lists(st.integers(-5, 30), max_size=8),
    asked=st.lists(st.integers(-10, 40), min_size=1, max_size=20),
)
def test_in_force_is_the_last_version_that_began(starts: list[int], asked: list[int]) -> None:
    history, in_order = RulesetHistory(RulesetVersion(ALWAYS, named("first"))), [(ALWAYS, "first")]
    for number, start in enumerate(starts):
        history.add(RulesetVersion(start, named(str(number))))
        in_order.insert(bisect_right(in_order, start, key=lambda entry: entry[0]), (start, str(number)))
        for moment in asked:
            begun = [name for since, name in in_order if since <= moment]
            assert history.at(moment).version == (begun[-1] if begun else in_order[0][1])
    assert [(version.effective_from, version.rules.version) for version in history.versions] == in_order
    assert len(history) == len(in_order)


def test_the_first_version_is_in_force_for_everything_before_it() -> None:
    history = RulesetHistory(RulesetVersion(1000, named("a")), RulesetVersion(2000, named("b")))
    assert [history.at(moment).version for moment in (-5, 0, 999, 1000, 1999, 2000, 10**18)] == [*"aaaaabb"]


def test_rules_that_stand_alone_are_in_force_for_ever() -> None:
    history = RulesetHistory.of(RULES)
    assert [history.at(moment) for moment in (-1, 0, 10**17)] == [RULES] * 3
    assert RulesetHistory.of(history) is history


def test_an_empty_history_says_so() -> None:
    with pytest.raises(LookupError, match="no rules were published yet"):
        RulesetHistory().at(0)


@pytest.mark.parametrize(
    ("occurred", "received", "imported", "expected"),
    [
        (5, 9, False, 9),  # a mail that was under way: our rules when it came
        (99, 9, False, 9),  # a customer's clock that is ahead chooses nothing
        (5, 9, True, 5),  # history: the rules of then
        (99, 9, True, 9),  # history from the future: nobody knows those rules yet
    ],
)
def test_a_record_gets_the_rules_of_the_time_we_received_it(
    occurred: int, received: int, imported: bool, expected: int
) -> None:
    event = example(MessageReceived, occurred_at=occurred, received_at=received, imported=imported)
    assert time_of(event) == expected


# -- calendars that clocks started with ---------------------------------------------------------------------------


def copy(to: Path) -> Path:
    shutil.copytree(SHIPPED, to)
    return to


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_policy_version_names_one_calendar(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "policies.yaml").write_text(POLICIES, "utf-8")
    (here / "calendars.yaml").write_text(CALENDARS, "utf-8")
    before = of_files(read_files(here), "shop.example")
    edit(here / "calendars.yaml", "18:00", "17:00")
    after = of_files(read_files(here), "shop.example")
    assert before.policies.version != after.policies.version
    history = RulesetHistory(RulesetVersion(0, before), RulesetVersion(10, after))
    for each in (before, after):
        assert history.calendar("office", each.policies.version) is each.calendars["office"]
    assert history.calendar("office", "unheard of") is None
    assert history.calendar("elsewhere", before.policies.version) is None


def test_policies_that_use_no_calendar_are_the_same_whatever_calendars_say(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "policies.yaml").write_text(POLICIES.replace("calendar: office, ", ""), "utf-8")
    (here / "calendars.yaml").write_text(CALENDARS, "utf-8")
    before = of_files(read_files(here), "shop.example")
    edit(here / "calendars.yaml", "18:00", "17:00")
    assert of_files(read_files(here), "shop.example").policies.version == before.policies.version


def test_a_day_more_in_an_icalendar_file_makes_other_calendars(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "calendars.yaml").write_text(
        "calendars: [{name: shop, time_zone: UTC, hours: always, holidays: {ical: closed.ics}}]", "utf-8"
    )
    (here / "policies.yaml").write_text(POLICIES.replace("office", "shop"), "utf-8")
    (here / "closed.ics").write_bytes(closed("20261224"))
    before = of_files(read_files(here), "shop.example")
    (here / "closed.ics").write_bytes(closed("20261231"))
    after = of_files(read_files(here), "shop.example")
    assert before.calendars.version != after.calendars.version
    assert before.policies.version != after.policies.version


def closed(day: str) -> bytes:
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//x//x//EN",
        "BEGIN:VEVENT",
        "UID:1",
        f"DTSTART;VALUE=DATE:{day}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "\r\n".join((*lines, "")).encode()


CALENDARS = 'calendars:\n  - {name: office, time_zone: Europe/London, hours: {mon-fri: "09:00-18:00"}}\n'
POLICIES = """
time_zone: Europe/London
reopen: {window: 7d, thanks: [thanks]}
policies:
  - {name: mail, calendar: office, targets: {first_response: 4h}}
"""


# -- the files ----------------------------------------------------------------------------------------------------


def test_the_version_is_that_of_names_contents_and_mail_domain() -> None:
    files = {"a.yaml": b"1", "b.yaml": b"2"}
    version = content_version(files, "shop.example")
    assert version == content_version(dict(reversed(files.items())), "shop.example")
    others = [
        content_version(other, domain)
        for other, domain in (
            (files, "other.example"),
            (files | {"b.yaml": b"3"}, "shop.example"),
            (files | {"c.yaml": b""}, "shop.example"),
            ({"a.yaml": b"12", "b.yaml": b""}, "shop.example"),
        )
    ]
    assert len({version, *others}) == 5
    assert len(version) == 12


def test_what_is_hidden_or_no_rule_is_not_read_and_links_are_followed(tmp_path: Path) -> None:
    mounted = copy(tmp_path / "mounted" / "..2026")
    here = tmp_path / "rules"
    here.mkdir()
    (here / "..data").symlink_to(mounted)
    for each in mounted.iterdir():
        (here / each.name).symlink_to(Path("..data") / each.name)
    (here / "NOTES.md").write_text("mine")
    (here / ".policies.yaml.swp").write_text("half")
    assert read_files(here) == read_files(SHIPPED)


def test_older_rules_get_the_shipped_calendars_and_notices(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "calendars.yaml").unlink()
    (here / "notices.yaml").unlink()
    assert read_files(here) == read_files(SHIPPED)


def test_a_mistake_is_shown_where_the_user_wrote_it(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    edit(here / "policies.yaml", "time_zone: Europe/London", "time_zone: Europe/Lundon")
    line = 1 + (here / "policies.yaml").read_text("utf-8").splitlines().index("time_zone: Europe/Lundon")
    with pytest.raises(ConfigurationError, match="'Europe/Lundon' is not a time zone") as refused:
        of_files(read_files(here), "shop.example", shown_as=str(here))
    assert refused.value.where == f"{here}/policies.yaml:{line}"
    assert "IANA" in refused.value.fix


def test_a_missing_file_and_a_missing_directory_are_named(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "teams.yaml").unlink()
    with pytest.raises(ConfigurationError) as refused:
        ruleset.load(here)
    assert refused.value.where == f"{here}/teams.yaml"
    with pytest.raises(ConfigurationError, match="is not a directory"):
        ruleset.load(tmp_path / "nowhere")


def test_rules_never_reach_outside_of_their_own_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="outside of the rules"):
        of_files({"../policies.yaml": b""}, "shop.example")
    here = copy(tmp_path / "rules")
    for name in ("../closed.ics", "/closed.ics"):
        (here / "calendars.yaml").write_text(
            f"calendars: [{{name: a, time_zone: UTC, hours: always, holidays: {{ical: {name}}}}}]", "utf-8"
        )
        with pytest.raises(ConfigurationError, match="is not beside this file"):
            of_files(read_files(here), "shop.example")


def test_more_than_a_record_can_carry_is_refused(tmp_path: Path) -> None:
    here = copy(tmp_path / "rules")
    (here / "huge.txt").write_bytes(b"x" * ruleset.MOST_BYTES)
    with pytest.raises(ConfigurationError, match="at most 4,000,000 are read"):
        read_files(here)


# -- incidents ---------------------------------------------------------------------------------------------------------

CARDS = IncidentChanged(
    incident="cards", effective_from=1000, append_by=0, texts={"en": "Cards fail.", "ja": "障害です。"},
    tags=["payment.card_declined"],
)  # fmt: skip


def told(history: RulesetHistory, moment: int, locale: str = "en", **known: Any) -> str:
    case = Circumstances("email", locale, tags=("payment.card_declined",))
    return history.at(moment).incident(case._replace(**known), locale)


def test_an_incident_is_told_from_its_beginning_to_its_end_whom_it_concerns() -> None:
    history = RulesetHistory(RulesetVersion(ALWAYS, named("a")), RulesetVersion(1500, named("b")))
    assert told(history, 1200) == ""  # asked before the incident is known: nothing may be remembered of it
    history.add_incident(replaced(CARDS, effective_from=3000, texts={}))
    history.add_incident(CARDS)
    history.add_incident(
        replaced(CARDS, incident="site", effective_from=2000, texts={"en": "The site is down."}, tags=[])
    )
    found = [told(history, moment) for moment in (999, 1000, 1499, 1500, 2000, 2999, 3000, 10**17)]
    assert found == ["", *["Cards fail."] * 3, *["The site is down."] * 4]
    assert [history.at(moment).version for moment in (999, 1499, 1500, 10**17)] == [*"aabb"]
    assert (told(history, 1200, "ja"), told(history, 1200, "zh-Hans")) == ("障害です。", "Cards fail.")
    assert told(history, 1200, tags=("orders.cancel",)) == ""
    assert history.at(1200) is history.at(1300) and history.at(1200).policies is history.at(1600).policies


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab"), st.booleans()), max_size=12),
    st.permutations(range(21)),
)
def test_incidents_go_on_as_their_changes_say_in_whatever_order_one_asks(
    changes: list[tuple[int, str, bool]], asked: list[int]
) -> None:
    history = RulesetHistory(RulesetVersion(ALWAYS, named("first")), RulesetVersion(10, named("second")))
    for at, name, begins in changes:
        history.add_incident(
            IncidentChanged(incident=name, effective_from=at, append_by=0, texts={"en": name} if begins else {})
        )
    in_order = sorted(changes, key=lambda change: change[0])
    for moment in (*asked, *asked):
        going_on = {name: begins for at, name, begins in in_order if at <= moment}
        assert {each.name for each in history.at(moment).incidents} == {name for name in going_on if going_on[name]}
        assert history.at(moment).version == ("second" if moment >= 10 else "first")


def test_texts_that_cannot_be_told_are_refused_with_the_reason() -> None:
    wrong = [{}, {"ja": "x"}, {"en": ""}, {"en": "a\nb"}, {"en": "x" * 241}, {"en": "x", "de": "y"}, {"en": 1}]
    assert all(problem_of(texts) for texts in wrong)
    assert problem_of({"en": "x" * 240, "ja": "障害"}) == ""

"""Rules that change while the log goes on: what was in force stays in force for what happened then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event
from schemas.facts import ClockFact, ClockShare, TagFact, TicketClocks, TicketFact
from schemas.identity import customer_tag
from stream_processors.rules.ruleset import SHIPPED, Rules, of_files, read_files
from stream_processors.rules.versions import ALWAYS, RulesetHistory, RulesetVersion
from stream_processors.tickets.processor import TicketsProcessor
from tests.stream_processors.tickets.test_replay import FAST, logs
from tests.support.memory_worker import Crashed, MemoryWorker
from tests.support.tickets.story import Story, at

DAY = 86_400
POLICIES = """
time_zone: Europe/London
reopen: {window: 7d, thanks: [thanks]}
policies:
  - {name: %s, calendar: office, targets: {first_response: %s, next_response: 2h, full_resolution: 9h}}
"""
OFFICE = 'calendars:\n  - {name: office, time_zone: Europe/London, hours: {mon-fri: "%s"}}\n'
SHOP = 'calendars:\n  - {name: shop, time_zone: Europe/London, hours: {mon-fri: "%s"}}\n'


def made(folder: Path, policy: str, target: str, calendars: str, tag: str = "payment.card_declined") -> Rules:
    """Rules with one policy; `tag` is what the shipped taxonomy's `payment.card_declined` is called."""
    shutil.copytree(SHIPPED, folder)
    text = POLICIES % (policy, target)
    (folder / "policies.yaml").write_text(text if "office" in calendars else text.replace("office", "shop"), "utf-8")
    (folder / "calendars.yaml").write_text(calendars, "utf-8")
    shipped = (SHIPPED / "taxonomy.yaml").read_text("utf-8")
    assert "payment.card_declined" in shipped
    (folder / "taxonomy.yaml").write_text(shipped.replace("payment.card_declined", tag), "utf-8")
    return of_files(read_files(folder), "support.example")


@pytest.fixture(scope="module")
def rule_versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rules, Rules, Rules]:
    """Open until 18:00 with four hours to answer; then until 13:00 and one hour; then without that calendar."""
    root = tmp_path_factory.mktemp("rule_versions")
    return (
        made(root / "a", "old", "4h", OFFICE % "09:00-18:00"),
        made(root / "b", "new", "1h", OFFICE % "09:00-13:00", "payment.card_refused"),
        made(root / "c", "none", "30m", SHOP % "09:00-12:00"),
    )


# Second 0 is Monday 2026-03-02 09:00 in London.


def test_a_record_is_folded_with_the_rules_of_its_time_and_its_facts_say_so(
    rule_versions: tuple[Rules, Rules, Rules],
) -> None:
    old, new, _ = rule_versions
    story = Story(old)
    story.worker = MemoryWorker(
        TicketsProcessor(RulesetHistory(RulesetVersion(ALWAYS, old), RulesetVersion(at(3600), new)))
    )
    bob = "email:bob@example.org"
    story.message(3599, "My card was declined")
    story.message(3600, "My card was declined", customer_id=bob, customer_tag=customer_tag(bob))
    first, second = story.all(TagFact)[0], story.all(TagFact)[-1]
    assert (first.tag, first.taxonomy_version) == ("payment.card_declined", old.taxonomy.version)
    assert (second.tag, second.taxonomy_version) == ("payment.card_refused", new.taxonomy.version)
    facts = story.all(TicketFact)
    assert (facts[0].policy, facts[0].policy_version) == ("old", old.policies.version)
    assert (facts[-1].policy, facts[-1].policy_version) == ("new", new.policies.version)


@pytest.mark.parametrize("next_version", [1, 2], ids=["the calendar changes", "the calendar is gone"])
def test_a_running_clock_keeps_the_policy_and_calendar_with_which_it_started(
    rule_versions: tuple[Rules, Rules, Rules], next_version: int
) -> None:
    """Written Monday 16:00, 4 h in an office open until 18:00: due Tuesday 11:00. From Monday 17:00 others rules.

    Answered on Tuesday 10:30: 2 h on Monday and 1.5 h on Tuesday are 3.5 business hours, 18.5 h in all.
    """
    old = rule_versions[0]
    story = Story(old)
    book = RulesetHistory(RulesetVersion(ALWAYS, old), RulesetVersion(at(8 * 3600), rule_versions[next_version]))
    story.worker = MemoryWorker(TicketsProcessor(book))
    story.message(7 * 3600)
    story.reply(25.5 * 3600)
    rows = [fact for fact in story.all(ClockFact) if fact.clock == "first_response"]
    assert [row.transition for row in rows] == ["activate", "fulfil"]
    for row in rows:
        assert (row.policy, row.policy_version, row.calendar) == ("old", old.policies.version, "office")
        assert row.due_at == at(26 * 3600)
    assert (rows[-1].elapsed_seconds, rows[-1].elapsed_business_seconds) == (18.5 * 3600, 3.5 * 3600)


def test_a_ticket_says_the_version_of_a_policy_that_kept_its_name(
    rule_versions: tuple[Rules, Rules, Rules], tmp_path: Path
) -> None:
    """The policy `old` gets another target at 10:00: its name says nothing, its version does."""
    old, again = rule_versions[0], made(tmp_path / "again", "old", "2h", OFFICE % "09:00-18:00")
    assert old.policies.version != again.policies.version
    story = Story(old)
    story.worker = MemoryWorker(
        TicketsProcessor(RulesetHistory(RulesetVersion(ALWAYS, old), RulesetVersion(at(3600), again)))
    )
    story.message(0)
    before = story.ticket_fact()
    story.reply(3600)
    after = story.ticket_fact()
    assert (before.policy, before.policy_version) == ("old", old.policies.version)
    assert (after.policy, after.policy_version) == ("old", again.policies.version)


def test_the_measures_and_shares_say_which_version_of_a_calendar_they_were_counted_by(
    rule_versions: tuple[Rules, Rules, Rules],
) -> None:
    """Written Monday 12:00 in an office open until 18:00, which from 12:30 on is open until 13:00 only. Answered at 14:00.

    By the office with which the ticket opened that is 2 h of work, by the later one it would be 1 h. The policy in force
    at 14:00 is the later one, so its version cannot tell which office was meant.
    """
    old, new, _ = rule_versions
    story = Story(old)
    story.worker = MemoryWorker(
        TicketsProcessor(RulesetHistory(RulesetVersion(ALWAYS, old), RulesetVersion(at(3.5 * 3600), new)))
    )
    story.message(3 * 3600)
    story.reply(5 * 3600)
    row = story.last(TicketClocks)
    assert (row.first_response_business_seconds, row.calendar) == (2 * 3600, "office")
    assert (row.policy_version, row.calendar_version) == (new.policies.version, old.policies.version)
    [share] = [each for each in story.all(ClockShare) if each.clock == "first_response"]
    assert (share.business_seconds, share.calendar, share.policy) == (2 * 3600, "office", "old")
    assert share.policy_version == old.policies.version


def test_imported_history_gets_the_rules_of_then(rule_versions: tuple[Rules, Rules, Rules]) -> None:
    old, new, _ = rule_versions
    story = Story(old, imported=True)
    story.worker = MemoryWorker(
        TicketsProcessor(RulesetHistory(RulesetVersion(ALWAYS, old), RulesetVersion(at(0), new)))
    )
    story.message(-400 * DAY, received_at=at(DAY))
    assert story.ticket_fact().policy_version == old.policies.version


changes = st.lists(st.integers(0, 400_000), max_size=2)


def book_of(rule_versions: tuple[Rules, ...], starts: list[int]) -> RulesetHistory:
    return RulesetHistory(*map(RulesetVersion, (ALWAYS, *map(at, sorted(starts))), rule_versions))


@FAST
@given(log=logs, starts=changes, sizes=st.lists(st.integers(1, 9), max_size=40), crash=st.integers(0, 200))
def test_a_replay_across_changes_of_the_rules_gives_the_same_bytes(
    log: list[Event], starts: list[int], sizes: list[int], crash: int, rule_versions: tuple[Rules, Rules, Rules]
) -> None:
    """The first worker lives through the changes, and learns of each version just before it takes effect; it folds
    every record on its own. The second knows the whole book, folds in other batches, and crashes."""
    final = book_of(rule_versions, starts)
    growing = RulesetHistory(final.versions[0])
    lived = MemoryWorker(TicketsProcessor(growing))
    for event in log:
        while len(growing) < len(final) and final.versions[len(growing)].effective_from <= event.received_at:
            growing.add(final.versions[len(growing)])
        lived.advance(event.received_at)
        lived.feed([event])
    again = MemoryWorker(TicketsProcessor(final))
    again.log = lived.log
    try:
        again.run(sizes, crash_after=crash)
    except Crashed:
        again.run(sizes)
    again.run()
    assert set(again.outputs) == set(lived.outputs)
    assert again.store == lived.store
    assert again.facts() == lived.facts()

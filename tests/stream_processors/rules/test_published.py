"""Published rules that count, and the process that publishes a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import MICROS, Clock
from schemas.errors import ConfigurationError
from schemas.published import RulesPublished
from schemas.rulesets import PublishedRulesets
from stream_processors.rules.cli import chosen, listing, start_of
from stream_processors.rules.published import GUARD_SECONDS, Directory, offer

T0 = 1_800_000_000 * MICROS  # 2027-01-15T08:00:00Z


def record(version: str, effective_from: int = 0, append_by: int = 0, by: str = "worker-0") -> RulesPublished:
    return RulesPublished(
        version=version,
        effective_from=effective_from,
        append_by=append_by,
        mail_domain="shop.example",
        files={"policies.yaml": b"..."},
        published_by=by,
        at=T0,
    )


def log_of(*versions: str) -> PublishedRulesets:
    log = PublishedRulesets()
    for version in versions:
        log.add(record(version, append_by=10**18), appended_at=1)
    return log


def test_the_first_record_counts_and_others_that_came_in_time() -> None:
    log = PublishedRulesets()
    stored = [("a", 0, 99), ("b", 0, 100), ("c", 150, 150), ("d", 150, 151), ("e", 200, 160)]
    counted = [log.add(record(version, append_by=by), appended_at=at) is not None for version, by, at in stored]
    assert counted == [True, False, True, False, True]
    assert [(each.number, each.version) for each in log] == [(0, "a"), (1, "c"), (2, "e")]
    assert log.newest is not None
    assert log.newest.version == "e"


def test_a_late_copy_of_rules_in_force_repeats_them() -> None:
    """Workers that start together on an empty topic all publish the first record."""
    log = PublishedRulesets()
    first, copy = record("a", by="worker-0"), record("a", by="worker-1")
    assert not log.repeats(first)
    assert log.add(first, appended_at=1) is not None
    assert (log.add(copy, appended_at=2), log.repeats(copy), len(log)) == (None, True, 1)
    assert not log.repeats(record("b")), "other rules that are late are refused"


@pytest.mark.parametrize(
    ("version", "effective_from", "repeats"),
    [("a", 99, True), ("b", 99, False), ("a", 100, False), ("b", 100, True), ("b", 150, True), ("a", 150, False)],
)
def test_a_late_record_repeats_what_is_in_force_at_its_moment(version: str, effective_from: int, repeats: bool) -> None:
    log = PublishedRulesets()
    for known in (record("a"), record("b", 100, 10), record("a", 200, 10)):
        assert log.add(known, appended_at=1) is not None
    assert log.repeats(record(version, effective_from)) is repeats


@pytest.mark.parametrize("clock", [Clock(), Clock(speed=60.0, origin=5 * MICROS, wall_origin=T0 - MICROS)])
def test_an_offer_must_be_stored_well_before_it_takes_effect(clock: Clock) -> None:
    begins = T0 + 5 * MICROS  # wall
    offered = offer({"a.yaml": b"1"}, "v", "shop.example", clock=clock, wall=T0, start=clock.at(begins), by="me")
    assert offered.effective_from == clock.at(begins)
    assert abs(offered.append_by - (begins - GUARD_SECONDS * MICROS)) <= 1
    assert (offered.at, offered.files) == (clock.at(T0), {"a.yaml": b"1"})


# -- directories --------------------------------------------------------------------------------------------------


def test_at_the_start_a_directory_is_published_when_its_content_never_was() -> None:
    log = log_of("a", "b")
    assert Directory().wants("c", log)
    for known in ("a", "b"):
        assert not Directory().wants(known, log)


def test_two_different_directories_are_published_once_each() -> None:
    log, first, second = log_of("a"), Directory(), Directory()
    assert not first.wants("a", log)
    assert second.wants("b", log)
    log.add(record("b", append_by=10**18), 1)
    assert second.was_published("b", log)
    for _ in range(3):
        assert not first.wants("a", log)
        assert not second.wants("b", log)
    assert not Directory().wants("a", log), "a restart is no change"


def test_going_back_is_a_change_only_for_an_up_to_date_directory() -> None:
    log, quick, slow = log_of("a"), Directory(), Directory()
    assert not quick.wants("a", log)
    assert not slow.wants("a", log)
    for version in ("b", "a"):
        assert quick.wants(version, log)
        log.add(record(version, append_by=10**18), 1)
        assert quick.was_published(version, log)
    assert not slow.wants("b", log)
    assert not slow.wants("a", log)
    assert [each.version for each in log] == ["a", "b", "a"]


def test_rules_that_came_too_late_are_not_published() -> None:
    log, directory = log_of("a"), Directory()
    directory.wants("a", log)
    assert directory.wants("b", log)
    log.add(record("b", append_by=5), appended_at=6)
    assert not directory.was_published("b", log)
    assert directory.wants("b", log)


edits = st.lists(st.sampled_from("abcd"), max_size=6).map(
    lambda each: [after for before, after in zip(["", *each], each, strict=False) if after != before]
)


def lived(contents: list[str], looks: list[tuple[int, int]]) -> list[str]:
    """What three mounts of one ConfigMap publish; each look of one shows so many edits more, then all see the last."""
    log, directories, seen = log_of(contents[0]), [Directory() for _ in range(3)], [0, 0, 0]
    for directory in directories:
        assert not directory.wants(contents[0], log)
    for who, steps in [*looks, *((who, 1) for _ in contents for who in range(3))]:
        seen[who] = min(len(contents) - 1, seen[who] + steps)
        if directories[who].wants(contents[seen[who]], log):
            log.add(record(contents[seen[who]], append_by=10**18), 1)
            assert directories[who].was_published(contents[seen[who]], log)
    return [each.version for each in log]


@given(edits=edits, looks=st.lists(st.tuples(st.integers(0, 2), st.just(1)), max_size=40))
def test_each_change_is_published_once_by_all_directories(edits: list[str], looks: list[tuple[int, int]]) -> None:
    contents = ["0", *edits]
    assert lived(contents, looks) == contents


@given(count=st.integers(1, 7), looks=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=40))
def test_directories_that_miss_changes_end_with_the_last_one(count: int, looks: list[tuple[int, int]]) -> None:
    contents = [str(number) for number in range(count)]
    published = lived(contents, looks)
    assert published[-1] == contents[-1]
    assert len(published) <= 3 * count


# -- what people see ----------------------------------------------------------------------------------------------


def test_the_list_is_in_the_order_of_effect_and_says_what_is_in_force() -> None:
    log = PublishedRulesets()
    later = T0 + 3600 * MICROS
    log.add(record("aaaaaaaaaaaa"), 1)
    log.add(record("cccccccccccc", effective_from=later, append_by=9, by="ann@desk"), 2)
    log.add(record("bbbbbbbbbbbb", effective_from=T0, append_by=9), 3)
    assert listing(log, now=T0 + MICROS).splitlines() == [
        "effective from        version                 published by  published at",
        "always                aaaaaaaaaaaa            worker-0      2027-01-15 08:00:00Z",
        "2027-01-15 08:00:00Z  bbbbbbbbbbbb  in force  worker-0      2027-01-15 08:00:00Z",
        "2027-01-15 09:00:00Z  cccccccccccc  to come   ann@desk      2027-01-15 08:00:00Z",
    ]
    assert "in force" in listing(log, now=-1).splitlines()[1], "the first is in force for all before it"
    assert listing(PublishedRulesets(), now=0).startswith("No rules were published yet")


def test_a_version_may_be_named_by_its_beginning_while_that_is_clear() -> None:
    log = log_of("abc1", "abd2", "abc1")
    assert chosen(log, "abc").number == 2
    for wrong, problem in (("ab", "2 versions begin so: abc1, abd2"), ("x", "was never published"), ("", "never")):
        with pytest.raises(ConfigurationError, match=problem):
            chosen(log, wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", T0 + 5 * MICROS),
        ("2027-01-15T08:00:04Z", T0 + 4 * MICROS),
        ("2027-01-15T18:00:00+09:00", T0 + 3600 * MICROS),
        ("2027-01-15T08:00:02Z", "is past"),
        ("2026-01-15T08:00:00Z", "is past"),
        ("2027-01-15T09:00:00", "names no time zone"),
        ("tomorrow", "is no time"),
    ],
)
def test_rules_take_effect_after_the_lead_or_at_a_time_to_come(text: str, expected: int | str) -> None:
    if isinstance(expected, int):
        assert start_of(text, now=T0, lead_seconds=5, speed=1.0) == expected
        return
    with pytest.raises(ConfigurationError, match=expected):
        start_of(text, now=T0, lead_seconds=5, speed=1.0)
    assert start_of("", now=T0, lead_seconds=5, speed=60.0) == T0 + 300 * MICROS

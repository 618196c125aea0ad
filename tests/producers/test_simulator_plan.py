"""The plan of a simulated day, the mail it writes, and the endless stream for load tests."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from string import Formatter
from typing import Any

import pytest

from producers.mail import event as email
from producers.simulation.day import CHANNEL_SHARES, DAY, INCIDENT_HOURS, RUSH_HOUR, people_of, plan_day
from producers.simulation.load import LIFE, contacts
from producers.simulation.mail import Mail, render
from producers.simulation.people import LANGUAGES, STAFF, customers, presences
from producers.simulation.planned import Form, event_of
from producers.simulation.scenarios import (
    ANGER,
    ANSWERS,
    CHASERS,
    CLOSINGS,
    COMMENTS,
    DETAILS,
    GREETINGS,
    REPLIES,
    SCENARIOS,
    THANKS,
)
from producers.simulation.shop import Shop
from schemas import codec
from schemas.clock import from_micros
from schemas.errors import ConfigurationError
from schemas.events import LOCALES, ArticleViewed, CallEnded, Event, MessageReceived, OrderPlaced
from schemas.identity import customer_tag
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor

START = 1_772_409_600_000_000  # Monday 2026-03-02T00:00:00Z
HOUR = 3600 * 1_000_000


@pytest.fixture(scope="module")
def plan() -> list[Any]:
    return plan_day(7, 1000, START)


@pytest.fixture(scope="module")
def events(plan: list[Any]) -> list[Event]:
    return [event_of(planned) for planned in plan]


def contacts_of(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, MessageReceived | CallEnded)]


def test_the_same_seed_is_the_same_day_and_another_is_not(plan: list[Any]) -> None:
    assert plan_day(7, 1000, START) == plan
    assert plan_day(8, 1000, START) != plan


def test_the_plan_is_in_the_order_of_time_and_within_its_day(plan: list[Any]) -> None:
    moments = [planned.at for planned in plan]
    assert moments == sorted(moments)
    assert moments[0] >= START
    assert moments[-1] < START + DAY


def test_everything_happens_when_it_was_planned(plan: list[Any], events: list[Event]) -> None:
    assert [event.occurred_at for event in events] == [planned.at for planned in plan]


def test_totals_are_those_asked_for(events: list[Event]) -> None:
    kinds = Counter(type(event) for event in events)
    assert len(contacts_of(events)) == 1000
    assert (kinds[OrderPlaced], kinds[ArticleViewed]) == (3000, 1200)
    assert len({event.event_id for event in events}) == len(events)


def test_every_event_can_be_encoded_and_is_keyed_by_its_customer(events: list[Event]) -> None:
    for event in events:
        assert codec.decode(codec.encode(event)) == event
        assert event.customer_tag == customer_tag(event.customer_id)  # type: ignore[attr-defined]


def test_channels_come_in_their_shares(events: list[Event]) -> None:
    counts = Counter(event.channel for event in contacts_of(events))
    for channel, share in CHANNEL_SHARES.items():
        assert 0.75 * share * 1000 <= counts[channel] <= 1.35 * share * 1000, channel


def test_languages_come_in_their_shares() -> None:
    people = people_of(7, 1000)
    counts = Counter(person.language for person in people)
    for language, share in LANGUAGES.items():
        assert abs(counts[language] / len(people) - share) < 0.06, language


def test_many_customers_write_more_than_once(events: list[Event]) -> None:
    counts = Counter(event.customer_tag for event in contacts_of(events))
    assert 0.15 < sum(1 for count in counts.values() if count > 1) / len(counts) < 0.6


def test_the_night_is_quiet_and_the_rush_hour_is_not(events: list[Event]) -> None:
    hours = Counter(from_micros(event.occurred_at).hour for event in contacts_of(events))
    assert hours[RUSH_HOUR] == max(hours.values())
    assert hours[RUSH_HOUR] > 8 * max(hours[hour] for hour in (1, 2, 3, 4))


def test_the_incident_shows_in_the_afternoon_only(events: list[Event]) -> None:
    late = ("is late", "still late", "days late", "还没收到", "还没到", "沒收到", "沒送到", "届きません", "まだ届いて")
    hours = Counter(
        from_micros(event.occurred_at).hour
        for event in contacts_of(events)
        if isinstance(event, MessageReceived) and any(words in event.text for words in late)
    )
    during = sum(hours[hour] for hour in range(*INCIDENT_HOURS))
    assert during > 2 * sum(hours[hour] for hour in range(6, 14))


def test_machines_write_too_and_are_known_by_their_headers(events: list[Event]) -> None:
    machines = [
        event
        for event in events
        if isinstance(event, MessageReceived)
        and {"auto-submitted", "list-id", "precedence", "return-path"}.intersection(event.headers)
    ]
    assert len(machines) == 30
    assert any(event.headers.get("precedence") == "bulk" for event in machines)
    assert any(event.headers.get("auto-submitted") == "auto-replied" for event in machines)
    assert any(event.headers.get("return-path") == "<>" for event in machines)


def test_forms_go_through_the_form(plan: list[Any], events: list[Event]) -> None:
    forms = [event for planned, event in zip(plan, events, strict=True) if isinstance(planned.thing, Form)]
    assert forms
    assert all(isinstance(event, MessageReceived) and event.channel == "form" and event.text for event in forms)


def test_mails_arrive_as_written_in_every_charset(plan: list[Any]) -> None:
    charsets = set()
    for planned in plan:
        if not isinstance(planned.thing, Mail):
            continue
        raw = render(planned.thing, planned.at)
        charsets.update(name for name in (b"gb18030", b"big5", b"iso-2022-jp", b"utf-8") if b"charset=" + name in raw)
        event = email.normalise(raw, now=planned.at)
        assert event.subject == planned.thing.subject
        assert event.text.split() == planned.thing.text.split()
        assert event.customer_name == planned.thing.sender_name
    assert charsets == {b"gb18030", b"big5", b"iso-2022-jp", b"utf-8"}


def test_every_text_exists_in_every_language_with_known_slots() -> None:
    for scenario in SCENARIOS:
        assert set(scenario.wordings) == set(LOCALES), scenario.name
        for wording in scenario.wordings.values():
            for text in (wording.subject, *wording.long, *wording.short):
                assert {name for _, name, _, _ in Formatter().parse(text) if name} <= {"order", "product", "date"}
    for texts in (ANGER, CHASERS, DETAILS, ANSWERS, THANKS, REPLIES, COMMENTS, GREETINGS, CLOSINGS):
        assert set(texts) == set(LOCALES)
        assert all(texts.values())


def test_nearly_everything_that_customers_write_says_why() -> None:
    taxonomy = ruleset.load().taxonomy
    texts = [
        text.format(order="DS12345678", product="X", date="2 March")
        for scenario in SCENARIOS
        for wording in scenario.wordings.values()
        for text in (*wording.long, *wording.short)
    ]
    silent = [text for text in texts if not taxonomy.tag(text)]
    assert len(silent) < 0.05 * len(texts), silent


def test_thanks_alone_reopen_nothing() -> None:
    thanks = ruleset.load().policies.thanks
    assert [text for texts in THANKS.values() for text in texts if not thanks.only(text)] == []


def test_half_of_every_team_is_there_at_lunch() -> None:
    assert set(Counter(agent.team for agent in STAFF).values()) <= {2, 3, 4}
    assert {agent.team for agent in STAFF} == set(ruleset.load().teams.teams)
    events = presences(START, START + DAY)
    for team in {agent.team for agent in STAFF}:
        there: dict[str, str] = {}
        for event in (event for event in events if event.team == team):
            there[event.agent_id] = event.status
            assert "online" in there.values()
        assert set(there.values()) == {"online"}


def test_people_have_addresses_of_their_own() -> None:
    from random import Random

    people = customers(Random(1), 500)
    for channel in ("email", "sms", "social"):
        assert len({person.tag(channel) for person in people}) == 500


def test_the_load_stream_is_the_same_for_the_same_seed() -> None:
    assert list(islice(contacts(3, 50), 300)) == list(islice(contacts(3, 50), 300))
    assert list(islice(contacts(4, 50), 300)) != list(islice(contacts(3, 50), 300))


def test_the_load_stream_names_only_tickets_that_exist() -> None:
    processor, states = TicketsProcessor(ruleset.load()), Reader()
    opened = Counter[str]()
    for offset, event in enumerate(islice(contacts(5, 20), 20 * len(LIFE) * 2)):
        states.fold(processor, event, offset)  # an unknown ticket would be refused
        if isinstance(event, MessageReceived) and not event.ticket_ref:
            opened[event.customer_tag] += 1
    customers_now = [state for key, state in states.states.items() if key[:1] == b"c"]
    assert {customer.next_number - 1 for customer in customers_now} >= {1, 2}
    assert sum(customer.next_number - 1 for customer in customers_now) == opened.total()


def test_the_load_stream_goes_at_its_pace() -> None:
    events = list(islice(contacts(1, 10, start=START, per_second=200.0), 201))
    assert (events[0].occurred_at, events[200].occurred_at) == (START, START + 1_000_000)


class Reader:
    def __init__(self) -> None:
        self.states: dict[bytes, Any] = {}

    def get(self, key: bytes) -> Any:
        return self.states.get(key)

    def scan(self, prefix: bytes) -> Any:
        return iter([item for item in sorted(self.states.items()) if item[0].startswith(prefix)])

    def fold(self, processor: Any, event: Event, offset: int) -> None:
        from stream_processors.runtime.processor import Position

        for key, state in processor.process(event, Position(0, offset), self).states.items():
            if state is None:
                self.states.pop(key, None)
            else:
                self.states[key] = state


def shop(**options: Any) -> Shop:
    asked: dict[str, Any] = {"contacts": None, "contacts_per_day": None, "seed": 7, "agents": True, "hours": None}
    return Shop.of(**{**asked, "start": None, "now": START + 5 * HOUR, **options})


def test_a_day_begins_at_the_clock_and_ends_a_day_later() -> None:
    one = shop(contacts=300)
    assert (one.contacts, one.start, one.end) == (300, START + 5 * HOUR, START + 29 * HOUR)
    assert list(one.chapters()) == [(7, START + 5 * HOUR)]


def test_a_shop_that_never_closes_goes_by_the_calendar() -> None:
    endless = shop(contacts_per_day=4000)
    assert endless.end is None
    days = list(islice(endless.chapters(), 2))
    assert [start for _, start in days] == [START, START + DAY]
    assert days[0][0] != days[1][0], "every day is another"


def test_hours_limit_either() -> None:
    assert shop(contacts_per_day=10, hours=6).end == START + 11 * HOUR


@pytest.mark.parametrize("start", ["tomorrow", "2026-03-02", "2026-03-02T08:00:00"])
def test_a_start_that_is_no_moment_is_refused(start: str) -> None:
    with pytest.raises(ConfigurationError, match="--start"):
        shop(start=start)


def test_a_start_is_a_moment_with_its_offset() -> None:
    assert shop(start="2026-03-02T08:00:00+08:00").start == START

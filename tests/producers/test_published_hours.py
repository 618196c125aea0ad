"""The hours of each channel are those by which promises are made, as the workers' rules have them at this moment."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.channels import chat_protocol as frames
from producers.channels.chat_hours import Hours
from producers.sources.chat.offers import Offers
from producers.sources.published_hours import PublishedHours, channel_hours
from producers.sources.reply_times import ReplyTimes
from producers.sources.service_times import ServiceTimes
from schemas import codec
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.events import CHANNELS, LOCALES
from schemas.published import RulesPublished
from schemas.settings import ChatSettings, ProducerSettings, SinkSettings
from stream_processors.rules import ruleset
from stream_processors.rules.policies import Policies
from stream_processors.rules.teams import Teams
from tests.conftest import Deployment
from tests.producers.test_help_pages import Site
from tests.support.sinks.deployment import Log
from tests.support.timeouts import TIMEOUT_SECONDS

FILES = ruleset.read_files(ruleset.SHIPPED)
HOUR = 3600 * MICROS
#: One policy: what it is for, and its calendar.
CONDITIONS: dict[str, list[str]] = {
    "channel": ["form", "chat", "sms"], "brand": ["zen", "leaf"], "tier": ["vip"], "priority": ["urgent"], "language": ["ja"],
}  # fmt: skip


def published(effective_from: int = 0, files: dict[str, bytes] | None = None, **fields: Any) -> RulesPublished:
    known = {"version": f"{effective_from}", "append_by": 10**18, "mail_domain": "support.example"} | fields
    return RulesPublished(effective_from=effective_from, files=files or FILES, **known)


def hours_of(*records: RulesPublished, **settings: Any) -> PublishedHours:
    hours = PublishedHours(ProducerSettings(**settings))
    for record in records:
        hours.take(codec.decode(codec.encode(record)), 1)
    return hours


def test_the_shipped_rules_have_hours_on_every_channel() -> None:
    hours, rules = channel_hours(FILES), ruleset.load()
    for channel, brand in product(CHANNELS, ("", "zen")):
        promised = rules.policies.match(channel, "normal", (), "", "", "en", brand).calendar
        found = hours.of(channel, brand)
        assert (found and found.name) == (promised and promised.name), channel


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(sorted(CONDITIONS)), st.integers(0, 1), max_size=2),
            st.sampled_from(["office", "phones", ""]),
        ),
        max_size=5,
    )
)
def test_hours_are_those_of_the_policy_that_promises(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    lines = ["time_zone: UTC", "reopen: {window: 7d, thanks: [thanks], fillers: []}", "policies:"]
    for number, (conditions, calendar) in enumerate([*drawn, ({}, "office")]):
        when = {name: (CONDITIONS[name] if each else CONDITIONS[name][0]) for name, each in conditions.items()}
        if not when and number < len(drawn):
            continue  # only the last has no conditions
        named = f"calendar: {calendar}, " if calendar else ""
        lines.append(f"- {{name: p{number}, when: {when}, {named}targets: {{first_response: 1h}}}}")
    folder = tmp_path_factory.mktemp("rules")
    (folder / "policies.yaml").write_text("\n".join(lines))
    calendars = Calendars.load(ruleset.SHIPPED / "calendars.yaml")
    teams: Teams = ruleset.load().teams
    policies = Policies.load(folder / "policies.yaml", teams, calendars, (), ("zen", "leaf"))
    hours = channel_hours({**FILES, "policies.yaml": (folder / "policies.yaml").read_bytes()})
    for channel, brand in product(CHANNELS, ("", "zen", "leaf")):
        promised = policies.match(channel, "normal", (), "", "", "en", brand).calendar
        found = hours.of(channel, brand)
        assert (found and found.name) == (promised and promised.name)


def test_they_change_when_the_rules_do_and_not_before() -> None:
    now = ProducerSettings().pipeline_clock.now()
    always = {**FILES, "policies.yaml": FILES["policies.yaml"].replace(b"calendar: office", b"calendar: always")}
    hours = hours_of(published(), published(now + HOUR, always))
    assert hours.said("form", "", "en").week.startswith("Mon–Fri 09:00–18:00")
    hours = hours_of(published(), published(now - HOUR, always))
    assert hours.said("form", "", "en").week == "24 hours a day, 7 days a week"
    late = hours_of(published(), published(now - HOUR, always, append_by=0))
    assert late.said("form", "", "en").week.startswith("Mon–Fri")  # it counts nowhere


def test_rules_that_cannot_be_read_say_nothing_and_stop_nothing() -> None:
    for files in (
        {},
        {**FILES, "calendars.yaml": b"calendars: 7"},
        {**FILES, "policies.yaml": b"- x"},
        {**FILES, "../a.ics": b""},
    ):
        hours = hours_of(published(files=files or {"x": b""}))
        assert hours.said("form", "", "en") == ("", "", "") and hours.told("") == {}
    assert hours_of().said("form", "", "en").week == ""


def test_the_hours_stand_on_the_pages_and_at_the_endpoint() -> None:
    site = Site()
    quiet, silent = site.ask("/", "/v1/hours")
    assert "Our hours" not in quiet.text and silent.json() == {"channels": {}}
    site.app.state.service_times.hours.take(published(), 1)
    form, help_page, article, japanese, told = site.ask(
        "/", "/help/en?q=refund", "/help/zh-Hans/stores", "/?lang=ja", "/v1/hours"
    )
    assert (
        "Our hours: Mon–Fri 09:00–18:00 (United Kingdom Time)" in form.text and "Our hours: Mon–Fri" in help_page.text
    )
    assert "服务时间：周一至周五" in article.text and "受付時間：月曜日から金曜日" in japanese.text
    channels = told.json()["channels"]
    assert set(channels) == set(CHANNELS) and channels["form"]["time_zone"] == "Europe/London"
    assert (
        channels["form"]["open"]
        is (channels["form"]["opens_at"] is None)
        is (channels["form"]["closes_at"] is not None)
    )
    assert set(channels["chat"]["said"]) == set(LOCALES)


def test_the_chat_window_says_its_own_hours_or_those_of_the_rules() -> None:
    given_ = ChatSettings()
    service = ServiceTimes(hours_of(published()), ReplyTimes(given_))
    now = given_.pipeline_clock.now()
    offer = frames.Offer(available=False, reason="closed")
    by_rules = Offers(Hours.parse("")).timed(offer, now, "", service)
    own = Offers(Hours.parse("mon-fri 10:00-16:00, sun 10:00-24:00", "Asia/Tokyo")).timed(offer, now, "", service)
    assert by_rules.hours["en"] == "Mon–Fri 08:00–20:00, Sat 10:00–16:00 (United Kingdom Time)"
    assert own.hours["en"] == "Mon–Fri 10:00–16:00, Sun 10:00–24:00 (Japan Time)" and own.reply_times == {}
    unknown = Offers(Hours.parse("")).timed(offer, now, "", ServiceTimes(hours_of(), ReplyTimes(given_)))
    assert unknown == offer


@pytest.mark.stack
def test_the_hours_are_read_from_the_topic_of_rules(deployment: Deployment) -> None:
    settings_ = deployment.settings(ProducerSettings, show_opening_hours=True)
    Log(deployment.settings(SinkSettings)).write([published()])

    async def read() -> str:
        hours, taken = PublishedHours(settings_), asyncio.Event()
        take = hours.take
        hours.take = lambda *record: (take(*record), taken.set())  # type: ignore[method-assign,assignment,func-returns-value]
        reading = asyncio.create_task(hours.run())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await taken.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return hours.said("form", "", "ja").week

    assert asyncio.run(read()).startswith("月曜日から金曜日")

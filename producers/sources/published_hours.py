"""Says the hours of each channel: `GET /v1/hours`, the form, the help pages and the chat window.

They are those by which promises are made: of the rules that the workers fold with (topic `rules`), the calendar of the first
policy that holds for a customer on that channel of whom nothing else is known. So they change when the rules do, and at the
same moment. A channel whose policy has no calendar has no hours. Setting: `show_opening_hours`.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import yaml
from aiokafka import TopicPartition
from msgspec.structs import replace

from producers.sources.topic_follower import follow
from schemas import codec
from schemas.calendars import Calendar, NeverOpen
from schemas.calendars_file import Calendars
from schemas.clock import MICROS, Clock
from schemas.errors import CodecError, ConfigurationError
from schemas.events import CHANNELS, LOCALES
from schemas.opening_hours import OpeningHours, closures, opening_hours
from schemas.published import RulesPublished
from schemas.rulesets import PublishedRulesets
from schemas.settings import ProducerSettings
from schemas.topics import RULES

__all__ = ["ChannelHours", "PublishedHours", "channel_hours"]

log = structlog.get_logger("producers.hours")
_CALENDARS, _POLICIES = "calendars.yaml", "policies.yaml"
_LARGEST = 8_000_000
_NOTHING = OpeningHours("", "", "")
#: What is said changes with the minute.
_KEPT_SECONDS = 10.0


class ChannelHours:
    """Holds the calendars of one version of the rules by brand and channel. Pure."""

    def __init__(self, calendars: Mapping[str, Calendar], policies: list[dict[str, Any]]) -> None:
        self._calendars, self._policies = calendars, policies

    def of(self, channel: str, brand: str) -> Calendar | None:
        """Returns the calendar that a channel is promised by, None where promises are in all time."""
        for policy in self._policies:
            when = policy.get("when") or {}
            known = {"channel": channel, "brand": brand}
            if all(name in known and known[name] in _listed(allowed) for name, allowed in when.items()):
                return self._calendars.get(policy.get("calendar", ""))
        return None


def channel_hours(files: Mapping[str, bytes]) -> ChannelHours:
    """Returns the hours of published rules; their files were validated before they were published.

    Raises:
        ConfigurationError: they are of a build that knows more than this one.
    """
    if _CALENDARS not in files or _POLICIES not in files:
        return ChannelHours({}, [])
    with tempfile.TemporaryDirectory(prefix="deskstream-hours-") as name:
        for path in _read(files):
            if ".." in Path(path).parts or Path(path).is_absolute():
                raise ConfigurationError("is outside of the rules", where=path)
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files[path])
        calendars = Calendars.load(Path(name, _CALENDARS)).calendars
    try:
        policies = yaml.safe_load(files[_POLICIES])["policies"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigurationError("holds no policies", where=_POLICIES) from error
    return ChannelHours(calendars, [each for each in policies if isinstance(each, dict)])


def _read(files: Mapping[str, bytes]) -> list[str]:
    return [path for path in files if path in (_CALENDARS, _POLICIES) or path.endswith(".ics")]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class PublishedHours:
    """Keeps the hours up to date; `run` reads the rules until it is cancelled. Without `show_opening_hours` it says nothing."""

    def __init__(self, settings: ProducerSettings) -> None:
        self._settings = settings
        self._clock: Clock = settings.pipeline_clock
        self._published = PublishedRulesets()
        self._made: dict[str, ChannelHours] = {}
        self._said: dict[tuple[str, str, str], OpeningHours] = {}
        self._said_until = 0.0

    def take(self, record: RulesPublished, appended_at: int) -> None:
        """Takes the next published rules, stored by the broker at `appended_at` (wall micros); keeps only what hours need."""
        files = {path: record.files[path] for path in _read(record.files)}
        self._published.add(replace(record, files=files), appended_at)
        self._said.clear()

    def calendar(self, channel: str, brand: str) -> Calendar | None:
        """Returns the calendar of a channel as the rules are now; None where there are no hours, and before they are known."""
        ruleset = self._published.in_force(self._clock.now())
        if ruleset is None:
            return None
        known = self._made.get(ruleset.version)
        if known is None:
            try:
                known = channel_hours(ruleset.record.files)
            except ConfigurationError as error:
                log.warning("opening_hours_unread", problem=str(error), fix="update the producers as the workers")
                known = ChannelHours({}, [])
            self._made = {ruleset.version: known}
        return known.of(channel, brand)

    def said(self, channel: str, brand: str, locale: str) -> OpeningHours:
        """Returns the hours in words; empty ones where there are none."""
        if time.monotonic() >= self._said_until:
            self._said.clear()
            self._said_until = time.monotonic() + _KEPT_SECONDS
        found = self._said.get((channel, brand, locale))
        if found is None:
            calendar = self.calendar(channel, brand)
            found = _NOTHING if calendar is None else opening_hours(calendar, self._clock.now(), locale)
            self._said[channel, brand, locale] = found
        return found

    def told(self, brand: str) -> dict[str, Any]:
        """Returns what the endpoint answers: the hours of every channel that has some."""
        return {
            channel: self._of_channel(calendar, channel, brand)
            for channel in CHANNELS
            if (calendar := self.calendar(channel, brand)) is not None
        }

    def _of_channel(self, calendar: Calendar, channel: str, brand: str) -> dict[str, Any]:
        now = self._clock.now()
        is_open = calendar.is_open(now)
        try:
            opens_at = None if is_open else calendar.opens_at(now)
        except NeverOpen:
            opens_at = None
        said = {locale: self.said(channel, brand, locale) for locale in LOCALES}
        return {
            "open": is_open,
            "opens_at": _instant(opens_at),
            "closes_at": _instant(calendar.closes_at(now) if is_open else None),
            "time_zone": calendar.zone.key,
            "closed_on": [day.isoformat() for day in closures(calendar, now)],
            "said": {locale: {"week": each.week, "now": each.notice} for locale, each in said.items()},
        }

    async def run(self) -> None:
        """Reads the rules, and again after Kafka was away."""
        if self._settings.show_opening_hours:
            meanwhile = "what was known of them is said meanwhile"
            largest = {"max_partition_fetch_bytes": _LARGEST}
            await follow(self._settings, "opening-hours", self._follow, logger=log, meanwhile=meanwhile, **largest)

    async def _follow(self, consumer: Any) -> None:
        """Reads the topic from its beginning, and what is added to it."""
        place = TopicPartition(self._settings.topic(RULES), 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        self._published = PublishedRulesets()
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    with contextlib.suppress(CodecError):  # the workers say that it cannot be read
                        found = codec.decode(record.value or b"")
                        if isinstance(found, RulesPublished):
                            self.take(found, record.timestamp * 1000)


def _instant(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at // MICROS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

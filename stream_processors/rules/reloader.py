"""Keeps the rules of a worker complete, and publishes its directory of rules when that has something new.

Two loops. One reads the topic `rules` to its end twice a second, adds what it finds, and tells the router of teams when other
rules take effect. `fresh` lets a batch be folded only while the topic was read a moment ago, so that no record is folded
before its rules are known. The other reads the directory every few seconds and publishes a change, once it was read twice the
same and is valid.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import structlog

from schemas import codec, metrics
from schemas.errors import ConfigurationError, Unavailable
from schemas.process import EXIT_USAGE
from schemas.rulesets import PublishedRuleset
from schemas.settings import WorkerSettings
from schemas.topics import ROUTING
from stream_processors.rules import ruleset
from stream_processors.rules.published import GUARD_SECONDS, Directory, offer
from stream_processors.rules.routing_policy import announcements
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.topic import RulesTopic, append, wall_micros
from stream_processors.rules.versions import ALWAYS, RulesetHistory, RulesetVersion

__all__ = ["Content", "Reloader", "read_content"]

log = structlog.get_logger()
LOOK_SECONDS = 0.5
FRESH_SECONDS = GUARD_SECONDS / 2
ATTEMPTS = 5


class Content(NamedTuple):
    """The content of a directory of rules: its files, their version, and the rules or the reason why they are refused."""

    files: Mapping[str, bytes]
    version: str
    rules: Rules | None
    problem: ConfigurationError | None


def read_content(settings: WorkerSettings, known: Content | None = None) -> Content:
    """Returns the directory of rules as it is now; `known` when nothing changed. Raises nothing: a problem is a value."""
    root = settings.config_dir or ruleset.SHIPPED
    try:
        files = ruleset.read_files(root, settings.brands_file)
        version = ruleset.content_version(files, settings.mail_domain)
        if known is not None and known.version == version:
            return known
        try:
            rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(root), brands_file=settings.brands_file)
            return Content(files, version, rules, None)
        except ConfigurationError as error:
            return Content(files, version, None, error)
    except ConfigurationError as error:  # no directory, or one that cannot be read
        return Content({}, "", None, error)


class Reloader:
    """Adds published versions to `history`, one per worker process. `end` ends the process.

    `run` runs for ever in a task; `fresh` is awaited before each batch.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        history: RulesetHistory,
        own: Content,
        end: Callable[[int, str], object],
    ) -> None:
        self.settings, self.history, self.own, self._end = settings, history, own, end
        self.clock = settings.pipeline_clock
        self.topic = RulesTopic(settings)
        self._told: tuple[int, str] | None = None
        self.directory = Directory()
        self._loaded: dict[str, Rules] = {own.version: own.rules} if own.rules else {}
        self._known = self._known_incidents = 0
        self._ready = asyncio.Event()
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._failed_looks = 0
        self._shown = ""
        for reason in ("invalid", "late", "undecodable", "unreadable"):
            metrics.RULES_REFUSED.labels(reason)  # begins at 0
        self._refused: tuple[str, str] = ("", "")

    async def fresh(self) -> None:
        """Waits until every version that is in force by now is known. Usually that is so, and this returns at once."""
        await self._ready.wait()
        while self._stale():
            try:
                await self._look(only_if_stale=True)
            except Unavailable as error:  # Kafka is gone for everything else, too; the watchdog decides how long
                self._unreadable(error)
                await asyncio.sleep(LOOK_SECONDS)

    async def run(self) -> None:
        """Runs both loops, for ever."""
        await asyncio.gather(self._keep_looking(), self._watch())

    # -- the topic ------------------------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look()
                if not self._ready.is_set():
                    await self._begin()
            except Unavailable as error:
                self._unreadable(error)
            await self._announce()
            await asyncio.sleep(LOOK_SECONDS)

    async def _announce(self) -> None:
        """Tells the router of teams and agents when other rules are in force, and once after the start (ADR 47).

        The router folds nothing but its own log. Every worker writes; it takes the first, for the others say what it knows.
        What cannot be written is written after the next look.
        """
        if not self._ready.is_set():
            return
        now = self.clock.now()
        in_force = self.history.version_at(now)
        if (telling := (in_force.effective_from, in_force.rules.version)) == self._told:
            return
        said = announcements(self.history, now, self.settings.worker_id)
        try:
            routing = self.settings.topic(ROUTING)
            await append(self.settings, routing, [(each.team, codec.encode(each)) for each in said])
        except Unavailable as error:
            log.warning("the router cannot be told of teams", error=str(error))
            return
        self._told = telling
        log.info("the router is told of teams", version=in_force.rules.version, teams=len(said))

    def _stale(self) -> bool:
        return time.monotonic() - self._looked_at > FRESH_SECONDS

    async def _look(self, *, only_if_stale: bool = False) -> None:
        async with self._looking:
            if only_if_stale and not self._stale():
                return
            began = time.monotonic()
            await self.topic.look()
            self._readable()
            new = list(self.topic.published)[self._known :]
            for ruleset_ in new:
                await self._add(ruleset_)
            self._known += len(new)
            for change in self.topic.published.incidents[self._known_incidents :]:
                self.history.add_incident(change)
                self._known_incidents += 1
                log.info("an incident is known", incident=change.incident, begins=bool(change.texts),
                         effective_from=change.effective_from, published_by=change.published_by)  # fmt: skip
            self._looked_at = began
            self._show()

    def _unreadable(self, error: Unavailable) -> None:
        """Logs when the topic cannot be read any more; each look fails from then on, until it can be read again."""
        if not self._failed_looks:
            log.warning("the rules cannot be read", error=str(error))
        self._failed_looks += 1

    def _readable(self) -> None:
        if self._failed_looks:
            log.info("the rules can be read again", failed_looks=self._failed_looks)
            self._failed_looks = 0

    async def _add(self, published: PublishedRuleset) -> None:
        record = published.record
        rules = self._loaded.get(record.version)
        if rules is None:
            try:
                rules = await asyncio.to_thread(ruleset.of_files, record.files, record.mail_domain)
            except ConfigurationError as error:
                metrics.RULES_REFUSED.labels("unreadable").inc()
                log.error("published rules mean nothing to this build and are left out", version=record.version,
                          effective_from=record.effective_from, error=str(error))  # fmt: skip
                return
            self._loaded[record.version] = rules
        self.history.add(RulesetVersion(record.effective_from, rules))
        log.info("rules are known", version=record.version, effective_from=record.effective_from,
                 published_by=record.published_by)  # fmt: skip

    async def _begin(self) -> None:
        """Publishes the directory's content, if it is new, after the topic was read for the first time."""
        own, published = self.own, self.topic.published
        self._refuse(own)
        if own.rules is not None:
            empty = not len(published)
            if self.directory.wants(own.version, published):
                await self._publish(own, first=empty)
            elif published.newest and published.newest.version != own.version:
                log.warning(
                    "the directory holds rules that were replaced since; they are not published again",
                    version=own.version,
                    newest=published.newest.version,
                    fix="python -m stream_processors rules publish DIR",
                )
        if not len(self.history):
            self._end(EXIT_USAGE, str(own.problem or "no published rules can be read"))
        self._ready.set()

    # -- the directory --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Publishes changes of the directory. A content counts when it was the same twice: files are not saved all at once."""
        await self._ready.wait()
        before = self.own
        while True:
            await asyncio.sleep(self.settings.rules_watch_seconds)
            now = await asyncio.to_thread(read_content, self.settings, before)
            settled, before = now.version == before.version and str(now.problem) == str(before.problem), now
            if not settled:
                continue
            self.own = now
            self._refuse(now)
            if now.rules is None or now.version == self.directory.version:
                continue
            self._loaded[now.version] = now.rules
            try:
                await self._look()
                if self.directory.wants(now.version, self.topic.published):
                    await self._publish(now)
            except Unavailable as error:
                log.warning("the rules cannot be published now", version=now.version, error=str(error))

    async def _publish(self, content: Content, *, first: bool = False) -> None:
        for _ in range(ATTEMPTS):
            wall = wall_micros()
            start = self.clock.at(wall + int(self.settings.rules_lead_seconds * 1_000_000))
            record = offer(
                content.files,
                content.version,
                self.settings.mail_domain,
                clock=self.clock,
                wall=wall,
                start=ALWAYS if first else start,
                by=self.settings.worker_id,
            )
            await self.topic.publish(record)
            await self._look()
            if self.directory.was_published(content.version, self.topic.published):
                log.info("rules were published", version=content.version, effective_from=record.effective_from)
                return
            first = False
        raise Unavailable(
            f"rules {content.version} came too late {ATTEMPTS} times; raise DESKSTREAM_RULES_LEAD_SECONDS"
        )

    def _refuse(self, content: Content) -> None:
        """Logs once what is wrong with a content; the metric stays until it is right."""
        metrics.RULES_INVALID.set(content.problem is not None)
        refused = content.version, str(content.problem or "")
        if content.problem is not None and refused != self._refused:
            metrics.RULES_REFUSED.labels("invalid").inc()
            log.error("the directory of rules is invalid; what is in force stays in force", error=str(content.problem))
        self._refused = refused

    def _show(self) -> None:
        """Sets the metrics of the rules in force now."""
        if not len(self.history):
            return
        in_force = self.history.version_at(self.clock.now())
        newest = self.topic.published.newest
        metrics.RULES_UNPUBLISHED.set(bool(self.own.rules and newest and newest.version != self.own.version))
        if in_force.rules.version != self._shown:
            if self._shown:
                metrics.RULES_INFO.remove(self._shown)
            self._shown = in_force.rules.version
            metrics.RULES_INFO.labels(self._shown).set(1)
            log.info("rules in force", version=self._shown, effective_from=in_force.effective_from)
        metrics.RULES_EFFECTIVE.set(in_force.effective_from / 1_000_000)

"""Workers and the topic `rules`: two of them, on the real Kafka, in one process."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.balance import records
from schemas import codec, metrics
from schemas.errors import ConfigurationError
from schemas.events import TeamConfigured
from schemas.published import IncidentChanged, RulesPublished
from schemas.settings import WorkerSettings
from schemas.topics import ROUTING, RULES
from stream_processors.rules import incident_cli
from stream_processors.rules.published import offer
from stream_processors.rules.reloader import FRESH_SECONDS, Reloader, read_content
from stream_processors.rules.ruleset import SHIPPED
from stream_processors.rules.situations import Circumstances
from stream_processors.rules.topic import RulesTopic, wall_micros
from stream_processors.rules.versions import ALWAYS, RulesetHistory
from tests.conftest import Deployment

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
LEAD_SECONDS = 3.0


def directory(folder: Path, reopen: str) -> Path:
    shutil.copytree(SHIPPED, folder)
    edit(folder, "window: 7d", f"window: {reopen}")
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "policies.yaml").read_text("utf-8")
    assert old in text
    draft = folder.parent / "draft"
    draft.write_text(text.replace(old, new), "utf-8")
    draft.replace(folder / "policies.yaml")  # in one piece: a keeper looks at it all the time


def keeper(deployment: Deployment, name: str, rules: Path) -> Reloader:
    settings = deployment.settings(
        WorkerSettings, worker_id=name, config_dir=rules, rules_lead_seconds=LEAD_SECONDS, rules_watch_seconds=0.1
    )

    def end(code: int, why: str) -> None:
        raise AssertionError(f"ends with {code}: {why}")

    return Reloader(settings, RulesetHistory(), read_content(settings), end)


@asynccontextmanager
async def running(*keepers: Reloader) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in keepers]
    try:
        async with asyncio.timeout(120):
            for each in keepers:
                await each.fresh()
            yield
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in keepers:
            await each.topic.close()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not what():  # noqa: ASYNC110 - the keepers tell nobody
            await asyncio.sleep(0.05)


def history(each: Reloader) -> list[tuple[int, str]]:
    return [(version.effective_from, version.rules.version) for version in each.history.versions]


def refused(reason: str) -> float:
    return metrics.RULES_REFUSED.labels(reason)._value.get()


def test_workers_with_different_rules_agree_on_one_history(deployment: Deployment, tmp_path: Path) -> None:
    async def work() -> None:
        a, b = (directory(tmp_path / name, name) for name in ("5d", "6d"))
        first, second = keeper(deployment, "worker-0", a), keeper(deployment, "worker-1", b)
        began = wall_micros()
        async with running(first, second):
            await until(lambda: len(first.history) == len(second.history) == 2)
            assert history(first) == history(second)
            (always, _), (later, _) = history(first)
            assert always == ALWAYS
            assert later >= began + LEAD_SECONDS * 1_000_000
            assert {version for _, version in history(first)} == {first.own.version, second.own.version}

            edit(a, "window: 5d", "window: 4d")
            await until(lambda: len(first.history) == len(second.history) == 3)
            newest = history(second)[-1]
            await asyncio.sleep(1)  # ten looks of each at its directory
            assert history(first) == history(second)
            assert history(first)[-1] == newest
        again = keeper(deployment, "worker-1", b)
        async with running(again):
            assert history(again) == history(first), "who starts later reads the same, and a restart is no change"

    asyncio.run(work())


def test_workers_that_start_together_on_an_empty_topic_refuse_nothing(deployment: Deployment, tmp_path: Path) -> None:
    """All of them find it empty and publish the same first record; so it is read again by whoever starts later."""

    async def work() -> None:
        rules = directory(tmp_path / "rules", "5d")
        keepers = [keeper(deployment, f"worker-{number}", rules) for number in range(3)]
        published, all_found_it_empty = [], asyncio.Barrier(len(keepers))
        for each in keepers:
            publish = each.topic.publish

            async def together(record: RulesPublished, publish=publish) -> None:
                await all_found_it_empty.wait()
                published.append(record.version)
                await publish(record)

            each.topic.publish = together  # type: ignore[method-assign]
        before = {reason: refused(reason) for reason in ("late", "undecodable", "unreadable", "invalid")}
        async with running(*keepers):
            await until(lambda: all(len(each.history) for each in keepers))
            await asyncio.sleep(1)  # two more looks of each
            assert published == [keepers[0].own.version] * 3, "it is the race that is tested"
            assert [history(each) for each in keepers] == [[(ALWAYS, keepers[0].own.version)]] * 3
        async with RulesTopic.opened(keepers[0].settings) as log:
            assert [each.version for each in log.published] == [keepers[0].own.version]
        assert {reason: refused(reason) for reason in before} == before

    asyncio.run(work())


def test_what_comes_late_or_means_nothing_counts_for_nobody(deployment: Deployment, tmp_path: Path) -> None:
    async def work() -> None:
        one = keeper(deployment, "worker-0", directory(tmp_path / "rules", "5d"))
        before = {reason: refused(reason) for reason in ("late", "undecodable", "unreadable")}
        async with running(one), RulesTopic.opened(one.settings) as log:
            wall = wall_micros()

            def offered(version: str, start: int, files: dict[str, bytes]) -> RulesPublished:
                return offer(files, version, "shop.example", clock=one.clock, wall=wall, start=start, by="test")

            await log.publish(offered("late", wall + 1_900_000, dict(one.own.files)))
            await log.publish(offered("broken", wall + 60_000_000, {"policies.yaml": b"policies: []"}))
            async with AIOKafkaProducer(bootstrap_servers=one.settings.kafka_bootstrap_servers) as producer:
                await producer.send_and_wait(one.settings.topic(RULES), b"not ours", partition=0)
            await log.look()
            assert [each.version for each in log.published] == [one.own.version, "broken"]
            await until(lambda: refused("unreadable") == before["unreadable"] + 1)
            await until(lambda: refused("undecodable") == before["undecodable"] + 2)
            assert refused("late") == before["late"] + 2
            assert history(one) == [(ALWAYS, one.own.version)]

    asyncio.run(work())


def test_nothing_is_folded_before_the_rules_of_its_time_are_known(deployment: Deployment, tmp_path: Path) -> None:
    """A worker that could not look for a while looks before it folds, and then knows what is in force."""

    async def work() -> None:
        one = keeper(deployment, "worker-0", directory(tmp_path / "rules", "5d"))
        async with running(one):
            pass
        other = read_content(one.settings.model_copy(update={"config_dir": directory(tmp_path / "other", "6d")}))
        async with RulesTopic.opened(one.settings) as log:
            start = one.clock.now() + 60_000_000  # in time, however long it takes to publish it
            await log.publish(
                offer(other.files, other.version, "support.example", clock=one.clock, wall=wall_micros(), start=start,
                      by="test")
            )  # fmt: skip
        await until(lambda: time.monotonic() - one._looked_at > FRESH_SECONDS)
        assert len(one.history) == 1
        await one.fresh()
        assert history(one)[-1] == (start, other.version)
        assert one.history.at(start).version == other.version
        await one.topic.close()

    asyncio.run(work())


def test_between_looks_no_fetch_waits_in_front_of_the_next_question(deployment: Deployment, tmp_path: Path) -> None:
    """A fetch that the broker held back for half a second held up every batch of the worker for as long."""

    async def work() -> None:
        one = keeper(deployment, "worker-0", directory(tmp_path / "rules", "5d"))
        other = read_content(one.settings.model_copy(update={"config_dir": directory(tmp_path / "other", "6d")}))
        async with RulesTopic.opened(one.settings) as log:
            assert log._consumer.paused() == {log._partition}
            await log.publish(
                offer(other.files, other.version, "support.example", clock=one.clock, wall=wall_micros(), start=ALWAYS,
                      by="test")
            )  # fmt: skip
            await log.look()
            assert len(log.published) == 1
            assert log._consumer.paused() == {log._partition}

    asyncio.run(work())


def test_the_router_is_told_of_every_team_by_each_worker(deployment: Deployment, tmp_path: Path) -> None:
    """Workers say the same, so that the router takes the first; a change is said once more by each."""
    rules = directory(tmp_path / "rules", "7d")
    pair = [keeper(deployment, name, rules) for name in ("one", "two")]

    async def work() -> None:
        async with running(*pair):
            await until(lambda: all(each._told for each in pair))
            (rules / "agents.yaml").write_text("agents: {mei: {teams: [support]}}\n", "utf-8")
            await until(lambda: all(each._told and each._told[0] > ALWAYS for each in pair))

    asyncio.run(work())
    found = [codec.decode(value) for _, value, _ in records(pair[0].settings, ROUTING)]
    told = [each for each in found if isinstance(each, TeamConfigured)]
    assert len(told) == 4 * 6 and len({(each.team, each.number, each.content) for each in told}) == 2 * 6
    support = sorted((each for each in told if each.team == "support"), key=lambda each: each.number)
    assert [len(each.agents) for each in support] == [0, 0, 1, 1]


def test_an_incident_is_told_by_every_worker_from_one_instant_until_it_ends(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The rules do not change with it; one that was stored too late does not count."""

    async def work() -> None:
        rules = directory(tmp_path / "rules", "5d")
        one, two = keeper(deployment, "worker-0", rules), keeper(deployment, "worker-1", rules)

        def told(each: Reloader, moment: int) -> str:
            return each.history.at(moment).incident(Circumstances("email", "en"), "en")

        async with running(one, two):
            shown = await incident_cli.change(one.settings, "cards", "me", texts={"en": "Cards fail."})
            assert shown.startswith("cards begins at ")
            with pytest.raises(ConfigurationError, match="going on: cards"):
                await incident_cli.change(one.settings, "site", "me")
            begun = (await published(one.settings))[0].effective_from
            await until(lambda: all(told(each, begun) for each in (one, two)))
            late, before = (
                IncidentChanged(incident="late", effective_from=begun, append_by=1, texts={"en": "x"}),
                refused("late"),
            )
            await one.topic.publish(late)
            await incident_cli.change(one.settings, "cards", "me")
            ended = (await published(one.settings))[-1].effective_from
            await until(lambda: not any(told(each, ended) for each in (one, two)))
            assert [told(two, moment) for moment in (begun - 1, begun, ended - 1, ended)] == [
                "",
                "Cards fail.",
                "Cards fail.",
                "",
            ]
            assert refused("late") > before
            assert len(one.history) == 1
        again = keeper(deployment, "worker-1", rules)
        async with running(again):
            assert told(again, begun) == "Cards fail."

    asyncio.run(work())


async def published(settings: WorkerSettings) -> list[IncidentChanged]:
    async with RulesTopic.opened(settings) as topic:
        return topic.published.incidents

"""Every channel, through the same cases, as its source sees it: real processes, real protocols, a real Kafka.

One Kafka and one process of each kind serve all cases. The outage and the kill are those of all channels at once. What a
case adds to the balance (received = published + duplicates + dead-lettered) is read from /metrics. A channel stands in
`tests/producers/conforming_<name>.py`; what does not apply to it says why in its `exempt`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from producers.endpoint import endpoints
from tests.support.own_kafka import OwnKafka, own_kafka
from tests.support.producers.conformance import CASES, Answer, Balance, Becomes, Channel, Site, channels, together
from tests.support.producers.endpoint_case import cases

pytestmark = pytest.mark.stack

CHANNELS = channels()
OUTAGE_SECONDS = 30.0


def every(case: str) -> pytest.MarkDecorator:
    """Every channel that the case applies to."""
    return pytest.mark.parametrize("name", [name for name, each in CHANNELS.items() if case not in each.exempt])


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with own_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def site(kafka: OwnKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(kafka.deployment, tmp_path_factory.mktemp("site"), CHANNELS)
    try:
        site.open()
        yield site
    finally:
        site.close()


class Change:
    """What came into Kafka, and what was counted, since this was made."""

    def __init__(self, site: Site, channel: Channel) -> None:
        self._site, self._channel = site, channel
        site.tail.read()
        self._ids, self._dead_letters = len(site.tail.ids), len(site.tail.dead_letters)
        self._balance, self._refused = channel.process.balance(), channel.process.refused()

    def events(self) -> list[str]:
        self._site.tail.read()
        return self._site.tail.ids[self._ids :]

    def dead_letters(self) -> list[bytes]:
        self._site.tail.read()
        return self._site.tail.dead_letters[self._dead_letters :]

    def balance(self) -> Balance:
        now = self._channel.process.balance()
        received, published, duplicates, dead = (
            after - before for after, before in zip(now, self._balance, strict=True)
        )
        return received, published, duplicates, dead

    def refused(self) -> int:
        return self._channel.process.refused() - self._refused


def times(balance: Balance, count: int) -> Balance:
    received, published, duplicates, dead = (each * count for each in balance)
    return received, published, duplicates, dead


def test_every_endpoint_has_a_sender_or_a_reason_to_have_none() -> None:
    assert sorted(cases()) == sorted(endpoint.name for endpoint in endpoints())
    assert set(cases()) <= set(CHANNELS)
    for channel in CHANNELS.values():
        assert set(channel.exempt) <= set(CASES) and all(channel.exempt.values()), channel.name


@every("happy")
def test_what_is_told_received_is_in_kafka(site: Site, name: str) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    assert [channel.offer(site.number()) for _ in range(2)] == [Answer.RECEIVED] * 2
    found = change.events()
    assert len(set(found)) == len(found) == 2 * channel.events
    assert change.balance() == times((1, 1, 0, 0), len(found))


@every("twice")
def test_the_same_again_is_told_received_and_is_in_kafka_once(site: Site, name: str) -> None:
    channel, change, number = CHANNELS[name], Change(site, CHANNELS[name]), site.number()
    assert [channel.offer(number) for _ in range(2)] == [Answer.RECEIVED] * 2
    assert len(change.events()) == channel.events
    assert change.balance() == times(channel.twice, channel.events)


@every("disordered")
def test_what_comes_in_the_wrong_order_is_all_taken(site: Site, name: str) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    first, second, third = (site.number() for _ in range(3))
    assert [channel.offer(number) for number in (third, first, second)] == [Answer.RECEIVED] * 3
    found = change.events()
    assert len(set(found)) == len(found) == 3 * channel.events


@every("forged")
def test_a_sender_without_proof_is_refused_and_nothing_is_taken(site: Site, name: str) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    answers = channel.forge()
    assert answers == [Answer.REFUSED] * len(answers) and len(answers) >= 2
    assert change.events() == change.dead_letters() == []
    assert (change.balance(), change.refused()) == ((0, 0, 0, 0), len(answers))


@every("oversize")
def test_what_is_too_large_is_refused_or_kept_with_its_beginning(site: Site, name: str) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    _odd(channel, change, channel.offer_oversize(), channel.oversize)


@every("garbled")
def test_a_garbled_input_is_a_contact_or_dead_letter_or_refused(site: Site, name: str) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    _odd(channel, change, channel.offer_garbled(), channel.garbled)


def _odd(channel: Channel, change: Change, answer: Answer, becomes: Becomes) -> None:
    refused = becomes is Becomes.REFUSED
    assert answer is (Answer.REFUSED if refused else Answer.RECEIVED)
    assert (len(change.events()), len(change.dead_letters())) == (
        becomes is Becomes.EVENT,
        becomes is Becomes.DEAD_LETTER,
    )
    assert change.balance() == becomes.value
    assert change.refused() == refused


# Kafka away for 30 s, of all channels at once


@dataclass
class Story:
    """What the sources were told, and when."""

    numbers: dict[str, int] = field(default_factory=dict)
    received: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    resumed: float = 0.0

    def persist(self, channel: Channel) -> None:
        """As real sources do: until it is told received."""
        while (answer := channel.offer_at_length(self.numbers[channel.name])) is not Answer.RECEIVED:
            if answer is Answer.REFUSED:
                self.problems.append(f"{channel.name} was told: {answer.value}")
                return
            time.sleep(1.0)  # the source's own pause
        self.received[channel.name].append(time.monotonic())


@pytest.fixture(scope="module")
def outage(site: Site, kafka: OwnKafka) -> tuple[Story, list[str]]:
    """Lived through once; what the sources were told, and the events in Kafka that it brought."""
    told = [each for each in CHANNELS.values() if "outage" not in each.exempt]
    story = Story({each.name: site.number() for each in told}, {each.name: [] for each in told})
    site.tail.read()
    before = len(site.tail.ids)
    threads = {each.name: threading.Thread(target=story.persist, args=(each,), daemon=True) for each in told}
    early = [each for each in told if each.early]
    for channel in early:
        channel.before_length()
        threads[channel.name].start()
    while not all(channel.under_way() for channel in early):
        assert all(threads[channel.name].is_alive() for channel in early), "it ended before it could be interrupted"
        time.sleep(0.002)
    with kafka.silenced():
        for channel in told:
            if not channel.early:
                threads[channel.name].start()
        end = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < end:
            assert not any(story.received.values()) and not story.problems
            time.sleep(0.25)
        story.resumed = time.monotonic()
    for name, thread in threads.items():
        thread.join(200)
        assert not thread.is_alive(), name
    site.tail.read()
    return story, site.tail.ids[before:]


@every("outage")
def test_received_is_answered_only_after_kafka_answers_again(outage: tuple[Story, list[str]], name: str) -> None:
    story, _ = outage
    assert not story.problems
    assert [moment >= story.resumed for moment in story.received[name]] == [True]


def test_after_an_outage_every_contact_is_there_under_one_id(site: Site, outage: tuple[Story, list[str]]) -> None:
    """What was tried in vain and yet written once Kafka woke up is there again under its id, which the workers drop."""
    story, found = outage
    assert len(set(found)) == sum(CHANNELS[name].length() for name in story.numbers)
    for process in site.processes:
        process.balance()


@every("outage")
def test_what_was_offered_in_an_outage_is_known_afterwards(
    site: Site, outage: tuple[Story, list[str]], name: str
) -> None:
    channel, change = CHANNELS[name], Change(site, CHANNELS[name])
    assert channel.offer_at_length(outage[0].numbers[name]) is Answer.RECEIVED
    assert change.events() == []
    assert change.balance()[1] == 0


# killed between receive and publish, all processes at once


def test_what_a_killed_process_did_not_publish_is_taken_again(site: Site, kafka: OwnKafka) -> None:
    hanging = [each for each in CHANNELS.values() if "killed" not in each.exempt]
    numbers = {each.name: site.number() for each in hanging}
    site.tail.read()
    before = len(site.tail.ids)
    with kafka.silenced():
        threads = [threading.Thread(target=each.hang, args=(numbers[each.name],), daemon=True) for each in hanging]
        for thread in threads:
            thread.start()
        time.sleep(2.0)  # handed over, and longer than any answer takes that does not wait for Kafka
        site.kill()
        for thread in threads:
            thread.join(200)
    site.tail.read()
    assert len(site.tail.ids) - before <= sum(each.events for each in hanging)
    site.start()
    answers: dict[str, Answer] = {}
    again = [
        threading.Thread(target=lambda each=each: answers.update({each.name: each.offer(numbers[each.name])}))
        for each in hanging
    ]
    together(again)
    assert answers == dict.fromkeys(numbers, Answer.RECEIVED)
    site.tail.read()
    assert len(set(site.tail.ids[before:])) == sum(each.events for each in hanging)
    for process in site.processes:
        process.balance()

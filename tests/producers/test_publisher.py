"""The publisher against a real Kafka: durable, counted once, never lost silently."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from producers.intake import Intake
from producers.publisher import MAX_RECORD_BYTES, Outcome, Publisher, Receipt
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused, TopicMismatch, Unavailable
from schemas.events import Event, MessageReceived, NoteAdded, PresenceChanged
from schemas.record_key import is_unique, name_of
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.log_reader import EVENTS, PRESENCE, Counts, dead_letters, events, free_port, records

pytestmark = pytest.mark.stack


def message(number: int | str, text: str = "Hello") -> MessageReceived:
    return MessageReceived(
        event_id=f"E{number}",
        occurred_at=1,
        received_at=2,
        customer_tag="ABCDEFGHIJKL",
        channel="chat",
        customer_id="chat:1",
        address="1",
        text=text,
    )


@pytest.fixture
def settings(deployment: Deployment) -> ProducerSettings:
    return deployment.settings(ProducerSettings)


@pytest.fixture
def publisher(settings: ProducerSettings) -> Iterator[Publisher]:
    with Publisher(settings) as publisher:
        yield publisher


def test_a_published_event_is_in_kafka_under_its_customers_key(deployment: Deployment, publisher: Publisher) -> None:
    receipt = publisher.publish(message(1))
    [record] = records(deployment, EVENTS)
    assert receipt.outcome is Outcome.PUBLISHED
    assert is_unique(record.key) and name_of(record.key) == b"ABCDEFGHIJKL"
    assert events(deployment) == [message(1)]


def test_presence_goes_to_routing_under_the_teams_key(deployment: Deployment, publisher: Publisher) -> None:
    presence = PresenceChanged(
        event_id="P", occurred_at=1, received_at=1, customer_tag="", agent_id="mei", team="support", status="online"
    )
    publisher.publish(presence)
    [record] = records(deployment, PRESENCE)
    assert is_unique(record.key) and name_of(record.key) == b"support"
    assert records(deployment, EVENTS) == []


def test_events_of_one_customer_keep_their_order(deployment: Deployment, publisher: Publisher) -> None:
    publisher.publish_many([message(number) for number in range(500)])
    assert [event.event_id for event in events(deployment)] == [f"E{number}" for number in range(500)]


def test_the_same_event_again_is_a_duplicate_even_while_the_first_is_under_way(
    deployment: Deployment, publisher: Publisher
) -> None:
    before = Counts.now()
    futures = [publisher.submit(message("same")) for _ in range(5)]
    outcomes = [publisher.wait(future).outcome for future in [*futures, publisher.submit(message("same"))]]
    assert outcomes == [Outcome.PUBLISHED] + [Outcome.DUPLICATE] * 5
    assert Counts.now().since(before) == (6, 1, 5, 0)
    assert len(events(deployment)) == 1


def test_a_dead_letter_carries_the_raw_bytes_and_its_story(deployment: Deployment, publisher: Publisher) -> None:
    receipt = publisher.dead_letter(
        b"\xff raw", Refused("bad_json", "at 1"), channel="generic", producer="generic", origin="x:7", kept_at="/r/x"
    )
    [dead_letter] = dead_letters(deployment)
    assert (receipt.outcome, receipt.reason, dead_letter.raw) == (Outcome.DEAD_LETTERED, "bad_json", b"\xff raw")
    assert dead_letter.headers["reason"] == "bad_json"
    assert dead_letter.headers["error"] == "bad_json: at 1"
    assert (dead_letter.headers["producer"], dead_letter.headers["origin"], dead_letter.headers["kept-at"]) == (
        "generic",
        "x:7",
        "/r/x",
    )
    assert "truncated" not in dead_letter.headers


def test_a_raw_input_above_kafkas_limit_is_cut_and_says_how_long_it_was(
    deployment: Deployment, publisher: Publisher
) -> None:
    publisher.dead_letter(b"x" * 9_000_000, Refused("too_large"), channel="email")
    [dead_letter] = dead_letters(deployment)
    assert (len(dead_letter.raw), dead_letter.headers["truncated"]) == (MAX_RECORD_BYTES, "9000000")


def test_card_numbers_do_not_leave_in_dead_letters_either(deployment: Deployment, publisher: Publisher) -> None:
    told, trace = Refused("bad_json", "'4111111111111111' is no name"), "KeyError: '4111 1111 1111 1111'"
    publisher.dead_letter(b"{4111 1111 1111 1111", told, channel="generic", traceback=trace)
    [dead_letter] = dead_letters(deployment)
    assert dead_letter.raw == b"{**** **** **** 1111"
    assert dead_letter.headers["error"] == "bad_json: '************1111' is no name"
    assert dead_letter.headers["traceback"] == "KeyError: '**** **** **** 1111'"


def test_an_event_that_kafka_cannot_take_becomes_a_dead_letter(deployment: Deployment, publisher: Publisher) -> None:
    large = publisher.publish(message("large", "x" * 5_000_000), raw=b"the raw one", producer="history")
    broken = publisher.publish(message("broken", "\ud800"), raw=b"the other", producer="history")
    assert (large.reason, broken.reason) == ("too_large", "unencodable")
    assert {dead_letter.raw for dead_letter in dead_letters(deployment)} == {b"the raw one", b"the other"}
    assert publisher.publish(message("large")).outcome is Outcome.PUBLISHED


def test_a_defect_of_a_normaliser_costs_one_input_and_names_the_line(
    deployment: Deployment, publisher: Publisher
) -> None:
    def normalise(raw: bytes, given: InputContext) -> Event:
        return message(1) if raw == b"good" else {}[raw]

    intake = Intake(publisher, "email", normalise)
    taken = [intake.take(raw, origin="here") for raw in (b"bad", b"good")]
    assert [publisher.wait(future).outcome for future in taken] == [Outcome.DEAD_LETTERED, Outcome.PUBLISHED]
    [dead_letter] = dead_letters(deployment)
    assert dead_letter.headers["reason"] == "defect"
    assert "KeyError" in dead_letter.headers["traceback"]


def test_an_event_loop_is_not_held_up_and_cancelling_a_caller_loses_nothing(
    deployment: Deployment, publisher: Publisher
) -> None:
    async def main() -> list[Outcome]:
        await asyncio.to_thread(publisher.connect)
        gone = asyncio.ensure_future(publisher.publish_async(message("gone")))
        await asyncio.sleep(0)
        gone.cancel()
        receipts = await asyncio.gather(*(publisher.publish_async(message(number)) for number in range(300)))
        return [receipt.outcome for receipt in receipts]

    before = Counts.now()
    assert asyncio.run(main()) == [Outcome.PUBLISHED] * 300
    publisher.close()
    assert Counts.now().since(before) == (301, 301, 0, 0)
    assert len(events(deployment)) == 301


def test_more_bytes_than_may_wait_for_kafka_are_not_taken_and_what_landed_makes_room(
    settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.publishing.deliveries.MAX_WAITING_BYTES", 70_000)

    async def offer(publisher: Publisher) -> list[Receipt | BaseException]:
        events = [message(number, "x" * 20_000) for number in range(10)]
        return await asyncio.gather(*map(publisher.publish_async, events), return_exceptions=True)

    with Publisher(settings, linger_ms=500) as publisher:  # nothing lands while they are offered
        publisher.connect()
        told = asyncio.run(offer(publisher))
        assert [isinstance(each, Receipt) for each in told] == [True] * 4 + [False] * 6, (
            "the fourth began below the limit"
        )
        assert all(isinstance(each, Unavailable) and "bytes are waiting" in str(each) for each in told[4:])
        assert publisher._deliveries.size_bytes == publisher.waiting == 0
        assert asyncio.run(publisher.publish_async(message(9))).outcome is Outcome.PUBLISHED


def test_several_threads_share_one_publisher(deployment: Deployment, publisher: Publisher) -> None:
    before = Counts.now()
    with ThreadPoolExecutor(8) as pool:
        outcomes = [receipt.outcome for receipt in pool.map(lambda n: publisher.publish(message(n % 50)), range(200))]
    assert outcomes.count(Outcome.PUBLISHED) == 50
    assert Counts.now().since(before) == (200, 50, 150, 0)
    assert len(events(deployment)) == 50


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(inputs=st.lists(st.tuples(st.sampled_from(["good", "bad", "huge", "broken"]), st.integers(0, 6)), max_size=25))
def test_received_is_published_plus_duplicates_plus_dead_lettered_whatever_comes(
    publisher: Publisher, inputs: list[tuple[str, int]]
) -> None:
    before = Counts.now()
    texts = {"good": "x", "huge": "x" * 4_000_000, "broken": "\udc00"}
    futures = [
        publisher.submit_dead_letter(b"raw", Refused("bad_json"), channel="chat")
        if kind == "bad"
        else publisher.submit(message(number if kind == "good" else f"{kind}{number}", texts[kind]))
        for kind, number in inputs
    ]
    for future in futures:
        publisher.wait(future)
    received, published, duplicate, dead_lettered = Counts.now().since(before)
    assert received == len(inputs) == published + duplicate + dead_lettered
    assert dead_lettered == sum(kind != "good" for kind, _ in inputs)
    assert Counts.now().balanced


# Kafka away


def test_without_kafka_nothing_is_counted_and_the_error_is_one_line() -> None:
    settings = ProducerSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", publish_timeout_seconds=2)
    before = Counts.now()
    with Publisher(settings) as publisher:
        with pytest.raises(Unavailable, match=r"does not answer: .*refused"):
            publisher.publish(message(1))
        with pytest.raises(Unavailable):
            publisher.dead_letter(b"x", Refused("bad_json"), channel="chat")
        with pytest.raises(Unavailable, match="not connected"):
            asyncio.run(publisher.publish_async(message(2)))
    assert Counts.now() == before


class Losing:
    """Looks a customer up, and meanwhile Kafka goes away."""

    publisher: Publisher

    def __call__(self, event: Event) -> Event:
        return event

    async def later(self, event: Event) -> Event:
        self.publisher.close()
        return event


def test_kafka_that_goes_away_while_a_customer_is_looked_up_does_not_hold_up_the_event_loop(
    settings: ProducerSettings,
) -> None:
    enrich = Losing()
    with Publisher(settings, enrich=enrich) as publisher:
        enrich.publisher = publisher
        publisher.connect()
        with pytest.raises(Unavailable, match="not connected"):
            asyncio.run(publisher.publish_async(message(1)))
        assert not publisher.connected  # to connect takes seconds, and all who wait would wait for that


def test_an_event_offered_again_after_kafka_was_away_is_published(
    deployment: Deployment, settings: ProducerSettings
) -> None:
    away = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}"})
    with Publisher(away) as publisher:
        with pytest.raises(Unavailable):
            publisher.publish(message(1))
        publisher._connection.settings = settings  # the same publisher, and Kafka is back
        assert publisher.publish(message(1)).outcome is Outcome.PUBLISHED
    assert len(events(deployment)) == 1


def test_missing_topics_are_named_with_what_to_do(settings: ProducerSettings) -> None:
    elsewhere = settings.model_copy(update={"namespace": "nobody-made-these-", "publish_timeout_seconds": 2})
    with pytest.raises(Unavailable, match=r"nobody-made-these-contact-events is not there; .* create"):
        Publisher(elsewhere).connect()


def test_another_partition_count_is_refused(settings: ProducerSettings) -> None:
    with pytest.raises(TopicMismatch, match="has 4 partitions, DESKSTREAM_PARTITIONS says 7"):
        Publisher(settings.model_copy(update={"partitions": 7})).connect()


def test_notes_belong_to_no_channel_and_are_counted_as_such(publisher: Publisher) -> None:
    from tests.support.producers.log_reader import count

    before = count("published", channel="none")
    publisher.publish(
        NoteAdded(
            event_id="N",
            occurred_at=1,
            received_at=1,
            customer_tag="ABCDEFGHIJKL",
            ticket_id="ABCDEFGHIJKL-1",
            agent_id="mei",
            text="x",
        )
    )
    assert count("published", channel="none") == before + 1

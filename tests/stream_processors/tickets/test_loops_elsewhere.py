"""Machines on channels without headers: SMS, social networks, chat, forms. Whatever they do, a ticket gets one message of ours."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import SMTP

import pytest

from producers.sources.mail_intake import mail_event
from schemas.dead_letter.headers import InputContext
from schemas.events import MessageReceived, StatusChanged
from schemas.facts import Outbound
from schemas.identity import customer_tag
from schemas.settings import ProducerSettings
from sinks.delivery.mail import address, compose
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import SECOND, T0

CHANNELS = ("sms", "social", "chat", "form")
ADDRESSES: dict[str, Callable[[int], str]] = {
    "one address": lambda number: "robot",
    "two in turn": lambda number: f"robot{number % 2}",
}
TEXTS: dict[str, Callable[[int, str], str]] = {
    "the same words": lambda number, heard: "I am away and will answer later",
    "other words": lambda number, heard: f"{'abcdefghij'[number % 10] * 9} thank you {chr(107 + number % 13) * 7}",
    "what it heard": lambda number, heard: heard,
    "the same with a number": lambda number, heard: f"Your request {number:06d} has reached us",
}
THREADS: dict[str, Callable[[int], str]] = {
    "one": lambda number: "t",
    "new": lambda number: f"t{number}",
    "none": lambda number: "",
}
DELAYS = (1, 70, 3600, 86_400)
MOST = 24


def played(rules: Rules, channel: str, delay: int, who: str, words: str, thread: str) -> list[Outbound]:
    """What we send while a machine answers each message of ours, at most `MOST` times."""
    worker, sent, heard = MemoryWorker(TicketsProcessor(rules)), list[Outbound](), "Hello there, anybody?"
    for number in range(MOST):
        name = ADDRESSES[who](number)
        customer, at = f"{channel}:{name}", T0 + number * delay * SECOND
        given = {"sms": "+155501000" + name[-1:].rjust(2, "0").replace("t", "0"), "form": f"{name}@robots.example"}
        message = MessageReceived(
            event_id=f"message {number}",
            occurred_at=at,
            received_at=at,
            customer_tag=customer_tag(customer),
            channel=channel,
            customer_id=customer,
            address=given.get(channel, name),
            text=TEXTS[words](number, heard),
            thread_id=THREADS[thread](number),
            message_id=f"id {number}",
        )
        worker.feed([message])
        new = worker.records(Outbound)[len(sent) :]
        sent += new
        if not new:
            break
        heard = new[-1].text
    assert worker.dead_letters == []
    return sent


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_machine_gets_one_message_a_ticket_and_soon_no_more(rules, channel):
    """A form makes a ticket each time: the same words are answered twice, others ten times at machine speed."""
    found = []
    threads = THREADS if channel != "form" else ("new",)
    for delay, who, words, thread in itertools.product(DELAYS, ADDRESSES, TEXTS, threads):
        sent = played(rules, channel, delay, who, words, thread)
        most = max(Counter(each.ticket_id for each in sent).values(), default=0)
        same = words in ("the same words", "the same with a number")
        bound = 2 if channel != "form" else 4 if same and delay < 3600 else 20 if delay < 60 else MOST
        if most > 1 or len(sent) > bound:
            found.append((delay, who, words, thread, most, len(sent)))
    assert found == []


def test_a_deep_contact_is_not_answered_on_any_channel(rules):
    for channel, depth in itertools.product(CHANNELS, (2, 3, 9)):
        worker = MemoryWorker(TicketsProcessor(rules))
        fields = {"channel": channel, "customer_id": f"{channel}:ann", "address": "+15550100", "text": "Where is it?"}
        worker.feed(
            [
                MessageReceived(
                    event_id="one",
                    occurred_at=T0,
                    received_at=T0,
                    customer_tag=customer_tag(f"{channel}:ann"),
                    causation_depth=depth,
                    **fields,
                )
            ]
        )
        assert [each.causation_depth for each in worker.records(Outbound)] == ([3] if depth < 3 else [])


@pytest.mark.parametrize(
    ("said", "read"), [("1", 1), (" 2 ", 2), ("12345", 1000), ("-1", 0), ("x", 0), ("٣", 0), ("9" * 20, 0)]
)
def test_the_depth_of_a_mail_is_read(said, read):
    take = mail_event(ProducerSettings(), None)
    raw = f"From: ann@example.org\r\nTo: support@support.example\r\nSubject: Hi\r\nX-Deskstream-Depth: {said}\r\n\r\nWhere is it?\r\n"
    event = take(raw.encode(), InputContext(T0, "test"))
    assert event.causation_depth == read


def test_automatic_mail_says_its_depth_and_a_persons_does_not():
    for kind, told in (("acknowledgement", "2"), ("survey", "2"), ("reply", None)):
        message = Outbound(
            customer_tag="ABCDEFGHIJKL",
            version=1,
            partition=0,
            at=T0,
            outbound_id="one",
            ticket_id="ABCDEFGHIJKL-1",
            kind=kind,
            channel="email",
            address="ann@example.org",
            text="Hello",
            causation_depth=2,
            headers={"X-Deskstream-Depth": "0"},
        )
        _, raw = compose(message, sender=address("support@support.example"), now=T0)
        assert BytesParser(policy=SMTP).parsebytes(raw)["X-Deskstream-Depth"] == told


def test_who_opens_each_chat_with_the_same_words_is_answered_each_time(rules):
    worker, customer = MemoryWorker(TicketsProcessor(rules)), "chat:ann"
    given = {"customer_tag": customer_tag(customer), "channel": "chat"}
    for number in range(4):
        at = T0 + number * 1800 * SECOND
        said = MessageReceived(
            **given, event_id=f"m{number}", occurred_at=at, received_at=at, customer_id=customer, address="ann",
            text="Hello, I have a question about my order", thread_id=f"t{number}",
        )  # fmt: skip
        ticket = f"{customer_tag(customer)}-{number + 1}"
        solved = StatusChanged(
            **given, event_id=f"s{number}", occurred_at=at + 600 * SECOND, received_at=at + 600 * SECOND,
            ticket_id=ticket, agent_id="mei", status="solved",
        )  # fmt: skip
        worker.feed([said, solved])
    assert worker.dead_letters == []
    assert len({each.ticket_id for each in worker.records(Outbound) if each.kind == "acknowledgement"}) == 4

"""What strangers and help desks can have refused, in any number, stops no worker: it becomes dead letters with a reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from schemas.events import Event, MessageReceived, StatusChanged, SurveyAnswered
from schemas.facts import ContactFact, SurveyFact
from schemas.identity import customer_tag, event_id, ticket_id
from schemas.settings import WorkerSettings
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.failure_limit import FailureLimit
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.ticket_state import KEPT_THREADS
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import ANN, SECOND, T0, Story

VISITOR, STRANGER = "browser-of-a-visitor", "browser-of-a-stranger"
CONVERSATIONS = 65


class GuardedWorker(MemoryWorker):
    """A worker in memory that stops where the real one would."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(TicketsProcessor(rules))
        settings = WorkerSettings()
        self.limit, self.stopped = FailureLimit(settings.dlq_max_run, settings.dlq_max_ratio), ""
        fold = self.folder.fold

        def limited(partition: int, records: Any, overlay: Any) -> Any:
            folded = fold(partition, records, overlay)
            self.stopped = self.stopped or self.limit.exceeded(len(records), folded)
            return folded

        self.folder.fold = limited  # type: ignore[method-assign]

    def reasons(self) -> Counter[tuple[str, str]]:
        return Counter((stage, reason) for _, stage, reason, _ in self.dead_letters)


def base(name: str, number: int, customer_id: str) -> dict[str, Any]:
    now = T0 + number * SECOND
    tag = customer_tag(customer_id)
    return {"event_id": event_id(name, tag, str(number)), "occurred_at": now, "received_at": now, "customer_tag": tag}


def line(number: int, customer_id: str, visitor: str) -> MessageReceived:
    """The first line of one conversation."""
    about = {"channel": "chat", "customer_id": customer_id, "address": visitor, "thread_id": thread(number, visitor)}
    return MessageReceived(**base("line", number, customer_id), **about, text="Where is my parcel?")


def thread(number: int, visitor: str) -> str:
    return event_id("chat-conversation", visitor, str(number))


def vote(number: int, customer_id: str, visitor: str, csat: int = 1, **changes: Any) -> SurveyAnswered:
    """As the process that serves chats publishes it."""
    conversation = thread(number, visitor)
    about = {"ticket_id": "", "thread_ref": conversation, "survey_id": conversation, "address": visitor, "csat": csat}
    return SurveyAnswered(**base("vote", 1000 + number, customer_id), channel="chat", **about | changes)


@pytest.mark.parametrize("size", [1, 20, 500])
def test_sixty_votes_for_unknown_conversations_stop_no_worker(rules: Rules, size: int) -> None:
    worker = GuardedWorker(rules)
    votes = [vote(number, f"chat:{VISITOR}", VISITOR) for number in range(60)]
    worker.feed(votes, sizes=[size] * 60)
    assert (worker.stopped, worker.reasons()) == ("", {("thread", "unknown_ticket"): 60})


@pytest.mark.parametrize("size", [1, 20, 500])
def test_a_visitor_of_many_conversations_votes_on_each(rules: Rules, size: int) -> None:
    """The attack as it was found: one ticket has them all and remembers five."""
    worker = GuardedWorker(rules)
    customer = f"chat:{VISITOR}"
    worker.feed([line(number, customer, VISITOR) for number in range(CONVERSATIONS)], sizes=[size] * CONVERSATIONS)
    worker.feed([vote(number, customer, VISITOR) for number in range(CONVERSATIONS)], sizes=[size] * CONVERSATIONS)
    assert (worker.stopped, worker.reasons()) == ("", {})
    assert Counter(fact.ticket_id for fact in worker.records(SurveyFact)) == {
        ticket_id(customer_tag(customer), 1): CONVERSATIONS
    }


def test_a_help_desk_that_closes_old_tickets_in_bulk_stops_no_worker(rules: Rules) -> None:
    worker = GuardedWorker(rules)
    closes: list[Event] = [
        StatusChanged(
            **base("close", number, f"email:c{number}@example.org"),
            ticket_id=ticket_id(customer_tag(f"email:c{number}@example.org"), 1),
            status="closed",
        )
        for number in range(500)
    ]
    worker.feed(closes, sizes=[100] * 5)
    assert (worker.stopped, worker.reasons()) == ("", {("thread", "unknown_ticket"): 500})


def test_undecodable_records_still_stop_a_worker_whatever_is_refused_between_them(rules: Rules) -> None:
    worker = GuardedWorker(rules)
    for number in range(WorkerSettings().dlq_max_run):
        assert worker.stopped == ""
        worker.append_raw(b"k", b"not a record")
        worker.feed([vote(number, f"chat:{VISITOR}", VISITOR)])
    assert worker.stopped.startswith("50 records in a row failed: decode/not_single_object")


def test_the_next_record_after_refusals_is_folded(rules: Rules) -> None:
    worker = GuardedWorker(rules)
    customer = f"chat:{VISITOR}"
    worker.feed([*(vote(number, customer, VISITOR) for number in range(200)), line(1, customer, VISITOR)])
    assert [fact.kind for fact in worker.records(ContactFact)] == ["message_received"]


# -- whose ticket a vote in a chat's window is for ----------------------------------------------------------------


def visitors(rules: Rules, **conversations: int) -> Story:
    """Chats under Ann's e-mail address, which anybody may type: so many of each browser."""
    story = Story(rules, channel="chat")
    for number, visitor in enumerate(browser for browser, count in conversations.items() for _ in range(count)):
        story.tell(line(number, ANN, visitor))
    return story


def scores(story: Story) -> dict[int, int | None]:
    return {ticket.number: ticket.survey.csat for ticket in story.customer.tickets}


def test_a_stranger_under_the_same_address_votes_on_their_own_ticket_only(rules: Rules) -> None:
    story = visitors(rules, ann=7, stranger=7)
    assert list(scores(story)) == [1, 2]
    story.tell(vote(7, ANN, "stranger"))  # a conversation that is forgotten
    story.tell(vote(13, ANN, "stranger", csat=2))  # one that is remembered
    assert scores(story) == {1: None, 2: 2}
    assert story.refused() == []


@pytest.mark.parametrize("remembered", [True, False])
def test_the_ticket_that_a_vote_names_is_no_proof(rules: Rules, remembered: bool) -> None:
    """The router's word about Ann's ticket reaches every open chat under her address."""
    story = visitors(rules, ann=1, stranger=7)
    story.tell(vote(7 if remembered else 1, ANN, "stranger", ticket_id=story.ticket_id(1)))
    assert scores(story) == {1: None, 2: 1}


def test_a_stranger_without_a_conversation_has_no_vote(rules: Rules) -> None:
    story = visitors(rules, ann=7)
    story.tell(vote(99, ANN, STRANGER))
    story.tell(vote(98, ANN, STRANGER, ticket_id=story.ticket_id(1)))
    story.tell(vote(97, ANN, STRANGER, ticket_id=f"{story.tag}-9"))
    assert scores(story) == {1: None}
    assert story.refused() == [("thread", "unknown_ticket")] * 3


def test_a_conversation_that_no_ticket_can_have_forgotten_is_unknown(rules: Rules) -> None:
    story = visitors(rules, ann=KEPT_THREADS - 1)
    story.tell(vote(99, ANN, "ann"))
    assert scores(story) == {1: None}
    assert story.refused() == [("thread", "unknown_ticket")]


def test_the_named_ticket_decides_between_two_that_the_browser_has(rules: Rules) -> None:
    story = visitors(rules, ann=7)
    story.solve(100)
    story.status(110, "closed")
    for number in range(200, 207):
        story.tell(line(number, ANN, "ann"))
    story.tell(vote(0, ANN, "ann", csat=3, ticket_id=story.ticket_id(1)))
    story.tell(vote(200, ANN, "ann", csat=4))
    assert scores(story) == {1: 3, 2: 4}


def test_a_vote_of_an_older_producer_finds_the_one_ticket_that_can_be_meant(rules: Rules) -> None:
    one, two = visitors(rules, ann=7), visitors(rules, ann=7, stranger=7)
    for story in (one, two):
        story.tell(vote(0, ANN, "ann", address=""))
    assert (scores(one), scores(two)) == ({1: 1}, {1: None, 2: None})
    assert (one.refused(), two.refused()) == ([], [("thread", "unknown_ticket")])


def test_a_visitor_whose_ticket_is_gone_still_votes(rules: Rules) -> None:
    """A customer who is nothing but this browser owns every ticket of the customer, kept or not."""
    story = Story(rules, channel="chat", customer_id=f"chat:{VISITOR}")
    story.tell(line(0, story.customer_id, VISITOR))
    story.solve(10)
    story.message(100 * 86_400, address=VISITOR, thread_id=thread(1, VISITOR))
    assert [ticket.number for ticket in story.customer.tickets] == [2]
    story.tell(vote(0, story.customer_id, VISITOR, ticket_id=story.ticket_id(1)))
    assert [(fact.ticket_id, fact.csat) for fact in story.all(SurveyFact)] == [(story.ticket_id(1), 1)]

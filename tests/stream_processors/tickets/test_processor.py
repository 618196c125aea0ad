"""The fold of one event: refused, repeated, erased and recorded, and what is kept of it in the state."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.events import ArticleViewed, ErasureRequested, OrderPlaced, PresenceChanged, RoutingUpdate, TagCorrected
from schemas.facts import ContactFact, TicketFact
from schemas.identity import customer_tag
from tests.support.tickets.story import TAG, Story, at

BOB = "email:bob@example.org"


def numbers(story: Story) -> list[int]:
    return [ticket.number for ticket in story.customer.tickets]


def test_orders_and_articles_are_recorded_without_a_ticket(story: Story) -> None:
    story.tell(OrderPlaced(**story.base(0), customer_id=story.customer_id, order_number="A-1", amount=1999))
    story.tell(ArticleViewed(**story.base(1), customer_id=story.customer_id, article_id="returns"))
    assert numbers(story) == []
    assert [(fact.kind, fact.detail, fact.amount) for fact in story.contact_facts()] == [
        ("order_placed", "", 1999),
        ("article_viewed", "returns", None),
    ]
    assert (story.total("orders_placed"), story.total("articles_viewed")) == (1, 1)


def test_an_agents_event_about_an_unknown_ticket_is_refused(story: Story) -> None:
    story.message(0)
    story.reply(10, number=7)
    assert story.refused() == [("thread", "unknown_ticket")]
    assert story.ticket().counts.public_replies == 0


def test_a_ticket_of_somebody_else_is_unknown(story: Story) -> None:
    story.message(0)
    story.tell(TagCorrected(**story.base(1), ticket_id=f"{customer_tag(BOB)}-1", agent_id="mei"))
    assert story.refused() == [("thread", "unknown_ticket")]


def test_events_of_the_routing_topic_are_refused(story: Story) -> None:
    story.tell(PresenceChanged(**story.base(0), agent_id="mei", team="support", status="online"))
    story.tell(RoutingUpdate(**story.base(0), ticket_id=story.ticket_id(), team="support", action="queue"))
    assert story.refused() == [("fold", "wrong_topic")] * 2


def test_an_event_without_a_customer_is_refused(story: Story) -> None:
    story.message(0, customer_tag="")
    assert story.refused() == [("fold", "no_customer_tag")]


def test_the_same_event_twice_is_one_event(story: Story) -> None:
    event = story.message(0)
    before = len(story.worker.outputs)
    story.tell(event)
    assert len(story.worker.outputs) == before
    assert story.ticket().counts.customer_messages == 1
    assert story.customer.offset == 1


def test_the_last_256_event_ids_are_remembered(story: Story) -> None:
    event = story.message(0)
    for number in range(255):
        story.add_note(number)
    story.tell(event)
    assert story.ticket().counts.customer_messages == 1
    story.add_note(300)
    assert len(story.customer.seen) == 256


def test_a_refused_event_may_come_again_corrected(story: Story) -> None:
    story.message(0)
    refused = story.status(1, "sovled")
    story.tell(msgspec.structs.replace(refused, status="solved"))
    assert story.ticket().status == "solved"


def test_history_that_goes_on_now_is_live(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    assert story.ticket().imported
    assert story.routing() == []
    story.more(60, imported=False)
    assert not story.ticket().imported
    assert [line.split()[0] for line in story.routing()] == ["queue"]


def test_an_erased_customer_leaves_no_name_address_or_words_in_the_state(story: Story) -> None:
    story.message(
        0, customer_name="Ann Secret", subject="My secret", message_id="<secret@ann>", thread_id="secret", text="secret"
    )
    story.tell(ErasureRequested(**story.base(10), requested_by="ann"))
    value = story.worker.store[b"c" + TAG.encode()].lower()
    assert b"secret" not in value
    assert b"ann@example.org" not in value
    assert story.contact_facts()[-1].kind == "erasure_requested"
    fact = story.ticket_fact()
    assert (fact.customer_id, fact.customer_name, fact.subject) == ("", "", "")
    story.reply(20)
    assert story.replies() == []


def test_the_state_is_read_back_as_it_was_written(story: Story) -> None:
    story.message(0)
    story.reply(10)
    key = b"c" + TAG.encode()
    dump, load = story.worker.folder.codec.dump, story.worker.folder.codec.load
    assert dump(key, load(key, story.worker.store[key])) == story.worker.store[key]


def test_an_assignment_makes_a_new_ticket_open(story: Story) -> None:
    story.message(0)
    story.assign(30, "mei", queued_at=at(0))
    assert story.ticket().status == "open"


def test_every_event_is_a_contact_fact_and_a_tick_is_none(story: Story) -> None:
    story.message(0)
    story.add_note(10)
    story.tick(20)
    assert [fact.kind for fact in story.all(ContactFact)] == ["message_received", "note_added"]
    assert len(story.all(TicketFact)) == 2

"""Which ticket an event belongs to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from schemas.events import MessageReceived, NoteAdded, TagCorrected
from schemas.facts import SurveyFact, TicketFact
from schemas.identity import customer_tag
from stream_processors.tickets.opening import MOST_TICKETS
from tests.support.tickets.story import TAG, Story, at

DAY = 86_400
BOB = "email:bob@example.org"


def numbers(story: Story) -> list[int]:
    return [ticket.number for ticket in story.customer.tickets]


def test_a_first_message_opens_a_ticket(story: Story) -> None:
    story.message(0, customer_name="Ann", subject="Parcel", order_number="A-100", tier="vip")
    assert numbers(story) == [1]
    fact = story.ticket_fact()
    assert (fact.ticket_id, fact.status, fact.created_at, fact.subject) == (f"{TAG}-1", "new", at(0), "Parcel")
    assert (fact.customer_name, fact.tier, fact.order_number) == ("Ann", "vip", "A-100")
    assert story.contact_facts()[0].opened_ticket


def test_two_mails_without_a_reference_are_two_matters(story: Story) -> None:
    story.message(0)
    story.message(10)
    assert numbers(story) == [1, 2]


def test_a_ticket_that_the_source_proved_takes_the_message(story: Story) -> None:
    story.message(0)
    story.message(10)
    story.more(20, number=1)
    assert (story.ticket(1).counts.customer_messages, story.ticket(2).counts.customer_messages) == (2, 1)


def test_a_mail_that_answers_the_customers_own_first_mail_joins_it(story: Story) -> None:
    story.message(0, message_id="<one@ann>")
    story.message(10, message_id="<other@ann>")
    story.message(20, in_reply_to="<one@ann>", message_id="<three@ann>")
    story.message(30, references=["<zero@ann>", "<three@ann>"])
    assert story.ticket(1).counts.customer_messages == 3


def test_a_mail_that_answers_our_reply_joins_its_ticket(story: Story) -> None:
    story.message(0, message_id="<one@ann>")
    story.reply(60)
    story.message(120, in_reply_to=story.replies()[0].message_id)
    assert numbers(story) == [1]


def test_only_the_last_twenty_message_ids_are_kept(story: Story) -> None:
    story.message(0, message_id="<0@ann>")
    for number in range(1, 30):
        story.more(number, message_id=f"<{number}@ann>")
    assert story.ticket().conversation.message_ids == tuple(f"<{number}@ann>" for number in range(10, 30))


def test_a_channels_own_thread_keeps_a_conversation_together(tell: Callable[..., Story]) -> None:
    story = tell(channel="social")
    story.message(0, thread_id="dm-1")
    story.message(10, thread_id="dm-1", address="@ann-renamed")
    assert numbers(story) == [1]


@pytest.mark.parametrize("channel", ["chat", "sms", "social", "bot"])
def test_a_conversational_message_joins_the_newest_open_ticket_of_its_address(
    channel: str, tell: Callable[..., Story]
) -> None:
    story = tell(channel=channel)
    story.message(0)
    story.message(60, "And another thing")
    assert numbers(story) == [1]
    story.message(70, address="other")
    assert numbers(story) == [1, 2]


def test_a_public_post_and_a_private_message_are_told_apart(tell: Callable[..., Story]) -> None:
    story = tell(channel="social")
    story.message(0, public=True)
    story.message(10, public=False)
    assert numbers(story) == [1, 2]


def test_a_conversation_older_than_the_reopen_window_is_over(tell: Callable[..., Story]) -> None:
    story = tell(channel="sms")
    story.message(0)
    story.message(7 * DAY)
    assert numbers(story) == [1]  # exactly seven days after the last sign of life
    story.message(14 * DAY + 1)
    assert numbers(story) == [1, 2]


def test_a_solved_conversation_is_a_new_matter_when_only_the_address_is_the_same(tell: Callable[..., Story]) -> None:
    story = tell(channel="sms")
    story.message(0)
    story.solve(60)
    story.message(120, "I have another question")
    assert numbers(story) == [1, 2]
    assert story.ticket(1).status == "solved"


def test_thanks_after_a_solved_conversation_is_recorded_there(tell: Callable[..., Story]) -> None:
    story = tell(channel="sms")
    story.message(0)
    story.solve(60)
    story.message(120, "Thank you so much!")
    assert numbers(story) == [1]
    assert (story.ticket().status, story.ticket().counts.customer_messages) == ("solved", 2)


@pytest.mark.parametrize(
    "text", ["Thanks!", "THANK YOU so much", "谢谢", "非常谢谢!", "謝謝", "ありがとうございます。"]
)
def test_thanks_alone_does_not_reopen(text: str, story: Story) -> None:
    story.message(0)
    story.solve(60)
    story.more(120, text)
    assert story.ticket().status == "solved"
    assert story.total("tickets_reopened") == 0
    assert story.total("contacts_received") == 2


@pytest.mark.parametrize("text", ["Thanks, but it is still broken", "so much", "", "谢谢，但是还没收到"])
def test_more_than_thanks_reopens(text: str, story: Story) -> None:
    story.message(0)
    story.solve(60)
    story.more(120, text)
    assert (story.ticket().status, story.ticket().episode, story.ticket().counts.reopens) == ("open", 2, 1)
    assert story.total("tickets_reopened") == 1


@pytest.mark.parametrize("header", ["auto-replied", "auto-generated"])
def test_an_out_of_office_answer_is_recorded_and_waits_for_nobody(header: str, story: Story) -> None:
    story.message(0)
    story.reply(10)
    story.more(20, "I am away until Monday", headers={"auto-submitted": header})
    assert (story.ticket().status, story.ticket().conversation.waiting_since) == ("pending", None)
    story.solve(30)
    story.more(40, "I am away until Monday", headers={"auto-submitted": header})
    assert (story.ticket().status, story.ticket().episode, story.ticket().counts.customer_messages) == ("solved", 1, 3)


def test_thanks_may_name_the_agent(story: Story) -> None:
    story.message(0)
    story.reply(30, agent="mei")
    story.solve(60)
    story.more(120, "Thanks Mei")
    assert story.ticket().status == "solved"


def test_a_message_at_the_end_of_the_reopen_window_reopens(story: Story) -> None:
    story.message(0)
    story.solve(100)
    story.more(100 + 7 * DAY)
    assert numbers(story) == [1]
    assert story.ticket().episode == 2


def test_a_message_after_the_reopen_window_opens_a_follow_up(story: Story) -> None:
    story.message(0)
    story.solve(100)
    story.more(101 + 7 * DAY)
    assert numbers(story) == [2]  # the solved one is dropped from the state
    assert story.ticket(2).status == "new"
    assert story.ticket_fact(1).status == "solved"


def test_a_message_to_a_closed_ticket_opens_a_follow_up(story: Story) -> None:
    story.message(0)
    story.status(100, "closed")
    story.more(200)
    assert numbers(story) == [1, 2]


@pytest.mark.parametrize("status", ["pending", "hold"])
def test_a_message_takes_a_ticket_out_of_waiting(status: str, story: Story) -> None:
    story.message(0)
    story.status(10, status)
    story.more(20)
    assert story.ticket().status == "open"


def test_a_voicemail_is_a_ticket_to_call_back(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "voicemail", transcript="Please call me back about my refund.")
    assert story.ticket_fact().channel == "voicemail"
    assert story.contact_facts()[0].text == "Please call me back about my refund."
    assert story.ticket().status == "new"


def test_an_answered_call_is_a_ticket_that_waits_for_the_customer(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "answered", agent_id="tom", talk_seconds=60.0)
    fact = story.ticket_fact()
    assert (fact.channel, fact.status, fact.assignee_id, fact.public_replies) == ("phone", "pending", "tom", 1)
    assert story.replies() == []


def test_a_call_back_after_a_voicemail_is_the_same_ticket(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "voicemail")
    story.call(600, "answered", agent_id="tom", talk_seconds=60.0)
    assert numbers(story) == [1]
    assert story.ticket().status == "pending"


def test_a_call_outcome_that_does_not_exist_is_refused(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "exploded")
    assert story.refused() == [("thread", "bad_outcome")]


def test_a_colleague_whom_the_customer_wrote_to_joins_the_ticket(story: Story) -> None:
    story.message(0, customer_name="Ann", verified="dmarc", recipients=["bob@example.org"])
    story.more(10, customer_id=BOB, address="bob@example.org", customer_name="Bob")
    assert story.ticket().counts.customer_messages == 2
    assert (story.customer.customer_id, story.customer.name) == (story.customer_id, "Ann")


@pytest.mark.parametrize("ended", [False, True])
def test_a_stranger_with_a_token_that_leads_nowhere_goes_to_their_own_log(ended: bool, story: Story) -> None:
    if ended:
        story.message(0)
        story.status(10, "closed")
    event = story.more(20, customer_id=BOB, address="bob@example.org", number=1)
    forwarded = story.last(MessageReceived)
    own = customer_tag(BOB)
    assert forwarded == msgspec.structs.replace(event, customer_tag=own, ticket_ref="", causation_depth=1)
    assert story.worker.outputs[-1].key == own.encode()
    assert len(numbers(story)) == int(ended)
    assert [fact.kind for fact in story.contact_facts()] == ["message_received", "status_changed"] * ended


def test_what_falls_due_while_a_message_is_forwarded_is_recorded(story: Story) -> None:
    story.message(0)
    story.more(99_999, customer_id=BOB, address="bob@example.org", number=7)
    assert story.ticket_fact().clocks_breached == 2
    assert [fact.kind for fact in story.contact_facts()] == ["message_received"]


def test_a_forwarded_message_opens_a_ticket_in_its_own_log(story: Story, tell: Callable[..., Story]) -> None:
    story.more(20, customer_id=BOB, address="bob@example.org", number=1)
    bob = tell(customer_id=BOB)
    bob.tell(story.last(MessageReceived))
    assert bob.all(TicketFact)[-1].customer_id == BOB
    assert bob.all(MessageReceived) == []


def test_at_most_fifty_unsolved_tickets_are_open_and_the_next_message_joins_the_newest(story: Story) -> None:
    for number in range(MOST_TICKETS + 5):
        story.message(number)
    assert len(numbers(story)) == MOST_TICKETS
    assert story.ticket(MOST_TICKETS).counts.customer_messages == 6


def test_solved_tickets_make_room_for_new_ones_oldest_first(story: Story) -> None:
    for number in range(1, MOST_TICKETS + 1):
        story.message(number)
    story.solve(100, number=3)
    story.solve(101, number=2)
    story.message(102)
    assert len(numbers(story)) == MOST_TICKETS
    assert 2 not in numbers(story)
    assert 3 in numbers(story)


# -- events that name the conversation instead of the ticket ---------------------------------------------------------


def test_an_event_that_names_the_conversation_reaches_the_ticket_that_its_first_message_opened(story: Story) -> None:
    story.message(0, thread_id="zendesk:1")
    story.message(10, thread_id="zendesk:2")
    named = {"ticket_id": "", "thread_ref": "zendesk:1"}
    story.reply(60, **named)
    story.about(NoteAdded, 70, agent_id="mei", text="Asked the carrier.", **named)
    story.about(TagCorrected, 80, agent_id="mei", add=["payment.card_declined"], **named)
    story.status(90, "solved", **named)
    story.survey(100, csat=4, **named)
    fact = story.ticket_fact(1)
    assert (fact.status, fact.public_replies, fact.internal_notes, fact.tags, fact.csat) == (
        "solved",
        1,
        1,
        ["payment.card_declined"],
        4,
    )
    assert (fact.first_response_at, fact.first_solved_at) == (at(60), at(90))
    assert story.ticket(2).status == "new"
    assert {each.ticket_id for each in story.contact_facts()[2:]} == {story.ticket_id(1)}
    assert [each.ticket_id for each in story.all(SurveyFact)] == [story.ticket_id(1)]
    assert story.refused() == []


def test_the_ticket_id_counts_where_both_are_given(story: Story) -> None:
    story.message(0, thread_id="c-1")
    story.message(10, thread_id="c-2")
    story.reply(60, number=2, thread_ref="c-1")
    assert (story.ticket(1).counts.public_replies, story.ticket(2).counts.public_replies) == (0, 1)


@pytest.mark.parametrize("reference", ["c-2", ""])
def test_a_conversation_that_this_customer_does_not_have_is_refused(story: Story, reference: str) -> None:
    story.message(0, thread_id="c-1")
    story.reply(60, ticket_id="", thread_ref=reference)
    story.survey(70, csat=5, ticket_id="", thread_ref=reference)
    assert story.refused() == [("thread", "unknown_ticket")] * 2
    assert (story.ticket().counts.public_replies, story.ticket().survey.csat) == (0, None)


def test_a_conversation_that_went_on_in_a_new_ticket_is_the_new_ticket(story: Story) -> None:
    story.message(0, thread_id="c-1")
    story.solve(60)
    story.message(30 * DAY, thread_id="c-1")
    story.reply(30 * DAY + 60, ticket_id="", thread_ref="c-1")
    assert numbers(story) == [2]
    assert story.ticket(2).counts.public_replies == 1


def test_two_conversations_of_a_history_stay_two_where_live_ones_would_be_one(tell: Callable[..., Story]) -> None:
    history, live = tell(channel="chat", imported=True), tell(channel="chat")
    for story in (history, live):
        story.message(0, thread_id="chatwoot:1")
        story.message(60, thread_id="chatwoot:2")
    assert (numbers(history), numbers(live)) == ([1, 2], [1])


def test_a_history_goes_on_with_a_ticket_long_after_it_was_solved(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, thread_id="zendesk:1")
    story.status(60, "solved")
    story.message(5 * DAY, thread_id="zendesk:2")
    story.message(20 * DAY, "It is broken again", thread_id="zendesk:1")
    assert numbers(story) == [1, 2]
    assert (story.ticket(1).episode, story.ticket(1).status, story.ticket(1).counts.reopens) == (2, "open", 1)


def test_a_solved_ticket_of_a_history_is_still_there_when_it_is_closed_four_weeks_later(
    tell: Callable[..., Story],
) -> None:
    story = tell(imported=True)
    story.message(0, thread_id="zendesk:1")
    story.status(60, "solved")
    story.message(20 * DAY, thread_id="zendesk:2")
    story.status(28 * DAY, "closed", ticket_id="", thread_ref="zendesk:1")
    assert story.ticket_fact(1).status == "closed"
    story.message(90 * DAY, thread_id="zendesk:3")
    assert numbers(story) == [2, 3]


def test_a_live_message_lets_go_of_the_history_that_a_live_ticket_would_not_have_kept(
    tell: Callable[..., Story],
) -> None:
    story = tell(imported=True)
    story.message(0, thread_id="zendesk:1")
    story.status(60, "solved")
    story.message(20 * DAY, imported=False)
    assert numbers(story) == [2]


def test_tags_of_another_help_desk_are_recorded_and_only_ours_are_put_on_the_ticket(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    story.about(TagCorrected, 60, agent_id="mei", add=["vip_eu", "payment.card_declined"], remove=["old"])
    assert story.ticket().tags == ("payment.card_declined",)
    assert story.contact_facts()[-1].detail == "+vip_eu +payment.card_declined -old"
    assert story.refused() == []

"""What agents do to a ticket, and what the customer gets of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.facts import AssignmentFact, Outbound
from tests.support.tickets.story import TAG, Story, at


def test_a_public_answer_waits_for_the_customer(story: Story) -> None:
    story.message(0)
    story.reply(60)
    fact = story.ticket_fact()
    assert (fact.status, fact.waiting_since, fact.public_replies) == ("pending", None, 1)


@pytest.mark.parametrize("status", ["hold", "solved"])
def test_a_public_answer_leaves_what_an_agent_decided(status: str, story: Story) -> None:
    story.message(0)
    story.status(30, status)
    story.reply(60)
    assert story.ticket().status == status


def test_who_answers_an_unassigned_ticket_has_it(story: Story) -> None:
    story.message(0)
    story.reply(60, agent="tom")
    story.reply(70, agent="mei")
    fact = story.ticket_fact()
    assert (fact.assignee_id, fact.assignees, fact.first_assigned_at) == ("tom", 1, at(60))


def test_a_mail_is_answered_in_its_thread(story: Story) -> None:
    story.message(0, subject="My parcel", message_id="<one@ann>", customer_name="Ann", language="en")
    story.reply(60, "It is on its way.")
    reply = story.replies()[0]
    ticket = f"{TAG}-1"
    assert (reply.channel, reply.address, reply.text) == ("email", "ann@example.org", "It is on its way.")
    assert reply.subject == f"Re: My parcel [#{ticket}]"
    assert reply.sender.startswith(f"support+{ticket}@")
    assert reply.message_id.startswith(f"<ds.{ticket}.")
    assert reply.headers["In-Reply-To"] == "<one@ann>"
    assert reply.headers["References"].split()[-1] == "<one@ann>"
    assert (reply.customer_name, reply.locale, reply.causation_depth) == ("Ann", "en", 1)


def test_a_comment_is_answered_below_itself_and_not_below_the_newest_post(tell: Callable[..., Story]) -> None:
    story = tell(channel="social", customer_id="meta:2004")
    public = {"public": True, "address": "meta:2004", "thread_id": "instagram:555"}
    story.message(0, message_id="c1", **public)
    story.message(30, "Anybody?", message_id="c2", **public)
    story.reply(60)
    acknowledged, answered = story.all(Outbound)
    assert (acknowledged.headers, acknowledged.thread_id) == ({"In-Reply-To": "c1"}, "instagram:555")
    assert (answered.headers, answered.thread_id) == ({"In-Reply-To": "c2"}, "instagram:555")


def test_what_was_asked_in_private_names_no_comment(tell: Callable[..., Story]) -> None:
    story = tell(channel="social", customer_id="x:2002")
    story.message(0, address="x:2002", thread_id="x:dm:1001-2002")
    story.reply(60)
    assert story.replies()[0].headers == {}


def test_a_second_answer_refers_to_the_whole_thread(story: Story) -> None:
    story.message(0, subject="Re: My parcel", message_id="<one@ann>")
    story.reply(60)
    story.more(120, message_id="<two@ann>")
    story.reply(180)
    first, second = story.replies()
    assert second.subject == f"Re: My parcel [#{TAG}-1]"
    assert second.headers["In-Reply-To"] == "<two@ann>"
    references = second.headers["References"].split()
    assert references.index("<one@ann>") < references.index(first.message_id) < references.index("<two@ann>")


def test_nothing_that_a_sender_wrote_breaks_out_of_a_header(story: Story) -> None:
    story.message(0, subject="Parcel\r\nBcc: all@example.org", message_id="<one>\r\nBcc: all@example.org")
    story.reply(60)
    reply = story.replies()[0]
    assert "\n" not in reply.subject + "".join(reply.headers.values())
    assert "\r" not in reply.subject + "".join(reply.headers.values())


def test_a_chat_is_answered_as_it_stands(tell: Callable[..., Story]) -> None:
    story = tell(channel="chat", customer_id="chat:abc")
    story.message(0, thread_id="room-7")
    story.reply(20, "Hello!")
    reply = story.replies()[0]
    assert (reply.channel, reply.address, reply.thread_id, reply.text) == ("chat", "abc", "room-7", "Hello!")
    assert (reply.subject, reply.headers, reply.message_id) == ("", {}, "")


def test_a_voicemail_answered_in_writing_goes_out_by_sms(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "voicemail")
    story.reply(60)
    assert (story.replies()[0].channel, story.replies()[0].address) == ("sms", "+15550100")


def test_history_is_not_delivered_again(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    story.reply(60)
    assert story.replies() == []
    assert story.ticket().counts.public_replies == 1


def test_who_answers_history_now_reaches_the_customer_and_the_ticket_is_live(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    story.reply(60, imported=False)
    assert [reply.text for reply in story.replies()] == ["It is on its way."]
    assert not story.ticket().imported
    story.more(120, imported=False)
    assert story.clock_rows("next_response") == ["1 activate @120"]


def test_a_private_reply_is_not_delivered(story: Story) -> None:
    story.message(0)
    story.reply(60, public=False)
    assert story.replies() == []


@pytest.mark.parametrize(("status", "reason"), [("sovled", "bad_status"), ("", "bad_status")])
def test_a_status_that_does_not_exist_is_refused(status: str, reason: str, story: Story) -> None:
    story.message(0)
    story.status(10, status)
    assert story.refused() == [("progress", reason)]


def test_a_closed_ticket_stays_closed(story: Story) -> None:
    story.message(0)
    story.status(10, "closed")
    story.status(20, "open")
    assert story.refused() == [("progress", "closed_ticket")]


def test_solving_twice_is_solving_once(story: Story) -> None:
    story.message(0)
    story.solve(10)
    story.solve(20)
    assert story.ticket_fact().last_solved_at == at(10)
    assert story.total("tickets_solved") == 1


def test_the_first_and_the_last_solve_are_both_kept(story: Story) -> None:
    story.message(0)
    story.solve(10)
    story.more(20)
    story.solve(30)
    fact = story.ticket_fact()
    assert (fact.first_solved_at, fact.last_solved_at) == (at(10), at(30))
    assert (fact.first_resolution_seconds, fact.full_resolution_seconds) == (10.0, 30.0)


def test_a_transfer_to_a_team_that_does_not_exist_is_refused(story: Story) -> None:
    story.message(0)
    story.transfer(10, "nowhere")
    assert story.refused() == [("progress", "unknown_team")]


def test_a_transfer_takes_the_ticket_from_its_agent(story: Story) -> None:
    story.message(0)
    story.assign(10, "mei", queued_at=at(0))
    story.transfer(20, "returns", reason="wants money back")
    assert (story.ticket().team, story.ticket().assignee, story.ticket().counts.transfers) == ("returns", "", 1)
    facts = story.all(AssignmentFact)
    assert [(fact.team, fact.agent_id, fact.wait_seconds) for fact in facts] == [
        ("support", "mei", 10.0),
        ("returns", "", None),
    ]
    assert facts[1].reason == "wants money back"


def test_an_assignment_to_nobody_gives_the_ticket_back(story: Story) -> None:
    story.message(0)
    story.assign(10, "mei")
    story.assign(20, "", reason="agent_offline")
    assert story.ticket().assignee == ""
    assert story.ticket_fact().first_assigned_at == at(10)

"""What a carrier says became of a message stands beside the ticket that the message was about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import events
from schemas.facts import ContactFact, MailReport, Outbound
from tests.support.tickets.story import Story


def reported(story: Story, message_id: str, **said: Any) -> ContactFact:
    fields = {"customer_id": story.customer_id, "address": "ann@example.org", "status": "failed", "error_code": "5.1.1"}
    story.tell(events.DeliveryReported(**story.base(60) | fields | {"message_id": message_id} | said))
    return story.all(ContactFact)[-1]


@pytest.mark.parametrize("kind", ["acknowledgement", "reply"])
def test_a_returned_mail_is_a_contact_of_its_ticket_and_changes_nothing(tell: Callable[..., Story], kind: str) -> None:
    story = tell()
    story.message(0)
    story.reply(30)
    ours = next(each for each in story.all(Outbound) if each.kind == kind)
    before = story.customer.tickets
    fact = reported(story, ours.message_id)
    assert (fact.ticket_id, fact.detail) == (story.ticket_id(), "failed 5.1.1")
    assert story.customer.tickets == before
    assert len(story.all(Outbound)) == 2


@pytest.mark.parametrize("message_id", ["OUT1", "", "<x@example.org>", "<ds.AAAAAAAAAAAA-1.m@support.example>"])
def test_a_report_about_something_else_is_of_no_ticket(tell: Callable[..., Story], message_id: str) -> None:
    story = tell()
    story.message(0)
    assert reported(story, message_id).ticket_id == ""


def test_a_report_goes_on_to_the_delivery_sink(tell: Callable[..., Story]) -> None:
    story = tell()
    story.message(0)
    ours = story.all(Outbound)[-1]
    reported(story, ours.message_id, recipients=["ann@example.org", "a@b.example"])
    (report,) = story.all(MailReport)
    assert (report.message_id, report.ticket_id, report.recipients) == (
        ours.message_id,
        story.ticket_id(),
        ["ann@example.org", "a@b.example"],
    )
    assert (report.status, report.error_code, report.customer_tag) == ("failed", "5.1.1", ours.customer_tag)
    reported(story, "<x@example.org>")
    assert story.all(MailReport)[-1].recipients == ["ann@example.org"], "of a producer of before"


def test_a_report_of_an_sms_stays_here(tell: Callable[..., Story]) -> None:
    story = tell()
    story.message(0)
    reported(story, "SM1", channel="sms")
    assert story.all(MailReport) == []

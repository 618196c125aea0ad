"""Every survey says how to get no more of them: by mail and by one click, for this mail and this recipient."""

from __future__ import annotations

import re
from collections.abc import Callable

from producers.mail.parse import parse
from producers.mail.unsubscribe import unsubscription
from schemas import unsubscribe_link
from schemas.facts import Outbound
from schemas.unsubscribe_link import UnsubscribeLink
from tests.support.tickets.story import Story, at
from tests.support.tickets.survey_story import DUE, SIGNING, sent, solved


def test_a_survey_can_be_unsubscribed_from_with_one_click(asked: Story) -> None:
    [mail] = sent(asked)
    found = re.fullmatch(
        r"<mailto:(.+)\?subject=(.+)>, <(https://shop\.example/feedback/u/(\S+))>", mail.headers["List-Unsubscribe"]
    )
    assert found
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert unsubscribe_link.read(found[4], SIGNING.secrets) == UnsubscribeLink(
        asked.ticket_id(), mail.message_id, mail.address
    )
    assert "ann" not in found[3], "the address is not readable"


def test_the_mail_that_a_mail_program_sends_names_the_survey(asked: Story) -> None:
    [survey] = sent(asked)
    target = re.match(r"<mailto:(.+)\?subject=(.+?)>", survey.headers["List-Unsubscribe"])
    assert target
    raw = f"From: Ann <{survey.address}>\nTo: {target[1]}\nSubject: {target[2].replace('%20', ' ')}\nMessage-ID: <u@x.example>\n\n"
    event = unsubscription(parse(raw.encode()), now=at(DUE))
    assert event is not None
    assert (event.message_id, event.recipients, event.status) == (survey.message_id, [survey.address], "unsubscribed")
    assert event.customer_tag == survey.customer_tag


def test_an_answer_to_a_question_has_no_such_header(asked: Story) -> None:
    others = [mail for mail in asked.all(Outbound) if mail.kind not in ("survey", "thanks")]
    assert others
    assert not any("List-Unsubscribe" in mail.headers for mail in others)


def test_without_a_secret_or_https_there_is_only_the_mail_address(ask: Callable[..., Story]) -> None:
    link = UnsubscribeLink("ABCDEFGHIJKL-1", "<m@x.example>", "ann@example.org")
    for base in ("", "http://shop.example"):
        assert set(unsubscribe_link.headers(link, "survey.1", "x.example", base, ("s",))) == {"List-Unsubscribe"}


def test_a_survey_on_another_channel_has_none(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story, channel="sms", address="+15550100", customer_id="tel:+15550100")
    story.until(DUE)
    assert not any("List-Unsubscribe" in mail.headers for mail in story.all(Outbound))

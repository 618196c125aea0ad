"""acknowledge: who gets which answer, when, and with which words and headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import AcknowledgementFact, Outbound
from schemas.identity import event_id, ticket_in_mail
from stream_processors.rules.loop_guards import REMEMBERED
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import Story, at

HOUR = 3600
#: Of the standard policy: first response 1 h, and 2 h as margin.
PROMISED_AT = 3 * HOUR


def sent(story: Story) -> list[Outbound]:
    return [each for each in story.all(Outbound) if each.kind == "acknowledgement"]


def outcomes(story: Story) -> list[tuple[str, str]]:
    return [(fact.outcome, fact.reason) for fact in story.all(AcknowledgementFact)]


# -- who ------------------------------------------------------------------------------------------------------------


def test_a_new_contact_is_acknowledged_at_once(story: Story) -> None:
    event = story.message(0, subject="Kettle", customer_name="Ann Smith")
    fact, outbound, ticket = story.last(AcknowledgementFact), sent(story)[0], story.ticket()
    assert (fact.event_id, fact.ticket_id, fact.episode, fact.outcome) == (event.event_id, story.ticket_id(), 1, "sent")
    assert (fact.channel, fact.template, fact.locale) == ("email", "email.en", "en")
    assert fact.promised_at == ticket.milestones.promised_at == at(PROMISED_AT)
    assert fact.outbound_id == outbound.outbound_id == event_id("acknowledgement", story.ticket_id(), "1")
    assert (ticket.milestones.acknowledged_at, ticket.milestones.acknowledged_episode) == (at(0), 1)
    assert (outbound.address, outbound.channel, outbound.causation_depth) == ("ann@example.org", "email", 1)


def test_what_follows_in_the_same_episode_is_not_acknowledged_again(story: Story) -> None:
    story.message(0)
    story.more(60)
    story.reply(120)
    story.more(180)
    assert outcomes(story) == [("sent", "")]


def test_a_mail_that_reopens_a_chat_is_acknowledged_by_mail_with_what_mails_are_promised(
    tell: Callable[..., Story], rules: Rules
) -> None:
    story = tell(channel="chat")
    story.message(0, thread_id="T" * 26, address="browser-1")
    story.reply(40)
    story.solve(400)
    story.more(2 * HOUR, "It broke again, why?", channel="email", message_id="<again@ann>")
    first, second = sent(story)
    assert (first.channel, first.address) == ("chat", "browser-1")
    assert (second.channel, second.address, second.headers["In-Reply-To"]) == (
        "email",
        "ann@example.org",
        "<again@ann>",
    )
    mail = rules.policies.match("email", "normal", (), "", story.ticket().team, "en")
    assert story.last(AcknowledgementFact).promised_at == mail.promised_at(at(2 * HOUR))


def test_a_reopened_ticket_is_acknowledged_once_more(story: Story) -> None:
    story.message(0)
    story.solve(60)
    story.more(HOUR)
    story.more(HOUR + 60)
    assert outcomes(story) == [("sent", ""), ("sent", "")]
    assert [each.outbound_id for each in sent(story)] == [
        event_id("acknowledgement", story.ticket_id(), episode) for episode in "12"
    ]
    assert (story.ticket().milestones.acknowledged_episode, story.ticket().milestones.promised_at) == (
        2,
        at(HOUR + PROMISED_AT),
    )
    assert story.ticket().milestones.acknowledged_at == at(0)  # when this customer was first acknowledged


def test_thanks_on_a_solved_ticket_are_not_acknowledged(story: Story) -> None:
    story.message(0)
    story.solve(60)
    story.more(HOUR, "Thank you so much")
    assert outcomes(story) == [("sent", "")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headers": {"auto-submitted": "auto-replied"}}, "auto_submitted"),
        ({"headers": {"list-id": "<x>"}}, "mailing_list"),
        ({"address": "noreply@example.org"}, "no_reply"),
        ({"address": "support@support.example"}, "own_address"),
        ({"address": ""}, "no_address"),
        ({"causation_depth": 3}, "causation_depth"),
        ({"imported": True}, "imported"),
    ],
)
def test_what_a_guard_suppresses_is_a_fact_with_its_reason(story: Story, changes: dict[str, Any], reason: str) -> None:
    story.message(0, **changes)
    assert outcomes(story) == [("suppressed", reason)]
    assert sent(story) == []
    assert (story.ticket().milestones.acknowledged_at, story.ticket().milestones.promised_at) == (None, None)
    assert story.customer.acknowledgements == ()


def test_two_machines_that_answer_each_other_stop_after_two(story: Story) -> None:
    """Every answer opens a ticket, as when the other side drops all headers and tokens."""
    for number in range(6):
        story.message(number, subject=f"Request {number} is being looked at")
    assert outcomes(story) == [("sent", "")] * 2 + [("suppressed", "same_subject")] * 4


def test_nobody_gets_more_than_ten_in_ten_minutes(tell: Callable[..., Story]) -> None:
    story = tell()
    for number in range(14):
        story.message(
            number * 40,
            subject=[
                "kettle",
                "lamp",
                "mug",
                "tea",
                "pot",
                "cup",
                "fork",
                "spoon",
                "knife",
                "plate",
                "bowl",
                "jug",
                "tray",
                "pan",
            ][number],
        )
    assert [outcome for outcome, _ in outcomes(story)] == ["sent"] * 10 + ["suppressed"] * 4
    story.message(40 + 600, subject="whisk")  # the first two have left the window
    assert outcomes(story)[-1] == ("sent", "")


def test_the_memory_for_the_caps_is_bounded(story: Story, rules: Rules) -> None:
    unlimited = Story(replace(rules, guards=replace(rules.guards, caps=())))
    for number in range(REMEMBERED + 5):
        unlimited.message(number, f"Hello{'!' * number}")
        unlimited.solve(number, number=number + 1)
    assert len(unlimited.customer.acknowledgements) == REMEMBERED


@pytest.mark.parametrize("outcome", ["voicemail", "missed", "abandoned"])
def test_a_call_that_nobody_took_is_acknowledged_by_sms(tell: Callable[..., Story], outcome: str) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, outcome)
    outbound = sent(story)[0]
    assert (outbound.channel, outbound.address, outbound.headers) == ("sms", "+15550100", {})
    assert story.last(AcknowledgementFact).template == "call.en"


def test_a_call_that_was_answered_is_not(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "answered", talk_seconds=60.0, agent_id="mei")
    assert story.all(AcknowledgementFact) == []


# -- what -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "customer", "template", "carrier"),
    [
        ("email", "email:ann@example.org", "email", "email"),
        ("form", "email:ann@example.org", "email", "form"),
        ("form", "tel:+4915112345678", "sms", "sms"),
        ("in_person", "email:ann@example.org", "email", "email"),
        ("chat", "chat:s-1", "chat", "chat"),
        ("bot", "chat:s-1", "chat", "bot"),
        ("sms", "tel:+4915112345678", "sms", "sms"),
        ("social", "social:@ann", "social", "social"),
    ],
)
@pytest.mark.parametrize(
    ("text", "locale"),
    [("Can you help me?", "en"), ("请帮帮我", "zh-Hans"), ("請幫幫我", "zh-Hant"), ("助けてください", "ja")],
)
def test_the_answer_goes_out_on_the_customers_channel_in_their_language(
    tell: Callable[..., Story], channel: str, customer: str, template: str, carrier: str, text: str, locale: str
) -> None:
    story = tell(channel=channel, customer_id=customer)
    story.message(0, text)
    outbound = sent(story)[0]
    assert (outbound.channel, outbound.locale) == (carrier, locale)
    handed_over = ".handed_over" if channel == "bot" else ""
    assert story.last(AcknowledgementFact).template == f"{template}.{locale}{handed_over}"
    assert story.ticket_id() in outbound.text


def test_a_language_that_we_do_not_write_is_answered_in_english(story: Story) -> None:
    story.message(0, "Wo ist mein Paket?", language="de")
    assert sent(story)[0].locale == "en"


def test_the_promise_is_told_in_the_customers_time_zone(story: Story) -> None:
    story.message(0, "先週の件です", time_zone="Asia/Tokyo")
    assert "3月2日(月) 21:00（日本標準時）" in sent(story)[0].text  # 09:00 UTC and 3 h, and 9 h ahead


def test_without_one_the_policys_time_zone_is_named(story: Story) -> None:
    story.message(0)
    assert "12:00 on Monday 2 March (Greenwich Mean Time)" in sent(story)[0].text


@pytest.mark.parametrize(
    ("days", "promised_text"),
    [
        (0, "12:00 on Monday 2 March"),
        (2, "12:00 on Wednesday 4 March"),
        (91, "12:00 on Monday 2 March"),  # longer than any dead letter lies
        (-1, "12:00 on Monday 2 March"),
    ],
)
def test_who_wrote_what_lay_as_a_dead_letter_is_promised_a_time_that_is_still_to_come(
    story: Story, days: int, promised_text: str
) -> None:
    story.message(0, fields={"replayed_at": str(at(days * 24 * HOUR))})
    assert promised_text in sent(story)[0].text
    assert story.ticket().created_at == at(0)


@pytest.mark.parametrize("claimed", ["", "soon", "-1", "٣", "9" * 30])
def test_what_is_no_time_of_a_replay_changes_no_promise(story: Story, claimed: str) -> None:
    story.message(0, fields={"replayed_at": claimed})
    assert "12:00 on Monday 2 March" in sent(story)[0].text


def test_a_question_for_self_service_gets_the_article_and_a_way_to_a_person(story: Story) -> None:
    story.message(0, "I forgot my password.", verified="dmarc")
    assert "https://help.support.example/en/reset-password" in sent(story)[0].text
    assert "reach a person" in sent(story)[0].text


def test_other_contacts_get_no_article(story: Story) -> None:
    story.message(0, "My card was declined.")
    assert "https://" not in sent(story)[0].text


def test_the_unhappy_get_warmer_words(story: Story) -> None:
    story.message(0, "This is unacceptable.")
    assert "sorry for the trouble" in sent(story)[0].text


def test_in_public_nothing_private_is_repeated(tell: Callable[..., Story]) -> None:
    story = tell(channel="social", customer_id="social:@ann")
    story.message(0, "Where is order 10023456?", subject="Order 10023456", public=True)
    assert "10023456" not in sent(story)[0].text


def test_a_known_customer_who_is_verified_is_called_by_name(story: Story) -> None:
    story.message(0, customer_name="Ann Smith")
    story.solve(60)
    story.message(HOUR, verified="dmarc")
    assert sent(story)[1].text.startswith("Hello Ann Smith,")


def test_who_writes_on_somebody_elses_ticket_is_not_acknowledged(story: Story) -> None:
    story.message(0, customer_name="Ann Smith")
    story.solve(60)
    story.more(HOUR, customer_id="email:eve@example.org", address="eve@example.org")
    assert [each.address for each in sent(story)] == ["ann@example.org"]


# -- as a mail ------------------------------------------------------------------------------------------------------


def test_a_mail_is_threaded_and_says_that_it_is_automatic(story: Story) -> None:
    story.message(0, subject="Kettle", message_id="<3@example.org>", references=["<1@example.org>", "<2@example.org>"],
                  verified="dmarc")  # fmt: skip
    mail, ticket = sent(story)[0], story.ticket_id()
    assert mail.headers == {
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "X-Loop": "support@support.example",
        "In-Reply-To": "<3@example.org>",
        "References": "<1@example.org> <2@example.org> <3@example.org>",
    }
    assert mail.subject == f"Re: Kettle [#{ticket}]"
    assert mail.message_id == f"<ds.{ticket}.ack.1@support.example>"
    assert mail.sender == f"support+{ticket}@support.example"
    assert mail.message_id in story.ticket().conversation.message_ids


def test_an_answer_to_the_acknowledgement_finds_its_ticket_in_three_ways(story: Story) -> None:
    story.message(0, subject="Kettle")
    mail = sent(story)[0]
    assert ticket_in_mail(mail.subject, [], []) == story.ticket_id()
    assert ticket_in_mail("", [mail.sender], []) == story.ticket_id()
    assert ticket_in_mail("", [], [mail.message_id]) == story.ticket_id()
    story.message(60, in_reply_to=mail.message_id)
    assert len(story.customer.tickets) == 1


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (10, [0, 2, 3, 4, 5, 6, 7, 8, 9]),
        (11, [0, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_at_most_ten_references_the_first_and_the_newest(story: Story, count: int, kept: list[int]) -> None:
    """Ten together with the mail that is answered; the first started the thread."""
    earlier = [f"<{number}@example.org>" for number in range(count)]
    story.message(0, message_id="<last@example.org>", references=earlier)
    references = sent(story)[0].headers["References"].split()
    assert references == [*(earlier[number] for number in kept), "<last@example.org>"]
    assert len(references) == min(count + 1, 10)


def test_long_references_keep_the_first_and_the_last(story: Story) -> None:
    story.message(0, message_id="<last@x>", references=[f"<{number}@x>" for number in range(50)])
    references = sent(story)[0].headers["References"].split()
    assert references == ["<0@x>", *(f"<{number}@x>" for number in range(42, 50)), "<last@x>"]


@pytest.mark.parametrize(
    ("subject", "answered"),
    [
        ("Kettle", "Re: Kettle {}"),
        ("Re: Kettle", "Re: Kettle {}"),
        ("RE: re: Kettle", "Re: Kettle {}"),
        ("回复：水壶", "Re: 水壶 {}"),
        ("", "Re: {}"),
        ("Kettle [#ABCDEFGHIJKL-7]", "Re: Kettle {}"),
        ("Report: kettle", "Re: Report: kettle {}"),
        ("Kettle\r\nBcc: all@example.org", "Re: Kettle Bcc: all@example.org {}"),
        ("a" * 300, "Re: " + "a" * 200 + "... {}"),
    ],
)
def test_the_subject_is_answered_with_one_re_and_one_token(story: Story, subject: str, answered: str) -> None:
    story.message(0, subject=subject, verified="dmarc")
    assert sent(story)[0].subject == answered.format(f"[#{story.ticket_id()}]")


@pytest.mark.parametrize("message_id", ["", "no brackets", "<a\r\nBcc: x@y>", "<a b@x>", "<" + "a" * 300 + "@x>"])
def test_a_broken_message_id_is_not_answered_to(story: Story, message_id: str) -> None:
    story.message(0, message_id=message_id, references=["<ok@x>", "<not\nok@x>"])
    assert "In-Reply-To" not in sent(story)[0].headers and "References" not in sent(story)[0].headers


@given(st.text(), st.text(), st.text())
def test_nothing_that_a_customer_writes_adds_a_header(rules: Rules, subject: str, name: str, message_id: str) -> None:
    story = Story(rules)
    story.message(0, subject=subject, customer_name=name, message_id=message_id, references=[message_id])
    mail = sent(story)[0]
    lines = [mail.subject, mail.customer_name, mail.message_id, mail.sender, *mail.headers, *mail.headers.values()]
    assert all(line.isprintable() for line in lines)
    raw = "\r\n".join(f"{header}: {value}" for header, value in mail.headers.items()) + f"\r\nX: {mail.subject}\r\n\r\n"
    assert set(BytesParser(policy=SMTP).parsebytes(raw.encode()).keys()) == {*mail.headers, "X"}


def test_a_participant_is_answered_by_their_own_name(story: Story) -> None:
    story.message(
        0, customer_name="Ann Smith", verified="dkim", recipients=["support@support.example", "bo@example.org"]
    )
    story.solve(60)
    story.more(2 * 24 * HOUR, customer_id="email:bo@example.org", address="bo@example.org", customer_name="Bo",
               verified="dkim")  # fmt: skip
    assert [each.customer_name for each in sent(story)] == ["Ann Smith", "Bo"]

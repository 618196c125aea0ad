"""Whoever writes somebody else's address, or knows the token of somebody else's ticket, learns nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from producers.customers.enrichment import enrich
from producers.customers.profiles import Profile
from producers.mail import event as email
from schemas.events import LOCALES, VERIFICATIONS, ChatEnded, MessageReceived
from schemas.facts import AcknowledgementFact, ContactFact, Outbound, TicketFact
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets import opening
from tests.support.tickets.story import ANN, Story, at
from tests.support.tickets.survey_story import SIGNING

HOUR = 3600
EVE, EVE_ADDRESS = "email:eve@evil.example", "eve@evil.example"
#: What is stored of Ann, and nobody but Ann is to learn.
NAME, ORDER = "Annabel Northcote", "77001234"
#: What the templates of each locale say of an order, and to the unhappy.
WORDS = {
    "en": "Where is it?",
    "zh-Hans": "请问我的包裹在哪里？",
    "zh-Hant": "請問我的包裹在哪裡？",
    "ja": "荷物はどこですか。",
}


def sent(story: Story) -> list[Outbound]:
    return [each for each in story.worker.records() if isinstance(each, Outbound)]


def ann_wrote(rules: Rules, **story: Any) -> Story:
    """Ann is known by name, order, language and time zone; her ticket is solved, and she was not content."""
    told = Story(rules, **story)
    told.message(
        0, "My order has not arrived, this is unacceptable!", subject=f"Order {ORDER}", customer_name=NAME, order_number=ORDER,
        language="ja", time_zone="Asia/Tokyo", address="ann@example.org", channel="email", message_id="<1@ann>",
    )  # fmt: skip
    told.reply(60)
    told.solve(120)
    told.survey(180, csat=1, channel="email")
    return told


def shows(messages: Sequence[Outbound]) -> str:
    return "\n".join(
        "\n".join((each.text, each.subject, each.customer_name, *each.headers.values())) for each in messages
    )


def nothing_of_ann(messages: Sequence[Outbound]) -> bool:
    return not any(word in shows(messages) for word in (NAME, "Annabel", ORDER))


def mail(*headers: str, text: str = "Is there any news?", now: float = HOUR, **how: Any) -> MessageReceived:
    raw = "\r\n".join((*headers, "To: support@support.example", "", text))
    return email.normalise(raw.encode(), now=at(now), servers=("mx.shop.example",), **how)


def passed(domain: str) -> str:
    return f"Authentication-Results: mx.shop.example; dmarc=pass header.from={domain}"


def of_ticket(story: Story, event: MessageReceived) -> MessageReceived:
    """The event of a mail that carries the token of Ann's ticket."""
    return replace(event, ticket_ref=story.ticket_id(), customer_tag=story.tag)


# -- the three that were demonstrated -----------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", [(), (passed("evil.example"),)], ids=["unverified", "verified"])
def test_a_strangers_mail_with_the_token_reopens_and_tells_nothing(rules: Rules, proof: tuple[str, ...]) -> None:
    story = ann_wrote(rules)
    before, told = story.ticket(), len(sent(story))
    story.tell(of_ticket(story, mail(*proof, f"From: {EVE_ADDRESS}")))
    after = story.ticket()
    assert sent(story)[told:] == []
    assert after == replace(before, counts=replace(before.counts, third_party_messages=1))
    assert (after.status, after.episode, after.request.address) == ("solved", 1, "ann@example.org")
    fact = story.last(ContactFact)
    assert (fact.third_party, fact.ticket_id, fact.author, fact.opened_ticket) == (True, story.ticket_id(), EVE, False)
    assert story.last(TicketFact).third_party_messages == 1


def test_the_answer_to_a_third_party_message_goes_to_the_customer(rules: Rules) -> None:
    story = Story(rules)
    story.message(0, customer_name=NAME)
    story.tell(of_ticket(story, mail(f"From: {EVE_ADDRESS}", "Reply-To: eve2@evil.example", text="Send it to me")))
    story.reply(2 * HOUR)
    assert {each.address for each in sent(story)} == {"ann@example.org"}


@pytest.mark.parametrize(
    "reply_to", [EVE_ADDRESS, "ann+x@example.org", "ann@example.org.evil.example", "ann@exampIe.org"]
)
def test_a_foreign_reply_to_gets_neither_name_nor_answer(rules: Rules, reply_to: str) -> None:
    story = ann_wrote(rules)
    told = len(sent(story))
    story.tell(mail("From: ann@example.org", f"Reply-To: {reply_to}"))
    story.reply(2 * HOUR, number=2)
    acknowledged, answered = sent(story)[told:]
    assert acknowledged.address == answered.address == "ann@example.org"
    assert nothing_of_ann([acknowledged])


def test_a_chat_with_somebodys_address_is_not_greeted_by_their_name(rules: Rules) -> None:
    story = ann_wrote(rules)
    told = len(sent(story))
    story.message(HOUR, "Hello", channel="chat", address="browser-of-eve-0000", thread_id="E" * 26)
    [acknowledged] = sent(story)[told:]
    assert acknowledged.address == "browser-of-eve-0000"
    assert nothing_of_ann([acknowledged])


# -- what else would tell something ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("channel", ["email", "form", "chat", "bot", "help_centre", "sms", "social", "in_person"])
def test_nothing_stored_is_told_on_any_channel_or_language(rules: Rules, channel: str, locale: str) -> None:
    """As if nobody had ever heard of Ann: the acknowledgement is the same to the letter, but for the ticket's number."""
    stranger, story = Story(rules), ann_wrote(rules)
    told = len(sent(story))
    address = "ann@example.org" if channel in ("email", "form", "in_person") else "session-of-somebody"
    for each in (stranger, story):
        each.message(HOUR, WORDS[locale], channel=channel, address=address, language=locale)
    [expected], [acknowledged] = sent(stranger), sent(story)[told:]
    second = replace(acknowledged, text=acknowledged.text.replace(story.ticket_id(2), story.ticket_id(1)))
    assert (second.text, second.locale, second.customer_name) == (
        expected.text,
        expected.locale,
        expected.customer_name,
    )
    assert nothing_of_ann([acknowledged])


@pytest.mark.parametrize("proof", VERIFICATIONS)
def test_a_verified_customer_is_told_their_name(rules: Rules, proof: str) -> None:
    story = ann_wrote(rules)
    story.message(HOUR, verified=proof)
    assert sent(story)[-1].customer_name == ("" if proof == "none" else NAME)


def test_an_order_of_an_earlier_message_is_not_told(rules: Rules) -> None:
    story = ann_wrote(rules)
    story.message(HOUR, "Is there any news?", ticket_ref=story.ticket_id(), language="en")
    assert story.ticket().episode == 2
    acknowledged = sent(story)[-1]
    assert nothing_of_ann([acknowledged]) and acknowledged.kind == "acknowledgement"
    story.solve(2 * HOUR)
    story.message(3 * HOUR, "And now?", ticket_ref=story.ticket_id(), language="en", verified="dkim")
    assert ORDER in sent(story)[-1].text


def test_topics_and_complaints_of_earlier_messages_are_not_told(rules: Rules) -> None:
    story = ann_wrote(rules)
    story.message(HOUR, "Is there any news?", ticket_ref=story.ticket_id(), language="en")
    assert story.ticket().request.dissatisfied
    assert "sorry" not in sent(story)[-1].text


@pytest.mark.parametrize("verified", ["none", "signed_user"])
def test_what_only_the_directory_knows_is_told_to_the_verified(rules: Rules, verified: str) -> None:
    story = Story(rules, channel="chat")
    event = MessageReceived(
        **story.base(0), customer_id=ANN, address="browser-of-somebody", text="Hello", verified=verified
    )
    known = enrich(event, Profile(name=NAME, language="ja", time_zone="Asia/Tokyo", tier="vip"))
    story.tell(known)
    [acknowledged] = sent(story)
    told = verified != "none"
    assert (NAME in acknowledged.text, acknowledged.locale == "ja") == (told, told)
    assert "GMT+9" not in acknowledged.text or told
    assert story.customer.name == NAME and story.customer.tier == "vip"  # agents see it


def test_in_public_a_stored_name_is_not_told(rules: Rules) -> None:
    story = Story(rules, channel="social", customer_id="meta:77")
    story.message(0, customer_name=NAME, address="meta:77", verified="platform")
    story.solve(60)
    story.message(HOUR, address="meta:77", verified="platform", public=True, thread_id="post")
    assert NAME not in shows(sent(story)[-1:])
    story.message(2 * HOUR, address="meta:77", verified="platform", thread_id="private")
    assert NAME in shows(sent(story)[-1:])


def test_a_survey_in_a_strangers_chat_does_not_name_the_customer(rules: Rules) -> None:
    story = Story(rules, signing=SIGNING)
    story.message(0, customer_name=NAME, order_number=ORDER)
    about: dict[str, Any] = {"channel": "chat", "address": "browser-of-eve-0000", "thread_id": "E" * 26}
    story.message(HOUR, "Hello", **about)
    told = len(sent(story))
    story.reply(HOUR + 60, number=2)
    story.solve(HOUR + 120, number=2)
    story.until(HOUR + 7200)
    story.survey(HOUR + 7300, csat=1, number=2)
    written = [each for each in sent(story)[told:] if each.address == "browser-of-eve-0000"]
    assert len(written) >= 2 and nothing_of_ann(written)


def test_an_answer_after_a_strangers_chat_goes_to_the_customer(rules: Rules) -> None:
    story = Story(rules)
    story.message(0, customer_name=NAME)
    story.message(HOUR, "Hello", channel="chat", address="browser-of-eve-0000", thread_id="E" * 26)
    ended = {"customer_id": ANN, "address": "browser-of-eve-0000", "thread_id": "E" * 26, "outcome": "abandoned"}
    story.tell(ChatEnded(**story.base(HOUR + 60, channel="chat"), **ended))
    story.reply(2 * HOUR, number=2)
    assert (sent(story)[-1].channel, sent(story)[-1].address) == ("email", "ann@example.org")


# -- Reply-To --------------------------------------------------------------------------------------------------------------


def test_a_verified_reply_to_is_honoured_and_told_nothing_stored(rules: Rules) -> None:
    story = ann_wrote(rules)
    told = len(sent(story))
    story.tell(mail(passed("example.org"), "From: ann@example.org", "Reply-To: ann@home.example"))
    story.reply(2 * HOUR, number=2)
    assert {each.address for each in sent(story)[told:]} == {"ann@home.example"}
    assert nothing_of_ann(sent(story)[told:])


def test_a_reply_to_of_somebody_unknown_is_honoured(rules: Rules) -> None:
    story = Story(rules)
    story.tell(mail("From: ann@example.org", "Reply-To: ann@home.example"))
    assert sent(story)[0].address == "ann@home.example"


def test_whom_only_the_directory_knows_by_an_id_is_answered_at_the_sender(rules: Rules) -> None:
    story = Story(rules, customer_id="ext:4711")
    story.message(0, customer_name=NAME, address="ann@example.org", channel="email")
    event = mail("From: ann@example.org", "Reply-To: eve@evil.example")
    story.tell(enrich(event, Profile(customer_id="ext:4711")))
    assert sent(story)[-1].address == "ann@example.org"


# -- who takes part --------------------------------------------------------------------------------------------------------


def test_who_was_sent_a_verified_mail_of_the_customer_takes_part(rules: Rules) -> None:
    story = Story(rules)
    story.tell(mail(passed("example.org"), "From: ann@example.org", "Cc: bob@example.org", now=0))
    story.solve(60)
    story.tell(of_ticket(story, mail("From: bob@example.org", "Reply-To: eve@evil.example")))
    assert (story.ticket().episode, story.ticket().status) == (2, "open")
    story.reply(2 * HOUR)
    assert [each.address for each in sent(story)] == ["ann@example.org", "bob@example.org", "ann@example.org"]


def test_whom_an_unverified_mail_copies_in_does_not(rules: Rules) -> None:
    story = Story(rules)
    story.tell(mail("From: ann@example.org", f"Cc: {EVE_ADDRESS}", now=0))
    story.solve(60)
    story.tell(of_ticket(story, mail(f"From: {EVE_ADDRESS}")))
    assert (story.ticket().episode, story.ticket().counts.third_party_messages) == (1, 1)


def test_a_stranger_changes_no_tag_priority_order_or_clock(rules: Rules) -> None:
    story = Story(rules)
    story.message(0, language="en")
    before = story.ticket()
    words = "URGENT: this is unacceptable, I will sue. My parcel never arrived, order 10023456"
    event = mail(f"From: {EVE_ADDRESS}", "Message-ID: <eve@evil>", text=words, now=1)
    story.tell(replace(of_ticket(story, event), thread_id="eve", order_number="1", priority="urgent", tier="vip"))
    assert story.ticket() == replace(before, counts=replace(before.counts, third_party_messages=1))
    assert story.customer.reasons == () and story.customer.tier == ""


def test_a_stranger_does_not_keep_a_pending_ticket_open(rules: Rules) -> None:
    story = Story(rules)
    story.message(0)
    story.reply(60)
    assert story.ticket().status == "pending"
    story.tell(of_ticket(story, mail(f"From: {EVE_ADDRESS}")))
    assert story.ticket().status == "pending" and story.ticket().conversation.unanswered == ()


def test_a_strangers_call_about_a_ticket_is_a_matter_of_its_own(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.message(0, channel="email")
    story.call(60, "answered", customer_id="tel:+15550199", ticket_ref=story.ticket_id(), talk_seconds=30.0)
    assert story.ticket().conversation.waiting_since == at(0)
    assert story.worker.outputs[-1].key != story.tag.encode()


def test_a_history_says_itself_who_wrote_what(rules: Rules) -> None:
    story = Story(rules, imported=True)
    story.message(0)
    story.more(60, customer_id=EVE, address=EVE_ADDRESS)
    assert story.ticket().counts.customer_messages == 2


def test_an_ordinary_mail_of_a_known_customer_goes_on(rules: Rules) -> None:
    """Without any Authentication-Results: it is threaded, reopens the ticket and is acknowledged."""
    story = ann_wrote(rules)
    story.tell(of_ticket(story, mail("From: Ann Northcote <Ann@Example.org>", "Reply-To: ann@example.org")))
    assert (story.ticket().episode, story.ticket().counts.third_party_messages) == (2, 0)
    assert sent(story)[-1].address.lower() == "ann@example.org"
    assert story.last(AcknowledgementFact).outcome == "sent"


# -- too many tickets ------------------------------------------------------------------------------------------------------


def test_a_flood_of_chats_does_not_take_the_customers_mail(rules: Rules) -> None:
    """A message that finds too many tickets joined the newest: a stranger's, who was then sent the answer to it."""
    story = Story(rules)
    for number in range(opening.MOST_TICKETS):
        story.message(number, "Hello", channel="chat", address=f"browser-{number:08}", thread_id=f"chat-{number}")
    story.message(HOUR, "My number is 5", message_id="<1@ann>")
    last = story.customer.tickets[-1]
    assert (last.channel, last.request.address) == ("email", "ann@example.org")
    story.reply(2 * HOUR, number=last.number)
    assert sent(story)[-1].address == "ann@example.org"


def test_a_flood_of_chats_does_not_hear_what_another_chat_is_told(rules: Rules) -> None:
    story = Story(rules)
    for number in range(opening.MOST_TICKETS + 1):
        story.message(number, "Hello", channel="chat", address=f"browser-{number:08}", thread_id=f"chat-{number}")
    assert story.refused() == [("thread", "too_many_tickets")]
    assert all(len(ticket.conversation.thread_ids) == 1 for ticket in story.customer.tickets)


# -- whatever is stored ----------------------------------------------------------------------------------------------------

SECRET = st.text(alphabet="QXZqxz", min_size=8, max_size=20)


@given(
    name=SECRET,
    order=SECRET,
    subject=SECRET,
    channel=st.sampled_from(["email", "form", "chat", "bot", "sms", "social", "phone", "help_centre"]),
    locale=st.sampled_from(LOCALES),
    who=st.sampled_from([ANN, EVE]),
    token=st.booleans(),
    address=st.sampled_from(["ann@example.org", EVE_ADDRESS, "browser-of-eve-0000"]),
)
def test_no_unverified_contact_is_told_what_is_stored(
    rules: Rules, name: str, order: str, subject: str, channel: str, locale: str, who: str, token: bool, address: str
) -> None:
    story = Story(rules)
    known = {"customer_name": name, "order_number": order, "subject": subject, "language": locale}
    story.message(0, "My parcel never arrived", verified="dmarc", **known)
    story.solve(60)
    told = len(sent(story))
    reference = {"ticket_ref": story.ticket_id()} if token else {}
    story.message(HOUR, WORDS[locale], customer_id=who, address=address, channel=channel, **reference)
    automatic = sent(story)[told:]
    assert not any(secret in shows(automatic) for secret in (name, order, subject))
    if who == EVE:
        assert automatic == [] and story.ticket().episode == 1


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, NAME),
        ({"verified": "dmarc"}, "Eve"),
        ({"directory": ["customer_name"]}, "Eve"),
        ({"imported": True}, "Eve"),
    ],
)
def test_only_the_customer_and_the_directory_change_the_stored_name(
    rules: Rules, known: dict[str, Any], expected: str
) -> None:
    story = ann_wrote(rules)
    story.message(HOUR, customer_name="Eve", **known)
    story.message(2 * HOUR, verified="dmarc")
    assert sent(story)[-1].customer_name == expected

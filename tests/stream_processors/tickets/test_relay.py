"""The acknowledgement is no relay: nobody makes us write their words to a stranger's address."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.events import LOCALES, Attachment
from schemas.facts import Outbound
from sinks.delivery.mail import address, compose
from stream_processors.rules.ruleset import Rules, load
from stream_processors.tickets.acknowledge import _FIXED_SUBJECTS
from tests.support.each import each
from tests.support.secrets import FIRST, secrets
from tests.support.tickets.story import Story, at

VICTIM = "victim@example.net"
RULES = load()
EVIL = "zzevilzz"
#: What is to be carried to the victim, in any place of a form or a mail.
WORDS = [
    f"{EVIL}", f"https://{EVIL}.example/win", f"{EVIL}.photography", f"{EVIL}。com", f"xn--{EVIL}.com", f"{EVIL}[.]com",
    f"Hello\r\nBcc: {EVIL}@example.org\r\n\r\n{EVIL}", f"<a href='//{EVIL}'>{EVIL}</a>", f"[{EVIL}](//{EVIL})",
    f"{{{{ 7 * 7 }}}} {EVIL}", f"\u202e{EVIL}", f"{EVIL}\x00\x1b[2J", f"=?utf-8?q?{EVIL}?=", f"{EVIL} +1 900 555 0100", f"7{EVIL}",
]  # fmt: skip
CHANNELS = ("email", "form", "in_person")


def contact(words: str, channel: str, language: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "customer_id": f"email:{VICTIM}",
        "address": VICTIM,
        "customer_name": words,
        "subject": words,
        "order_number": words,
        "text": words,
        "full_text": words,
        "language": language,
        "fields": {"place": words},
        "attachments": [Attachment(name=words, media_type="text/html", size_bytes=1)],
    } | changes


def acknowledgement(rules: Rules, **about: Any) -> Outbound:
    story = Story(rules, customer_id=about["customer_id"])
    story.message(0, **about)
    [sent] = [each for each in story.all(Outbound) if each.kind == "acknowledgement"]
    return sent


def as_read(outbound: Outbound) -> str:
    """All that a mail program shows of the mail, and its headers."""
    sender = address("support@support.example")
    message = BytesParser(policy=SMTP).parsebytes(compose(outbound, sender=sender, now=at(0))[1])
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    assert len(parts) == (2 if outbound.html else 1)
    return "\n".join([*(f"{name}: {value}" for name, value in message.items()), *parts])


def assert_says_nothing(outbound: Outbound) -> None:
    token = outbound.subject.rpartition(" ")[2]
    assert outbound.subject == f"{_FIXED_SUBJECTS[outbound.locale]} {token}"
    assert token.startswith(f"[#{outbound.ticket_id}")
    assert outbound.customer_name == ""
    for written in (outbound.text, outbound.html):
        assert "://" not in written
        assert "www." not in written
        assert "@" not in written


@each("channel", CHANNELS)
@each("language", ["", *LOCALES, "de", "../../en", f"en{EVIL}"])
@each("words", WORDS)
def test_nothing_that_somebody_typed_reaches_the_victim(channel: str, language: str, words: str) -> None:
    outbound = acknowledgement(RULES, **contact(words, channel, language))
    assert_says_nothing(outbound)
    assert EVIL not in as_read(outbound).lower()


@given(st.text(max_size=200), st.sampled_from(CHANNELS), st.sampled_from(["", *LOCALES]))
@hypothesis_settings(max_examples=60)
def test_the_text_depends_on_nothing_but_language_and_mood(words: str, channel: str, language: str) -> None:
    with secrets(FIRST):
        outbound = acknowledgement(RULES, **contact(words, channel, language))
        assert_says_nothing(outbound)
        plain = {
            acknowledgement(RULES, **contact("", channel, outbound.locale, text=text)).text
            for text in (
                "Hello",
                "This is unacceptable.",
                "最悪です。",
                "太差劲了",
                "太差勁了",
                "非常不满意",
                "非常不滿意",
            )
        }
    assert outbound.text in plain


@pytest.mark.parametrize("outcome", ["missed", "voicemail", "abandoned"])
def test_the_name_that_a_caller_shows_is_not_texted_to_the_number(outcome: str) -> None:
    story = Story(RULES, channel="phone", customer_id="tel:+15550100")
    story.call(0, outcome, customer_id="tel:+15550100", transcript=EVIL)
    [sent] = [each for each in story.all(Outbound) if each.kind == "acknowledgement"]
    assert EVIL not in sent.text


def test_an_articles_address_is_not_sent_to_a_stranger() -> None:
    assert_says_nothing(acknowledgement(RULES, **contact("I forgot my password.", "form")))


def test_a_verified_sender_is_answered_with_their_own_words() -> None:
    about = contact("Kettle", "email", text="My kettle broke.", verified="dmarc")
    outbound = acknowledgement(RULES, **about)
    assert (outbound.customer_name, outbound.subject.partition(" [")[0]) == ("Kettle", "Re: Kettle")
    assert '"Kettle"' in outbound.text


def test_a_verified_sender_who_names_the_victim_as_reply_to_is_no_relay() -> None:
    """The attacker's own domain signs the mail; its Reply-To is the victim."""
    about = contact(EVIL, "email", verified="dmarc", customer_id="email:eve@example.org", sender="eve@example.org")
    outbound = acknowledgement(RULES, **about)
    assert outbound.address == "eve@example.org" or EVIL not in as_read(outbound)


def test_a_chat_is_answered_in_the_chat_with_its_own_words() -> None:
    about = contact("Kettle", "chat", address="visitor-1", thread_id="T" * 26, customer_id="chat:visitor-1")
    assert "Kettle" in acknowledgement(RULES, **about).text


def test_only_the_first_mail_to_a_stranger_counts_as_the_first() -> None:
    story = Story(RULES, customer_id=f"email:{VICTIM}")
    story.message(0, **contact("One", "form"))
    story.message(60, **contact("Two", "form"))
    story.message(120, verified="dmarc", **contact("Three", "email"))
    assert [each.first_time for each in story.all(Outbound)] == [True, False, False]
    assert [each.first_time for each in [acknowledgement(RULES, **contact("One", "email", verified="spf"))]] == [False]


def test_whoever_is_new_on_sms_or_a_network_counts_and_who_had_an_answer_does_not() -> None:
    for channel, counts in (("sms", True), ("social", True), ("chat", False)):
        story = Story(RULES, channel=channel, customer_id=f"{channel}:7")
        story.message(0, thread_id="one", subject="Kettle")
        story.message(60, thread_id="two", subject="Tea")
        story.message(4 * 3600, thread_id="three", subject="Cup")
        known = [each.first_time for each in story.all(Outbound) if each.kind == "acknowledgement"]
        assert known[0] is counts and not any(known[1:])

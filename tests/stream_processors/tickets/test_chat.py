"""What the end of a chat does to its ticket: the record, where later answers go, and the transcript by e-mail."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import ChatEnded, TranscriptRequested
from schemas.facts import ContactFact, Outbound
from schemas.identity import event_id
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import ANN, Story

VISITOR, THREAD = "visitor-of-this-browser", "T" * 26


def chat(rules: Rules, customer_id: str = ANN) -> Story:
    """A chat that was acknowledged."""
    story = Story(rules, channel="chat", customer_id=customer_id)
    story.message(0, "Where is my parcel?", address=VISITOR, thread_id=THREAD, customer_name="Ann", language="en")
    return story


def end(story: Story, seconds: float, outcome: str = "closed", thread: str = THREAD) -> None:
    about: dict[str, Any] = {"customer_id": story.customer_id, "address": VISITOR, "thread_id": thread}
    story.tell(ChatEnded(**story.base(seconds), **about, outcome=outcome, wait_seconds=seconds, lines=2))


def ask_for_the_transcript(story: Story, seconds: float, language: str = "en", thread: str = THREAD) -> None:
    about: dict[str, Any] = {"customer_id": story.customer_id, "address": "ann@example.org", "thread_id": thread}
    story.tell(
        TranscriptRequested(
            **story.base(seconds), **about, customer_name="Ann", transcript="10:00 Ann: Hello", language=language
        )
    )


def sent(story: Story, kind: str) -> list[Outbound]:
    return [each for each in story.worker.records() if isinstance(each, Outbound) and each.kind == kind]


def test_an_answer_while_the_chat_is_open_goes_to_the_chat(rules: Rules) -> None:
    story = chat(rules)
    story.reply(30)
    [reply] = sent(story, "reply")
    assert (reply.channel, reply.address, reply.thread_id) == ("chat", VISITOR, THREAD)


def test_an_answer_after_the_end_goes_by_e_mail_with_the_ticket_in_its_subject(rules: Rules) -> None:
    story = chat(rules)
    end(story, 60, "abandoned")
    story.reply(90)
    [reply] = sent(story, "reply")
    assert (reply.channel, reply.address) == ("email", "ann@example.org")
    assert story.ticket_id() in reply.subject
    assert story.ticket_id() in reply.sender


def test_an_answer_after_the_end_stays_in_the_chat_of_a_visitor_without_an_e_mail_address(rules: Rules) -> None:
    story = chat(rules, "chat:" + VISITOR)
    end(story, 60)
    story.reply(90)
    assert [reply.channel for reply in sent(story, "reply")] == ["chat"]


def test_a_new_chat_of_the_same_browser_is_answered_in_the_chat_again(rules: Rules) -> None:
    story = chat(rules)
    end(story, 60)
    story.message(70, "I am back", address=VISITOR, thread_id="U" * 26)
    story.reply(90)
    assert [(reply.channel, reply.thread_id) for reply in sent(story, "reply")] == [("chat", "U" * 26)]


def test_the_end_is_on_the_timeline_with_its_outcome_and_opens_no_ticket(rules: Rules) -> None:
    story = chat(rules)
    end(story, 60, "abandoned")
    ended = [each for each in story.worker.records() if isinstance(each, ContactFact) and each.kind == "chat_ended"]
    assert [(each.detail, each.ticket_id, each.direction) for each in ended] == [
        ("abandoned", story.ticket_id(), "internal")
    ]
    assert len(story.customer.tickets) == 1


def test_the_end_of_an_unknown_conversation_is_recorded_and_changes_no_ticket(rules: Rules) -> None:
    story = chat(rules)
    before = story.customer.tickets
    end(story, 60, thread="X" * 26)
    assert story.customer.tickets == before
    assert story.worker.dead_letters == []


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("en", "Your chat with us"),
        ("zh-Hans", "您的聊天记录"),
        ("zh-Hant", "您的對話紀錄"),
        ("ja", "チャットの記録"),
        ("fr", "Your chat with us"),
    ],
)
def test_the_transcript_is_a_mail_in_the_customers_language(rules: Rules, language: str, subject: str) -> None:
    story = chat(rules)
    ask_for_the_transcript(story, 60, language)
    [mail] = sent(story, "transcript")
    assert (mail.channel, mail.address, mail.subject) == (
        "email",
        "ann@example.org",
        f"{subject} [#{story.ticket_id()}]",
    )
    assert "Ann" in mail.text.split("\n")[0]
    assert mail.text.endswith("\n\n10:00 Ann: Hello\n")
    assert mail.headers["Auto-Submitted"] == "auto-generated"


def test_an_answer_to_the_transcript_finds_the_ticket(rules: Rules) -> None:
    story = chat(rules)
    ask_for_the_transcript(story, 60)
    [mail] = sent(story, "transcript")
    story.message(90, "One more thing", channel="email", in_reply_to=mail.message_id)
    assert [(ticket.number, ticket.counts.customer_messages) for ticket in story.customer.tickets] == [(1, 2)]


def test_a_transcript_of_an_unknown_conversation_is_sent_without_a_ticket(rules: Rules) -> None:
    story = chat(rules)
    ask_for_the_transcript(story, 60, thread="X" * 26)
    [mail] = sent(story, "transcript")
    assert (mail.ticket_id, mail.message_id, mail.subject) == ("", "", "Your chat with us")


def test_the_same_request_twice_is_one_mail(rules: Rules) -> None:
    story = chat(rules)
    ask_for_the_transcript(story, 60)
    story.told -= 1
    ask_for_the_transcript(story, 60)
    assert len(sent(story, "transcript")) == 1


@pytest.mark.parametrize(
    ("language", "name", "opening", "explained"),
    [
        ("en", "", "Hello,", "Here is our chat, as you asked. Our lines begin with >. Just answer this mail if there is "
         "anything else."),
        ("en", "Ann Lee", "Hello Ann Lee,", ""),
        ("zh-Hans", "", "您好：", "以下是您需要的聊天记录，以 > 开头的是我们的回复。如有其他问题，直接回复本邮件即可。"),
        ("zh-Hans", "Ann Lee", "Ann Lee，您好：", ""),
        ("zh-Hant", "", "您好：", "以下是您需要的對話紀錄，以 > 開頭的是我們的回覆。如有其他問題，直接回覆本郵件即可。"),
        ("zh-Hant", "Ann Lee", "Ann Lee，您好：", ""),
        ("ja", "", "お客様", "ご希望のチャットの記録をお送りします。> で始まる行が弊社からの返信です。ほかにご用件がありましたら、"
         "このメールにご返信ください。"),
        ("ja", "Ann Lee", "Ann Lee 様", ""),
    ],
)  # fmt: skip
def test_the_words_of_the_transcript_mail(rules: Rules, language: str, name: str, opening: str, explained: str) -> None:
    story = chat(rules)
    about: dict[str, Any] = {"customer_id": story.customer_id, "address": "ann@example.org", "thread_id": THREAD}
    asked = TranscriptRequested(
        **story.base(60), **about, customer_name=name, transcript="10:00", language=language, causation_depth=1
    )
    story.tell(asked)
    [mail] = sent(story, "transcript")
    first, explanation, transcript = mail.text.split("\n\n")
    assert (first, transcript, mail.customer_name, mail.locale) == (opening, "10:00\n", name, language)
    assert explanation == explained or not explained
    ticket = story.ticket_id()
    assert (mail.sender, mail.thread_id, mail.ticket_id) == (f"support+{ticket}@support.example", THREAD, ticket)
    assert (mail.causation_depth, mail.outbound_id) == (2, event_id("transcript", asked.event_id))
    assert mail.headers == {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Loop": "support@support.example",
    }

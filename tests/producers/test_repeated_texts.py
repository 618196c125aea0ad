"""Machines that say the same under ever new addresses, and people who do."""

from __future__ import annotations

import pytest

from producers.mail.repeats import HEADER, RepeatedTexts
from producers.sources.mail_intake import mail_event
from schemas.dead_letter.headers import InputContext
from schemas.events import MessageReceived
from schemas.settings import ProducerSettings

MINUTE = 60_000_000
TEXT = "Your request was received. Its number is {}."


def said(senders: list[str], text: str = TEXT, *, minutes: float = 1, subject: str = "Request {}") -> list[bool]:
    texts = RepeatedTexts()
    return [
        texts.is_repeated(sender, subject.format(number), text.format(number), round(number * minutes * MINUTE))
        for number, sender in enumerate(senders)
    ]


def test_the_fourth_address_of_a_domain_with_the_same_text_is_a_machine() -> None:
    assert said([f"ticket-{number}@other.example" for number in range(6)]) == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("senders", "text", "minutes"),
    [
        (["ann@other.example"] * 6, TEXT, 1),  # the caps count one sender's
        ([f"ann{number}@gmail.com" for number in range(6)], TEXT, 1),  # a template that many send
        ([f"ann@shop{number}.example" for number in range(6)], TEXT, 1),
        ([f"ann{number}@other.example" for number in range(6)], "Thanks {}", 1),
        ([f"ann{number}@other.example" for number in range(6)], "Where is my order {}? It has not arrived.", 1),
        (
            [f"ann{number}@other.example" for number in range(6)],
            "先週ケトルを注文しましたが、まだ届いていません。いつ届きますか？",
            1,
        ),
        ([f"ann{number}@other.example" for number in range(6)], TEXT, 61),
    ],
)
def test_people_are_no_machine_because_they_say_the_same(senders: list[str], text: str, minutes: float) -> None:
    assert not any(said(senders, text, minutes=minutes))


def test_memory_is_bounded() -> None:
    texts = RepeatedTexts()
    for number in range(20_100):
        texts.is_repeated(f"a{number}@other.example", "", f"your message was received {chr(0x4E00 + number)}", number)
    assert len(texts._seen) == 20_000


def test_the_reader_marks_the_event_and_keeps_no_such_header_of_a_mail() -> None:
    take = mail_event(ProducerSettings(), None)
    events = []
    for number in range(4):
        raw = f"From: t{number}@other.example\r\nSubject: Request\r\n{HEADER}: yes\r\n\r\n{TEXT.format(number)}\r\n"
        events.append(take(raw.encode(), InputContext(received_at=number * MINUTE)))
    assert all(isinstance(event, MessageReceived) for event in events)
    assert [HEADER in event.headers for event in events if isinstance(event, MessageReceived)] == [False] * 3 + [True]

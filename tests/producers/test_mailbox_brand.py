"""The brand of a mailbox is on every contact that comes from it, also when a dead letter is taken again."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from producers.publisher import Receipt
from producers.replay.handlers import replay_handlers
from producers.sources.mail_intake import mail_intake
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.events import MessageReceived
from schemas.settings import ProducerSettings

MAIL = b"From: ann@example.org\r\nSubject: Hello\r\n\r\nHello"


class Publisher:
    """Keeps what is handed over."""

    settings = ProducerSettings(max_body_bytes=200)

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.given: list[InputContext] = []

    def submit(self, event: Any, *, given: InputContext, **_: Any) -> Future[Receipt]:
        self.events.append(event)
        self.given.append(given)
        return Future()

    def submit_dead_letter(self, raw: bytes, refused: Any, *, given: InputContext, **_: Any) -> Future[Receipt]:
        self.given.append(given)
        return Future()


def test_contacts_of_a_mailbox_have_its_brand() -> None:
    for brand in ("acme", ""):
        publisher = Publisher()
        mail_intake(publisher, publisher.settings, None, source="imap:a", brand=brand).take(MAIL, origin="here")  # type: ignore[arg-type]
        assert [event.brand for event in publisher.events] == [brand]


def test_a_dead_letter_keeps_the_brand_of_its_mailbox() -> None:
    publisher = Publisher()
    intake = mail_intake(publisher, publisher.settings, None, source="imap:a", brand="acme")  # type: ignore[arg-type]
    intake.take(MAIL + b"x" * 300, origin="here")
    written = dead_letter_headers.headers(
        reason="too_large",
        error="x",
        stage="normalise",
        origin="here",
        at=1,
        producer="email",
        given=publisher.given[0],
    )
    given = dead_letter_headers.input_context(dead_letter_headers.read(written))
    assert given is not None
    (event,) = replay_handlers(ProducerSettings(), None)["email"](MAIL, given)
    assert isinstance(event, MessageReceived)
    assert event.brand == "acme"

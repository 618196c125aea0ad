"""Who unsubscribes from surveys: by the mail that a mail program sends, or by one click (RFC 8058)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producers.mail.parse import parse
from producers.mail.unsubscribe import unsubscription
from schemas import unsubscribe_link
from schemas.errors import Refused
from schemas.events import DeliveryReported
from schemas.unsubscribe_link import UnsubscribeLink
from tests.conftest import Deployment
from tests.producers.test_http import Server, serving
from tests.support.producers.log_reader import events

TICKET, NOW = "ABCDEFGHIJKL-9", 1772442000000000
SECRETS = ("new-secret", "old-secret")
LINK = UnsubscribeLink(TICKET, f"<ds.{TICKET}.survey.1@support.example>", "ann@example.org")


def mail(subject: str = "unsubscribe survey.1", to: str = f"support+{TICKET}@support.example", sender: str = "Ann <ann@example.org>") -> bytes:  # fmt: skip
    return f"From: {sender}\nTo: {to}\nSubject: {subject}\nMessage-ID: <m@example.org>\n\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        mail(),
        mail("UNSUBSCRIBE  Survey.1 "),
        mail("=?utf-8?q?unsubscribe_survey=2E1?="),
        mail(to=f"Support <support+{TICKET.lower()}@Support.Example>"),
        mail(to="x@y.example") .replace(b"Subject", f"Delivered-To: support+{TICKET}@support.example\nSubject".encode()),
    ],
)  # fmt: skip
def test_the_mail_of_a_mail_program_unsubscribes_its_sender(raw: bytes) -> None:
    event = unsubscription(parse(raw), now=NOW, source="imap:x")
    assert event is not None
    assert (event.message_id, event.address, event.recipients) == (LINK.message_id, LINK.address, [LINK.address])
    assert (event.customer_tag, event.status, event.channel) == ("ABCDEFGHIJKL", "unsubscribed", "email")


@pytest.mark.parametrize(
    "raw",
    [
        mail("unsubscribe"),
        mail("Please unsubscribe survey.1"),
        mail("Re: unsubscribe survey.1"),
        mail("unsubscribe survey.1 now"),
        mail("unsubscribe <x@y>"),
        mail(to="support@support.example"),
        mail(to="support+ABCDEFGHIJKL@support.example"),
        mail(sender="nobody"),
    ],
)
def test_what_a_person_writes_is_a_mail_as_any_other(raw: bytes) -> None:
    assert unsubscription(parse(raw), now=NOW) is None


@pytest.mark.parametrize("secret", SECRETS)
def test_a_link_is_read_with_any_of_the_secrets(secret: str) -> None:
    text = unsubscribe_link.token(LINK, (secret,))
    assert unsubscribe_link.read(text, SECRETS) == LINK


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (unsubscribe_link.token(LINK, ("another",)), "forged_link"),
        (unsubscribe_link.token(LINK, SECRETS)[:40], "forged_link"),
        ("x", "garbled_link"),
        ("ä" * 80, "garbled_link"),
        ("A" * 5000, "garbled_link"),
        (unsubscribe_link.token(UnsubscribeLink("no ticket", "", ""), SECRETS), "garbled_link"),
    ],
)
def test_a_link_that_we_did_not_make_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        unsubscribe_link.read(text, SECRETS)
    assert refused.value.reason == reason


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with serving(deployment, DESKSTREAM_SURVEY_SECRETS=",".join(SECRETS)) as server:
        yield server


@pytest.mark.stack
def test_one_click_unsubscribes_and_opening_the_link_does_not(deployment: Deployment, server: Server) -> None:
    path = unsubscribe_link.PATH + unsubscribe_link.token(LINK, SECRETS)
    for _ in range(2):
        assert server.client.head(path).status_code == 200
        shown = server.client.get(path, headers={"accept-language": "ja"})
        assert (shown.status_code, "アンケートの送信を停止する" in shown.text) == (200, True)
    assert events(deployment) == []
    one_click = {"List-Unsubscribe": "One-Click"}
    assert server.client.post(path, data=one_click).status_code == 200
    as_form = server.client.post(path, files={name: (None, value) for name, value in one_click.items()})
    by_button = server.client.post(path)
    assert (as_form.status_code, by_button.status_code) == (200, 200)
    (event,) = events(deployment)
    assert isinstance(event, DeliveryReported)
    assert (event.message_id, event.recipients, event.status) == (LINK.message_id, [LINK.address], "unsubscribed")
    assert server.client.post(unsubscribe_link.PATH + "x").status_code == 404
    assert server.client.get(unsubscribe_link.PATH + unsubscribe_link.token(LINK, ("another",))).status_code == 403

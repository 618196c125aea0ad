"""From the mail that we composed to the suppressed address and back: reader, fold and list, each as it runs."""

from __future__ import annotations

import asyncio

import pytest

from schemas import identity
from schemas.facts import MailReport, Outbound
from sinks.delivery.mail import address, compose
from tests.support.mail.correspondence import Desk, Post
from tests.support.sinks.report_desk import ReportDesk
from tests.support.tickets.story import T0

DOMAIN, ANN = "shop.example", "ann@customer.example"
MINUTE = 60_000_000


def dsn(returned: bytes, *, code: str = "5.1.1", whole: bool = True) -> bytes:
    """A bounce as a server writes it; `returned` is our mail, or its headers only."""
    kind = b"message/rfc822" if whole else b"text/rfc822-headers"
    body = returned if whole else returned.partition(b"\r\n\r\n")[0] + b"\r\n"
    head = (
        "From: MAILER-DAEMON@mx.customer.example\r\nTo: support@shop.example\r\nSubject: Undelivered\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; {ANN}\r\nAction: failed\r\nStatus: {code}\r\n\r\n--b\r\n"
    ).encode()
    return head + b"Content-Type: " + kind + b"\r\n\r\n" + body + b"\r\n--b--\r\n"


def contact(number: int) -> Post:
    raw = f"From: {ANN}\r\nTo: support@{DOMAIN}\r\nSubject: S{number}\r\nMessage-ID: <{number}@customer.example>\r\n\r\nHello\r\n"
    return Post(ANN, f"support@{DOMAIN}", raw.encode())


def sent_by(desk: Desk, number: int, at: int) -> Outbound:
    desk.receive(contact(number), at)
    return desk.sent[-1]


def reported(desk: Desk, raw: bytes, at: int) -> MailReport:
    desk.receive(Post("", f"support@{DOMAIN}", raw), at)
    return next(record for record in reversed(desk.worker.records(MailReport)))


@pytest.mark.parametrize("secret", ["", "a secret of customer tags"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_bounce_of_our_acknowledgement_suppresses_the_address_for_good(secret: str, whole: bool) -> None:
    identity.use([secret] if secret else [])
    try:
        desk, sink = Desk(DOMAIN), ReportDesk()
        ours = sent_by(desk, 1, T0)
        sink.sends_message(ours)
        mail = compose(ours, sender=address(f"support@{DOMAIN}"), now=T0)[1]
        asyncio.run(sink.reports.take(reported(desk, dsn(mail, whole=whole), T0 + MINUTE), sink.history))
        (known,) = sink.list.facts.values()
        assert (known.state, known.reason, known.ticket_id) == ("permanent", "hard_bounce", ours.ticket_id)
        assert "customer.example" not in str(known)
        assert len(desk.sent) == 1, "nobody answers a bounce"
    finally:
        identity.use()


def test_who_has_seen_only_an_answer_silences_nobody_for_long() -> None:
    identity.use(["a secret of customer tags"])
    try:
        desk, sink = Desk(DOMAIN), ReportDesk()
        ours = sent_by(desk, 1, T0)
        sink.sends_message(ours)
        seen = f"From: {ours.sender}\r\nTo: {ANN}\r\nSubject: {ours.subject}\r\nMessage-ID: {ours.message_id}\r\n\r\nx".encode()
        asyncio.run(sink.reports.take(reported(desk, dsn(seen), T0 + MINUTE), sink.history))
        (known,) = sink.list.facts.values()
        assert known.state == "temporary"
    finally:
        identity.use()

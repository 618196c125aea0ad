"""Delivery reports that come back by mail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.mail.parse import parse
from producers.mail.reports import delivery_report
from schemas.events import DeliveryReported

EXAMPLES = Path(__file__).parents[1] / "examples" / "email"
TICKET, NOW = "ABCDEFGHIJKL-9", 1772442000000000


def report(
    status: str = "Final-Recipient: rfc822; Ann@Example.org\nAction: failed\nStatus: 5.1.1 (unknown)\n",
    returned: str = f"From: Support <support+{TICKET}@support.example>\nMessage-ID: <ds.{TICKET}.m@support.example>\nSubject: Hi\n",
    kind: str = "message/rfc822",
) -> bytes:
    return f"""From: MAILER-DAEMON@mx.example.org
To: support@support.example
Subject: Returned mail
Message-ID: <b1@mx.example.org>
Content-Type: multipart/report; report-type=delivery-status; boundary="r"

--r
Content-Type: text/plain

Sorry.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

{status}
--r
Content-Type: {kind}

{returned}
Thank you.
--r--
""".encode()


def test_a_report_is_an_event_of_the_customer_that_we_wrote_to() -> None:
    event = delivery_report(parse(report()), now=NOW, source="imap:x")
    assert isinstance(event, DeliveryReported)
    assert (event.customer_tag, event.customer_id, event.address) == (
        "ABCDEFGHIJKL",
        "email:ann@example.org",
        "Ann@Example.org",
    )
    assert (event.message_id, event.status, event.error_code) == (f"<ds.{TICKET}.m@support.example>", "failed", "5.1.1")
    assert (event.channel, event.source, event.occurred_at) == ("email", "imap:x", NOW)
    assert delivery_report(parse(report()), now=NOW + 1).event_id == event.event_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "text/rfc822-headers"}, ("ABCDEFGHIJKL", "failed")),
        ({"returned": f"Reply-To: support+{TICKET}@support.example\nSubject: Hi\n"}, ("ABCDEFGHIJKL", "failed")),
        ({"returned": f"Sender: support+{TICKET}@support.example\nSubject: Hi\n"}, ("ABCDEFGHIJKL", "failed")),
        ({"returned": f"From: x@y.example\nSubject: Hi [#{TICKET}]\n"}, ("ABCDEFGHIJKL", "failed")),
        ({"returned": f"Message-ID: <ds.{TICKET}.m@support.example>\n"}, ("ABCDEFGHIJKL", "failed")),
        ({"status": "Original-Recipient: rfc822; a@b.example\nAction: Relayed\n"}, ("ABCDEFGHIJKL", "relayed")),
        ({"status": "Final-Recipient: rfc822; nobody\n\nFinal-Recipient: rfc822; a@b.example\nAction: expanded\n"}, ("ABCDEFGHIJKL", "expanded")),
        ({"returned": f"From: support+{TICKET.lower()}@support.example\nSubject: Hi\n"}, ("ABCDEFGHIJKL", "failed")),
        ({"status": "Final-Recipient: rfc822; ann@example.org\nAction: delayed\nStatus: 4.4.1\n"}, ("ABCDEFGHIJKL", "delayed")),
        ({"returned": "From: ann@example.org\nMessage-ID: <x@example.org>\nSubject: Hi\n"}, None),
        ({"status": "Final-Recipient: rfc822; ann@example.org\n"}, None),
        ({"status": "Action: failed\nStatus: 5.0.0\n"}, None),
        ({"status": "Final-Recipient: rfc822; ann@example.org\nAction: celebrated\n"}, None),
        ({"kind": "text/plain"}, None),
    ],
)  # fmt: skip
def test_only_a_report_about_a_mail_that_names_its_ticket_is_one(
    changes: dict[str, str], expected: tuple[str, str] | None
) -> None:
    event = delivery_report(parse(report(**changes)), now=NOW)
    assert (event and (event.customer_tag, event.status)) == expected


def test_two_golden_mails_are_reports_about_mail_of_ours() -> None:
    found = [path.stem for path in sorted(EXAMPLES.glob("*.eml")) if delivery_report(parse(path.read_bytes()), now=NOW)]
    assert found == ["bounce_from_exchange", "complaint_of_a_feedback_loop"]


ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")  # RFC 3464


@given(st.binary(max_size=300), st.integers(0, 900))
def test_broken_reports_break_nothing(noise: bytes, at: int) -> None:
    raw = report()
    for broken in (raw[:at] + noise + raw[at:], raw[:at] + noise + b"delivery-status"):
        event = delivery_report(parse(broken), now=NOW)
        assert event is None or (event.occurred_at, event.channel, event.status in ACTIONS) == (NOW, "email", True)


def test_of_several_recipients_the_first_with_an_action_counts() -> None:
    status = "Final-Recipient: rfc822; a@x.example\n\nFinal-Recipient: rfc822; b@x.example\nAction: failed\n\n"
    status += "Final-Recipient: rfc822; c@x.example\nAction: delivered\nStatus: 2.0.0\n"
    event = delivery_report(parse(report(status)), now=NOW)
    assert event is not None and (event.address, event.status, event.error_code) == ("b@x.example", "failed", "")


def test_the_recipient_that_the_sender_named_counts() -> None:
    status = "Final-Recipient: rfc822; inner@x.example\nOriginal-Recipient: rfc822; Ann@Example.org\nAction: failed\n"
    event = delivery_report(parse(report(status)), now=NOW)
    assert event is not None and event.address == "Ann@Example.org"


def test_a_returned_mail_without_a_message_id_has_one_made_of_the_ticket() -> None:
    returned = f"From: support+{TICKET}@support.example\nSubject: Hi\n"
    event = delivery_report(parse(report(returned=returned)), now=NOW)
    assert event is not None and event.message_id == f"<ds.{TICKET}.returned@unknown>"


def test_a_report_in_a_single_part_is_a_mail_like_any_other() -> None:
    raw = report().replace(b"multipart/report", b"multipart/mixed")
    assert delivery_report(parse(raw), now=NOW) is None
    assert parse(raw).report is None


@pytest.mark.parametrize(("code", "kept"), [("5" * 20, "5" * 20), ("5" * 21, "5" * 20)])
def test_a_status_code_has_twenty_characters_at_most(code: str, kept: str) -> None:
    status = f"Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: {code} unknown\n"
    event = delivery_report(parse(report(status)), now=NOW)
    assert event is not None
    assert event.error_code == kept

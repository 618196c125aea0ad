"""Bounces and complaints as mail servers and providers write them: whom they are about, and what they say."""

from __future__ import annotations

import pytest

from producers.mail.parse import parse
from producers.mail.reports import delivery_report
from schemas.events import DeliveryReported

TICKET, NOW = "ABCDEFGHIJKL-9", 1772442000000000
MESSAGE_ID = f"<ds.{TICKET}.reply@support.example>"
HEAD = f"""From: Support <support@support.example>
To: Ann <ann@example.org>
Subject: Your order [#{TICKET}]
Message-ID: {MESSAGE_ID}
Date: Mon, 30 Nov 2026 10:00:00 +0000
X-Report-Proof: ABCDEFGHIJKLMNOP
"""


def report(status: str, *, kind: str = "message/delivery-status", returned: str = HEAD, of: str = "message/rfc822",
           form: str = "delivery-status", words: str = "Content-Type: text/plain\n\nSorry.\n") -> bytes:  # fmt: skip
    return f"""Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: support+{TICKET}@support.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={form};
 boundary="=_b0undary/1"

This is a MIME-encapsulated message.

--=_b0undary/1
{words}
--=_b0undary/1
Content-Description: report
Content-Type: {kind}

{status}
--=_b0undary/1
Content-Type: {of}

{returned}

--=_b0undary/1--
""".replace("\n", "\r\n").encode()


POSTFIX = """Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4C2F81
X-Postfix-Sender: rfc822; support@support.example
Arrival-Date: Mon, 30 Nov 2026 10:00:01 +0000 (UTC)

Final-Recipient: rfc822; ann@example.org
Original-Recipient: rfc822;ann@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.org>: Recipient address
    rejected: User unknown in local recipient table
"""
EXIM = """Reporting-MTA: dns; mx.example.net

Action: failed
Final-Recipient: rfc822;ann@example.org
Status: 5.0.0
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 No such user here
"""
EXCHANGE = """Reporting-MTA: dns;AM0PR.eurprd.prod.outlook.example
Received-From-MTA: dns;mx.support.example
Arrival-Date: Mon, 30 Nov 2026 10:00:01 +0000

Final-Recipient: rfc822;ann@example.org
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
"""
GMAIL = """Reporting-MTA: dns; googlemail.example
Arrival-Date: Mon, 30 Nov 2026 02:00:01 -0800 (PST)
X-Original-Message-ID: <x@y.example>

Final-Recipient: rfc822; ann@example.org
Action: failed
Status: 5.2.2
Remote-MTA: dns; gmail-smtp-in.l.example. (the server for the domain)
Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space.
 552 5.2.2 gsmtp
Last-Attempt-Date: Mon, 30 Nov 2026 02:00:02 -0800 (PST)
"""
SENDMAIL = """Reporting-MTA: dns; mx.example.net
Received-From-MTA: DNS; desk.support.example
Arrival-Date: Mon, 30 Nov 2026 10:00:01 GMT

Final-Recipient: RFC822; ann@example.org
X-Actual-Recipient: RFC822; ann@mailhost.example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: SMTP; 550 5.1.1 ann@mailhost.example.org... User unknown
Last-Attempt-Date: Mon, 30 Nov 2026 10:00:02 GMT
"""
FORWARDED = """Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; ann.private@else.example
Action: failed
Status: 5.2.1
"""
TWO_FAILED = """Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ann@example.org
Action: failed
Status: 5.1.1

Final-Recipient: rfc822; bob@example.org
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822; cid@example.org
Action: failed
Status: 5.1.1
"""
UTF8 = """Reporting-MTA: dns; mx.example.net

Final-Recipient: utf-8; 用户@xn--r8jz45g.example
Action: failed
Status: 5.1.1

Final-Recipient: utf-8; other@example.org
Action: failed
Status: 5.1.1
"""
ESCAPED = """Reporting-MTA: dns; mx.example.net

Final-Recipient: utf-8; \\x{7528}\\x{6237}@xn--r8jz45g.example
Action: failed
Status: 5.1.1
"""
DELAYED = """Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ann@example.org
Action: delayed
Status: 4.4.1
Will-Retry-Until: Sat, 5 Dec 2026 10:00:01 +0000
"""
COMPLAINT = """Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <support@support.example>
Original-Rcpt-To: <ann@example.org>
Arrival-Date: Mon, 30 Nov 2026 10:00:01 GMT
Reported-Domain: support.example
Source-IP: 192.0.2.1
"""
HIDDEN = """Feedback-Type: Abuse
User-Agent: Feedback-Loop/2.0
Version: 0.1
"""
NESTED = 'Content-Type: multipart/related; boundary="in"\n\n--in\nContent-Type: text/html\n\n<p>Gone.\n--in--\n'
COPIED = HEAD.replace("To: Ann <ann@example.org>", "To: ann@example.org\nCc: bob@example.org, cid@example.org")


@pytest.mark.parametrize(
    ("raw", "recipients", "status", "code"),
    [
        (report(POSTFIX), ["ann@example.org"], "failed", "5.1.1"),
        (report(POSTFIX, of="text/rfc822-headers"), ["ann@example.org"], "failed", "5.1.1"),
        (report(POSTFIX, of="text/rfc822-headers; charset=us-ascii"), ["ann@example.org"], "failed", "5.1.1"),
        (report(EXIM), ["ann@example.org"], "failed", "5.1.1"),
        (report(EXCHANGE), ["ann@example.org"], "failed", "5.1.10"),
        (report(GMAIL, words=NESTED), ["ann@example.org"], "failed", "5.2.2"),
        (report(SENDMAIL), ["ann@example.org"], "failed", "5.1.1"),
        (report(FORWARDED), ["ann.private@else.example", "ann@example.org"], "failed", "5.2.1"),
        (report(TWO_FAILED, returned=COPIED), ["ann@example.org", "cid@example.org"], "failed", "5.1.1"),
        (report(UTF8, kind="message/global-delivery-status", of="message/global-headers"),
            ["用户@xn--r8jz45g.example", "other@example.org", "ann@example.org"], "failed", "5.1.1"),
        (report(UTF8, kind="message/global-delivery-status", of="message/global"),
            ["用户@xn--r8jz45g.example", "other@example.org", "ann@example.org"], "failed", "5.1.1"),
        (report(ESCAPED), ["用户@xn--r8jz45g.example", "ann@example.org"], "failed", "5.1.1"),
        (report(DELAYED), ["ann@example.org"], "delayed", "4.4.1"),
        (report(COMPLAINT, kind="message/feedback-report", form="feedback-report"), ["ann@example.org"], "complained", "abuse"),
        (report(COMPLAINT, kind="message/feedback-report", form="feedback-report", of="text/rfc822-headers"), ["ann@example.org"], "complained", "abuse"),
        (report(HIDDEN, kind="message/feedback-report", form="feedback-report", returned=HEAD.replace("To: Ann <ann@example.org>\n", "")), [], "complained", "abuse"),
        (report(HIDDEN, kind="message/feedback-report", form="feedback-report"), ["ann@example.org"], "complained", "abuse"),
        (report(COMPLAINT.replace("abuse", "fraud"), kind="message/feedback-report", form="feedback-report"), ["ann@example.org"], "complained", "fraud"),
        (report(COMPLAINT.replace("abuse", "not-spam"), kind="message/feedback-report", form="feedback-report"), ["ann@example.org"], "feedback", "not-spam"),
        (report(COMPLAINT.replace("abuse", "auth-failure"), kind="message/feedback-report", form="feedback-report"), ["ann@example.org"], "feedback", "auth-failure"),
    ],
)  # fmt: skip
def test_a_report_says_whom_it_is_about_and_why(raw: bytes, recipients: list[str], status: str, code: str) -> None:
    for form in (raw, raw.replace(b"\r\n", b"\n")):
        event = delivery_report(parse(form), now=NOW)
        assert isinstance(event, DeliveryReported)
        assert (event.message_id, event.customer_tag) == (MESSAGE_ID, "ABCDEFGHIJKL")
        assert (event.recipients, event.status, event.error_code) == (recipients, status, code)
        assert event.proof == "ABCDEFGHIJKLMNOP"
        assert event.address == (recipients[0] if recipients else "")


@pytest.mark.parametrize(
    "raw",
    [
        report(COMPLAINT.replace("abuse", "what is this?"), kind="message/feedback-report", form="feedback-report"),
        report("Version: 1\n", kind="message/feedback-report", form="feedback-report"),
        report(COMPLAINT, kind="message/feedback-report", form="feedback-report", returned="From: x@y.example\nSubject: Hi\n"),
        report(POSTFIX, returned="From: x@y.example\nSubject: Hi\n"),
    ],
)  # fmt: skip
def test_what_says_nothing_of_a_mail_of_ours_is_no_report(raw: bytes) -> None:
    assert delivery_report(parse(raw), now=NOW) is None

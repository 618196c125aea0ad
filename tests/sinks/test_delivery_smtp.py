"""The e-mail channel at every stage of the SMTP dialogue: what was certainly not sent, and what may have been."""

from __future__ import annotations

import asyncio
import smtplib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import SinkSettings
from sinks.delivery.adapter import AnswerLost, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.channels.email import _wire_form, connect
from tests.support.sinks.examples import outbound
from tests.support.sinks.scripted_smtp import DROP, SILENCE, ScriptedSmtp, scripted_smtp

BEFORE = ("greeting", "EHLO", "MAIL", "RCPT", "DATA")


def sent(script: dict[str, str], times: int = 1) -> tuple[list[object], ScriptedSmtp]:
    """Delivers messages to a server with this script, one after the other; returns the answers or errors."""

    async def run() -> tuple[list[object], ScriptedSmtp]:
        async with scripted_smtp(script) as smtp:
            adapter = connect(
                SinkSettings(
                    smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_timeout_seconds=0.5, smtp_answer_timeout_seconds=1
                )
            )
            ends: list[object] = []
            for _ in range(times):
                try:
                    ends.append(await adapter.deliver(outbound(text=".\n..two\nend\n.")))
                except Exception as error:
                    ends.append(error)
            await adapter.close()
            return ends, smtp

    return asyncio.run(run())


@pytest.mark.parametrize("answer", ["421 closing", DROP, SILENCE])
@pytest.mark.parametrize("stage", BEFORE)
def test_before_the_mail_nothing_was_sent(stage: str, answer: str) -> None:
    ends, smtp = sent({stage: answer})
    assert [type(end) for end in ends] == [ServiceUnavailable], ends
    assert smtp.mails == []


@pytest.mark.parametrize("answer", ["421 closing", DROP, SILENCE, "what?"])
def test_after_the_mail_its_outcome_is_unknown(answer: str) -> None:
    ends, smtp = sent({"content": answer})
    assert [type(end) for end in ends] == [AnswerLost], ends
    assert len(smtp.mails) == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content"])
def test_a_clear_refusal_is_one_at_every_stage(stage: str) -> None:
    later, never = sent({stage: "451 later"}, 2)[0], sent({stage: "554 never"}, 2)[0]
    assert [type(end) for end in later] == [TryLater] * 2, later
    assert [getattr(end, "reason", end) for end in never] == ["smtp_permanent"] * 2, never


def test_a_refusal_counts_although_the_server_hangs_up_after_it() -> None:
    ends, _ = sent({"RCPT": "550 no such mailbox", "RSET": DROP}, 2)
    assert [type(end) for end in ends] == [Undeliverable] * 2, ends


def test_lines_with_dots_arrive_as_they_were() -> None:
    ends, smtp = sent({}, 2)
    assert ends == ["ok", "ok"]
    for mail in smtp.mails:
        assert mail.endswith(b"\r\n\r\n..\r\n...two\r\nend\r\n..\r\n.\r\n")


@given(st.text(alphabet=".a\n", max_size=30))
def test_the_wire_form_is_that_of_the_standard_library(text: str) -> None:
    mail = text.replace("\n", "\r\n").encode()
    ended = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    assert _wire_form(mail) == smtplib._quote_periods(ended) + b".\r\n"  # type: ignore[attr-defined]


def answer_to_the_international(extensions: str, **fields: object) -> tuple[object, list[str], list[bytes]]:
    """What becomes of a message, the MAIL and RCPT commands, and the mails; the server offers these extensions."""

    async def run() -> tuple[object, list[str], list[bytes]]:
        async with scripted_smtp({"EHLO": f"250-hello\r\n{extensions}250 SIZE"}) as smtp:
            adapter = connect(SinkSettings(smtp_port=smtp.port))
            try:
                end: object = await adapter.deliver(outbound(**fields))
            except Undeliverable as error:
                end = error
            await adapter.close()
            return end, [line for line in smtp.commands if line[:4] in ("MAIL", "RCPT")], smtp.mails

    return asyncio.run(run())


def test_an_international_address_is_answered_where_the_server_can() -> None:
    end, commands, mails = answer_to_the_international("250-SMTPUTF8\r\n250-8BITMIME\r\n", address="用户@例え.example")
    assert end == "ok"
    assert commands == [
        "MAIL FROM:<support@support.example> SMTPUTF8 BODY=8BITMIME",
        "RCPT TO:<用户@xn--r8jz45g.example>",
    ]
    assert len(mails) == 1


def test_an_international_address_is_refused_with_the_reason_where_it_cannot() -> None:
    end, commands, mails = answer_to_the_international("250-8BITMIME\r\n", address="用户@例え.example")
    assert isinstance(end, Undeliverable)
    assert (end.outcome, end.reason, commands, mails) == ("refused", "smtputf8", [], [])
    assert str(end) == "the address has characters beyond ASCII, and the SMTP server offers no SMTPUTF8"


def test_an_address_in_ascii_needs_no_extension() -> None:
    end, commands, _ = answer_to_the_international("250-SMTPUTF8\r\n250-8BITMIME\r\n", address="ann@例え.example")
    assert (end, commands[0]) == ("ok", "MAIL FROM:<support@support.example>")


# -- copies, and servers that take seven bits only ------------------------------------------------------------------------


def delivered(script: dict[str, str], **fields: Any) -> tuple[object, ScriptedSmtp]:
    """Delivers one message; returns the answer or error."""

    async def run() -> tuple[object, ScriptedSmtp]:
        async with scripted_smtp(script) as smtp:
            adapter = connect(SinkSettings(smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_timeout_seconds=5))
            try:
                end: object = await adapter.deliver(outbound(**fields))
            except Exception as error:
                end = error
            await adapter.close()
            return end, smtp

    return asyncio.run(run())


EIGHT_BIT = {"EHLO": "250-hello\r\n250 8BITMIME"}


def test_a_server_is_told_of_eight_bits_and_one_without_gets_seven() -> None:
    _, wide = delivered(EIGHT_BIT, text="您好，我们已收到您的来信。\n")
    assert "MAIL FROM:<support@support.example> BODY=8BITMIME" in wide.commands
    assert "您好，我们已收到您的来信。\r\n".encode() in wide.mails[0]
    _, ascii_only = delivered(EIGHT_BIT, text="Hello.\n")
    _, seven = delivered({}, text="您好，我们已收到您的来信。\n")
    for smtp in (ascii_only, seven):
        assert "MAIL FROM:<support@support.example>" in smtp.commands
        assert smtp.mails[0].isascii()


def test_copies_are_recipients_of_the_same_mail() -> None:
    end, smtp = delivered({}, cc=["bob@x.org"], bcc=["boss@x.org", "ann@example.org"])
    assert end == "ok"
    assert [line for line in smtp.commands if line.startswith("RCPT")] == [
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<bob@x.org>",
        "RCPT TO:<boss@x.org>",
    ]
    assert len(smtp.mails) == 1


@pytest.mark.parametrize("answer", ["550 no such mailbox", "450 later", "454 4.7.1 relay access denied"])
def test_a_refused_copy_holds_up_nobody_and_is_told(answer: str) -> None:
    script = {"RCPT TO:<bob@x.org>": answer, "RCPT TO:<boss@x.org>": f"{answer} boss@x.org"}
    end, smtp = delivered(script, cc=["bob@x.org", "eve@x.org"], bcc=["boss@x.org"])
    assert end == f"ok; refused: bob@x.org ({answer}), 1 bcc"
    assert len(smtp.mails) == 1


def test_a_copy_that_the_server_cannot_reach_holds_up_nobody() -> None:
    end, smtp = delivered({}, cc=["grün@x.org", "eve@x.org"], bcc=["größe@x.org"])
    assert end == "ok; refused: grün@x.org (the SMTP server offers no SMTPUTF8), 1 bcc"
    assert [line for line in smtp.commands if line.startswith("RCPT")] == [
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<eve@x.org>",
    ]
    assert smtp.mails[0].isascii()
    assert b"\r\nCc: eve@x.org\r\n" in smtp.mails[0]


@pytest.mark.parametrize("script", [{"content": "250 re\udce7u"}, {"RCPT": "550 5.2.2 bo\udceete pleine"}])
def test_an_answer_in_another_charset_can_be_recorded(script: dict[str, str]) -> None:
    end, _ = delivered(script)
    assert str(end).encode() in (b"re?u", b"550 5.2.2 bo?te pleine")


def test_without_the_customer_nobody_gets_it() -> None:
    end, smtp = delivered({"RCPT TO:<ann@example.org>": "550 no such mailbox"}, cc=["bob@x.org"])
    assert isinstance(end, Undeliverable)
    assert smtp.mails == []
    assert "RCPT TO:<bob@x.org>" not in smtp.commands

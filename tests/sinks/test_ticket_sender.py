"""Mail comes from the address of its ticket, and from the plain one where the server lets a login send as itself only."""

from __future__ import annotations

import asyncio
import email
from email.policy import SMTP
from typing import Any

import pytest

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.channels.email import connect
from tests.support.sinks.examples import outbound
from tests.support.sinks.scripted_smtp import ScriptedSmtp, scripted_smtp

PLAIN = "support@support.example"
BY_TICKET = "support+ABCDEFGHIJKL-1@support.example"
REFUSALS = [
    f"553 5.7.1 <{BY_TICKET}>: Sender address rejected: not owned by user support",
    "554 5.2.252 SendAsDenied; support@support.example not allowed to send as support+x@support.example",
    "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
]


def message(number: int, **fields: Any) -> Outbound:
    automatic = {"headers": {"Auto-Submitted": "auto-replied"}, "sender": BY_TICKET, "outbound_id": f"OUT{number}"}
    return outbound(**automatic | fields)


def sent(script: dict[str, str], *messages: Outbound) -> ScriptedSmtp:
    async def send() -> ScriptedSmtp:
        async with scripted_smtp(script) as smtp:
            adapter = connect(SinkSettings(smtp_port=smtp.port, mail_from=PLAIN))
            for each in messages:
                await adapter.deliver(each)
            await adapter.close()
            return smtp

    return asyncio.run(send())


def senders(smtp: ScriptedSmtp) -> list[str]:
    return [command.partition("<")[2].partition(">")[0] for command in smtp.commands if command.startswith("MAIL")]


def authors(smtp: ScriptedSmtp) -> list[str]:
    return [str(email.message_from_bytes(raw, policy=SMTP)["From"]) for raw in smtp.mails]


def test_automatic_mail_comes_from_its_ticket_and_a_persons_from_the_desk() -> None:
    smtp = sent(
        {}, message(1), message(2, headers={}), message(3, sender="support+T@elsewhere.example"), message(4, sender="")
    )
    assert authors(smtp) == [BY_TICKET, PLAIN, PLAIN, PLAIN]
    assert senders(smtp) == [BY_TICKET, BY_TICKET, PLAIN, PLAIN]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_refuses_this_sender_gets_the_plain_one_from_then_on(refusal: str) -> None:
    smtp = sent({f"MAIL FROM:<{BY_TICKET}>": refusal}, message(1), message(2))
    assert senders(smtp) == [BY_TICKET, PLAIN, PLAIN]
    assert authors(smtp) == [PLAIN, PLAIN]


def test_a_refusal_of_the_plain_sender_too_is_one_and_changes_nothing() -> None:
    with pytest.raises(Undeliverable, match=r"5\.2\.252"):
        sent({"content": REFUSALS[1]}, message(1))
    with pytest.raises(Undeliverable, match="no such user"):
        sent({"RCPT": "550 5.1.1 no such user"}, message(1))

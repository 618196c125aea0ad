"""Sends a chat that its customer wants by e-mail, as an outbound mail of its ticket.

An answer to that mail finds the ticket again: by the Message-ID, the address and the subject. The words around the
conversation are here and not among the templates, because no situation changes them.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from schemas.events import LOCALES, TranscriptRequested
from schemas.facts import Outbound
from schemas.identity import event_id, mail_message_id, subject_token
from stream_processors.tickets.brand_voice import sent_by
from stream_processors.tickets.context import FoldContext

__all__ = ["KIND", "step"]

KIND = "transcript"
KEPT_MESSAGE_IDS = 20


class Words(NamedTuple):
    """Holds the words around a transcript: `opening` for a customer without a name; `named` has the name in it."""

    subject: str
    opening: str
    named: str
    explanation: str


_WORDS = {
    "en": Words(
        "Your chat with us",
        "Hello,",
        "Hello {name},",
        "Here is our chat, as you asked. Our lines begin with >. Just answer this mail if there is anything else.",
    ),
    "zh-Hans": Words(
        "您的聊天记录",
        "您好：",
        "{name}，您好：",
        "以下是您需要的聊天记录，以 > 开头的是我们的回复。如有其他问题，直接回复本邮件即可。",
    ),
    "zh-Hant": Words(
        "您的對話紀錄",
        "您好：",
        "{name}，您好：",
        "以下是您需要的對話紀錄，以 > 開頭的是我們的回覆。如有其他問題，直接回覆本郵件即可。",
    ),
    "ja": Words(
        "チャットの記録",
        "お客様",
        "{name} 様",
        "ご希望のチャットの記録をお送りします。> で始まる行が弊社からの返信です。ほかにご用件がありましたら、このメールにご返信ください。",
    ),
}


def step(context: FoldContext) -> FoldContext:
    """Write the mail of a `TranscriptRequested`."""
    event = context.event
    if not isinstance(event, TranscriptRequested):
        return context
    locale = next((each for each in (event.language, context.customer.language) if each in LOCALES), "en")
    words = _WORDS[locale]
    name = " ".join(event.customer_name.split())
    greeting = words.named.format(name=name) if name else words.opening
    ticket, brand = context.ticket_id, context.brand
    outbound_id = event_id(KIND, event.event_id)
    message_id = mail_message_id(ticket, outbound_id, brand.mail_domain) if ticket else ""
    outbound = Outbound(
        **context.base,
        outbound_id=outbound_id,
        ticket_id=ticket,
        kind=KIND,
        channel="email",
        address=event.address,
        customer_name=name,
        subject=f"{words.subject} {subject_token(ticket)}" if ticket else words.subject,
        text=f"{greeting}\n\n{words.explanation}\n\n{event.transcript}\n",
        locale=locale,
        message_id=message_id,
        thread_id=event.thread_id,
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "X-Loop": brand.address},
        causation_depth=event.causation_depth + 1,
        **sent_by(
            context,
            brand,
            mail=True,
            address=event.address,
            ticket=ticket,
            kind=KIND,
            locale=locale,
            name=name,
        ),
    )
    if context.ticket is not None:
        conversation = context.ticket.conversation
        message_ids = (*conversation.message_ids, message_id)[-KEPT_MESSAGE_IDS:]
        context = context.on_ticket(conversation=replace(conversation, message_ids=message_ids))
    return context.write(outbound)

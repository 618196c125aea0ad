"""Obeys STOP, START and HELP before anything else is done.

| wish    | and                              | then                                                              |
|---------|----------------------------------|-------------------------------------------------------------------|
| `stop`  | messages went to that address    | no more do, from here on; one last one confirms it                |
| `stop`  | it was stopped already           | nothing                                                           |
| `start` | it was stopped                   | messages go there again; one confirms it                          |
| `start` | it was not, and the word is YES  | an answer in the conversation there, if one is open; else nothing |
| `help`  |                                  | one short text says who we are, also after a STOP                 |

An address, not a person, is stopped: who wants no SMS may still want e-mail. Acknowledgements and replies to it are
suppressed where they are decided (`Guards`, `progress`). What somebody else has confirmed (`answered`), and history, is
obeyed and not confirmed; nor is a wish beyond the caps that count for acknowledgements: a machine may say HELP for ever.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from schemas.events import LOCALES, ConsentChanged, MessageReceived
from schemas.facts import DeliveryFact, Outbound
from schemas.identity import event_id
from stream_processors.rules.loop_guards import REMEMBERED
from stream_processors.text.language import normalise
from stream_processors.tickets.acknowledge import carrier
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.state import SentAcknowledgement

__all__ = ["refused", "step"]

_AROUND = re.compile(r"\W+")


def step(context: FoldContext) -> FoldContext:
    """Obey a ConsentChanged; any other event passes."""
    event = context.event
    if not isinstance(event, ConsentChanged) or not event.address:
        return context
    stopped = context.customer.wants_nothing_at(event.address)
    if event.wish == "help":
        return _say(context, event, "help")
    if event.wish == "stop" and not stopped:
        return _say(context.replace(customer=context.customer.opt_out(event.address)), event, "opt_out")
    if event.wish == "start" and stopped:
        return _say(context.replace(customer=context.customer.opt_in(event.address)), event, "opt_in")
    return _answer(context, event) if event.wish == "start" else context


def refused(
    context: FoldContext, outbound_id: str, ticket_id: str, channel: str, kind: str, reason: str
) -> FoldContext:
    """Record that a message was not sent, as if the channel had refused it."""
    fact = DeliveryFact(
        **context.base,
        outbound_id=outbound_id,
        ticket_id=ticket_id,
        channel=channel,
        kind=kind,
        outcome="refused",
        attempts=0,
        detail=reason,
    )
    return context.write(fact)


def _say(context: FoldContext, event: ConsentChanged, kind: str) -> FoldContext:
    channel = carrier(event.channel or "form", event.address)
    if channel != "sms" or event.answered or event.imported:
        return context
    outbound_id = event_id("notice", event.event_id)
    if reason := context.rules.guards.notice_suppression(event, context.customer, context.now):
        return refused(context, outbound_id, "", channel, kind, reason)
    locale = next((each for each in (event.language, context.customer.language) if each in LOCALES), "en")
    outbound = Outbound(
        **context.base,
        outbound_id=outbound_id,
        ticket_id="",
        kind=kind,
        channel=channel,
        address=event.address,
        sender=context.brand.sends_from(event.address),
        text=context.rules.notices.text(kind, locale, context.brand.slug),
        locale=locale,
        causation_depth=event.causation_depth + 1,
    )
    heard = (*context.customer.acknowledgements, SentAcknowledgement(context.now, 0))[-REMEMBERED:]
    return context.replace(customer=replace(context.customer, acknowledgements=heard)).write(outbound)


def _answer(context: FoldContext, event: ConsentChanged) -> FoldContext:
    """Takes a YES that lifts nothing as the answer to a question of ours."""
    if _AROUND.sub("", normalise(event.keyword)) != "yes":
        return context
    there = [ticket for ticket in context.customer.tickets if ticket.request.address == event.address]
    if all(finished_at(ticket) is not None for ticket in there):
        return context
    said: dict[str, Any] = {
        name: getattr(event, name) for name in event.__struct_fields__ if name in MessageReceived.__struct_fields__
    }
    return context.replace(event=MessageReceived(**said, text=event.keyword, full_text=event.keyword))

"""Writes the mail that an agent's answer becomes: the answer, the signature of the team or brand, what is quoted.

The signature stands behind `-- `, by which mail programs know one. In the HTML stands the same as in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from schemas.events import LOCALES, AgentReplied
from schemas.identity import canonical_customer_id, customer_tag
from schemas.safe_html import from_text
from stream_processors.rules.ruleset import Rules
from stream_processors.text import quoted
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Ticket
from stream_processors.tickets.trust import KEPT_PARTICIPANTS

__all__ = ["needs_mail", "signature_of", "with_copied", "written"]

_PLACE = re.compile(r"\{([a-z]+)\}")


def written(context: FoldContext, ticket: Ticket, event: AgentReplied) -> dict[str, Any]:
    """Returns the fields of the outbound mail that come of the answer: what it says, its files, and who else gets it."""
    signature = signature_of(context, ticket, event)
    fields: dict[str, Any] = {"text": event.text}
    if event.html:
        fields["html"] = event.html
    if event.attachments:
        fields["attachments"] = event.attachments
    if signature or event.quoted:
        fields |= _framed(context, ticket, event, signature)
    if event.cc or event.bcc:
        fields |= {"cc": _others(context.rules, event.cc), "bcc": _others(context.rules, event.bcc)}
    return fields


def needs_mail(event: AgentReplied) -> bool:
    """Returns true for an answer that has what only a mail carries."""
    return bool(event.attachments or event.cc or event.bcc)


def signature_of(context: FoldContext, ticket: Ticket, event: AgentReplied) -> str:
    """Returns what stands below an answer: the signature of the team that has the ticket, else that of the brand, else ''.

    A line that would name the agent is left out where the answer does not say by which name.
    """
    locale = _locale(ticket)
    team = context.rules.teams.teams.get(context.team)
    signature = (team.signature(locale) if team is not None else "") or context.brand.signature(locale)
    if "{" not in signature:
        return signature
    names = {"agent": event.agent_name, "team": team.name if team is not None else "", "brand": context.brand.name}
    lines = (line for line in signature.split("\n") if all(names.get(name, name) for name in _PLACE.findall(line)))
    return "\n".join(_PLACE.sub(lambda place: names.get(place[1], place[0]), line) for line in lines).strip("\n")


def with_copied(context: FoldContext, cc: Sequence[str]) -> FoldContext:
    """Returns the context in which those who get a copy take part in the ticket: an agent has brought them in."""
    ticket = context.ticket
    if ticket is None or not cc:
        return context
    known = ticket.conversation.participants
    tags = (customer_tag(canonical_customer_id("email", each)) for each in cc)
    participants = tuple(dict.fromkeys((*known, *tags)))[-KEPT_PARTICIPANTS:]
    return context.on_ticket(conversation=replace(ticket.conversation, participants=participants))


def _framed(context: FoldContext, ticket: Ticket, event: AgentReplied, signature: str) -> dict[str, str]:
    locale, zone = _locale(ticket), _zone(ticket.request.time_zone, context.rules.policies.time_zone)
    if signature:
        signature = f"-- \n{signature}"
    below = quoted.as_text(event.quoted, locale, zone)
    fields = {"text": "\n\n".join(filter(None, (event.text.rstrip("\n"), signature, below))) + "\n"}
    if event.html:
        fields["html"] = event.html + from_text(signature) + quoted.as_html(event.quoted, locale, zone)
    return fields


def _others(rules: Rules, addresses: Sequence[str]) -> list[str]:
    """Returns the mailboxes without our own: a copy to us would come back as a message of ours."""
    return [each for each in addresses if not rules.brands.is_mailbox(each)]


def _locale(ticket: Ticket) -> str:
    return ticket.language if ticket.language in LOCALES else "en"


def _zone(name: str, otherwise: ZoneInfo) -> ZoneInfo:
    try:
        return ZoneInfo(name) if name else otherwise
    except Exception:  # not found, not a name, or not a file: all mean that the source made it up
        return otherwise

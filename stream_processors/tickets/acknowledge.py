"""Answers every contact at once, on its own channel and in its language; machines get no answer.

A contact that opens a ticket or reopens it is acknowledged once; what follows in the same episode is not. The answer
repeats the subject, promises a time that the policy in force really means, and offers help articles where the tags
are for self-service. To an unverified contact it tells nothing of what is stored, and to an address that did not prove
itself nothing of what the contact says (`told`). What a guard suppresses is recorded with the reason.
"""

from __future__ import annotations

import re

import msgspec

from schemas.brands import Brand
from schemas.clock import MICROS
from schemas.events import REPLAYED_AT, CallEnded, MessageReceived
from schemas.facts import AcknowledgementFact, Outbound
from schemas.identity import event_id, mail_message_id, subject_token
from schemas.text import printable_line
from schemas.topics import DEAD_LETTERS
from stream_processors.rules.loop_guards import REMEMBERED, subject_fingerprint
from stream_processors.rules.policies import Policy
from stream_processors.rules.templates import Rendered, Situation
from stream_processors.text.promised_time import promised_time
from stream_processors.tickets.brand_voice import automatic_signature, sent_by
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.expectations import Expectations, expectations
from stream_processors.tickets.lookup import CONVERSATIONAL
from stream_processors.tickets.observations import Acknowledged, Suppressed, Untranslated
from stream_processors.tickets.sla.queue import expected_seconds
from stream_processors.tickets.state import Promise, SentAcknowledgement, Ticket
from stream_processors.tickets.told import Told, told_to
from stream_processors.tickets.wording import Words, choose

__all__ = ["answered_post", "carrier", "reply_subject", "step"]

MAIL_CHANNELS = ("email", "form")
#: Ids of the conversation that a mail names at most; the first and the last ones.
KEPT_REFERENCES = 10
#: Nothing else goes into a header: whatever a sender calls an id.
MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x20\x7f-\x9f]{1,250}>")
KEPT_MESSAGE_IDS = 20
#: Of a mail to an address that did not prove itself: nothing that its sender wrote.
_FIXED_SUBJECTS = {
    "en": "We have received your message",
    "zh-Hans": "我们已收到您的来信",
    "zh-Hant": "我們已收到您的來信",
    "ja": "お問い合わせを承りました",
}
SUBJECT_CHARACTERS = 200
_MINUTE = 60 * MICROS
#: So long (micros) a dead letter is kept.
_LONGEST_UNSEEN = max(topic.retention_ms for topic in DEAD_LETTERS) * 1000
#: From so many characters on words tell one message from another: people greet a chat with the same word each time.
_TELLING_CHARACTERS = 12
#: Whoever wants may have ever new numbers and accounts there: the delivery sink bounds what goes to those who had nothing before.
_NEW_ACCOUNTS = frozenset(("sms", "social"))
_ANSWERED_BY_SMS = ("phone", "voicemail")
_TOKEN = re.compile(r"\s*\[#[^\]]*\]")
_REPLY = re.compile(r"(?:\s*(?:re|回复|回覆|答复|返信)\s*[:：])+\s*", re.IGNORECASE)


def step(context: FoldContext) -> FoldContext:
    """Send or suppress the acknowledgement of a contact that opened or reopened a ticket."""
    event, ticket = context.event, context.ticket
    if ticket is None or not (context.opened or context.reopened):
        return context
    if not isinstance(event, MessageReceived):
        if not isinstance(event, CallEnded) or event.outcome == "answered":
            return context
        fingerprint = 0
    else:
        fingerprint = subject_fingerprint(event.subject or _telling(event))
    acknowledged = ticket.milestones.acknowledged_episode >= ticket.episode
    reason = context.rules.guards.suppression(event, context.customer, acknowledged, context.now, fingerprint)
    return _suppress(context, ticket, reason) if reason else _send(context, ticket, event, fingerprint)


def _telling(event: MessageReceived) -> str:
    """Returns the first words of a message without a subject; of a short one that people write again and again nothing.

    In conversations nothing either: who solved one and opens the next greets in the same words, and a machine that answers us
    there stays on its ticket, which gets one message.
    """
    if event.channel in CONVERSATIONAL:
        return ""
    text = event.text[:200]
    return text if event.channel == "email" or len(text) >= _TELLING_CHARACTERS else ""


def _suppress(context: FoldContext, ticket: Ticket, reason: str) -> FoldContext:
    fact = AcknowledgementFact(
        **context.base,
        event_id=context.event.event_id,
        ticket_id=context.ticket_id,
        episode=ticket.episode,
        channel=ticket.channel,
        outcome="suppressed",
        reason=reason,
    )
    return context.write(fact).observe(Suppressed, reason)


def _send(context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded, fingerprint: int) -> FoldContext:
    customer = context.customer
    told = told_to(context, ticket, event, carrier(_channel(ticket, event), event.address))
    channel, team = context.channel_of_event, context.team
    policy = context.policy_on(channel, team)
    queue_seconds = expected_seconds(context, channel, team, policy.calendar)
    promise = _promise(context, event, policy, queue_seconds)
    _, promised_at, closed = promise
    words = choose(context, _channel(ticket, event), event, told, closed)
    expected = expectations(context, policy, words.kind, words.locale, told.time_zone, promise)
    written = _write(context, event, told, words, promised_at, closed, expected)
    outbound = _outbound(context, ticket, event, told, words.locale, written)
    fact = AcknowledgementFact(
        **context.base,
        event_id=event.event_id,
        ticket_id=context.ticket_id,
        episode=ticket.episode,
        channel=ticket.channel,
        outcome="sent",
        template=written.template,
        template_version=written.version,
        locale=words.locale,
        promised_at=promised_at,
        outbound_id=outbound.outbound_id,
    )
    conversation = ticket.conversation
    if outbound.message_id:
        message_ids = (*conversation.message_ids, outbound.message_id)[-KEPT_MESSAGE_IDS:]
        conversation = msgspec.structs.replace(conversation, message_ids=message_ids)
    acknowledged_at = ticket.milestones.acknowledged_at
    milestones = msgspec.structs.replace(
        ticket.milestones,
        acknowledged_at=context.now if acknowledged_at is None else acknowledged_at,
        acknowledged_episode=ticket.episode,
        promised_at=promised_at,
    )
    given = None if promised_at is None else Promise(ticket.episode, context.now, promised_at, channel, policy.name)
    sent = SentAcknowledgement(context.now, fingerprint)
    acknowledgements = (*customer.acknowledgements, sent)[-REMEMBERED:]
    if words.missing:
        context = context.observe(Untranslated, words.wanted, words.locale, words.missing)
    return (
        context.on_ticket(conversation=conversation, milestones=milestones, promise=given or ticket.promise)
        .replace(customer=msgspec.structs.replace(customer, acknowledgements=acknowledgements))
        .write(outbound, fact)
        .observe(Acknowledged)
    )


def _promise(
    context: FoldContext, event: MessageReceived | CallEnded, policy: Policy, queue_seconds: float
) -> tuple[int, int | None, str]:
    """Returns from when and by when we promise an answer, and why nobody works now, '' when somebody does."""
    seen_at = _seen_at(context, event)
    at = policy.promised_at(seen_at, queue_seconds)
    if at is not None and at <= event.received_at:  # it was under way for longer than that
        seen_at = event.received_at
        at = policy.promised_at(seen_at, queue_seconds)
    # as it is told, rounded up to a minute: by that it is kept or broken
    whole = None if at is None else -(-at // _MINUTE) * _MINUTE
    return seen_at, whole, "" if policy.calendar is None else policy.calendar.closed_because(seen_at)


def _seen_at(context: FoldContext, event: MessageReceived | CallEnded) -> int:
    """Returns from when we promise an answer.

    A message that was a dead letter cannot be answered in time any more: its clocks run from when it was written, and say
    so; the customer is told a time that is still to come.
    """
    replayed = event.fields.get(REPLAYED_AT, "") if isinstance(event, MessageReceived) else ""
    at = int(replayed) if replayed.isascii() and replayed.isdigit() and len(replayed) < 20 else 0
    return at if context.now < at <= context.now + _LONGEST_UNSEEN else context.now


def _outbound(
    context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded, told: Told, locale: str, written: Rendered
) -> Outbound:
    identity, brand = context.ticket_id, context.brand
    channel = carrier(_channel(ticket, event), event.address)
    mail = channel in MAIL_CHANNELS
    subject = (
        f"{_FIXED_SUBJECTS[locale]} {subject_token(identity)}" if told.fixed else reply_subject(told.subject, identity)
    )
    return Outbound(
        **context.base,
        outbound_id=event_id("acknowledgement", identity, str(ticket.episode)),
        ticket_id=identity,
        kind="acknowledgement",
        channel=channel,
        address=event.address,
        customer_name=_one_line(told.name),
        subject=subject if mail else "",
        text=written.text,
        html=written.html if mail else "",
        locale=locale,
        message_id=mail_message_id(identity, f"ack.{ticket.episode}", brand.mail_domain) if mail else "",
        thread_id=getattr(event, "thread_id", ""),
        headers=_headers(event, brand) if mail else answered_post(channel, event),
        causation_depth=event.causation_depth + 1,
        first_time=(told.fixed or channel in _NEW_ACCOUNTS) and not context.customer.acknowledgements,
        **sent_by(
            context,
            brand,
            mail=mail,
            address=event.address,
            ticket=identity,
            kind="acknowledgement",
            locale=locale,
            name=told.name,
        ),
    )


def _write(
    context: FoldContext,
    event: MessageReceived | CallEnded,
    told: Told,
    words: Words,
    promised_at: int | None,
    closed: str,
    expected: Expectations,
) -> Rendered:
    """Returns the text. In public nothing is repeated that only the customer should read."""
    rules, brand = context.rules, context.brand
    full = short = ""
    if promised_at is not None:
        full, short = promised_time(promised_at, told.time_zone, rules.policies.time_zone, words.locale)
    public = isinstance(event, MessageReceived) and event.public
    return rules.templates_of(brand).render(
        Situation(
            kind=words.kind,
            locale=words.locale,
            ticket=context.ticket_id,
            name=told.name,
            subject="" if public else _bare(told.subject),
            order_number="" if public else told.order_number,
            promised_time=full,
            promised_time_short=short,
            articles=words.articles,
            dissatisfied=told.dissatisfied,
            brand=brand.name,
            signature=automatic_signature(brand, words.locale),
            closed=closed,
            incident=words.incident,
            situation=words.situation,
            hours=expected.hours,
            opens=expected.opens,
            reply_time=expected.reply_time,
        )
    )


def _channel(ticket: Ticket, event: MessageReceived | CallEnded) -> str:
    """Returns where they wrote: who answers a mail of ours on a ticket that began as a chat is no longer in the chat."""
    return event.channel if isinstance(event, MessageReceived) and event.channel else ticket.channel


def carrier(channel: str, address: str) -> str:
    """Returns the channel that takes our answer: a call is answered by SMS, a person at the counter where they left word."""
    if channel in _ANSWERED_BY_SMS:
        return "sms"
    if channel == "in_person" and "@" in address:
        return "email"
    return "sms" if channel in ("in_person", *MAIL_CHANNELS) and _is_number(address) else channel


def _is_number(address: str) -> bool:
    return address.startswith("+") and "@" not in address


def answered_post(channel: str, asked: MessageReceived | CallEnded | Ticket) -> dict[str, str]:
    """Returns the header of a public answer on a social network: the post that it is to stand below. Nothing elsewhere."""
    post = asked.conversation.last_message_id if isinstance(asked, Ticket) else getattr(asked, "message_id", "")
    return {"In-Reply-To": post} if channel == "social" and post else {}


def _headers(event: MessageReceived | CallEnded, brand: Brand) -> dict[str, str]:
    """Returns headers that make a mail an automatic answer that no machine answers, and part of the customer's thread."""
    headers = {
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "X-Loop": brand.address,
    }
    if isinstance(event, MessageReceived) and (answered := MESSAGE_ID.fullmatch(event.message_id)):
        thread = [each for each in event.references if MESSAGE_ID.fullmatch(each) and each != answered[0]]
        if len(thread) >= KEPT_REFERENCES:
            thread = thread[:1] + thread[2 - KEPT_REFERENCES :]
        headers["In-Reply-To"] = answered[0]
        headers["References"] = " ".join((*thread, answered[0]))
    return headers


def reply_subject(subject: str, ticket: str) -> str:
    """Returns `Re: <subject> [#TICKET]`, with one Re:, this ticket's token alone, on one line."""
    bare = _bare(subject)
    if len(bare) > SUBJECT_CHARACTERS:
        bare = bare[:SUBJECT_CHARACTERS].rstrip() + "..."
    return f"Re: {bare} {subject_token(ticket)}" if bare else f"Re: {subject_token(ticket)}"


def _bare(subject: str) -> str:
    """Returns the subject without ticket tokens and without the Re: before it, on one line."""
    plain = _one_line(subject)
    if "[#" in plain:
        plain = _TOKEN.sub("", plain)
    replied = _REPLY.match(plain)
    return plain[replied.end() :].strip() if replied else plain.strip()


def _one_line(text: str) -> str:
    """Returns a printable text as it is, and any other on one line."""
    return text if text.isprintable() else printable_line(text)

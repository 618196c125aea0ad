"""Turns reports about our mail into suppressions, and refuses messages to suppressed addresses.

A report counts only where the history says that we handed over that Message-ID to that recipient: who has not seen the mail cannot
write a report about it. Of a mail to several none counts: any of them may have written it. Which reports suppress, and what
then still goes out, is decided in `suppression.py`.
"""

from __future__ import annotations

from datetime import UTC

import msgspec
import structlog

from schemas import identity
from schemas.clock import from_micros
from schemas.facts import MailReport, Outbound, SuppressionFact
from schemas.metrics import MAIL_REPORTS, SUPPRESSIONS
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.history import DeliveryHistory
from sinks.delivery.mail import address
from sinks.delivery.suppression import MAIL_CHANNELS, Evidence, Limits, after, ends, refuses, revived, status_code
from sinks.delivery.suppression_list import SuppressionList

__all__ = ["MailReports", "begin_at_zero", "minute", "recipients_of"]

_OUTCOMES = ("suppressed", "noted", "unknown")
_REASONS = ("hard_bounce", "soft_bounces", "complaint", "unsubscribed")
#: What our own SMTP server says of the mailbox itself; its other refusals may be about us.
_OF_THE_MAILBOX = ("5.1.", "5.2.")
log = structlog.get_logger()


def begin_at_zero() -> None:
    """Lets the counters begin at 0."""
    for outcome in _OUTCOMES:
        MAIL_REPORTS.labels(outcome)
    for reason in _REASONS:
        SUPPRESSIONS.labels(reason)


def recipients_of(message: Outbound) -> list[str]:
    """Returns the addresses of a mail in their canonical form, those that are none left out; none for another channel."""
    if message.channel not in MAIL_CHANNELS:
        return []
    found = (_canonical(each) for each in (message.address, *message.cc, *message.bcc))
    return list(dict.fromkeys(each for each in found if each))


class MailReports:
    """Holds the list and the limits of one sink."""

    def __init__(self, settings: SinkSettings, known: SuppressionList) -> None:
        self._settings, self._list = settings, known
        self._limits = Limits(settings.delivery_suppress_bounces, settings.delivery_suppress_days)

    async def take(self, report: MailReport, history: DeliveryHistory) -> None:
        """Counts a report, if it is about a mail of ours; returns when what follows is durable.

        Raises:
            KafkaError: Kafka does not take it.
        """
        mail_key = identity.message_key(report.message_id)
        sent_to = history.recipients(mail_key)
        about = _about(report, sent_to)
        if not about:
            MAIL_REPORTS.labels("unknown").inc()
            log.info("report_about_no_mail_of_ours", ticket_id=report.ticket_id, status=report.status)
            return
        suppressed = len(sent_to) == 1 and await self._learn(self._evidence(report, about[0], mail_key))
        MAIL_REPORTS.labels("suppressed" if suppressed else "noted").inc()

    def key_of(self, address: str) -> str:
        """Returns the key of an address: that under which something is known, although its secret was changed since."""
        known = self._list.of(address)
        return known.address_key if known else identity.address_keys(address)[0]

    async def refused_by_server(self, message: Outbound, error: Undeliverable, partition: int) -> None:
        """Learns from a permanent answer of the SMTP server that is about the mailbox."""
        code = status_code(str(error))
        to = recipients_of(message)
        if error.reason != "smtp_permanent" or not code.startswith(_OF_THE_MAILBOX) or len(to) != 1:
            return
        now = self._settings.pipeline_clock.now()
        await self._learn(
            Evidence(
                address_key=self.key_of(to[0]),
                mail_key=identity.message_key(message.message_id),
                status="failed",
                code=code,
                at=now,
                customer_tag=message.customer_tag,
                partition=partition,
                ticket_id=message.ticket_id,
                brand=message.brand,
            )
        )

    async def allowed(self, message: Outbound) -> Outbound | Undeliverable:
        """Returns the message without copies to suppressed addresses; a refusal where its addressee is suppressed.

        An acknowledgement of what the customer wrote since ends a temporary suppression.

        Raises:
            KafkaError: Kafka does not take that.
        """
        if message.channel not in MAIL_CHANNELS:
            return message
        now = self._settings.pipeline_clock.now()
        plain = _canonical(message.address)
        mailbox = self._list.of(plain) if plain else None
        if mailbox is not None and ends(mailbox, message.kind, message.at, now):
            await self._list.put(revived(mailbox, now))
        if known := self._against(message.address, message.kind, now):
            return Undeliverable("refused", "suppressed", _explained(known))
        copies = (*message.cc, *message.bcc)
        dropped = {each for each in copies if self._against(each, message.kind, now)} if copies else set()
        if not dropped:
            return message
        cc, bcc = ([each for each in some if each not in dropped] for some in (message.cc, message.bcc))
        log.info("copies_suppressed", outbound_id=message.outbound_id, copies=len(dropped))
        return msgspec.structs.replace(message, cc=cc, bcc=bcc)

    def _against(self, to: str, kind: str, now: int) -> SuppressionFact | None:
        plain = _canonical(to)
        known = self._list.of(plain) if plain else None
        return known if refuses(known, kind, now) else None

    def _evidence(self, report: MailReport, key: str, mail_key: int) -> Evidence:
        return Evidence(
            address_key=key,
            mail_key=mail_key,
            status=report.status,
            code=report.error_code,
            at=report.at,
            customer_tag=report.customer_tag,
            partition=report.partition,
            ticket_id=report.ticket_id,
            brand=report.brand,
            proven=identity.is_report_proof(report.proof, report.message_id),
        )

    async def _learn(self, evidence: Evidence) -> bool:
        """Returns true when an address is suppressed now that was not before, or for another reason."""
        known = self._list.of_key(evidence.address_key)
        fact = after(known, evidence, self._limits)
        if fact is None:
            return False
        await self._list.put(fact)
        is_new = fact.reason != "" and (known is None or (known.state, known.reason) != (fact.state, fact.reason))
        if is_new or (fact.unsubscribed and not (known and known.unsubscribed)):
            reason = fact.reason if is_new else "unsubscribed"
            SUPPRESSIONS.labels(reason).inc()
            log.info("address_suppressed", address_key=fact.address_key, reason=reason, error_code=fact.error_code)
            return True
        return False


def _about(report: MailReport, sent_to: list[str]) -> list[str]:
    """Returns the keys of those recipients of the mail that the report names; of one that names none the only recipient."""
    named = {key for each in report.recipients if (plain := _canonical(each)) for key in identity.address_keys(plain)}
    if not report.recipients and len(sent_to) == 1:
        return sent_to  # reports of complaints often hide the address
    return [key for key in sent_to if key in named]


def _canonical(text: str) -> str:
    try:
        return address(text).spec.lower()
    except Undeliverable:
        return ""


def _explained(known: SuppressionFact) -> str:
    until = f" until {minute(known.until)}" if known.until else ""
    reason = "unsubscribed" if known.reason in ("", "unsubscribed") else known.reason
    code = f" {known.error_code}" if known.error_code else ""
    return (
        f"the address is suppressed{until}: {reason}{code}; `python -m sinks delivery release {known.address_key}` lets "
        "messages go there again"
    )


def minute(micros: int) -> str:
    """Returns a time as people read it, to the minute and in UTC."""
    return from_micros(micros).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")

"""Hands a report about a mail of ours to the delivery sink, behind the mail and in its partition."""

from __future__ import annotations

from schemas.events import DeliveryReported
from schemas.facts import MailReport
from stream_processors.tickets.context import FoldContext

__all__ = ["mail_report"]


def mail_report(context: FoldContext, event: DeliveryReported) -> MailReport:
    """Returns the report for the delivery sink, which knows whether we sent that mail there."""
    return MailReport(
        **context.base,
        event_id=event.event_id,
        ticket_id=context.ticket_id,
        message_id=event.message_id,
        recipients=event.recipients or [address for address in (event.address,) if address],
        status=event.status,
        error_code=event.error_code,
        proof=event.proof,
    )

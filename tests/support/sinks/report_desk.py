"""Holds the reports and the suppressions of one delivery sink, without Kafka."""

from __future__ import annotations

import asyncio
from typing import Any

from schemas import identity
from schemas.facts import MailReport, Outbound, SuppressionFact
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.history import DeliveryHistory
from sinks.delivery.mail_reports import MailReports, recipients_of
from tests.support.sinks.examples import outbound

__all__ = ["ListInMemory", "ReportDesk"]


class ListInMemory:
    """What `SuppressionList` is without Kafka."""

    def __init__(self) -> None:
        self.facts: dict[str, SuppressionFact] = {}

    def of(self, address: str) -> SuppressionFact | None:
        return next((self.facts[key] for key in identity.address_keys(address) if key in self.facts), None)

    def of_key(self, key: str) -> SuppressionFact | None:
        return self.facts.get(key)

    async def put(self, fact: SuppressionFact) -> None:
        self.facts[fact.address_key] = fact


class ReportDesk:
    """The reports of one sink, and the history of what it sent."""

    def __init__(self) -> None:
        self.list, self.history = ListInMemory(), DeliveryHistory(100)
        self.reports = MailReports(SinkSettings(), self.list)  # type: ignore[arg-type]

    def sends(self, **fields: Any) -> Outbound:
        """Hands over the message of the examples with these fields."""
        return self.sends_message(outbound(**fields))

    def sends_message(self, message: Outbound) -> Outbound:
        """Hands a message over."""
        keys = [self.reports.key_of(each) for each in recipients_of(message)]
        self.history.add_mail(identity.message_key(message.message_id), keys)
        return message

    def hears(self, **fields: Any) -> None:
        """Takes a report about the message of the examples, with the proof of the Message-ID unless it is given."""
        told = {"customer_tag": "ABCDEFGHIJKL", "version": 1, "partition": 0, "at": SinkSettings().pipeline_clock.now(), "event_id": "E", "ticket_id": "T",
                "message_id": outbound().message_id, "recipients": ["ann@example.org"], "status": "failed", "error_code": "5.1.1"}  # fmt: skip
        told["proof"] = identity.report_proof(str((told | fields)["message_id"]))
        asyncio.run(self.reports.take(MailReport(**told | fields), self.history))

    def refuses(self, **fields: Any) -> str:
        """Returns the reason for which a message would be refused, '' for none."""
        answer = asyncio.run(self.reports.allowed(outbound(**fields)))
        return answer.reason if isinstance(answer, Undeliverable) else ""

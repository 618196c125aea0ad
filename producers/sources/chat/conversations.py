"""Holds the conversations of a chat process, and finds them by thread, by ticket and by customer."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any, Protocol

from producers.channels import chat
from producers.channels import chat_protocol as frames
from schemas.events import StatusChanged

__all__ = ["Connection", "Conversations", "Live"]

#: Tickets whose status is remembered although no conversation of theirs is known (yet).
_MOST_TICKETS = 20_000


class Connection(Protocol):
    """Describes a visitor's socket, as far as the hub knows it."""

    def send(self, *shown: frames.ServerFrame) -> None:
        """Queues frames for the visitor."""

    def close(self, code: int, reason: str) -> None:
        """Closes the connection, with a code of WebSocket."""


class Live:
    """Holds one conversation.

    ours    this process has or had its visitor: only then does its time run here
    unseen  records of the log that arrived while a frame was on its way to Kafka
    """

    __slots__ = ("connection", "lock", "ours", "state", "unseen")

    def __init__(self) -> None:
        self.state = chat.ChatConversation()
        self.connection: Connection | None = None
        self.lock = asyncio.Lock()
        self.ours = False
        self.unseen: list[tuple[Any, int]] = []


class Conversations:
    """Holds all conversations that the log or a visitor told of."""

    def __init__(self) -> None:
        self._by_thread: dict[str, Live] = {}
        self._by_ticket: dict[str, Live] = {}
        self._by_customer: dict[str, list[Live]] = {}
        self._status: OrderedDict[str, StatusChanged] = OrderedDict()

    def find(self, thread_id: str) -> Live | None:
        """Returns the conversation of a thread, None when nothing told of it."""
        return self._by_thread.get(thread_id)

    def of_thread(self, thread_id: str) -> Live:
        """Returns the conversation of a thread; made when the log tells of it first, whichever topic is read first."""
        return self._by_thread.setdefault(thread_id, Live())

    def of_ticket(self, ticket_id: str, thread_ref: str) -> Live | None:
        """Returns the conversation of a ticket, or of the thread that a record names instead."""
        return self._by_ticket.get(ticket_id) or self._by_thread.get(thread_ref)

    def of_customer(self, customer_tag: str) -> Iterable[Live]:
        """Returns the conversations of a customer that have begun."""
        return self._by_customer.get(customer_tag, ())

    def all(self) -> list[tuple[str, Live]]:
        """Returns `(thread, conversation)` of every one; the list may be walked while conversations are forgotten."""
        return list(self._by_thread.items())

    def phases(self) -> Counter[str]:
        """Returns the number of this process's conversations in each phase."""
        counts = Counter({"queued": 0, "answered": 0, "ended": 0})
        counts.update(live.state.phase for live in self._by_thread.values() if live.ours and live.state.phase in counts)
        return counts

    def add(self, thread_id: str, live: Live) -> None:
        """Keeps a conversation that a visitor begins."""
        self._by_thread[thread_id] = live

    def drop(self, thread_id: str, live: Live) -> None:
        """Takes back `add`, for a conversation whose first line Kafka does not have."""
        if self._by_thread.get(thread_id) is live and not live.lock.locked():
            del self._by_thread[thread_id]

    def index(self, live: Live) -> None:
        """Finds a conversation by its ticket and its customer from now on; a status that came before it is applied."""
        ticket_id = live.state.ticket_id
        if ticket_id and self._by_ticket.get(ticket_id) is not live:
            self._by_ticket[ticket_id] = live
            status = self._status.pop(ticket_id, None)
            if status is not None and status.occurred_at >= live.state.started_at:
                live.state = chat.observe(live.state, status).state
        if live.state.started_at:
            of_customer = self._by_customer.setdefault(live.state.customer_tag, [])
            if live not in of_customer:
                of_customer.append(live)

    def forget(self, thread_id: str, live: Live) -> None:
        """Removes a conversation from every index."""
        del self._by_thread[thread_id]
        if self._by_ticket.get(live.state.ticket_id) is live:
            del self._by_ticket[live.state.ticket_id]
        if live.state.started_at:
            of_customer = self._by_customer.get(live.state.customer_tag, [])
            if live in of_customer:
                of_customer.remove(live)
            if not of_customer:
                self._by_customer.pop(live.state.customer_tag, None)

    def remember_status(self, record: StatusChanged) -> None:
        """Keeps the status of a ticket whose conversation may be read later, from another topic."""
        self._status[record.ticket_id] = record
        if len(self._status) > _MOST_TICKETS:
            self._status.popitem(last=False)

    def forget_statuses(self) -> None:
        """Drops the remembered statuses once the log is read to its end."""
        self._status.clear()

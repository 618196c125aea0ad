"""Moves of tickets between teams for the fault tests, and the rule that a ticket has one owner through all of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from schemas import codec
from schemas.events import MessageReceived, Transferred
from schemas.facts import AssignmentFact
from schemas.identity import event_id, ticket_id
from schemas.settings import Settings
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.routing.state import QueueEntry, team_and_ticket
from stream_processors.rules import ruleset
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.faults.load import TEAMS, Mix, Sent
from tests.support.faults.recount import Facts
from tests.support.faults.states import States, restored


def moved(share: float) -> Mix:
    """After this share of the messages, the customer's first ticket goes to another team, and half the time on to a third."""

    def mix(stream: Iterator[Sent]) -> Iterable[Sent]:
        dice = random.Random(8)
        for number, sent in enumerate(stream):
            yield sent
            message = sent.event
            if not isinstance(message, MessageReceived) or dice.random() >= share:
                continue
            for step, team in enumerate(dice.sample(TEAMS, dice.choice((1, 2)))):
                move = Transferred(
                    event_id=event_id("load", "move", str(number), str(step)),
                    occurred_at=message.occurred_at + 1 + step,
                    received_at=message.received_at + 1 + step,
                    customer_tag=message.customer_tag,
                    channel=message.channel,
                    ticket_id=ticket_id(message.customer_tag, 1),
                    to_team=team,
                )
                yield Sent(sent.key, codec.encode(move), move)

    return mix


def stored(settings: Settings) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """Returns what the workers stored: by ticket what the router was told last, and its entries as (team, agent)."""
    tickets, routing = TicketsProcessor(ruleset.load()), RoutingProcessor()
    states, _ = restored(settings, tickets, routing)
    told = {
        ticket_id(key[1:].decode(), ticket.number): ticket.routed_as
        for key, customer in _of_kind(states, tickets, b"c")
        for ticket in customer.tickets
    }
    entries: dict[str, list[tuple[str, str]]] = {}
    for key, entry in _of_kind(states, routing, b"i"):
        assert isinstance(entry, QueueEntry)
        team, ticket = team_and_ticket(key)
        entries.setdefault(ticket, []).append((team, entry.agent))
    return told, entries


def _of_kind(states: States, processor: Processor, kind: bytes) -> Iterator[tuple[bytes, Any]]:
    codec_of = StateCodec(processor.kinds, processor.deadline)
    for (name, _, key), value in states.items():
        if name == processor.name and key[:1] == kind:
            yield key, codec_of.load(key, value)


def wrong_owners(told: dict[str, str], entries: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Returns the tickets of which their own partition says other than the teams do, once all is folded.

    One that needs somebody is with one team, waiting or with the agent who has it; any other is with none.
    """
    found = {}
    for ticket in told.keys() | entries.keys():
        action, _, rest = told.get(ticket, "").partition(":")
        team, _, rest = rest.partition(":")
        wanted = [(team, rest.rpartition(":")[0])] if action in ("queue", "busy") else []
        if entries.get(ticket, []) != wanted:
            found[ticket] = told.get(ticket), entries.get(ticket)
    return found


def wrong_assignments(facts: Facts) -> list[AssignmentFact]:
    """Returns the assignments by the router of a team that the ticket had left, by the ticket's own history."""
    history: dict[str, list[AssignmentFact]] = {}
    for identity, value in facts.items():
        if identity[0] == AssignmentFact.__name__:
            fact = codec.decode(value)
            history.setdefault(fact.ticket_id, []).append(fact)
    found = []
    for each in history.values():
        each.sort(key=lambda fact: fact.version)
        for before, fact in pairwise(each):
            if fact.reason in ("least_open", "previous_agent") and fact.team != before.team:
                found.append(fact)
    return found

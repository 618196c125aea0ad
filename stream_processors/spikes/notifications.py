"""Sends what rules say to people, and no more of it than they want: here one partition sees the whole desk.

- Each rule sends each target `per_hour` notifications in an hour, which begins with the first one. Further ones are withheld
  (`limit`), each with its fact; when the hour ends, one message says how many there were, and names the last tickets.
- A mail is an `Outbound`. A message to a chat and a webhook are the fact itself: the webhook sink hands it to the
  subscriptions that name its target.
- What comes again after a crash is known by its place in `contact-events`, and is not sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import NotificationRequested
from schemas.facts import AutomationFact, Outbound
from schemas.identity import event_id
from schemas.service_metrics import ServiceMetric
from schemas.text import printable_line
from stream_processors.rules.automations import Rule, filled
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.processor import Count, Output, Position, State

__all__ = ["KEPT_TICKETS", "Notified", "due_at", "key_of", "of_spike", "request", "summary"]

#: Tickets that a summary names.
KEPT_TICKETS = 10
_HOUR_MICROS = 3600 * MICROS
_PLACES = 1 << 20
_SPIKE_TEXT = (
    "{tag} is on {count} contacts since {since} UTC; {expected} are usual in that time. Team {team}. Rule {rule}."
)
_SUMMARY = "{count} further notifications of rule {rule} were withheld within an hour. The last tickets: {tickets}."


class Notified(State, frozen=True, kw_only=True, array_like=True):
    """Key: `n` + rule, way and target. What one rule told one target in this hour.

    until     when (micros) the hour ends; 0 before the first notification
    seen      partition of `contact-events` → the last place in it that was told or withheld
    tickets   the last tickets that were withheld; `withheld` counts all
    """

    VERSION: ClassVar[int] = 1

    until: int = 0
    sent: int = 0
    withheld: int = 0
    tickets: tuple[str, ...] = ()
    team: str = ""
    brand: str = ""
    seen: dict[int, int] = msgspec.field(default_factory=dict)


def key_of(rule: str, way: str, target: str) -> bytes:
    """Returns the key under which it is stored what a rule told a target."""
    return b"n" + "\0".join((rule, way, target)).encode("utf-8", "surrogatepass")


def due_at(state: Notified) -> int | None:
    """Returns when (micros) a summary is due; None while nothing is withheld."""
    return state.until if state.withheld else None


def request(
    known: Notified | None, asked: NotificationRequested, position: Position, rules: Rules
) -> tuple[Notified, list[Output], list[Count]]:
    """Sends or withholds what a rule asks for."""
    state, place = known or Notified(), asked.version * _PLACES + asked.place
    if asked.version >= 0:
        if place <= state.seen.get(asked.partition, -1):
            return replace(state, offset=position.offset), [], []
        state = replace(state, seen={**state.seen, asked.partition: place})
    at, outputs = asked.occurred_at, list[Output]()
    if at >= state.until:
        if state.withheld:
            outputs += summary(state, asked.rule, asked.way, asked.target, position, rules)
        state = replace(state, until=at + _HOUR_MICROS, sent=0, withheld=0, tickets=())
    state = replace(state, offset=position.offset, team=asked.team, brand=asked.brand)
    if asked.per_hour and state.sent >= asked.per_hour:
        tickets = (*(each for each in state.tickets if each != asked.ticket_id), asked.ticket_id)[-KEPT_TICKETS:]
        state, reason = replace(state, withheld=state.withheld + 1, tickets=tickets), "limit"
    else:
        state, reason = replace(state, sent=state.sent + 1), ""
        if asked.way == "mail":
            outputs.append(_mail(asked, position, rules))
    outputs.append(_fact(asked, position, reason))
    return state, outputs, [_count(asked.rule, asked.way, reason)]


def summary(state: Notified, rule: str, way: str, target: str, position: Position, rules: Rules) -> list[Output]:
    """Returns the message that says what was withheld in the hour that is over."""
    values = {"count": str(state.withheld), "rule": rule, "tickets": ", ".join(state.tickets)}
    asked = NotificationRequested(
        event_id=event_id("automation-summary", rule, way, target, str(state.until)),
        occurred_at=state.until,
        received_at=state.until,
        customer_tag="",
        ticket_id="",
        rule=rule,
        trigger="",
        situation="",
        way=way,
        target=target,
        why="summary",
        subject=f"{state.withheld} further notifications: {rule}",
        text=filled(_SUMMARY, values),
        team=state.team,
        brand=state.brand,
        rules_version=rules.automations.version,
    )
    return [*([_mail(asked, position, rules)] if way == "mail" else []), _fact(asked, position, "")]


def of_spike(rule: Rule, rules: Rules, values: dict[str, Any], position: Position) -> Iterable[NotificationRequested]:
    """Yields what a rule says of a spike that begins; `values` are `tag since at count expected team brand`."""
    said = {
        **{name: str(value) for name, value in values.items()},
        "rule": rule.name,
        "why": f"{values['tag']} spikes",
        "count": str(values["count"]),
        "expected": f"{values['expected']:.1f}",
        "since": _minute(values["since"]),
    }
    situation = f"spike:{values['tag']}:{values['brand']}:{values['since']}"
    for number, action in enumerate(rule.actions):
        yield NotificationRequested(
            event_id=event_id("automation", "", rule.name, situation, str(number)),
            occurred_at=values["at"],
            received_at=values["at"],
            customer_tag="",
            ticket_id="",
            rule=rule.name,
            trigger="spike",
            situation=situation,
            way=action.kind,
            target=action.target,
            why=said["why"],
            subject=filled(action.subject or "{why}", said) if action.kind == "mail" else "",
            text=filled(action.text or _SPIKE_TEXT, said),
            team=values["team"],
            brand=values["brand"],
            per_hour=rule.per_hour,
            rules_version=rules.automations.version,
            partition=position.partition,
            place=number,
        )


def _minute(micros: int) -> str:
    return datetime.fromtimestamp(micros // MICROS, UTC).strftime("%Y-%m-%d %H:%M")


def _mail(asked: NotificationRequested, position: Position, rules: Rules) -> Output:
    """Returns a mail that no machine answers. It names no ticket in its subject token: an answer to it is nobody's."""
    brand = rules.brands.get(asked.brand)
    mail = Outbound(
        customer_tag=asked.customer_tag,
        version=position.offset,
        partition=position.partition,
        at=asked.occurred_at,
        outbound_id=asked.event_id,
        ticket_id=asked.ticket_id,
        kind="notification",
        channel="email",
        address=asked.target,
        sender=brand.address if brand.slug else "",
        sender_name=brand.sender_name,
        subject=printable_line(asked.subject),
        text=asked.text,
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "X-Loop": brand.address},
        causation_depth=asked.causation_depth,
        brand=asked.brand,
    )
    return Output(mail, asked.customer_tag or asked.rule)


def _fact(asked: NotificationRequested, position: Position, reason: str) -> Output:
    fact = AutomationFact(
        customer_tag=asked.customer_tag,
        version=position.offset,
        partition=position.partition,
        at=asked.occurred_at,
        firing_id=asked.event_id,
        ticket_id=asked.ticket_id,
        rule=asked.rule,
        trigger=asked.trigger,
        situation=asked.situation,
        action=asked.way,
        outcome="withheld" if reason else "done",
        target=asked.target,
        reason=reason,
        why=asked.why,
        text=asked.text,
        team=asked.team,
        channel=asked.channel,
        brand=asked.brand,
        depth=max(0, asked.causation_depth - 1),
        rules_version=asked.rules_version,
    )
    return Output(fact, asked.customer_tag or asked.rule)


def _count(rule: str, way: str, reason: str) -> Count:
    return Count(ServiceMetric.AUTOMATIONS, (rule, way, "withheld" if reason else "done", reason))

"""Reads customers as older builds stored them.

Up to version 5 a ticket, a clock and an episode were one flat list each, to whose end every version appended. Version 6
groups their fields by concern; later versions append to the groups. The names below are those of version 5 in its order,
each with its place of today.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import msgspec

from stream_processors.tickets import state

__all__ = ["customer"]


def _names(text: str) -> list[str]:
    return text.split()


_CLOCK = _names(
    """
    name instance started_at terms.target_seconds due_at terms.policy terms.policy_version stopped_at breached sequence
    team priority cancelled episode terms.calendar paused_at run_at ran terms.at_risk risk alert_at charges.written
    charges.carried charges.counted_from charges.spent charges.spent_business
    """
)
_TICKET = _names(
    """
    number channel created_at episode status priority request.subject request.address language request.time_zone team
    assignee request.order_number imported request.public request.dissatisfied tags request.tags_removed
    request.tagged_with sla.policy sla.policy_version clocks milestones.acknowledged_at milestones.acknowledged_episode
    milestones.promised_at milestones.first_assigned_at milestones.first_response_at milestones.first_solved_at
    milestones.last_solved_at conversation.waiting_since counts.customer_messages counts.public_replies
    counts.internal_notes counts.reopens counts.transfers assignees counts.clocks_breached survey.csat survey.ces
    survey.answers conversation.thread_ids conversation.message_ids conversation.last_message_id updated_at routed_as
    conversation.unanswered conversation.ended_chat adopted sla.status_history sla.time_in_status sla.calendar
    sla.next_responses sla.ringing_since sla.answered sla.calendar_version follow_up request.opened_by_machine
    conversation.answered_call milestones.status_at conversation.ended_chat_at conversation.answers
    conversation.answered_conversations sla.abandoned
    """
)
_EPISODE = _names(
    """
    ticket_id number channel team agent priority policy tags solved_at touched_at answers.replies_until
    answers.public_answers invitation.asked invitation.invite_at decide_at fcr imported version_offset survey follow_up
    invitation.invited answers.answers_until
    """
)


#: The place of a field that no flat list had.
_NEVER = 10**6


class _Field(NamedTuple):
    """Holds where a field of today stood in the flat list, or the fields of its group; `default` is for a shorter list."""

    place: int
    default: Any
    group: tuple[_Field, ...]


def customer(version: int, fields: list[Any]) -> list[Any]:
    """Returns the fields of a customer of an older version as those of today."""
    if version > 5:
        return fields
    names, upgraded = state.Customer.__struct_fields__, list(fields)
    tickets, episodes = names.index("tickets"), names.index("episodes")
    if len(fields) > tickets:
        upgraded[tickets] = [_ticket(each) for each in fields[tickets]]
    if len(fields) > episodes:
        layout = _layout(state.Episode, tuple(_EPISODE))
        upgraded[episodes] = [_grouped(layout, each) for each in fields[episodes]]
    return upgraded


def _ticket(values: list[Any]) -> list[Any]:
    values, clocks = list(values), _TICKET.index("clocks")
    if len(values) > clocks:
        layout = _layout(state.Clock, tuple(_CLOCK))
        values[clocks] = [_grouped(layout, each) for each in values[clocks]]
    return _grouped(_layout(state.Ticket, tuple(_TICKET)), values)


def _grouped(layout: tuple[_Field, ...], values: list[Any]) -> list[Any]:
    return [
        _grouped(field.group, values)
        if field.group
        else values[field.place]
        if field.place < len(values)
        else field.default
        for field in layout
    ]


@cache
def _layout(kind: type[msgspec.Struct], names: tuple[str, ...], prefix: str = "") -> tuple[_Field, ...]:
    """Returns the fields of `kind` in their order of today."""
    fields = []
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name
        if name in names:
            default = None if field.required else msgspec.to_builtins(field.default)
            fields.append(_Field(names.index(name), default, ()))
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            fields.append(_Field(0, None, _layout(field.type, names, f"{name}.")))
        else:  # of a later version
            fields.append(_Field(_NEVER, msgspec.to_builtins(field.default), ()))
    return tuple(fields)

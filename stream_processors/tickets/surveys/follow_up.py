"""Opens a task for the team that has the ticket when a customer scores low (CSAT 1 or 2).

A solved ticket goes into the router's queue once more, as itself and without being reopened: no clock starts, and the
customer sees nothing of it. Whoever is free gets it, and it is done by what an agent does on the ticket then: a note (of
a call, say), an answer, or a status. One per survey: who scores low twice is one task, with the last words.

| event                                     | ticket.follow_up | fact             | router            |
|-------------------------------------------|------------------|------------------|-------------------|
| low score of a person                     | None → ''        | open             | queue (`route`)   |
| Assigned to an agent                      | agent            | assigned         |                   |
| Assigned to nobody (the agent left)       | ''               | open             |                   |
| NoteAdded, AgentReplied, StatusChanged    | None             | done             | done (`route`)    |

When the ticket is gone from the state, weeks after it was solved, the episode alone remembers; the router is told here.
An answer to the customer is not possible then, a note is.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import (
    AgentReplied,
    Assigned,
    AssignmentChanged,
    NoteAdded,
    OfferAnswered,
    RoutingUpdate,
    StatusChanged,
    SurveyAnswered,
)
from schemas.facts import FollowUpFact
from schemas.identity import event_id
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import FollowUpDone, FollowUpOpened
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Customer, Episode, FollowUp

__all__ = ["begin", "heard", "open_of", "step"]

#: Characters of what the customer said that the task shows.
LONGEST_COMMENT = 300
_ABOUT_TASKS = frozenset((AgentReplied, NoteAdded, StatusChanged, Assigned, AssignmentChanged, OfferAnswered))


def open_of(customer: Customer, ticket: str) -> Episode | None:
    """Returns the episode of this ticket with a follow-up that is not done."""
    for each in reversed(customer.episodes):
        if each.ticket_id == ticket and each.follow_up is not None and not each.follow_up.done:
            return each
    return None


def begin(context: FoldContext, event: SurveyAnswered, episode: Episode) -> FoldContext:
    """Opens the task: a person scored low."""
    task = FollowUp(context.now, event.survey_id, comment=_words(event))
    episode = replace(episode, follow_up=task, team=episode.team or context.team or context.rules.teams.fallback)
    context = episodes.observe(episodes.put(context, episode), episode, FollowUpOpened)
    context = context.on_ticket(follow_up="") if context.ticket is not None else _route(context, episode, "queue")
    return _record(context, episode, "open")


def heard(context: FoldContext, event: SurveyAnswered, episode: Episode) -> FoldContext:
    """More words of the customer, for whoever looks after them."""
    task, words = episode.follow_up, _words(event)
    if task is None or task.done or not words:
        return context
    episode = replace(episode, follow_up=replace(task, comment=f"{task.comment}\n{words}".strip()[:LONGEST_COMMENT]))
    return _record(episodes.put(context, episode), episode, "assigned" if task.agent else "open")


def step(context: FoldContext) -> FoldContext:
    """Follow what agents and the router do about it."""
    event: Any = context.event
    ticket = context.ticket
    if type(event) not in _ABOUT_TASKS or not context.customer.episodes:
        return context
    if ticket is not None and ticket.follow_up is None:
        return context
    episode = open_of(context.customer, event.ticket_id)
    if episode is None or episode.follow_up is None:
        return context
    task = episode.follow_up
    if isinstance(event, OfferAnswered) and (ticket is None or event.outcome != "accepted"):
        return context
    if isinstance(event, Assigned | AssignmentChanged | OfferAnswered):
        agent = event.to_agent if isinstance(event, AssignmentChanged) else event.agent_id
        if (ticket is not None and ticket.follow_up != agent) or task.agent == agent:
            return context
        episode = replace(episode, follow_up=replace(task, agent=agent))
        return _record(episodes.put(context, episode), episode, "assigned" if agent else "open")
    if event.imported:
        return context
    seconds = max(0, context.now - task.opened_at) / MICROS
    context = context.on_ticket(follow_up=None) if ticket is not None else _route(context, episode, "done")
    context = _record(context, episode, "done", done_at=context.now, done_by=event.agent_id, done_seconds=seconds)
    done = replace(episode, follow_up=replace(task, comment="", done=True))
    return episodes.observe(episodes.put(context, done), done, FollowUpDone, seconds)


def _words(event: SurveyAnswered) -> str:
    return "\n".join(filter(None, (event.comment, event.went_wrong)))[:LONGEST_COMMENT]


def _record(context: FoldContext, episode: Episode, status: str, **done: Any) -> FoldContext:
    task, survey = episode.follow_up, episode.survey
    assert task is not None
    return context.write(
        FollowUpFact(
            **context.fact_header(episode),
            ticket_id=episode.ticket_id,
            episode=episode.number,
            survey_id=task.survey_id,
            status=status,
            opened_at=task.opened_at,
            csat=None if survey is None else survey.csat,
            comment=task.comment,
            channel=episode.channel,
            team=episode.team,
            solved_by=episode.agent,
            agent_id=task.agent,
            **done,
        )
    )


def _route(context: FoldContext, episode: Episode, action: str) -> FoldContext:
    """Tell the router of a task whose ticket is gone."""
    event = context.event
    update = RoutingUpdate(
        event_id=event_id("routing", episode.ticket_id, str(context.position.offset), action),
        occurred_at=context.now,
        received_at=event.received_at,
        customer_tag=event.customer_tag,
        channel=episode.channel,
        source="tickets",
        causation_depth=event.causation_depth,
        ticket_id=episode.ticket_id,
        team=episode.team,
        action=action,
        priority=episode.priority or "normal",
        language=context.customer.language,
        eligible_at=context.now,
        partition=context.position.partition,
        version=context.position.offset,
    )
    return context.send(Output(update, episode.team))

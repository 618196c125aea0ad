"""Observations: what a step tells the later ones, one small frozen struct per kind.

A step observes (`FoldContext.observe`, `Ledger.observe`), the windows and the counters count. No step searches the facts
that an earlier one wrote.
"""

from __future__ import annotations

import msgspec

from stream_processors.tickets.state import Clock, Ticket


class Observation(msgspec.Struct, frozen=True, gc=False):
    """Holds when something happened (micros) and the ticket as it was then, for the dimensions; None without a ticket."""

    at: int
    ticket: Ticket | None


class Duration(Observation, frozen=True, gc=False):
    """Holds how long something took."""

    seconds: float


class Score(Observation, frozen=True, gc=False):
    """Holds the score of an answered survey."""

    score: int


# -- contacts ---------------------------------------------------------------------------------------------------------


class Contact(Observation, frozen=True, gc=False):
    """A customer contacted us."""


class MessageIn(Observation, frozen=True, gc=False):
    """The contact was a message."""


class TicketOpened(Observation, frozen=True, gc=False):
    """The contact opened a ticket."""


class TicketReopened(Observation, frozen=True, gc=False):
    """A contact or an agent took up a solved ticket again."""


class RepeatContact(Observation, frozen=True, gc=False):
    """The contact was about a reason of the last days."""


class ArticleRead(Observation, frozen=True, gc=False):
    """A customer viewed a help article."""


class Ordered(Observation, frozen=True, gc=False):
    """A customer placed an order."""


class Deflected(Observation, frozen=True, gc=False):
    """The customer said that self-service helped."""


class OfferEnded(Observation, frozen=True, gc=False):
    """An offer of the ticket to an agent ended, or was answered when it had."""

    outcome: str


class TagSuggestionSeen(Observation, frozen=True, gc=False):
    """A suggestion of a tag came."""

    outcome: str
    language: str


class TagApplied(Observation, frozen=True, gc=False):
    """A why-tag was put on a ticket."""

    tag: str
    quadrant: str
    owner_team: str


# -- answers ----------------------------------------------------------------------------------------------------------


class Acknowledged(Observation, frozen=True, gc=False):
    """We acknowledged a contact by ourselves."""


class Untranslated(Observation, frozen=True, gc=False):
    """An acknowledgement had no text in the language wanted, and went out in another, or in general words."""

    language: str
    locale: str
    template: str


class Suppressed(Observation, frozen=True, gc=False):
    """A guard kept us from acknowledging a contact, for this reason."""

    reason: str


class Replied(Observation, frozen=True, gc=False):
    """A person answered the customer publicly."""


class FirstResponse(Duration, frozen=True, gc=False):
    """A person answered a ticket for the first time, so long after it was opened."""

    within_target: bool


class FirstResponseWithdrawn(FirstResponse, frozen=True, gc=False):
    """A first response is none any more: one from before it has arrived."""


class FirstResponseRestated(FirstResponse, frozen=True, gc=False):
    """The first response that takes the place of the one withdrawn."""


class NextResponse(Duration, frozen=True, gc=False):
    """A person answered a customer who has waited so long for a further answer."""


class NextResponseWithdrawn(NextResponse, frozen=True, gc=False):
    """A next response is none any more: one from before it has arrived."""


class NextResponseRestated(NextResponse, frozen=True, gc=False):
    """The next response that takes the place of the one withdrawn."""


class Solved(Duration, frozen=True, gc=False):
    """A ticket was solved, so long after it was opened."""


class RequesterWaited(Duration, frozen=True, gc=False):
    """The customer had waited for us so long in all when the ticket was solved."""


# -- clocks -----------------------------------------------------------------------------------------------------------


class ClockObservation(Observation, frozen=True, gc=False):
    """Holds the clock as it was then; `team` is the one that the moment is charged to."""

    clock: Clock
    team: str


class ClockMet(ClockObservation, frozen=True, gc=False):
    """A clock was fulfilled within its target."""


class ClockBreached(ClockObservation, frozen=True, gc=False):
    """A deadline has passed."""


class ClockAtRisk(ClockObservation, frozen=True, gc=False):
    """A clock warned; `clock.risk` is the percentage of its target that has passed."""


class BreachWithdrawn(ClockObservation, frozen=True, gc=False):
    """An answer from before a deadline came after its breach."""


# -- promises ---------------------------------------------------------------------------------------------------------


class PromiseKept(Observation, frozen=True, gc=False):
    """A person answered by the time that an acknowledgement had promised."""


class PromiseBroken(Observation, frozen=True, gc=False):
    """The time that an acknowledgement had promised passed without an answer."""


class PromiseCorrected(Observation, frozen=True, gc=False):
    """A broken promise was kept after all: the answer from before its time arrived late."""


# -- calls and chats --------------------------------------------------------------------------------------------------


class ConversationAnswered(Duration, frozen=True, gc=False):
    """A person took a call or chat, for which the customer had waited so long."""


class ConversationAbandoned(Duration, frozen=True, gc=False):
    """The customer gave up a call or chat, after so long."""


class ConversationHandled(Duration, frozen=True, gc=False):
    """A call or chat is over, which a person had so long."""


class TicketTransferred(Observation, frozen=True, gc=False):
    """A ticket was transferred."""


# -- resolutions and surveys ------------------------------------------------------------------------------------------


class FcrKept(Observation, frozen=True, gc=False):
    """An episode was solved in one answer, and that held; at the end of its days."""


class FcrLost(Observation, frozen=True, gc=False):
    """An episode was no first contact resolution; at the moment that falsified it."""


class FcrCorrected(Observation, frozen=True, gc=False):
    """Late evidence: an episode that was kept at that time is lost after all."""


class SurveyInvited(Observation, frozen=True, gc=False):
    """A customer was invited to a survey: the denominator of the response rate."""


class FirstSurveyAnswer(Observation, frozen=True, gc=False):
    """A person answered a survey for the first time."""


class InvitationAnswered(Observation, frozen=True, gc=False):
    """... who had been invited: the numerator of the response rate."""


class CsatGiven(Score, frozen=True, gc=False):
    """A person rated their satisfaction."""


class CsatWithdrawn(Score, frozen=True, gc=False):
    """Another answer replaces this score; at the time of the answer that gave it."""


class CesGiven(Score, frozen=True, gc=False):
    """A person rated how much effort it was."""


class CesWithdrawn(Score, frozen=True, gc=False):
    """Another answer replaces this score; at the time of the answer that gave it."""


class FollowUpOpened(Observation, frozen=True, gc=False):
    """A low score asks for somebody to look after it."""


class FollowUpDone(Duration, frozen=True, gc=False):
    """A person has looked after a low score, so long after it was opened."""


# -- rules that act ----------------------------------------------------------------------------------------------------


class RuleActed(Observation, frozen=True, gc=False):
    """A rule of `automations.yaml` did something, or had it withheld for this reason."""

    rule: str
    action: str
    outcome: str
    reason: str


# -- the backlog ------------------------------------------------------------------------------------------------------


class BacklogEntered(Observation, frozen=True, gc=False):
    """A ticket began to be open under its dimensions."""


class BacklogLeft(Observation, frozen=True, gc=False):
    """A ticket ceased to be open under its dimensions."""

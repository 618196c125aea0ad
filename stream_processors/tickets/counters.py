"""Adds what the steps observed to the counters that Prometheus reads.

An instance of a clock is met once; a breach counts when it is written, and is taken back under the labels that it had.
What belongs to imported history counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from schemas.events import CHANNELS, LOCALES
from schemas.service_metrics import ServiceMetric
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.processor import Count
from stream_processors.tickets import observations as seen
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.gauges import bounded_channel
from stream_processors.tickets.observations import ClockObservation, Observation

__all__ = ["series", "step"]

_SCORES = "12345"


def series(rules: Rules) -> Iterator[tuple[ServiceMetric, tuple[str, ...]]]:
    """Yields the labels with which what these rules measure begins at 0: the fallback team's, of normal priority.

    Others begin with their first event, which the alert rules count in full. Without these, a dashboard has no data, and an
    alert no series, until something happened.
    """
    team, brand = rules.teams.fallback, rules.brands.slug_of("")
    for policy in rules.policies.policies:
        for channel in sorted(policy.when.get("channel", CHANNELS)):
            for clock in policy.targets:
                for metric in (ServiceMetric.SLA_MET, ServiceMetric.SLA_BREACHED, ServiceMetric.SLA_CORRECTED):
                    yield metric, (clock, policy.name, channel, team, "normal")
    for channel in CHANNELS:
        yield ServiceMetric.FIRST_RESPONSE_SECONDS, (channel, team)
        yield ServiceMetric.BRANDS_UNKNOWN, (channel,)
        yield ServiceMetric.ACKNOWLEDGEMENTS, (channel, "sent", "")
        for outcome in ("kept", "broken", "corrected"):
            yield ServiceMetric.PROMISES, (outcome, channel, team, brand)
    for channel in sorted(rules.surveys.channels):
        for score in _SCORES:
            yield ServiceMetric.CSAT_ANSWERS, (channel, team, score)
    for outcome in ("tagged", "shown"):
        for language in LOCALES:
            yield ServiceMetric.TAG_SUGGESTIONS, (outcome, language)
    acts = dict.fromkeys((rule.name, action.kind) for rule in rules.automations.rules for action in rule.actions)
    yield from ((ServiceMetric.AUTOMATIONS, (*each, "done", "")) for each in acts)
    for tag in rules.taxonomy.tags.values():
        yield ServiceMetric.TAGS_APPLIED, (tag.slug, tag.quadrant, tag.owner)


def step(context: FoldContext) -> FoldContext:
    """Counts what was observed, in no particular order."""
    counts = []
    for observation in context.observed:
        if (counted := _COUNTS.get(type(observation))) is not None and _is_live(context, observation):
            counts.append(counted(context, observation))
    if (brand := getattr(context.event, "brand", "")) and brand not in context.rules.brands:
        counts.append(Count(ServiceMetric.BRANDS_UNKNOWN, (bounded_channel(context.event.channel),)))
    return context.replace(counts=tuple(counts)) if counts else context


def _is_live(context: FoldContext, observation: Observation) -> bool:
    """Returns false for what belongs to history.

    What comes of a clock that runs since before this event belongs to history if its ticket did so; everything else, if the
    ticket still does when the event is folded.
    """
    ticket = context.ticket
    if isinstance(observation, ClockObservation):
        then, clock = observation.ticket, observation.clock
        assert then is not None
        was = context.before.ticket(then.number)
        if was is not None and any(
            (each.episode, each.name, each.instance) == (clock.episode, clock.name, clock.instance)
            for each in was.clocks
        ):
            return not was.imported
        ticket = ticket if ticket is not None and ticket.number == then.number else then
    return not (context.event.imported if ticket is None else ticket.imported)


def _place(context: FoldContext, observation: Observation) -> tuple[str, str]:
    ticket = observation.ticket
    if ticket is None:
        return bounded_channel(context.event.channel), ""
    return bounded_channel(ticket.channel), ticket.team


def _clock(metric: ServiceMetric) -> Callable[[FoldContext, ClockObservation], Count]:
    def count(context: FoldContext, observation: ClockObservation) -> Count:
        clock, ticket = observation.clock, observation.ticket
        assert ticket is not None
        channel = bounded_channel(ticket.channel)
        return Count(metric, (clock.name, clock.terms.policy, channel, observation.team, ticket.priority))

    return count


def _first_response(context: FoldContext, observation: seen.FirstResponse) -> Count:
    return Count(ServiceMetric.FIRST_RESPONSE_SECONDS, _place(context, observation), observation.seconds)


def _csat(context: FoldContext, observation: seen.CsatGiven) -> Count:
    return Count(ServiceMetric.CSAT_ANSWERS, (*_place(context, observation), str(observation.score)))


def _promise(outcome: str) -> Callable[[FoldContext, Observation], Count]:
    def count(context: FoldContext, observation: Observation) -> Count:
        ticket = observation.ticket
        assert ticket is not None and ticket.promise is not None
        channel = bounded_channel(ticket.promise.channel)
        return Count(ServiceMetric.PROMISES, (outcome, channel, ticket.team, ticket.brand))

    return count


def _offer(context: FoldContext, observation: seen.OfferEnded) -> Count:
    channel, team = _place(context, observation)
    return Count(ServiceMetric.OFFERS, (observation.outcome, team, channel))


def _tag(context: FoldContext, observation: seen.TagApplied) -> Count:
    return Count(ServiceMetric.TAGS_APPLIED, (observation.tag, observation.quadrant, observation.owner_team))


def _suggestion(context: FoldContext, observation: seen.TagSuggestionSeen) -> Count:
    language = observation.language if observation.language in LOCALES else ""
    return Count(ServiceMetric.TAG_SUGGESTIONS, (observation.outcome, language))


def _acknowledged(context: FoldContext, observation: seen.Acknowledged) -> Count:
    return Count(ServiceMetric.ACKNOWLEDGEMENTS, (_place(context, observation)[0], "sent", ""))


def _untranslated(context: FoldContext, observation: seen.Untranslated) -> Count:
    labels = observation.language, observation.locale, observation.template
    return Count(ServiceMetric.UNTRANSLATED, labels)


def _suppressed(context: FoldContext, observation: seen.Suppressed) -> Count:
    return Count(ServiceMetric.ACKNOWLEDGEMENTS, (_place(context, observation)[0], "suppressed", observation.reason))


def _acted(context: FoldContext, observation: seen.RuleActed) -> Count:
    labels = observation.rule, observation.action, observation.outcome, observation.reason
    return Count(ServiceMetric.AUTOMATIONS, labels)


#: Kind of observation → what it adds to a counter.
_COUNTS: dict[type[Observation], Callable[[FoldContext, Any], Count]] = {
    seen.ClockMet: _clock(ServiceMetric.SLA_MET),
    seen.ClockBreached: _clock(ServiceMetric.SLA_BREACHED),
    seen.BreachWithdrawn: _clock(ServiceMetric.SLA_CORRECTED),
    seen.FirstResponse: _first_response,
    seen.CsatGiven: _csat,
    seen.PromiseKept: _promise("kept"),
    seen.PromiseBroken: _promise("broken"),
    seen.PromiseCorrected: _promise("corrected"),
    seen.TagApplied: _tag,
    seen.TagSuggestionSeen: _suggestion,
    seen.Acknowledged: _acknowledged,
    seen.Suppressed: _suppressed,
    seen.Untranslated: _untranslated,
    seen.RuleActed: _acted,
    seen.OfferEnded: _offer,
}

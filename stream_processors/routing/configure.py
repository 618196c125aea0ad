"""Reads the configuration of a team and its agents from events."""

from __future__ import annotations

from math import isfinite

from schemas.events import AgentProfile, RosterChanged, TeamConfigured
from stream_processors.routing.state import ORDER, Configuration, Profile, bounded_seconds

__all__ = ["configuration_of", "configured_profiles", "merged"]


def configuration_of(event: TeamConfigured) -> Configuration:
    """Returns the configuration of a team; of a team that the rules name no more only who gets what waits there."""
    if not event.active:
        return Configuration.of_gone(event.number, event.content, event.fallback)
    order = tuple(dict.fromkeys(each for each in event.order if each in ORDER))
    return Configuration(
        number=event.number,
        content=event.content,
        fallback=event.fallback,
        limits=event.limits,
        weights=_finite(event.weights),
        overflow_seconds=_bounded(event.overflow_seconds),
        affinity_seconds=_bounded(event.affinity_seconds),
        silent_seconds=_bounded(event.silent_seconds),
        order=(*order, *(each for each in ORDER if each not in order)) if order else (),
        give_back_percent=min(100, max(0, event.give_back_percent)),
        accept_seconds={channel: seconds for channel, seconds in _bounded(event.accept_seconds).items() if seconds},
    )


def configured_profiles(event: TeamConfigured) -> dict[str, Profile]:
    """Returns the profiles of the agents that a configuration names."""
    return {each.agent_id: _profile(each) for each in event.agents} if event.active else {}


def merged(known: Profile | None, event: RosterChanged) -> Profile:
    """Returns what roster events say of an agent: what this one leaves out stays as it was known."""
    said, known = _profile(event), known or Profile()
    return Profile(
        said.capacity or known.capacity,
        said.weights or known.weights,
        said.languages or known.languages,
        said.skills or known.skills,
    )


def _profile(said: AgentProfile | RosterChanged) -> Profile:
    return Profile(said.capacity, _finite(said.weights), tuple(said.languages), tuple(said.skills))


def _finite(weights: dict[str, float]) -> dict[str, float]:
    """Leaves out what is no number: it would not even be equal to itself."""
    return {channel: weight for channel, weight in weights.items() if isfinite(weight)}


def _bounded(values: dict[str, int]) -> dict[str, int]:
    return {channel: bounded_seconds(seconds) for channel, seconds in values.items()}

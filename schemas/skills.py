"""Writes skills with levels as the router compares them: as names, of which a lower one is included in a higher one.

An agent of level 3 has `refunds`, `refunds.2` and `refunds.3`; a ticket that asks for level 2 asks for `refunds.2`.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["HIGHEST_LEVEL", "asked", "levels_of"]

#: The highest level of a skill.
HIGHEST_LEVEL = 9


def asked(skills: Mapping[str, int]) -> list[str]:
    """Returns what a ticket asks for, sorted."""
    return sorted(_named(skill, level) for skill, level in skills.items())


def levels_of(skills: Mapping[str, int]) -> list[str]:
    """Returns all that an agent with these skills can do, sorted."""
    return sorted(_named(skill, each) for skill, level in skills.items() for each in range(1, level + 1))


def _named(skill: str, level: int) -> str:
    return skill if level == 1 else f"{skill}.{level}"

"""Registers the policies that every built set of manifests keeps.

A policy takes the documents and yields the breaches, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.support.deploy.manifests import Doc

Documents = tuple[Doc, ...]
Policy = Callable[[Documents], Iterable[str]]
POLICIES: dict[str, Policy] = {}


def policy(function: Policy) -> Policy:
    """Registers a policy under its name."""
    POLICIES[function.__name__] = function
    return function

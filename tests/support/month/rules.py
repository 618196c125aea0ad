"""The rules of the simulated month: those that ship, with policies that use every clock and two calendars."""

from __future__ import annotations

from pathlib import Path

from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules

POLICIES = Path(__file__).parent / "policies.yaml"


def month_rules() -> Rules:
    return ruleset.of_files(month_files(), "support.example")


def month_files() -> dict[str, bytes]:
    files = dict(ruleset.read_files(ruleset.SHIPPED))
    shipped = files["policies.yaml"].decode()
    head = shipped[: shipped.index("\npolicies:")]
    files["policies.yaml"] = (head + "\n" + POLICIES.read_text()).encode()
    return files

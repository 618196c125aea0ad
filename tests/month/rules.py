"""The rules of the simulated month: those that ship, with policies that use every clock and two calendars."""

from __future__ import annotations

from pathlib import Path

from stream_processors import rules
from stream_processors.rules import Rules

POLICIES = Path(__file__).parent / "policies.yaml"


def month_rules() -> Rules:
    files = dict(rules.read_files(rules.SHIPPED))
    shipped = files["policies.yaml"].decode()
    head = shipped[: shipped.index("\npolicies:")]
    files["policies.yaml"] = (head + "\n" + POLICIES.read_text()).encode()
    return rules.of_files(files, "support.example")

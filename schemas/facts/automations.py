"""Facts of rules that act by themselves."""

from __future__ import annotations

from schemas.facts.base import Fact


class AutomationFact(Fact, frozen=True, kw_only=True):
    """One action of a rule of `automations.yaml` that fired, done or withheld. Id: `firing_id`.

    trigger     `opened reopened tag tier at_risk breach in_status status score spike`
    situation   what made it fire; a rule fires once for each situation of a ticket
    action      `set_priority add_tag transfer assign answer survey mail chat webhook`, and what it was to be: `target`
    outcome     `done withheld`; `reason` says why it was withheld
    why         says to people why it fired
    text        of a notification: what it says
    depth       how many automatic hops led here
    """

    firing_id: str
    ticket_id: str
    rule: str
    trigger: str
    situation: str
    action: str
    outcome: str
    target: str = ""
    reason: str = ""
    why: str = ""
    text: str = ""
    team: str = ""
    channel: str = ""
    brand: str = ""
    depth: int = 0
    rules_version: str = ""

"""What the fold of tickets asks the one that sees the whole desk to tell people."""

from __future__ import annotations

from schemas.events.base import Event


class NotificationRequested(Event, frozen=True, kw_only=True):
    """A rule of `automations.yaml` notifies somebody; written to `tag-counts`, where the limits of the whole desk are kept.

    event_id    the id of the firing
    way, target `mail` and an address, or `chat` or `webhook` and the name that subscriptions of webhooks give
    situation   what made the rule fire; `why` says it to people
    per_hour    so many notifications of this rule, way and target are sent in an hour
    partition, version, place   where in `contact-events` the record stands that made it fire, and which of its notifications it is
    """

    ticket_id: str
    rule: str
    trigger: str
    situation: str
    way: str
    target: str
    why: str = ""
    subject: str = ""
    text: str = ""
    team: str = ""
    brand: str = ""
    per_hour: int = 0
    rules_version: str = ""
    partition: int = 0
    version: int = -1
    place: int = 0

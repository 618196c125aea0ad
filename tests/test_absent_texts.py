"""What is not there: a text is '', a number 0 and a flag False in records, states and values, but where it is said here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import pytest

PACKAGES = ("schemas", "producers", "stream_processors", "sinks")
#: Texts that are something when nobody says otherwise, by field.
WORDS = {
    "application/octet-stream": {"Attachment.media_type"},
    "application/json": {"Answer.media_type"},
    "normal": {"RoutingUpdate.priority", "QueueEntry.priority", "Ticket.priority"},
    "new": {"Ticket.status", "Case.status"},
    "offline": {"Agent.status"},
    "taxonomy": {"TagFact.origin"},
    "en": {"SurveyLink.locale", "Case.language"},
    "delete": {"Topic.cleanup"},
    "chat": {"Rules.source"},
    "form": {"ChatConversation.phase"},
    "closed": {"ChatConversation.outcome"},
    "asked": {"HandOver.reason"},
    "auto": {"Command.format"},
    "events": {"Report.unit"},
    "email": {"Case.channel"},
    "INBOX": {"Account.folder"},
    "open": {"Promise.outcome", "TicketOffer.outcome"},
    "support": {"Brand.mailbox"},
    "login": {"Account.auth"},
    "beginning": {"Subscription.start"},
    "none": {
        f"{kind}.verified"
        for kind in [
            "ArticleViewed",
            "BotAnswered",
            "CallAnswered",
            "CallEnded",
            "CallStarted",
            "ChatConversation",
            "ChatEnded",
            "ConsentChanged",
            "MessageReceived",
            "OrderChanged",
            "OrderPlaced",
            "SurveyAnswered",
            "TicketRequest",
            "TranscriptRequested",
        ]
    },
}

#: Flags that are set, and numbers of states, events and facts that are not 0, when nobody says otherwise.
SET = {
    *("FollowChanged.on", "RosterChanged.active", "TeamConfigured.active"),
    *("AgentReplied.public", "TagFact.active", "Ended.survey", "WebhookEndpoint.keep"),
    *("Shop.agents", "Subscription.enabled", "Typing.on", "Body.wants_pages", "Evidence.proven"),
}
COUNTED = {
    -1: {"NotificationRequested.version", "Notified.offset", "RoutingUpdate.version", "TagsCounted.version", "Desk.offset", "TagState.offset"} | {f"{kind}.offset" for kind in ("Held", "Queue", "QueueEntry", "ReadLog", "Team", "Waiting", "State", "Customer", "Pane")},
    1: {"Automated.episode", "Customer.next_number", "Clock.episode", "Clock.sequence", "NextResponseTotals.count", "Ticket.episode", "DeliveryFact.attempts", "Count.value", "SpikeFact.dispersion", "Day.dispersion"},
}  # fmt: skip


def classes(package: str) -> Iterator[type]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            yield from (
                each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == found.name
            )


def defaults(kind: type) -> dict[str, Any]:
    if issubclass(kind, msgspec.Struct):
        names, values = kind.__struct_fields__, kind.__struct_defaults__
        return dict(zip(names[len(names) - len(values) :], values, strict=True))
    if is_dataclass(kind):
        return {field.name: field.default for field in fields(kind)}
    return getattr(kind, "_field_defaults", {})


@pytest.mark.parametrize("package", PACKAGES)
def test_a_text_that_is_not_there_is_empty(package):
    found = {
        (f"{kind.__name__}.{name}", default)
        for kind in classes(package)
        for name, default in defaults(kind).items()
        if isinstance(default, str)
    }
    assert found
    allowed = {(field, word) for word, names in WORDS.items() for field in names}
    assert {(field, default) for field, default in found if default} <= allowed


@pytest.mark.parametrize("package", PACKAGES)
def test_a_flag_that_is_not_there_is_not_set(package):
    found = {
        f"{kind.__name__}.{name}": defaults(kind)[name]
        for kind in classes(package)
        for name, annotation in getattr(kind, "__annotations__", {}).items()
        if annotation in (bool, "bool") and name in defaults(kind)
    }
    known = {name: default for name, default in found.items() if isinstance(default, bool | None)}
    assert None not in known.values()
    assert {name for name, default in known.items() if default} <= SET


@pytest.mark.parametrize("package", ["schemas.events", "schemas.facts", "stream_processors"])
def test_a_number_that_is_not_there_is_zero(package):
    found = {
        (f"{kind.__name__}.{name}", default)
        for kind in classes(package)
        if issubclass(kind, msgspec.Struct)
        for name, default in defaults(kind).items()
        if isinstance(default, int | float) and not isinstance(default, bool)
    }
    assert found
    allowed = {(name, number) for number, names in COUNTED.items() for name in names}
    assert {(name, default) for name, default in found if default} <= allowed

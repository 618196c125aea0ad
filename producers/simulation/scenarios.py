"""Holds why customers write in the simulation, how often, and in which words.

The words are in `texts/<language>.yaml`, one file per language, so that a translator edits one file. The order of
languages, scenarios and texts decides what a seed plays: another order is another day.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from producers.simulation.people import LANGUAGES

__all__ = [
    "ANGER",
    "ANSWERS",
    "CHASERS",
    "CLOSINGS",
    "COMMENTS",
    "DETAILS",
    "GREETINGS",
    "INCIDENT",
    "REPLIES",
    "SCENARIOS",
    "THANKS",
    "Scenario",
    "Wording",
]


@dataclass(frozen=True, slots=True)
class Wording:
    """Holds the texts of one situation in one language. They have the slots that the YAML files name."""

    subject: str
    long: tuple[str, ...]
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Describes one reason to write. `weight` is its share among all contacts, `mood` how likely the writer is angry, 0 to 1."""

    name: str
    weight: float
    mood: float
    wordings: dict[str, Wording]


def _read(language: str) -> dict[str, Any]:
    written = (Path(__file__).parent / "texts" / f"{language}.yaml").read_text("utf-8")
    texts: dict[str, Any] = yaml.load(written, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return texts


_TEXTS = {language: _read(language) for language in LANGUAGES}


def _wordings(scenario: str) -> dict[str, Wording]:
    return {
        language: Wording(texts["subject"], tuple(texts["long"]), tuple(texts["short"]))
        for language, texts in ((language, _TEXTS[language]["scenarios"][scenario]) for language in LANGUAGES)
    }


def _lines(name: str) -> dict[str, tuple[str, ...]]:
    return {language: tuple(texts[name]) for language, texts in _TEXTS.items()}


def _pairs(name: str, first: str, second: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {language: (tuple(texts[name][first]), tuple(texts[name][second])) for language, texts in _TEXTS.items()}


#: Scenario, weight, mood.
_WEIGHTS: tuple[tuple[str, float, float], ...] = (
    ("order_status", 14, 0.05),
    ("carrier_delay", 9, 0.3),
    ("marked_delivered", 5, 0.4),
    ("damaged_on_arrival", 7, 0.35),
    ("defective", 6, 0.3),
    ("wrong_item", 5, 0.25),
    ("refund_late", 6, 0.4),
    ("how_to_return", 7, 0.02),
    ("card_declined", 6, 0.15),
    ("charged_twice", 4, 0.5),
    ("invoice", 5, 0.02),
    ("cancel_order", 5, 0.05),
    ("change_address", 4, 0.02),
    ("cannot_log_in", 5, 0.15),
    ("verification_code", 3, 0.1),
    ("code_fails", 5, 0.15),
    ("sizing", 4, 0.0),
    ("back_in_stock", 4, 0.0),
    ("international", 3, 0.0),
    ("praise", 3, 0.0),
)
SCENARIOS = tuple(Scenario(name, weight, mood, _wordings(name)) for name, weight, mood in _WEIGHTS)
#: The incident of the day uses this one.
INCIDENT = "carrier_delay"

ANGER = _lines("anger")
CHASERS = _lines("chasers")
DETAILS = _lines("details")
ANSWERS = _lines("answers")
THANKS = _lines("thanks")
GREETINGS = _lines("greetings")
CLOSINGS = _lines("closings")
#: Language → what agents write first, and when they are done.
REPLIES = _pairs("replies", "first", "done")
#: Language → comments in surveys of people who are content, and of people who are not.
COMMENTS = _pairs("comments", "content", "discontent")

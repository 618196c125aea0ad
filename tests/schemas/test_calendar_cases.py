"""Business calendars by hand: the cases of `calendar_cases/`, one test each.

A file is a topic with its `calendars` (as in `calendars.yaml`) and cases, each with its arithmetic in `why` and one question:

    between: NAME T T     working time between two instants          → a length (`2h30m`, `-2h`)
    add: NAME T LENGTH    when so much work will have passed         → an instant, or `never`
    back: NAME T LENGTH   since when so much work has passed until T → an instant, or `never`
    open: NAME T          whether it is open                         → yes, no
    opens: NAME T         when it opens                              → an instant, or `never`
    spans: NAME T T       the pieces of working time                 → a list of `T T`

Instants are on the wall of the calendar's zone (`2026-10-25T01:30`; `…/2` is the second of two equal times), or `…Z`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from schemas.calendars import Calendar, NeverOpen
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from tests.support.each import each
from tests.support.tickets.clock_case import seconds

FOLDER = Path(__file__).parent / "calendar_cases"
QUESTIONS = ("between", "add", "back", "open", "opens", "spans")


class Case(NamedTuple):
    file: str
    says: str
    given: dict[str, Any]


def cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for given in yaml.safe_load(path.read_text("utf-8"))["cases"]:
            assert given.keys() - set(QUESTIONS) == {"says", "why", "is"}, f"{path.name}: {given}"
            assert given["why"], f"{path.name}: {given['says']}: where is the arithmetic?"
            yield Case(path.stem, given["says"], given)


CASES = list(cases())


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Calendars]:
    """By topic."""
    found = {}
    for path in FOLDER.glob("*.yaml"):
        file = tmp_path_factory.mktemp(path.stem) / "calendars.yaml"
        file.write_text(yaml.safe_dump({"calendars": yaml.safe_load(path.read_text("utf-8"))["calendars"]}))
        found[path.stem] = Calendars.load(file)
    return found


def instant(text: str, calendar: Calendar) -> int:
    text, _, second = text.partition("/")
    zone = UTC if text.endswith("Z") else calendar.zone
    moment = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=zone, fold=1 if second else 0)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * MICROS + moment.microsecond


def micros(text: Any) -> int:
    return round(seconds(text) * MICROS)


def shown(micros: int) -> str:
    return datetime.fromtimestamp(micros / MICROS, UTC).isoformat()


def wrong(question: str, asked: str, expected: Any, calendars: Calendars) -> str:
    """What is otherwise than expected; '' if nothing is."""
    name, first, *rest = asked.split()
    calendar = calendars[name]
    at = instant(first, calendar)
    match question:
        case "between":
            found = calendar.business_micros(at, instant(rest[0], calendar))
            assert calendar.business_seconds(at, instant(rest[0], calendar)) == found / MICROS
            return "" if found == micros(expected) else f"{found / MICROS} s"
        case "open":
            return "" if calendar.is_open(at) is expected else "no" if expected else "yes"
        case "spans":
            pieces = [tuple(instant(each, calendar) for each in piece.split()) for piece in expected]
            spans = list(calendar.spans(at, instant(rest[0], calendar)))
            return "" if spans == pieces else str([tuple(map(shown, each)) for each in spans])
    try:
        if question == "opens":
            found = calendar.opens_at(at)
        else:
            found = (calendar.add_business if question == "add" else calendar.subtract_business)(at, micros(rest[0]))
    except NeverOpen:
        return "" if expected == "never" else "never"
    return "" if expected != "never" and found == instant(str(expected), calendar) else shown(found)


@each("case", CASES)
def test_the_calendar_says(case: Case, calendars: dict[str, Calendars]) -> None:
    [question] = case.given.keys() & set(QUESTIONS)
    found = wrong(question, case.given[question], case.given["is"], calendars[case.file])
    assert not found, f"{question} {case.given[question]} is {case.given['is']}, not {found}: {case.given['why']}"


def test_no_two_questions_are_the_same() -> None:
    asked = [str({**case.given, "says": "", "why": ""}) + case.file for case in CASES]
    assert len(asked) == len(set(asked)) >= 120

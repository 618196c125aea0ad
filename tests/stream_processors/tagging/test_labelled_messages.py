"""The shipped rules on labelled messages of all reasons and languages."""

from __future__ import annotations

import pytest

from schemas.events import LOCALES
from stream_processors.rules import ruleset
from stream_processors.tagging.scores import Result, by_language, score
from tests.support.tagging.labelled_messages import labelled_messages

TAXONOMY = ruleset.load().taxonomy


@pytest.fixture(scope="module")
def results() -> dict[str, list[Result]]:
    return by_language((each, [match.slug for match in TAXONOMY.tag(each.text)]) for each in labelled_messages())


def test_the_labelled_messages_are_2000_of_every_reason(results: dict[str, list[Result]]) -> None:
    labelled = [each for of_language in results.values() for each, _ in of_language]
    assert len(labelled) >= 2000
    assert {each.reason for each in labelled if each.accepted} == set(TAXONOMY.tags)


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("language", LOCALES)
def test_the_rules_find_why_customers_write(language: str, most: int, results: dict[str, list[Result]]) -> None:
    scores = score(results[language], most)
    assert scores.macro_f1 >= 0.85
    assert scores.untagged <= 0.2


@pytest.mark.parametrize("language", LOCALES)
def test_small_talk_gets_no_tag(language: str, results: dict[str, list[Result]]) -> None:
    assert [(each.text, tags) for each, tags in results[language] if not each.accepted and tags] == []

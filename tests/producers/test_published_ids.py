"""Which event ids count as published already."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from producers.publishing import published_ids
from producers.publishing.published_ids import PublishedIds
from producers.publishing.receipts import Outcome, Receipt


def test_an_id_belongs_to_the_first_that_claims_it() -> None:
    ids, first, second = PublishedIds(), Future[Receipt](), Future[Receipt]()
    assert ids.claim("a", first) is None
    assert ids.claim("a", first) is None
    assert ids.claim("a", second) is first
    ids.release("a", published=False)
    assert ids.claim("a", second) is None


def test_a_published_id_has_its_receipt_at_once() -> None:
    ids = PublishedIds()
    assert ids.claim("a", Future()) is None
    ids.release("a", published=True)
    twin = ids.claim("a", Future())
    assert twin is not None
    assert twin.result(0) == Receipt(Outcome.PUBLISHED, "a")
    ids.remember("b")
    assert ids.claim("b", Future()) is not None
    assert ids.claim("c", Future()) is None


def test_the_ids_that_nobody_asked_for_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_ids, "REMEMBERED_IDS", 2)
    ids = PublishedIds()
    for name in ("a", "b"):
        ids.remember(name)
    assert ids.claim("a", Future()) is not None  # so `b` is the oldest
    ids.remember("c")
    assert [ids.claim(name, Future()) is None for name in "abc"] == [False, True, False]

"""The views for the authors of the help centre, over a handful of facts, against numbers counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import facts
from tests.support.sinks.deployment import Ask
from tests.support.sinks.examples import example

pytestmark = pytest.mark.stack
HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = 1_772_409_600_000_000  # 2026-03-02T00:00:00Z
ANN, BOB, CAT, SHELF = (each * 12 for each in "ABCS")


def happened(number: int, hours: float, who: str, detail: str, text: str = "", **fields: Any) -> facts.ContactFact:
    at = NOW + int(hours * HOUR)
    given = {"kind": "article_viewed", "language": "en", "subject": "", "imported": False} | fields
    own = {"event_id": f"e{number}", "at": at, "customer_tag": who, "detail": detail, "text": text}
    return example(facts.ContactFact, number, **own | given)


def test_articles_and_searches_are_counted_for_their_authors(insert: Any, ask: Ask) -> None:
    insert(
        happened(1, 1, ANN, "Refund", "searched"), happened(2, 1.1, ANN, "stores"), happened(3, 1.2, ANN, "stores", "helped"),
        happened(4, 2, BOB, "refund ", "searched"), happened(5, 2.1, BOB, "stores"), happened(6, 2.2, BOB, "stores"),
        happened(7, 2.3, BOB, "stores", "helped"), happened(8, 2.4, BOB, "stores", "not_helped"), happened(9, 2.5, BOB, "stores", "contacted"),
        happened(10, 3, CAT, "tyres", "found_nothing"), happened(11, 3.1, CAT, "tyres", "found_nothing"), happened(12, 3.2, CAT, "", "chat"),
        happened(13, 3, CAT, "stores", language="ja"), happened(14, 28, CAT, "", kind="message_received"),
        *(happened(20 + n, 0, SHELF, slug, "published") for n, slug in enumerate(("stores", "unread"))),
        happened(30, -91 * 24, ANN, "old"), happened(31, 47, ANN, "", kind="order_placed"), happened(32, 1, ANN, "theirs", imported=True),
    )  # fmt: skip
    articles = {(row["article"], row["language"]): row for row in ask("SELECT * FROM help_articles")}
    assert articles.keys() == {("stores", "en"), ("stores", "ja"), ("unread", "en")}
    stores = articles["stores", "en"]
    assert (stores["readers"], stores["readings"], stores["helped"], stores["not_helped"]) == (2, 3, 1, 1)
    assert (stores["contacted_after"], stores["contacted_share"], stores["days_unread"]) == (1, 0.5, 1)
    assert (articles["stores", "ja"]["contacted_after"], bool(articles["stores", "ja"]["is_published"])) == (1, False)
    unread = articles["unread", "en"]
    assert (unread["readers"], unread["helped_share"], unread["last_read_at"], unread["days_unread"]) == (
        0,
        None,
        None,
        None,
    )
    assert unread["is_published"] and stores["is_published"]
    tyres, refund = ask("SELECT * FROM help_searches")
    assert [tyres[name] for name in ("search", "searches", "visitors", "found_nothing", "read_after", "contacted_after")] == [
        "tyres", 2, 1, 2, 1, 1,
    ]  # fmt: skip
    assert [refund[name] for name in ("search", "searches", "visitors", "found_nothing", "read_after", "contacted_after")] == [
        "refund", 2, 2, 0, 2, 1,
    ]  # fmt: skip
    [day] = ask("SELECT customers, contacted_us, said_solved FROM self_service WHERE day = '2026-03-02'")
    assert day == {"customers": 3, "contacted_us": 2, "said_solved": 2}

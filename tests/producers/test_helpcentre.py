"""What a help centre and its bot report, to events, without any server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import helpcentre
from producers.endpoints import helpcentre as module
from producers.text.fields import FieldProblems
from schemas import codec
from schemas.errors import Refused
from schemas.events import ArticleViewed, BotAnswered, MessageReceived

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
ANN = {"email": "Ann@example.org", "name": "Ann Lee"}
ASKED = [
    {"by": "customer", "text": "My card was declined."},
    {"by": "bot", "text": "Have you tried another card?", "failed": True},
    {"by": "customer", "text": "I want to talk to a person."},
]
WHOLE = "Customer: My card was declined.\nBot: Have you tried another card?\nCustomer: I want to talk to a person."


def made(kind: str, **report: Any) -> list[Any]:
    body = {"type": kind, "id": "1", "customer": ANN} | report
    events = list(helpcentre.normalise(json.dumps(body).encode(), now=NOW))
    assert [codec.decode(codec.encode(event)) for event in events] == events
    return events


def turn(failed_before: int = 0, **report: Any) -> list[Any]:
    before = [
        line
        for number in range(failed_before)
        for line in ({"by": "customer", "text": f"q{number}"}, {"by": "bot", "text": f"a{number}", "failed": True})
    ]
    asked = {"conversation_id": "c-7", "question": "And now?", "answer": "Sorry?", "conversation": before}
    return made("bot_turn", **(asked | report))


def problems(kind: str, **report: Any) -> dict[str, str]:
    with pytest.raises(FieldProblems) as caught:
        made(kind, **report)
    return caught.value.fields


def test_an_article_that_was_read_is_recorded_for_its_customer() -> None:
    [view] = made("article_viewed", article_id="returns", language="zh-TW", occurred_at="2026-03-02T17:59:00+08:00")
    assert isinstance(view, ArticleViewed)
    assert (view.article_id, view.results, view.channel) == ("returns", None, "help_centre")
    assert (view.customer_id, view.language) == ("email:ann@example.org", "zh-Hant")
    assert (view.occurred_at, view.received_at) == (NOW - 60_000_000, NOW)


@pytest.mark.parametrize("results", [0, 12])
def test_a_search_has_its_number_of_results_even_none(results: int) -> None:
    [search] = made("searched", query="refund 4111111111111111", results=results)
    assert (search.article_id, search.query, search.results) == ("", "refund ************1111", results)


def test_a_vote_and_the_way_to_a_person_are_reactions() -> None:
    said = [
        ("article_rated", {"article_id": "x", "helped": True}), ("article_rated", {"article_id": "x", "helped": False}),
        ("person_wanted", {"by": "form", "query": "refund"}), ("person_wanted", {"by": "chat", "article_id": "x"}),
    ]  # fmt: skip
    told = [made(kind, **fields)[0] for kind, fields in said]
    assert [(each.article_id, each.query, each.reaction) for each in told] == [
        ("x", "", "helped"), ("x", "", "not_helped"), ("", "refund", "contacted"), ("x", "", "chat"),
    ]  # fmt: skip
    assert problems("person_wanted", by="mail").keys() == {"by"}


@pytest.mark.parametrize(
    ("customer", "customer_id"),
    [
        ({"email": "ann@example.org", "phone": "+81332109876"}, "email:ann@example.org"),
        ({"email": "nonsense", "phone": "+81 3-3210-9876"}, "tel:+81332109876"),
        ({"external_id": "77", "visitor_id": "v-5"}, "external:77"),
        ({"visitor_id": "v-5"}, "chat:v-5"),
    ],
)
def test_a_visitor_is_known_by_the_best_known_identity(customer: dict[str, str], customer_id: str) -> None:
    [view] = made("article_viewed", article_id="x", customer=customer)
    assert view.customer_id == customer_id


def test_a_turn_of_the_bot_is_what_was_asked_and_what_was_said() -> None:
    [answered] = turn(question="How do I return this?", answer="Print the label.", article_id="returns", resolved=True)
    assert isinstance(answered, BotAnswered)
    assert (answered.question, answered.answer, answered.article_id) == (
        "How do I return this?", "Print the label.", "returns",
    )  # fmt: skip
    assert (answered.thread_id, answered.channel, answered.resolved) == ("c-7", "bot", True)


def test_a_bot_that_failed_once_may_go_on() -> None:
    assert [type(event) for event in turn(0, failed=True)] == [BotAnswered]
    assert [type(event) for event in turn(1, failed=False)] == [BotAnswered]


def test_a_bot_that_failed_twice_hands_over_the_conversation() -> None:
    answered, message = turn(1, failed=True)
    assert (type(answered), type(message)) == (BotAnswered, MessageReceived)
    assert message.full_text == "Customer: q0\nBot: a0\nCustomer: And now?\nBot: Sorry?"
    assert (message.text, message.subject, message.thread_id) == ("And now?", "q0", "c-7")
    assert message.fields == {"hand_over": "failed"}


def test_a_conversation_that_goes_on_failing_is_handed_over_once() -> None:
    second, third = turn(1, failed=True, id="2")[1], turn(2, failed=True, id="3")[1]
    assert second.event_id == third.event_id
    elsewhere = turn(1, failed=True, id="2", conversation_id="c-8")[1]
    assert elsewhere.event_id != second.event_id


def test_asking_for_a_person_hands_over_the_whole_conversation() -> None:
    [message] = made("hand_over", conversation_id="c-7", conversation=ASKED, order_number="10023", language="en")
    assert isinstance(message, MessageReceived)
    assert (message.channel, message.thread_id) == ("bot", "c-7")
    assert message.full_text == WHOLE
    assert (message.text, message.subject) == ("I want to talk to a person.", "My card was declined.")
    assert (message.customer_id, message.address, message.customer_name) == (
        "email:ann@example.org", "Ann@example.org", "Ann Lee",
    )  # fmt: skip
    assert (message.order_number, message.language, message.fields) == ("10023", "en", {"hand_over": "asked"})


def test_the_question_known_to_the_bot_wins_over_the_last_words() -> None:
    [message] = made("hand_over", conversation_id="c", conversation=ASKED, question="Why was my card declined?")
    assert (message.text, message.full_text) == ("Why was my card declined?", WHOLE)


def test_a_second_question_is_another_message_and_a_retry_is_not() -> None:
    asked = {"conversation_id": "c-7", "conversation": ASKED}
    first, again, later = (made("hand_over", id=own, **asked)[0].event_id for own in ("1", "1", "2"))
    assert first == again != later


def test_a_very_long_conversation_is_carried_whole() -> None:
    said = [{"by": "customer", "text": "あ" * 10_000}] * 30
    [message] = made("hand_over", conversation_id="c", conversation=said)
    assert message.full_text.count("あ") == 300_000


def test_a_conversation_of_only_the_bot_is_handed_over() -> None:
    [message] = made("hand_over", conversation_id="c", conversation=[{"by": "bot", "text": "Hello?"}], reason="rule")
    assert (message.text, message.full_text) == ("Hello?", "Bot: Hello?")


@pytest.mark.parametrize(
    ("kind", "report", "field"),
    [
        ("article_viewed", {}, "type"),
        ("article_viewed", {"article_id": ""}, "article_id"),
        ("article_viewed", {"article_id": "x", "colour": 1}, "type"),
        ("article_viewed", {"article_id": "x", "customer": {}}, "customer"),
        ("article_viewed", {"article_id": "x", "customer": {"email": 3}}, "customer.email"),
        ("article_viewed", {"article_id": "x", "customer": ANN | {"time_zone": "Mars"}}, "customer.time_zone"),
        ("article_viewed", {"article_id": "x", "occurred_at": "noon"}, "occurred_at"),
        ("searched", {"query": "x"}, "type"),
        ("searched", {"query": "x", "results": -1}, "results"),
        ("hand_over", {"conversation_id": "c", "conversation": []}, "conversation"),
        ("hand_over", {"conversation_id": "c", "conversation": [{"by": "cat", "text": ""}]}, "conversation[0].by"),
        ("nothing", {}, "type"),
    ],
)
def test_what_is_wrong_is_said_by_field(kind: str, report: dict[str, Any], field: str) -> None:
    assert list(problems(kind, **report)) == [field]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        helpcentre.normalise(body, now=NOW)


def test_the_bot_is_told_whether_a_person_takes_over() -> None:
    [centre] = module.ENDPOINTS
    events = centre.normalise(centre.example, NOW, "")
    assert json.loads(centre.answer(centre.example, events).body) == {"received": True, "handed_over": True}
    assert json.loads(centre.answer(centre.example, turn(0)).body) == {"received": True, "handed_over": False}

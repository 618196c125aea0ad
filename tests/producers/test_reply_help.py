"""The signed endpoints that help agents to answer: advice on wording, and prewritten answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from msgspec.structs import replace

from producers.publishing.reply_advice import ReplyAdvice
from schemas import signature
from schemas.errors import Unavailable
from schemas.events import AgentReplied
from schemas.replies import ticket_lookup
from schemas.replies.ticket_lookup import FoundTicket
from schemas.signature import RequestHead, sign_request
from tests.support.producers.signed_site import SECRET_OF, TICKET, Site, reason

CHECK, ANSWERS = "/v1/agents/language-check", "/v1/agents/answers"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, clickhouse_url="http://clickhouse:8123")


def asked(site: Site, key: str = "desk", **fields: str) -> httpx.Response:
    target = f"{ANSWERS}?{urlencode(fields)}"
    header = sign_request(key, SECRET_OF[key], RequestHead("GET", target, ""), b"", int(time.time()))
    return site.request("GET", target, b"", [(signature.HEADER, header)])


def problem(answer: httpx.Response) -> str:
    assert answer.status_code == 422, answer.text
    return " ".join(f"{each['field']} {each['problem']}" for each in answer.json()["problems"])


def found(monkeypatch: pytest.MonkeyPatch, ticket: FoundTicket | None) -> None:
    monkeypatch.setattr(ticket_lookup, "find", lambda url, database, ticket_id: ticket)


def test_a_reply_gets_advice_in_its_language(site: Site) -> None:
    told = site.post(CHECK, {"text": "Hi, unfortunately it broke."}, "desk").json()
    assert told["language"] == "en"
    [advice] = told["advice"]
    assert (advice["kind"], advice["start"], advice["end"], advice["words"]) == ("negative", 4, 17, "unfortunately")
    assert (
        site.post(CHECK, {"text": "尽快回复您。", "language": "zh_CN"}, "desk").json()["advice"][0]["kind"] == "vague"
    )
    assert site.post(CHECK, {"text": "Leider.", "language": "de"}, "desk").json() == {"language": "de", "advice": []}
    assert site.log.events == {}


def test_bodies_and_keys_that_do_not_fit_are_refused(site: Site) -> None:
    assert "text is needed" in problem(site.post(CHECK, {}, "desk"))
    assert "characters" in problem(site.post(CHECK, {"text": "x" * 150_000}, "desk"))
    assert "language must" in problem(site.post(CHECK, {"text": "x", "language": 3}, "desk"))
    assert "txt is not a field" in problem(site.post(CHECK, {"text": "x", "txt": "x"}, "desk"))
    assert f"{'y' * 60} is not a field" in problem(site.post(CHECK, {"text": "x", "y" * 61: "x"}, "desk"))
    assert f"{'y' * 61}" not in problem(site.post(CHECK, {"text": "x", "y" * 61: "x"}, "desk"))
    assert reason(site.post(CHECK, [], "desk")) == (400, "bad_json")
    assert reason(site.post(CHECK, {"text": "x"}, "notes")) == (403, "missing_scope")
    assert reason(asked(site, "shop", tags="orders.cancel", language="en")) == (403, "missing_scope")
    assert reason(site.request("GET", f"{ANSWERS}?language=en")) == (401, "missing_signature")


def test_a_brand_that_nobody_knows_is_refused(site: Site) -> None:
    assert "brand is not a brand" in problem(asked(site, tags="orders.cancel", language="en", brand="zne"))


def test_answers_of_a_ticket_tell_what_may_be_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = FoundTicket(TICKET, ["orders.cancel"], "ja", customer_name="山田", order_number="10023", verified="dkim")
    found(monkeypatch, ticket)
    told = asked(site, ticket_id=TICKET.lower(), agent_name="Mei").json()
    assert (told["language"], told["answers"][0]["id"], told["greeting"]) == ("ja", "cancel-order", "山田 様")
    assert "10023" in told["answers"][0]["text"]
    assert told["next_issues"] != []
    found(
        monkeypatch,
        FoundTicket(TICKET, ["orders.cancel"], "ja", customer_name="山田", order_number="10023", verified="none"),
    )
    stranger = asked(site, ticket_id=TICKET).json()
    assert ("山田" in str(stranger), "10023" in str(stranger)) == (False, False)
    assert asked(site, ticket_id=TICKET, language="en").json()["language"] == "en"


def test_answers_without_a_ticket_need_tags_or_words(site: Site) -> None:
    told = asked(
        site, language="en", tags="orders.cancel", name="Ann", order_number="7", verified="dkim", most="1"
    ).json()
    assert ([each["id"] for each in told["answers"]], told["greeting"]) == (["cancel-order"], "Hello Ann,")
    assert asked(site, language="en", tags="orders.cancel", name="Ann").json()["greeting"] == "Hello,"
    assert asked(site, language="zh-TW", text="要怎麼退貨").json()["answers"][0]["id"] == "how-to-return"


def test_addresses_that_make_no_sense_say_why(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, None)
    cases: dict[str, dict[str, str]] = {
        "tags are needed": {"language": "en"},
        "language is needed": {"tags": "orders.cancel"},
        "language must be": {"language": "fr", "tags": "orders.cancel"},
        "verified must be": {"language": "en", "tags": "orders.cancel", "verified": "yes"},
        "most must be": {"language": "en", "tags": "orders.cancel", "most": "１"},
        "tagz is not a field": {"language": "en", "tagz": "x"},
        "is too long": {"language": "en", "text": "x" * 5000},
        "is not the id": {"ticket_id": "x"},
        "is not known": {"ticket_id": TICKET},
    }
    for said, fields in cases.items():
        assert said in problem(asked(site, **fields)), said


def test_a_ticket_that_cannot_be_looked_up_is_asked_for_again(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: Any) -> None:
        raise Unavailable("ClickHouse does not answer")

    monkeypatch.setattr(ticket_lookup, "find", find)
    assert asked(site, ticket_id=TICKET).status_code == 503
    assert "DESKSTREAM_CLICKHOUSE_URL" in problem(asked(Site(tmp_path), ticket_id=TICKET))


def test_a_public_answer_of_now_is_noted_with_its_kinds_of_advice() -> None:
    advice = ReplyAdvice(None)
    base = {"event_id": "e", "customer_tag": "T", "occurred_at": 0, "received_at": 0}
    answer = AgentReplied(**base, ticket_id="T-1", agent_id="mei", text="Unfortunately we cannot help you. Calm down.")
    assert advice.noted(answer) == replace(answer, advice=["dismissive", "dismissive", "negative"])
    for other in (
        replace(answer, public=False),
        replace(answer, imported=True),
        replace(answer, text="It is on its way."),
    ):
        assert advice.noted(other) is other
    assert advice.noted(replace(answer, text="Fine.", advice=["negative"])).advice == [], "nobody else says it"


def test_nobody_sends_advice_with_an_answer(site: Site) -> None:
    body = {"id": "r", "ticket_id": TICKET, "agent_id": "mei", "text": "Fine.", "advice": ["negative"]}
    assert "advice is not a field" in problem(site.post("/v1/agents/replies", body))

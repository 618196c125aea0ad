"""Signed requests mean what they say: replays with another part, key or place are refused, the very same is harmless."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import signature
from schemas.errors import Refused
from schemas.signature import RequestHead, sign_request
from tests.support.producers.endpoints_agents import BODIES
from tests.support.producers.signed_site import SECRET_OF, TICKET, Site, reason

NOTE = {"id": "n-1", "ticket_id": TICKET, "agent_id": "mei", "text": "Called twice."}
REPLY = {"type": "agent_replied", "id": "r-1", "ticket_id": TICKET, "agent_id": "mei", "text": "Here it is."}
MESSAGE = {"type": "message_received", "id": "m-1", "channel": "chat", "customer_id": "chat:v-5", "text": "Hello?"}
NOTES = "/v1/agents/notes"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- replays --------------------------------------------------------------------------------------------------------


def test_the_very_same_request_again_is_one_event(site: Site) -> None:
    now = time.time()
    told = [site.post(NOTES, NOTE, at=now) for _ in range(3)]
    assert [answer.status_code for answer in told] == [200] * 3
    assert len({answer.text for answer in told}) == 1 and len(site.log.events) == 1


def test_a_request_of_a_kiosk_across_ten_minutes_is_one_contact(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    boundary = (int(time.time()) // 600) * 600
    typed = {"email": "ann@example.org", "message": "The zip is broken"}
    for wall in (boundary - 1, boundary + 200):  # the replay is in the next ten minutes
        monkeypatch.setattr("time.time", lambda wall=wall: float(wall))
        monkeypatch.setattr("schemas.clock.Clock.now", lambda _, wall=wall: int(wall * 1_000_000))
        assert site.post("/v1/kiosk", typed, at=boundary - 1).status_code == 200
    assert len(site.log.events) == 1


@pytest.mark.parametrize("late", [-301, 301, 600, 86_400])
def test_a_replay_beyond_five_minutes_is_refused(site: Site, late: int) -> None:
    answer = site.post(NOTES, NOTE, at=time.time() - late)
    assert reason(answer) == (401, "stale_signature") and "our clock" in answer.json()["detail"]
    assert not site.log.events


@pytest.mark.parametrize("target", ["/v1/agents/replies", "/v1/agents/transfers", "/v1/events", "/v1/help-centre"])
def test_a_note_replayed_at_another_path_is_refused(site: Site, target: str) -> None:
    """The demonstrated attack: the agents' endpoints shared one signature over the body alone."""
    body = {**NOTE, "type": "agent_replied"} if target == "/v1/events" else NOTE
    answer = site.post(target, body, signed=RequestHead("POST", NOTES))
    assert reason(answer) == (401, "bad_signature") and not site.log.events


def test_a_replay_with_another_idempotency_key_is_refused(site: Site) -> None:
    note = {name: value for name, value in NOTE.items() if name != "id"}
    assert site.post(NOTES, note, idempotency_key="k-1").status_code == 200
    for signed, sent in (("k-1", "k-2"), ("k-1", ""), ("", "k-2")):
        answer = site.post(NOTES, note, signed=RequestHead("POST", NOTES, signed), idempotency_key=sent)
        assert reason(answer) == (401, "bad_signature")
    assert len(site.log.events) == 1


def test_a_replay_as_another_key_is_refused(site: Site) -> None:
    raw = json.dumps(NOTE).encode()
    header = sign_request("notes", SECRET_OF["notes"], RequestHead("POST", NOTES), raw, int(time.time()))
    for other in ("all", "desk", "nobody", "gone"):
        sent = [("Content-Type", "application/json"), (signature.HEADER, header.replace("k=notes", f"k={other}"))]
        assert reason(site.request("POST", NOTES, raw, sent)) == (401, "bad_signature")


def test_a_changed_query_or_escaping_is_refused(site: Site) -> None:
    for target in (f"{NOTES}?dry=1", f"{NOTES}?", "/v1/agents/%6eotes", "/v1/agents%2Fnotes"):
        answer = site.post(target, NOTE, signed=RequestHead("POST", NOTES))
        assert answer.status_code in (200, 401, 404)
        assert answer.status_code != 200 or target.endswith("?"), "an empty query is none"
    assert site.post("/v1/agents/%6eotes", NOTE | {"id": "n-2"}).status_code == 200, "as it was sent, so it was signed"


def test_other_methods_take_nothing_whatever_is_signed(site: Site) -> None:
    raw = json.dumps(NOTE).encode()
    for method in ("GET", "HEAD", "PUT", "OPTIONS", "DELETE"):
        header = sign_request("all", SECRET_OF["all"], RequestHead(method, NOTES), raw, int(time.time()))
        sent = [("Content-Type", "application/json"), (signature.HEADER, header)]
        assert site.request(method, NOTES, raw, sent).status_code == 405
        assert reason(site.request("POST", NOTES, raw, sent)) == (401, "bad_signature")
    assert not site.log.events


@pytest.fixture(scope="module")
def one_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(
        tmp_path_factory.mktemp("site"), endpoint_requests_per_second=10_000.0, endpoint_burst_requests=10_000.0
    )


PATHS = [NOTES, "/v1/agents/replies", "/v1/events", "/v1/help-centre", "/v1/kiosk", f"{NOTES}?a=1"]
BODIES_SENT = [json.dumps(NOTE).encode(), json.dumps(REPLY).encode(), b"{}", b""]
REQUESTS = st.tuples(
    st.sampled_from(PATHS), st.sampled_from(["", "k-1", "k 1", "k-2"]), st.sampled_from(BODIES_SENT),
    st.sampled_from(["all", "desk", "notes"]),
)  # fmt: skip


@given(REQUESTS, REQUESTS)
def test_a_signature_admits_the_request_that_it_was_made_for_and_no_other(
    one_site: Site, signed: tuple[str, str, bytes, str], sent: tuple[str, str, bytes, str]
) -> None:
    (path, idempotency_key, body, key), (other_path, other_key, other_body, other_id) = signed, sent
    header = sign_request(key, SECRET_OF[key], RequestHead("POST", path, idempotency_key), body, int(time.time()))
    headers = [("Content-Type", "application/json"), (signature.HEADER, header.replace(f"k={key}", f"k={other_id}"))]
    headers += [(signature.KEY_HEADER, other_key)] if other_key else []
    told = reason(one_site.request("POST", other_path, other_body, headers))
    if signed == sent:
        assert told != (401, "bad_signature")
    else:  # a key without the scope is told so before the body is read
        assert told in ((401, "bad_signature"), (403, "missing_scope"))


# -- the wire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [signature.HEADER, signature.KEY_HEADER])
def test_a_header_that_is_there_twice_is_refused(site: Site, name: str) -> None:
    answer = site.post(NOTES, NOTE, idempotency_key="k-1", more=[(name.lower(), "k-1")])
    assert reason(answer) == (401, "malformed_signature") and "2 times" in answer.json()["detail"]


def test_header_names_have_any_case_and_bodies_come_in_chunks(site: Site) -> None:
    raw = json.dumps(NOTE).encode()
    header = sign_request("all", SECRET_OF["all"], RequestHead("POST", NOTES, "k 1"), raw, int(time.time()))
    sent = [("content-TYPE", "application/json"), ("DESKSTREAM-signature", header), ("IDEMPOTENCY-key", "  k 1 ")]

    async def chunks() -> AsyncIterator[bytes]:
        for place in range(0, len(raw), 7):
            yield raw[place : place + 7]

    assert site.request("POST", NOTES, chunks(), sent).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff"])
def test_a_signed_body_that_is_no_event_is_no_matter_of_the_signature(site: Site, body: bytes) -> None:
    assert site.post(NOTES, body).status_code in (400, 422)


@pytest.mark.parametrize("header", ["", "t=1,k=all,sha256=00,v2=00", "nonsense"])
def test_a_body_is_not_read_before_its_signature_is_right(site: Site, header: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    sent = [("Content-Type", "application/json"), *([(signature.HEADER, header)] if header else [])]
    for target in (NOTES, "/v1/events", "/v1/kiosk", "/v1/help-centre"):
        assert site.request("POST", target, never(), sent).status_code == 401


def test_a_body_other_than_the_signed_one_is_refused(site: Site) -> None:
    raw = json.dumps(NOTE).encode()
    header = sign_request("all", SECRET_OF["all"], RequestHead("POST", NOTES), raw, int(time.time()))
    sent = [("Content-Type", "application/json"), (signature.HEADER, header)]
    answer = site.request("POST", NOTES, raw + b" ", sent)
    assert reason(answer) == (401, "bad_signature") and "SHA-256" in answer.json()["detail"]


def test_a_proxy_with_a_prefix_does_not_break_a_signature(tmp_path: Path) -> None:
    site = Site(tmp_path, public_url="https://shop.example/desk/")
    assert site.post(NOTES, NOTE, signed=RequestHead("POST", f"/desk{NOTES}")).status_code == 200
    assert site.post(NOTES, NOTE).status_code == 200, "who calls us without the proxy signs what it calls"
    assert reason(site.post(NOTES, NOTE, signed=RequestHead("POST", f"/other{NOTES}"))) == (401, "bad_signature")


# -- authority ------------------------------------------------------------------------------------------------------


def test_every_address_of_agents_needs_its_own_scope(tmp_path: Path) -> None:
    named = {"replies": "reply", "notes": "note", "transfers": "transfer", "tags": "tag"}
    named |= {"assignments": "assign", "followers": "follow", "offers": "offer"}
    scopes = {resource: f"agents:{named.get(resource, resource)}" for resource in BODIES}
    keys = [
        {"id": f"{what}-{resource}", "secrets": [f"{what}-{resource}-0123456789"], "scopes": granted}
        for resource, scope in scopes.items()
        for what, granted in (
            ("has", [scope]),
            ("lacks", [*(each for each in scopes.values() if each != scope), "events:write"]),
        )
    ]
    site = Site(tmp_path, keys)
    for resource, scope in scopes.items():
        target, body = f"/v1/agents/{resource}", BODIES[resource] | {"id": "1"}
        refused = site.post(target, body, f"lacks-{resource}", secret=f"lacks-{resource}-0123456789")
        assert reason(refused) == (403, "missing_scope") and scope in refused.json()["detail"]
        answer = site.post(target, body, f"has-{resource}", secret=f"has-{resource}-0123456789")
        assert answer.status_code == 200, resource


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        ("shop", MESSAGE, (202, "")),
        ("shop", REPLY, (403, "missing_scope")),
        ("shop", {"type": "consent_changed", "id": "1", "channel": "sms", "customer_id": "tel:+15550100",
                  "wish": "start", "keyword": "START"}, (403, "missing_scope")),
        ("shop", {"type": "merge", "id": "1", "from_customer_id": "email:a@example.org",
                  "into_customer_id": "ext:1", "agent_id": "mei"}, (403, "missing_scope")),
        ("notes", MESSAGE, (403, "missing_scope")),
        ("notes", NOTE | {"type": "note"}, (202, "")),
        ("desk", REPLY, (202, "")),
        ("mei", {"type": "merge", "id": "1", "from_customer_id": "email:a@example.org",
                 "into_customer_id": "ext:1", "agent_id": "jun"}, (403, "wrong_agent")),
    ],
)  # fmt: skip
def test_every_kind_of_event_needs_its_scope(site: Site, key: str, body: Any, expected: tuple[int, str]) -> None:
    answer = site.post("/v1/events", body, key)
    assert reason(answer) == expected, answer.text
    assert bool(site.log.events) is (expected[0] == 202)


def test_a_key_of_an_agent_speaks_for_nobody_else(site: Site) -> None:
    assert site.post("/v1/agents/replies", REPLY, "mei").status_code == 200
    for body in (
        REPLY | {"id": "r-2", "agent_id": "jun"},
        [REPLY | {"id": "r-3"}, REPLY | {"id": "r-4", "agent_id": "Mei"}],
    ):
        answer = site.post("/v1/agents/replies", body, "mei")
        assert reason(answer) == (403, "wrong_agent") and "for agent" in answer.json()["detail"]
    status = {"id": "s-1", "ticket_id": TICKET, "status": "solved"}
    unnamed = site.post("/v1/agents/status", status, "mei")
    assert reason(unnamed) == (403, "wrong_agent") and "agent_id" in unnamed.json()["detail"]
    assert site.post("/v1/agents/status", status, "desk").status_code == 200, "a key that is not bound may"
    assert len(site.log.events) == 2


def test_a_stranger_does_not_learn_which_keys_exist(site: Site) -> None:
    told = {
        site.post(NOTES, NOTE, key, secret="a-guess-0123456789").text
        for key in ("all", "ended", "gone", "nobody", "notes")
    }
    assert len(told) == 1 and "bad_signature" in told.pop()


def test_who_has_an_expired_key_is_told_so(site: Site) -> None:
    answer = site.post(NOTES, NOTE, "ended")
    assert reason(answer) == (401, "expired_key") and "2026-01-01" in answer.json()["detail"]


def test_a_mistake_of_ours_keeps_the_limits_of_the_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead letter that is replayed later takes nothing that the key could not have sent."""
    from producers.replay.handlers import replay_handlers

    def fails(*_: Any, **__: Any) -> Any:
        raise KeyError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr("producers.channels.generic.build", fails)
        assert site.post("/v1/events", REPLY, "shop").status_code == 202
        broken.setattr("producers.channels.agents.normalise", fails)
        assert site.post("/v1/agents/replies", REPLY | {"agent_id": "jun"}, "mei").status_code == 200
    handlers = replay_handlers(site.settings, None)
    for (raw, _, context), name in zip(site.log.dead_letters, ("generic", "agents-replies"), strict=False):
        with pytest.raises(Refused, match=r"missing_scope|wrong_agent"):
            handlers[name](raw, context)

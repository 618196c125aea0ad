"""The agents' API: what a help desk sends becomes events, each once, and every mistake is named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import agents, generic
from producers.endpoint import Delivery, endpoints
from producers.security import grants
from producers.text.fields import FieldProblems
from schemas import events as records
from schemas import signature
from schemas.errors import Refused
from schemas.identity import event_id
from tests.conftest import Deployment
from tests.support.producers.endpoint_case import SECRET
from tests.support.producers.endpoints_agents import BODIES, TICKET
from tests.support.producers.log_reader import EVENTS, PRESENCE, events, free_port, logged, producer
from tests.support.producers.signing import KEYS_FILE, header
from tests.support.timeouts import eventually

NOW = 1_772_409_600_000_000
KINDS = {
    "replies": records.AgentReplied,
    "notes": records.NoteAdded,
    "status": records.StatusChanged,
    "transfers": records.Transferred,
    "tags": records.TagCorrected,
    "presence": records.PresenceChanged,
    "assignments": records.AssignmentChanged,
    "priority": records.PriorityChanged,
    "followers": records.FollowChanged,
    "offers": records.OfferAnswered,
    "roster": records.RosterChanged,
}


def take(resource: str, body: Any, key: str = "") -> tuple[records.Event, ...]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return agents.normalise(raw, resource, now=NOW, source="desk", key=key)


def problems(resource: str, body: Any, key: str = "") -> dict[str, str]:
    with pytest.raises(FieldProblems) as caught:
        take(resource, body, key)
    return caught.value.fields


@pytest.mark.parametrize("resource", agents.RESOURCES)
def test_every_resource_becomes_its_own_kind_of_event(resource: str) -> None:
    [made] = take(resource, BODIES[resource] | {"id": "1"})
    assert type(made) is KINDS[resource]
    assert (made.received_at, made.source) == (NOW, "desk")
    taken_fields = {name: getattr(made, name) for name in BODIES[resource]}
    assert taken_fields == BODIES[resource]


def test_an_event_has_the_id_that_the_generic_endpoint_gives_it() -> None:
    body = BODIES["replies"] | {"id": "r-9"}
    [made] = take("replies", body)
    assert made == generic.normalise(json.dumps(body | {"type": "reply"}).encode(), now=NOW, source="desk")
    assert made.event_id == event_id("generic", "agent_replied", "", "r-9")


def test_the_idempotency_key_is_the_id_when_the_body_has_none() -> None:
    by_key, by_body = take("notes", BODIES["notes"], key="k1"), take("notes", BODIES["notes"] | {"id": "k1"})
    assert by_key == by_body
    assert take("notes", BODIES["notes"] | {"id": "k1"}, key="another") == by_body


def test_an_object_without_id_has_key_and_place_in_the_array() -> None:
    made = take("notes", [BODIES["notes"], BODIES["notes"] | {"id": "own"}, BODIES["notes"]], key="k")
    expected = [take("notes", BODIES["notes"] | {"id": own})[0].event_id for own in ("k/0", "own", "k/2")]
    assert [event.event_id for event in made] == expected


def test_the_same_id_at_two_resources_is_two_events() -> None:
    made = [take(resource, BODIES[resource] | {"id": "1"})[0].event_id for resource in BODIES]
    assert len(set(made)) == len(BODIES)


def test_without_id_key_or_time_it_is_refused() -> None:
    assert set(problems("replies", BODIES["replies"])) == {"id"}


def test_every_wrong_field_is_named() -> None:
    body = {"id": "1", "ticket_id": "7", "agent_id": " ", "statsu": "solved", "status": "done"}
    found = problems("status", body)
    assert set(found) == {"ticket_id", "statsu", "status"}
    assert "did you mean 'status'?" in found["statsu"]
    assert set(problems("replies", {"id": "1", "ticket_id": TICKET})) == {"agent_id", "text"}
    assert set(problems("tags", BODIES["tags"] | {"id": "1", "add": []})) == {"add"}
    assert set(problems("presence", BODIES["presence"] | {"id": "1", "status": "asleep"})) == {"status"}


def test_skills_with_levels_are_written_as_the_router_reads_them() -> None:
    for resource in ("roster", "presence"):
        [made] = take(resource, BODIES[resource] | {"id": "1", "skills": {"refunds": 2, "vip": 1}})
        assert made.skills == ["refunds", "refunds.2", "vip"]  # type: ignore[attr-defined]
        for wrong in ({"refunds": 0}, {"refunds": 10}, {"refunds": True}, {"refunds": "2"}, {"refunds": None}):
            assert set(problems(resource, BODIES[resource] | {"id": "1", "skills": wrong})) == {"skills"}


def test_what_agents_do_by_hand_is_checked_and_only_in_their_own_name() -> None:
    own = grants.Grant("k", frozenset(("agents:assign",)), frozenset(("mei",)))
    for resource in ("assignments", "priority", "followers", "roster"):
        mine, other = (take(resource, BODIES[resource] | {"id": "1", "agent_id": who}) for who in ("mei", "tom"))
        own.require_agents(mine)
        with pytest.raises(Refused, match="may not speak for agent 'tom'"):
            own.require_agents(other)
    own.require(take("assignments", BODIES["assignments"] | {"id": "1"}))
    with pytest.raises(Refused, match="lacks the scope agents:priority"):
        own.require(take("priority", BODIES["priority"] | {"id": "1"}))
    assert set(problems("priority", BODIES["priority"] | {"id": "1", "priority": ""})) == {"priority"}
    assert set(problems("roster", BODIES["roster"] | {"id": "1", "weights": {"chat": 0}})) == {"weights"}


def test_a_problem_in_an_array_has_its_place_and_nothing_is_taken() -> None:
    found = problems("replies", [BODIES["replies"] | {"id": "1"}, {"id": "2", "ticket_id": TICKET}, 7, None])
    assert set(found) == {"[1].agent_id", "[1].text", "[2]", "[3]"}


def test_two_objects_of_an_array_with_one_id_are_refused() -> None:
    twice = [BODIES["replies"] | {"id": "1"}, BODIES["replies"] | {"id": "1", "text": "Something else."}]
    assert problems("replies", twice) == {"[1].id": "is that of [0] as well"}


def test_a_type_may_be_left_out_or_be_the_right_one() -> None:
    body = BODIES["replies"] | {"id": "1"}
    assert take("replies", body | {"type": "reply"}) == take("replies", body | {"type": "agent_replied"})
    for wrong in ("note_added", "nonsense", 7, None, ["reply"]):
        assert set(problems("replies", body | {"type": wrong})) == {"type"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "bad_json"), (b'"text"', "bad_json"), (b"\xff", "bad_json"), (b'{"text":"\xe9"}', "bad_json"),
     (b"[]", "bad_batch"), (json.dumps([{}] * 101).encode(), "bad_batch"), (b"[" * 100_000, "bad_json")],
)  # fmt: skip
def test_what_is_no_object_and_no_array_of_objects_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        take("replies", body)
    assert caught.value.reason == reason


def test_a_card_number_in_an_answer_is_masked() -> None:
    [made] = take("replies", BODIES["replies"] | {"id": "1", "text": "Your card 4111 1111 1111 1111 was charged."})
    assert isinstance(made, records.AgentReplied)
    assert "4111 1111" not in made.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["id", "type", "ticket_id", "agent_id", "text", "status", "team", "add", "capacity", "channel", "occurred_at"]
    ) | st.text(max_size=5), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from(sorted(agents.RESOURCES)), JSON, st.text(max_size=10))
def test_any_json_is_events_or_a_refusal_with_a_reason(resource: str, body: Any, key: str) -> None:
    try:
        made = take(resource, json.dumps(body).encode(), key)
    except Refused as refused:
        assert refused.reason in ("bad_json", "bad_batch", "bad_fields")
        assert refused.detail
    else:
        assert all(type(event) is KINDS[resource] for event in made)


@pytest.mark.parametrize("endpoint", endpoints("agents"), ids=lambda endpoint: endpoint.name)
def test_the_example_of_an_endpoint_is_taken(endpoint: Any) -> None:
    assert len(endpoint.normalise(endpoint.example, NOW, "desk")) == 1
    assert not endpoint.keep


def test_the_answer_names_the_events_in_the_order_of_the_request() -> None:
    [endpoint] = [endpoint for endpoint in endpoints("agents") if endpoint.name == "agents-replies"]
    body = json.dumps([BODIES["replies"] | {"id": own} for own in ("b", "a")]).encode()
    delivery = Delivery("POST", endpoint.path, body=body)
    made = endpoint.normalise(delivery, NOW, "desk")
    told = json.loads(endpoint.answer(delivery, made).body)
    assert told == {"received": True, "events": [{"event_id": e.event_id, "ticket_id": TICKET} for e in made]}


# -- over HTTP, with Kafka ------------------------------------------------------------------------------------------


@contextmanager
def serving(deployment: Deployment) -> Iterator[httpx.Client]:
    port = free_port()
    env = {
        "DESKSTREAM_HTTP_PORT": "0",
        "DESKSTREAM_KEYS_FILE": str(KEYS_FILE),
        "DESKSTREAM_METRICS_PORT": str(port),
    }
    with producer(deployment, "agents", **env) as process:
        url = logged(process, r'"url": "(http[^"]+)"')[1]
        ready = f"http://127.0.0.1:{port}/readyz"
        eventually(lambda: httpx.get(ready, trust_env=False, timeout=60).status_code == 200)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client


def post(client: httpx.Client, resource: str, body: Any, **headers: str) -> httpx.Response:
    raw = json.dumps(body).encode()
    target, key = f"/v1/agents/{resource}", headers.get(signature.KEY_HEADER, "")
    signed = {signature.HEADER: header(target, raw, SECRET, time.time(), idempotency_key=key)}
    return client.post(target, content=raw, headers={"Content-Type": "application/json", **signed, **headers})


@pytest.mark.stack
def test_a_help_desk_works_through_the_process_of_the_agents_api(deployment: Deployment) -> None:
    with serving(deployment) as client:
        told = {name: post(client, name, body | {"id": "1"}) for name, body in BODIES.items()}
        assert {answer.status_code for answer in told.values()} == {200}
        batch = [BODIES["notes"] | {"text": f"Note {number}"} for number in range(100)]
        first = post(client, "notes", batch, **{"Idempotency-Key": "batch-1"})
        again = post(client, "notes", batch, **{"Idempotency-Key": "batch-1"})
        assert (first.status_code, first.json()) == (again.status_code, again.json()) == (200, first.json())
        wrong = post(client, "notes", [*batch[:2], {"id": "x"}], **{"Idempotency-Key": "batch-2"})
        assert wrong.status_code == 422
        named = {problem["field"] for problem in wrong.json()["problems"]}
        assert named == {"[2].agent_id", "[2].text", "[2].ticket_id"}
        assert client.post("/v1/agents/notes", json=BODIES["notes"]).status_code == 401
        assert client.post("/v1/form", data={}).status_code == 404, "this process serves its own endpoints only"
    made = events(deployment, EVENTS)
    of_teams = [told[name].json()["events"][0]["event_id"] for name in BODIES if name in ("presence", "roster")]
    assert [event.event_id for event in events(deployment, PRESENCE)] == of_teams
    assert len(made) == len(BODIES) - len(of_teams) + 100
    notes = [event.text for event in made if isinstance(event, records.NoteAdded)]
    assert sorted(notes) == sorted(["Called twice.", *(f"Note {number}" for number in range(100))])

"""Requests made up from the OpenAPI document, to every endpoint of a real process with a real Kafka behind it.

Whatever is sent, fitting the document or not, signed or not: no endpoint fails, and every answer is one that the
document knows, with its media type and its shape. `make test` sends a few requests to each, `make soak` many.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from producers.endpoint import endpoints
from schemas import signature, survey_link
from schemas.survey_link import SurveyLink
from tests.conftest import Deployment
from tests.producers.test_http import Server, serving
from tests.support.producers.endpoint_case import PUBLIC_URL, SECRET, cases
from tests.support.producers.log_reader import dead_letters, events
from tests.support.producers.signing import KEYS_FILE, header

pytestmark = pytest.mark.stack

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
ENDPOINT_AT = {endpoint.path: endpoint for endpoint in endpoints()}
SENDERS = cases()
SURVEY = "/s/{token}"


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    others = [endpoint for endpoint in ENDPOINT_AT.values() if not endpoint.scope]
    secrets = {f"DESKSTREAM_{endpoint.secrets.upper()}": SECRET for endpoint in others}
    own = {"DESKSTREAM_KEYS_FILE": str(KEYS_FILE), "DESKSTREAM_SURVEY_SECRETS": SECRET}
    with serving(deployment, **secrets, **own, DESKSTREAM_PUBLIC_URL=PUBLIC_URL) as server:
        assert server.process.stderr is not None
        threading.Thread(target=server.process.stderr.read, daemon=True).start()  # a full pipe would stop the server
        yield server


class Signed(requests.auth.AuthBase):
    """Signs what is really sent, as the sender of that endpoint does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        address = urlsplit(request.url or "")
        endpoint = ENDPOINT_AT.get(str(address.path))
        if endpoint is not None and not endpoint.scope:
            sent = SENDERS[endpoint.name].sign(body, SECRET, time.time())
            told = {name: value for name, value in sent.headers.items() if name.lower() != "content-type"}
            request.url = address._replace(query=sent.query).geturl()
        else:
            key = str(request.headers.get(signature.KEY_HEADER, "")).strip()
            if not signature.RequestHead("POST", request.path_url, key).is_signable:
                key = ""  # nobody can sign it: the server says so
            told = {signature.HEADER: header(request.path_url, body, SECRET, time.time(), idempotency_key=key)}
        request.headers.update(told)
        return request


def link_token() -> str:
    expires = time.time_ns() // 1000 + 3_600_000_000
    return survey_link.token(SurveyLink("ABCDEFGHIJKL-1", 1, "mei", expires, "ja"), [SECRET])


def fuzz(server: Server, examples: int, *, again: bool) -> Counter[tuple[str, int]]:
    """Send so many requests of each kind to each endpoint; how often each answered with which status."""
    described = schemathesis.openapi.from_dict(server.client.get("/openapi.json").json())
    base, session, seen = str(server.client.base_url), requests.Session(), Counter[tuple[str, int]]()
    session.trust_env = False
    strict = settings(
        max_examples=examples, deadline=None, database=None, derandomize=again, suppress_health_check=list(HealthCheck)
    )

    def sent(case: schemathesis.Case, genuine: bool) -> None:
        if genuine and case.operation.path.startswith(SURVEY):
            case.path_parameters["token"] = link_token()
        answer = case.call(base_url=base, session=session, auth=Signed() if genuine else None, timeout=90)
        seen[case.operation.label, answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    for operation in (result.ok() for result in described.get_all_operations()):
        for mode in modes_of(operation):
            genuine = st.sampled_from([True, True, True, False])
            strict(given(case=operation.as_strategy(mode), genuine=genuine)(sent))()
    return seen


def modes_of(operation: schemathesis.APIOperation) -> list[GenerationMode]:
    """A form of texts fits the document whatever it says; of what else is sent, some may not fit."""
    as_json = any(body.media_type == "application/json" for body in operation.body)
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if as_json else [GenerationMode.POSITIVE]


def require_no_loss(deployment: Deployment, server: Server) -> None:
    received, published, duplicate, dead = (
        sum(server.counted(name).values()) for name in ("received", "published", "duplicate", "dead_lettered")
    )
    assert received == published + duplicate + dead > 0
    assert len(dead_letters(deployment)) == dead


def test_every_endpoint_answers_as_its_document_says(deployment: Deployment, server: Server) -> None:
    seen = fuzz(server, 10, again=True)
    called = {label for label, _ in seen}
    assert {f"POST {path}" for path in ENDPOINT_AT} | {f"GET {SURVEY}", f"POST {SURVEY}", "POST /v1/events"} <= called
    assert not [label for label, status in seen if status >= 500]
    require_no_loss(deployment, server)


@pytest.mark.soak
def test_many_requests_are_answered_as_the_document_says(deployment: Deployment, server: Server) -> None:
    fuzz(server, 300, again=False)
    require_no_loss(deployment, server)


def test_examples_are_taken_and_wrong_methods_told_the_right_ones(deployment: Deployment, server: Server) -> None:
    described: dict[str, Any] = server.client.get("/openapi.json").json()
    answers: dict[str, int] = {}
    for path, methods in described["paths"].items():
        wrong = server.client.put(path.replace("{token}", "x"))
        assert wrong.status_code == 405
        assert set(methods) <= set(wrong.headers["allow"].lower().replace(" ", "").split(",")), path
        for kind, content in methods.get("post", {}).get("requestBody", {}).get("content", {}).items():
            named = {name: each["value"] for name, each in content.get("examples", {}).items()}
            named |= {"": content["example"]} if "example" in content else {}
            for name, value in named.items():
                headers = {"content-type": kind, **_example_headers(path)}
                sent = {"json": value} if kind == "application/json" else {"data": value}
                answer = requests.post(
                    f"{server.client.base_url}{path}", headers=headers, auth=Signed(), timeout=90, **sent
                )
                answers[f"{path} {kind} {name}"] = answer.status_code
    assert answers and not {each: status for each, status in answers.items() if status not in (200, 202)}
    assert {endpoint.name for endpoint in ENDPOINT_AT.values() if endpoint.path in " ".join(answers)} == {
        d.name for d in ENDPOINT_AT.values()
    }
    require_no_loss(deployment, server)
    assert dead_letters(deployment) == [] and events(deployment)


def _example_headers(path: str) -> dict[str, str]:
    endpoint = ENDPOINT_AT.get(path)
    return dict(endpoint.example.headers) if endpoint else {}

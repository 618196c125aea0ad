"""Tests what every webhook endpoint has unless it says otherwise, and how endpoints are found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from producers.endpoint import Answer, Delivery, PartialBatch, WebhookEndpoint, endpoints
from schemas.errors import ConfigurationError, Refused


def endpoint(name: str = "a", path: str = "/v1/a", process: str = "p", **more: Any) -> WebhookEndpoint:
    plain: dict[str, Any] = {
        "channel": "chat", "secrets": "webhook_secrets", "summary": "", "example": Delivery("POST", path),
        "verify": lambda delivery, secrets, wall: None, "normalise": lambda delivery, now, source: [delivery],
    }  # fmt: skip
    return WebhookEndpoint(process=process, name=name, path=path, **(plain | more))


def module(*declared: WebhookEndpoint) -> Any:
    return SimpleNamespace(__name__="an.endpoint", ENDPOINTS=declared)


def test_a_plain_endpoint_takes_a_megabyte_of_json_and_says_received() -> None:
    plain = endpoint()
    assert (plain.max_bytes, plain.media_types, plain.keep) == (1_000_000, ("application/json",), True)
    assert plain.answer(plain.example, ()) == Answer(200, '{"received":true}', "application/json")
    assert Answer() == Answer(200, "", "application/json")


def test_a_delivery_holds_what_the_endpoint_reads_and_no_proof() -> None:
    reader = endpoint(reads=("x-topic",), asks=("shop",), proved=lambda delivery: {"x-device": "dublin-1"})
    headers = {"content-type": "application/json", "x-topic": "orders", "x-signature": "s", "cookie": "c"}
    sent = Delivery("POST", "https://hooks.example/v1/a", headers, {"shop": "1", "token": "t"}, b"{}")
    kept = reader.input_context(sent, 5, "http:here")
    assert kept.headers == {"content-type": "application/json", "x-topic": "orders", "x-device": "dublin-1"}
    assert (kept.query, kept.received_at, kept.source) == ({"shop": "1"}, 5, "http:here")
    assert reader.take(b"{}", kept) == [Delivery("POST", "/v1/a", kept.headers, kept.query, b"{}")]


def test_endpoints_are_sorted_by_path_and_belong_to_a_process() -> None:
    found = [module(endpoint("b", "/v1/b"), endpoint("c", "/v1/c", "q")), module(endpoint())]
    assert [each.name for each in endpoints(modules=found)] == ["a", "b", "c"]
    assert [each.name for each in endpoints("q", found)] == ["c"]


@pytest.mark.parametrize("other", [endpoint("a", "/v1/b"), endpoint("b", "/v1/a")], ids=["name", "path"])
def test_two_endpoints_share_no_name_and_no_path(other: WebhookEndpoint) -> None:
    with pytest.raises(ConfigurationError, match=f"{other.name} at {other.path} is there already"):
        endpoints(modules=[module(endpoint()), module(other)])


def test_a_module_without_endpoints_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ENDPOINTS"):
        endpoints(modules=[SimpleNamespace(__name__="an.endpoint")])


def test_a_form_keeps_the_last_of_equal_fields_and_empty_ones() -> None:
    assert Delivery("POST", "", body=b"a=1&a=2&b=&c=%E2%82%AC").form() == {"a": "2", "b": "", "c": "€"}
    assert len(Delivery("POST", "", body="&".join(f"f{n}=" for n in range(200)).encode()).form()) == 200
    for body in (b"a=\xff", b"a=%FF", "&".join(f"f{n}=" for n in range(201)).encode()):
        with pytest.raises(Refused) as refused:
            Delivery("POST", "", body=body).form()
        assert refused.value.reason == "bad_encoding"


def test_a_partial_batch_is_a_refusal_with_events() -> None:
    partial = PartialBatch([], "bad_fields")
    assert (partial.events, partial.reason, partial.detail) == ([], "bad_fields", "")

"""The social endpoints of a real process: subscription checks, and a batch that is broken in part."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from producers.channels import social_meta, social_x
from tests.conftest import Deployment
from tests.producers.test_http import Server, serving
from tests.support.producers.endpoints_social import batch, meta_signed
from tests.support.producers.log_reader import dead_letters, events

pytestmark = pytest.mark.stack

SECRETS = {
    "DESKSTREAM_SOCIAL_SECRETS": "app-secret",
    "DESKSTREAM_SOCIAL_VERIFY_TOKENS": "token-1, token-2",
    "DESKSTREAM_SOCIAL_X_SECRETS": "consumer-new, consumer-old",
}


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with serving(deployment, **SECRETS) as server:
        yield server


def test_a_subscription_check_needs_the_verify_token(server: Server) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    answers = [
        server.client.get("/v1/social/meta", params=query | {"hub.verify_token": token})
        for token in ("token-1", "token-2", "app-secret", "")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 401]
    assert [answer.text for answer in answers[:2]] == ["1158201444"] * 2
    assert answers[0].headers["content-type"].startswith("text/plain")


def test_a_check_of_x_is_signed_with_the_first_secret(server: Server) -> None:
    answer = server.client.get("/v1/social/x", params={"crc_token": "nonce"})
    assert answer.json() == {"response_token": social_x.signature("consumer-new", b"nonce")}
    assert server.client.get("/v1/social/x").status_code == 422
    forged = '{"for_user_id":"1001"}'
    assert server.client.get("/v1/social/x", params={"crc_token": forged}).status_code == 422


def test_a_partial_batch_is_published_and_kept_whole(deployment: Deployment, server: Server) -> None:
    told = json.loads(batch(1))
    told["entry"][0]["messaging"].append({"sender": {}, "message": {"mid": "m_9", "text": "from nobody"}})
    body = json.dumps(told).encode()
    request = meta_signed(body, "app-secret", 0.0)
    assert request.headers["X-Hub-Signature-256"] == social_meta.signature("app-secret", body)
    answer = server.client.post("/v1/social/meta", content=body, headers=dict(request.headers))
    assert answer.status_code == 200
    assert len(events(deployment)) == 3
    [dead_letter] = dead_letters(deployment)
    assert (dead_letter.raw, dead_letter.headers["reason"]) == (body, "bad_fields")
    assert server.counted("received") == {'channel="social"': 4.0}
    assert server.counted("published") == {'channel="social"': 3.0}
    assert sum(server.counted("dead_lettered").values()) == 1.0


def test_a_week_old_delivery_is_a_dead_letter_and_no_event(deployment: Deployment, server: Server) -> None:
    old, new = (json.loads(batch(number)) for number in (1, 2))
    for entry in old["entry"]:
        for each in entry.get("messaging", []):
            each["timestamp"] -= 8 * 86_400_000
        for each in entry.get("changes", []):
            each["value"]["created_time"] -= 8 * 86_400
    for told in (old, new):
        body = json.dumps(told).encode()
        signed = dict(meta_signed(body, "app-secret", 0.0).headers)
        assert server.client.post("/v1/social/meta", content=body, headers=signed).status_code == 200
    assert len(events(deployment)) == 3
    [dead_letter] = dead_letters(deployment)
    assert (dead_letter.raw, dead_letter.headers["reason"]) == (json.dumps(old).encode(), "stale_delivery")
    assert server.counted("dead_lettered") == {'channel="social",reason="stale_delivery"': 1.0}

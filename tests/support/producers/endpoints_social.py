"""Sends what the social networks send to the endpoints of `social`."""

from __future__ import annotations

import json
import time
from typing import Any

from producers.channels import social_meta, social_x
from tests.support.producers.endpoint_case import Case, SignedRequest

#: Now: a delivery that is a week old would be one that somebody recorded.
SECONDS = int(time.time())
JSON = {"Content-Type": "application/json"}


def batch(number: int) -> bytes:
    """Two messages of one customer and a comment of another, in two entries."""
    said: list[dict[str, Any]] = [
        {
            "sender": {"id": "2002"},
            "recipient": {"id": "1001"},
            "timestamp": SECONDS * 1000 - number,
            "message": {"mid": f"m_{number}_{part}", "text": f"Where is my parcel? {part}"},
        }
        for part in range(2)
    ]
    comment = {
        "item": "comment", "verb": "add", "comment_id": f"1001_7_{number}", "post_id": "1001_7", "message": "Too late!",
        "created_time": SECONDS - number, "from": {"id": "2003", "name": "Ben"},
    }  # fmt: skip
    entries = [{"id": "1001", "messaging": said}, {"id": "1001", "changes": [{"field": "feed", "value": comment}]}]
    return json.dumps({"object": "page", "entry": entries}).encode()


def activity(number: int) -> bytes:
    """A direct message and a mention of one customer."""
    private = {
        "type": "message_create", "id": f"3{number}", "created_timestamp": f"{SECONDS}000",
        "message_create": {"sender_id": "2002", "message_data": {"text": "Where is my parcel?"}},
    }  # fmt: skip
    public = {
        "id_str": f"4{number}", "text": "@shop where is it?", "timestamp_ms": f"{SECONDS}000", "user": {"id_str": "2002"},
        "entities": {"user_mentions": [{"id_str": "1001"}]},
    }  # fmt: skip
    told = {"for_user_id": "1001", "direct_message_events": [private], "tweet_create_events": [public]}
    return json.dumps(told).encode()


def meta_signed(body: bytes, secret: str, at: float) -> SignedRequest:
    return SignedRequest(body, JSON | {"X-Hub-Signature-256": social_meta.signature(secret, body)})


def x_signed(body: bytes, secret: str, at: float) -> SignedRequest:
    return SignedRequest(body, JSON | {"x-twitter-webhooks-signature": social_x.signature(secret, body)})


CASES = [
    Case(endpoint="social-meta", body=batch, sign=meta_signed, events=3),
    Case(endpoint="social-x", body=activity, sign=x_signed, events=2),
]

"""Makes deliveries of Meta and X, and the events of them."""

from __future__ import annotations

import json
from typing import Any

from producers.channels import social_meta, social_x
from producers.endpoint import Delivery

T0 = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z
NOW = T0 + 60_000_000
MILLIS, SECONDS = T0 // 1_000, T0 // 1_000_000


def delivery(told: Any, **more: Any) -> Delivery:
    return Delivery("POST", "https://hooks.example/v1/social", body=json.dumps(told).encode(), **more)


def meta(*entries: dict[str, Any], of: str = "page") -> list[Any]:
    return social_meta.normalise(delivery({"object": of, "entry": list(entries)}), NOW, "http:here")


def said(message: dict[str, Any], **item: Any) -> dict[str, Any]:
    who = {"sender": {"id": "2002"}, "recipient": {"id": "1001"}, "timestamp": MILLIS}
    return {"id": "1001", "time": MILLIS, "messaging": [who | {"message": {"mid": "m1"} | message} | item]}


def feed(**value: Any) -> dict[str, Any]:
    given = {
        "item": "comment", "verb": "add", "comment_id": "7_8", "post_id": "1001_7", "parent_id": "1001_7",
        "created_time": SECONDS, "message": "Too late!", "from": {"id": "2003", "name": "Ben"},
    }  # fmt: skip
    kept = {name: each for name, each in (given | value).items() if each is not None}
    return {"id": "1001", "time": SECONDS, "changes": [{"field": "feed", "value": kept}]}


def insta(**value: Any) -> dict[str, Any]:
    given = {"id": "c9", "from": {"id": "2004", "username": "mei"}, "text": "好看", "media": {"id": "M5"}}
    return {"id": "1001", "time": SECONDS, "changes": [{"field": "comments", "value": given | value}]}


def x(*, messages: list[Any] | None = None, posts: list[Any] | None = None, **more: Any) -> list[Any]:
    users = {"2002": {"id": "2002", "name": "Ann Lee", "screen_name": "ann"}}
    told = {
        "for_user_id": "1001",
        "direct_message_events": messages or [],
        "tweet_create_events": posts or [],
        "users": users,
    }
    return social_x.normalise(delivery(told | more), NOW, "http:here")


def dm(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    create = {"target": {"recipient_id": "1001"}, "sender_id": "2002", "message_data": data}
    return {"type": "message_create", "id": "55", "created_timestamp": str(MILLIS), "message_create": create} | more


def post(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id_str": "77", "text": "@shop where is it &amp; why?", "display_text_range": [6, 28], "timestamp_ms": str(MILLIS),
        "user": {"id_str": "2002", "name": "Ann Lee", "screen_name": "ann"}, "lang": "en",
        "entities": {"user_mentions": [{"id_str": "1001"}]},
    }  # fmt: skip
    return given | more

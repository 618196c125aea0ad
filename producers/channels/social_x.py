"""Turns a delivery of X's account activity webhook into events: direct messages and mentions.

| what                                                             | becomes                                           |
|------------------------------------------------------------------|---------------------------------------------------|
| `direct_message_events[]` `message_create`                       | a private message of `x:<user id>`                |
| `tweet_create_events[]` that mention us, answer us or quote us   | a public one of `x:<user id>`                     |
| what we wrote ourselves                                          | nothing                                           |
| reposts, edits, deletions, likes, follows, blocks, typing, read receipts, `user_event` | nothing                     |

The thread of a message is the conversation of the two; that of a post its conversation, else what it answers, else the
post itself.

`for_user_id` says whose account the delivery is about: our own.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from producers.channels.social import (
    attachment,
    digest,
    every,
    identifier,
    message,
    millis,
    newest,
    objects,
    parse,
    part,
    require_match,
    text,
)
from producers.endpoint import Answer, Delivery, PartialBatch
from producers.text.locales import locale_hint
from schemas.clock import to_micros
from schemas.errors import Refused
from schemas.events import Attachment, Event
from schemas.identity import event_id

__all__ = ["HEADER", "challenge", "normalise", "signature", "signed_at", "verify"]

HEADER = "x-twitter-webhooks-signature"
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{1,300}")
_CREATED = "%a %b %d %H:%M:%S %z %Y"


def signature(secret: str, raw: bytes) -> str:
    """Returns the header's value for a body, and the answer to a check."""
    return f"sha256={base64.b64encode(digest(secret, raw)).decode()}"


def verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    """Accepts a body that was signed with any of our consumer secrets.

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `bad_signature`.
    """
    ours = (signature(secret, delivery.body) for secret in secrets)
    require_match(delivery.headers.get(HEADER, ""), ours, "x-twitter-webhooks-signature")


def challenge(delivery: Delivery, secrets: Sequence[str]) -> Answer:
    """Answers the hourly check: the token, signed with the first of our secrets.

    Deliveries are signed with the same secret in the same way: who could have any text signed here could forge one.
    So a token must be letters and digits, which no JSON object is.

    Raises:
        Refused: `bad_challenge`, it holds no token.
    """
    token = delivery.query.get("crc_token", "")
    if not _TOKEN.fullmatch(token):
        raise Refused("bad_challenge", "crc_token is missing, or is no token")
    answer = {"response_token": signature(secrets[0], token.encode())}
    return Answer(body=msgspec.json.encode(answer).decode())


def normalise(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the events of one delivery, messages before posts; `now` in micros.

    Raises:
        Refused: `bad_json`; `unknown_object`, it does not say which account it is about.
        PartialBatch: `bad_fields`, something in it has no id or author; the events of the rest.
    """
    told = parse(delivery.body)
    ours = identifier(told.get("for_user_id"))
    if not ours:
        if "user_event" in told:
            return []  # an account took its permission back
        raise Refused("unknown_object", "for_user_id is missing")
    events: list[Event] = []
    problems: list[str] = []
    private = [(_private, each) for each in every(told.get("direct_message_events", []), problems)]
    public = [(_public, each) for each in every(told.get("tweet_create_events", []), problems)]
    for take, item in (*private, *public):
        try:
            events += take(told, ours, item, now, source)
        except Refused as refused:
            problems.append(refused.detail)
    if problems:
        raise PartialBatch(events, "bad_fields", "; ".join(dict.fromkeys(problems))[:500])
    return events


def signed_at(delivery: Delivery) -> int:
    """Returns the newest moment that a delivery names, wall micros; 0 for none."""
    try:
        told = parse(delivery.body)
    except Refused:
        return 0
    posts = [_said_at(each, 2**62) for each in objects(told.get("tweet_create_events"))]
    private = newest(*(each.get("created_timestamp") for each in objects(told.get("direct_message_events"))))
    return max((private, *posts)) % 2**62  # a post without a time counts as new


def _private(told: dict[str, Any], ours: str, item: dict[str, Any], now: int, source: str) -> list[Event]:
    said = part(item, "message_create")
    if item.get("type", "message_create") != "message_create":
        return []
    own_id, sender = identifier(item.get("id")), identifier(said.get("sender_id"))
    if sender == ours and sender:
        return []
    if not own_id or not sender:
        raise Refused("bad_fields", f"a direct message without {'its id' if not own_id else 'its sender'}")
    data, who = part(said, "message_data"), part(told, "users", sender)
    medium = part(data, "attachment", "media")
    words = html.unescape(text(data.get("text")))
    return [
        message(
            f"x:{sender}",
            event_id=event_id("x", "message", own_id),
            said_at=millis(item.get("created_timestamp"), now),
            now=now,
            source=source,
            thread=f"x:dm:{'-'.join(sorted((sender, ours), key=lambda each: (len(each), each)))}",
            public=False,
            words=words,
            name=text(who.get("name")),
            attachments=[_medium(medium)] if medium else [],
            recipient=ours,
            platform="x",
            message=own_id,
            handle=text(who.get("screen_name"))[:200],
            payload=identifier(part(data, "quick_reply_response").get("metadata")),
        )
    ]


def _public(told: dict[str, Any], ours: str, item: dict[str, Any], now: int, source: str) -> list[Event]:
    author = part(item, "user")
    by = identifier(author.get("id_str") or author.get("id"))
    own_id = identifier(item.get("id_str") or item.get("id"))
    if (by and by == ours) or item.get("retweeted_status") or _is_edit(item, own_id):
        return []
    if not by or not own_id:
        raise Refused("bad_fields", f"a post without {'its author' if not by else 'its id'}")
    long = part(item, "extended_tweet")
    if not _is_about(item, long, ours):
        return []
    whole = text(long.get("full_text")) or text(item.get("full_text")) or text(item.get("text"))
    answered = identifier(item.get("in_reply_to_status_id_str") or item.get("in_reply_to_status_id"))
    media = part(long, "extended_entities") or part(item, "extended_entities")
    return [
        message(
            f"x:{by}",
            event_id=event_id("x", "post", own_id),
            said_at=_said_at(item, now),
            now=now,
            source=source,
            thread=f"x:{identifier(item.get('conversation_id_str') or item.get('conversation_id')) or answered or own_id}",
            public=True,
            words=html.unescape(_own_words(whole, long.get("display_text_range") or item.get("display_text_range"))),
            whole=html.unescape(whole),
            name=text(author.get("name")),
            language=_language(text(item.get("lang"))),
            attachments=[_medium(each) for each in objects(media.get("media"))],
            recipient=ours,
            answer_to=own_id,
            platform="x",
            post=own_id,
            handle=text(author.get("screen_name"))[:200],
            reply_to=answered,
        )
    ]


def _is_about(item: dict[str, Any], long: dict[str, Any], ours: str) -> bool:
    """Says if a post speaks to us. Deliveries also hold what others write below posts that we are not part of."""
    entities = (part(item, "entities"), part(long, "entities"))
    mentioned = [each for some in entities for each in objects(some.get("user_mentions"))]
    people = [identifier(each.get("id_str") or each.get("id")) for each in mentioned]
    quoted = part(item, "quoted_status", "user")
    people.append(identifier(item.get("in_reply_to_user_id_str") or item.get("in_reply_to_user_id")))
    people.append(identifier(quoted.get("id_str") or quoted.get("id")))
    return ours in people


def _is_edit(item: dict[str, Any], own_id: str) -> bool:
    """Says if a post is a new version of one that we were told of before."""
    first = identifier(part(item, "edit_history").get("initial_tweet_id"))
    versions = part(item, "edit_history").get("edit_tweet_ids") or item.get("edit_history_tweet_ids")
    if not first and isinstance(versions, list) and versions:
        first = identifier(versions[0])
    return bool(first) and first != own_id


def _own_words(whole: str, shown: Any) -> str:
    """Returns the words without the names at the beginning of an answer, and without addresses of pictures at its end."""
    if isinstance(shown, list) and len(shown) == 2 and all(isinstance(each, int) for each in shown):
        start, end = shown
        if 0 <= start < end <= len(whole):
            return whole[start:end]
    return whole


def _said_at(item: dict[str, Any], now: int) -> int:
    if item.get("timestamp_ms"):
        return millis(item["timestamp_ms"], now)
    try:
        return min(now, to_micros(datetime.strptime(text(item.get("created_at")), _CREATED)))
    except (ValueError, OverflowError):
        return now


def _language(tag: str) -> str:
    """Returns the locale; X does not tell simplified from traditional Chinese, the text does."""
    return "" if tag == "zh" else locale_hint(tag)


def _medium(each: dict[str, Any]) -> Attachment:
    url = text(each.get("media_url_https")) or text(each.get("media_url"))
    variants = objects(part(each, "video_info").get("variants"))
    file = next((one for one in variants if text(one.get("content_type")).startswith("video/")), {})
    return attachment(text(each.get("type")), text(file.get("url")) or url, text(file.get("content_type")))

"""Turns a batch of Meta's webhooks into events: Messenger, Instagram messages, comments and posts on our pages.

| what                                                      | becomes                                            |
|-----------------------------------------------------------|----------------------------------------------------|
| `messaging[].message`, `messaging[].postback`             | a private message of `meta:<sender>`, thread: the conversation |
| `changes[]` `feed`: a comment or a post that is added     | a public one of `meta:<from>`, thread: the post    |
| `changes[]` `comments`, `live_comments` (Instagram)       | the same, thread: the medium                       |
| `changes[]` `mention`: another page's post names us       | the same                                           |
| what we wrote ourselves (`is_echo`, from our own id)      | nothing                                            |
| edits, deletions, hiding, likes, reactions, read and delivery receipts, typing, opt-ins, `standby` | nothing   |
| Instagram's `mentions`, which say neither who nor what    | nothing                                            |

A customer is known by the id that Meta gives them for our page (`meta:<id>`); a comment without its author (Meta hides
it from applications without permission) is one of `meta:comment-<comment id>`. Ids are Meta's own, so a batch that is
delivered again, or in other batches, makes the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

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
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import Attachment, Event
from schemas.identity import event_id

__all__ = ["HEADER", "challenge", "normalise", "signature", "signed_at", "verify"]

HEADER = "x-hub-signature-256"
_OBJECTS = {"page": "messenger", "instagram": "instagram"}
_POSTS = frozenset(("comment", "post", "status", "photo", "video", "share", "link"))
_COMMENTS = frozenset(("comments", "live_comments"))
_SURE = 0.8


def signature(secret: str, body: bytes) -> str:
    """Returns the header's value for a body."""
    return f"sha256={digest(secret, body).hex()}"


def verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    """Accepts a body that was signed with any of our app secrets.

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `bad_signature`.
    """
    ours = (signature(secret, delivery.body) for secret in secrets)
    require_match(delivery.headers.get(HEADER, ""), ours, "X-Hub-Signature-256")


def challenge(delivery: Delivery, tokens: Sequence[str]) -> Answer:
    """Answers the check of a subscription: its challenge, if it knows our verify token.

    Raises:
        Refused: `bad_challenge`, it is no check; `bad_signature`, another token.
    """
    query = delivery.query
    if query.get("hub.mode") != "subscribe" or not query.get("hub.challenge"):
        raise Refused("bad_challenge", "hub.mode=subscribe and hub.challenge are expected")
    sent = query.get("hub.verify_token", "").encode("utf-8", "replace")
    matches = [compare_digest(token.encode(), sent) for token in tokens]
    if not any(matches):
        raise Refused("bad_signature", "hub.verify_token is none of DESKSTREAM_SOCIAL_VERIFY_TOKENS")
    return Answer(body=query["hub.challenge"][:1_000], media_type="text/plain")


def normalise(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the events of one batch, in its order; `now` in micros.

    Raises:
        Refused: `bad_json`; `unknown_object`, it is of something else than a page or an Instagram account.
        PartialBatch: `bad_fields`, some entries have no id or sender; the events of the others.
    """
    batch = parse(delivery.body)
    platform = _OBJECTS.get(text(batch.get("object")))
    if platform is None:
        raise Refused("unknown_object", f"{text(batch.get('object'))[:60]!r} is neither page nor instagram")
    if not isinstance(batch.get("entry"), list):
        raise Refused("bad_fields", "entry is missing or is no list")
    events: list[Event] = []
    problems: list[str] = []
    for entry in every(batch["entry"], problems):
        for take, item in _items(entry, problems):
            try:
                events += take(platform, entry, item, now, source)
            except Refused as refused:
                problems.append(refused.detail)
    if problems:
        raise PartialBatch(events, "bad_fields", "; ".join(dict.fromkeys(problems))[:500])
    return events


def signed_at(delivery: Delivery) -> int:
    """Returns the newest moment that a batch names, wall micros; 0 for none."""
    try:
        entries = objects(parse(delivery.body).get("entry"))
    except Refused:
        return 0
    times = [entry.get("time") for entry in entries]
    times += [each.get("timestamp") for entry in entries for each in objects(entry.get("messaging"))]
    times += [part(each, "value").get("created_time") for entry in entries for each in objects(entry.get("changes"))]
    return newest(*times)


def _items(entry: dict[str, Any], problems: list[str]) -> list[tuple[Any, dict[str, Any]]]:
    changes = every(entry.get("changes", []), problems)
    if not changes and entry.get("field"):
        changes = [entry]  # as some of Instagram's subscriptions send a single one
    return [(_private, each) for each in every(entry.get("messaging", []), problems)] + [
        (_public, each) for each in changes
    ]


# -- messages ---------------------------------------------------------------------------------------------------------


def _private(platform: str, entry: dict[str, Any], item: dict[str, Any], now: int, source: str) -> list[Event]:
    said, pressed = part(item, "message"), part(item, "postback")
    if not said and not pressed:
        return []  # a receipt, a reaction, an edit, an opt-in
    ours = identifier(entry.get("id"))
    sender = identifier(part(item, "sender").get("id"))
    if said.get("is_echo") is True or said.get("is_deleted") is True or (sender and sender == ours):
        return []
    own_id = identifier(said.get("mid") or pressed.get("mid"))
    at = text(item.get("timestamp"))
    if not own_id and pressed:
        own_id = f"{identifier(pressed.get('payload'))}@{at}" if at else ""
    if not sender or not own_id:
        raise Refused("bad_fields", f"a message without {'its sender' if not sender else 'its id (mid)'}")
    page = ours or identifier(part(item, "recipient").get("id"))
    return [
        message(
            f"meta:{sender}",
            event_id=event_id("meta", "message", own_id),
            said_at=millis(item.get("timestamp"), now),
            now=now,
            source=source,
            thread=f"{platform}:{page}:{sender}",
            public=False,
            words=text(said.get("text")) or text(pressed.get("title")),
            language=_language(said),
            attachments=[_attached(each) for each in objects(said.get("attachments"))],
            recipient=page,
            platform=platform,
            message=own_id,
            payload=identifier(part(said, "quick_reply").get("payload") or pressed.get("payload")),
            reply_to=identifier(part(said, "reply_to").get("mid") or part(said, "reply_to", "story").get("id")),
        )
    ]


def _attached(each: dict[str, Any]) -> Attachment:
    kind, payload = text(each.get("type")), part(each, "payload")
    url = text(payload.get("url")) or text(each.get("url"))
    place = part(payload, "coordinates")
    if not url and place:
        url = f"geo:{text(place.get('lat')) or place.get('lat')},{text(place.get('long')) or place.get('long')}"
    return attachment(kind, url, name=text(payload.get("title")))


def _language(said: dict[str, Any]) -> str:
    """Returns the language, if Meta's own detection is sure of it."""
    found = objects(part(said, "nlp").get("detected_locales"))
    sure = [each for each in found if isinstance(each.get("confidence"), float | int) and each["confidence"] >= _SURE]
    return locale_hint(text(sure[0].get("locale"))) if sure else ""


# -- comments and posts -------------------------------------------------------------------------------------------------


def _public(platform: str, entry: dict[str, Any], item: dict[str, Any], now: int, source: str) -> list[Event]:
    field, value = text(item.get("field")), part(item, "value")
    if field in _COMMENTS:
        return _comment(entry, value, now, source)
    if field not in ("feed", "mention") or text(value.get("verb")) != "add" or text(value.get("item")) not in _POSTS:
        return []
    post, comment = identifier(value.get("post_id")), identifier(value.get("comment_id"))
    own_id = comment or post
    if not own_id:
        raise Refused("bad_fields", f"a {text(value.get('item'))[:20]} without its id")
    by = identifier(part(value, "from").get("id") or value.get("sender_id"))
    if by and by == identifier(entry.get("id")):
        return []
    photos = [value.get("photo"), value.get("video"), *(_list(value.get("photos")))]
    return [
        message(
            f"meta:{by}" if by else f"meta:comment-{own_id}",
            event_id=event_id("meta", "post", own_id),
            said_at=millis(value.get("created_time"), now, unit=MICROS),
            now=now,
            source=source,
            thread=f"facebook:{post or own_id}",
            public=True,
            words=text(value.get("message")),
            name=text(part(value, "from").get("name")) or text(value.get("sender_name")),
            attachments=[attachment("image", text(url)) for url in photos if text(url)],
            recipient=identifier(entry.get("id")),
            answer_to=_top_comment(post, comment, identifier(value.get("parent_id"))) or own_id,
            platform="facebook",
            post=post,
            comment=comment,
            reply_to=identifier(value.get("parent_id")),
            link=identifier(part(value, "post").get("permalink_url") or value.get("permalink_url")),
        )
    ]


def _top_comment(post: str, comment: str, parent: str) -> str:
    """Returns the comment that began the conversation below a post."""
    return parent if parent and comment and parent not in (post, post.rpartition("_")[2]) else comment


def _comment(entry: dict[str, Any], value: dict[str, Any], now: int, source: str) -> list[Event]:
    own_id, medium = identifier(value.get("id") or value.get("comment_id")), identifier(part(value, "media").get("id"))
    if not own_id:
        raise Refused("bad_fields", "a comment without its id")
    author, ours = part(value, "from"), identifier(entry.get("id"))
    by = identifier(author.get("id"))
    if ours and ours in (by, identifier(author.get("self_ig_scoped_id"))):
        return []
    handle = text(author.get("username"))
    return [
        message(
            f"meta:{by}" if by else f"meta:comment-{own_id}",
            event_id=event_id("meta", "post", own_id),
            said_at=millis(entry.get("time"), now, unit=MICROS),
            now=now,
            source=source,
            thread=f"instagram:{medium or own_id}",
            public=True,
            words=text(value.get("text")),
            name=handle,
            recipient=identifier(entry.get("id")),
            answer_to=own_id,
            platform="instagram",
            post=medium,
            comment=own_id,
            handle=handle[:200],
            reply_to=identifier(value.get("parent_id")),
        )
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""X: what is genuine, what is public, who wrote it, and what is no contact at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import social_x
from producers.endpoint import Delivery, PartialBatch
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived
from schemas.identity import customer_tag, event_id
from tests.support.producers.social_case import MILLIS, NOW, T0, delivery, dm, meta, post, said, x


def test_xs_signature_and_its_check_are_base64() -> None:
    expected = "sha256=" + base64.b64encode(hmac.new(b"new", b"token", hashlib.sha256).digest()).decode()
    assert social_x.signature("new", b"token") == expected
    answer = social_x.challenge(Delivery("GET", "", query={"crc_token": "token"}), ["new", "old"])
    assert json.loads(answer.body) == {"response_token": expected}
    with pytest.raises(Refused, match="bad_challenge"):
        social_x.challenge(Delivery("GET", ""), ["new"])


@pytest.mark.parametrize(
    "body",
    [
        '{"for_user_id":"1001"}',
        "{}",
        ' {"a":1}',
        "[]",
        '"x"',
        "\ufeff{}",
        "token\n",
        "名",
        "x" * 301,
        json.dumps(post()),
    ],
)
def test_nobody_can_have_a_delivery_signed_by_asking_for_a_check(body: str) -> None:
    with pytest.raises(Refused, match="bad_challenge"):
        social_x.challenge(Delivery("GET", "", query={"crc_token": body}), ["new"])


@given(st.text(max_size=60))
def test_no_text_that_a_check_signs_is_a_delivery(token: str) -> None:
    try:
        social_x.challenge(Delivery("GET", "", query={"crc_token": token}), ["new"])
    except Refused:
        return
    with pytest.raises(Refused, match="bad_json"):
        social_x.normalise(Delivery("POST", "", body=token.encode()), NOW, "")


@pytest.mark.parametrize("url", ["http://[", "https://[::1", "//[x]/y", "http://\u2100.example/"])
def test_a_shared_unusable_address_loses_only_its_name(url: str) -> None:
    shared = {"type": "fallback", "payload": {"url": url}}
    [event] = meta(said({"text": "look", "attachments": [shared]}))
    assert (event.text, event.attachments[0].reference, event.attachments[0].name) == ("look", url, "fallback")


def test_a_direct_message_is_private() -> None:
    assert x(messages=[dm({"text": "Where &lt;is&gt; it?"})]) == [
        MessageReceived(
            event_id=event_id("x", "message", "55"),
            occurred_at=T0,
            received_at=NOW,
            sent_at=T0,
            customer_tag=customer_tag("x:2002"),
            channel="social",
            source="http:here",
            customer_id="x:2002",
            address="x:2002",
            customer_name="Ann Lee",
            text="Where <is> it?",
            full_text="Where <is> it?",
            public=False,
            thread_id="x:dm:1001-2002",
            recipients=["1001"],
            fields={"platform": "x", "message": "55", "handle": "ann"},
            verified="platform",
        )
    ]


def test_a_mention_is_public_with_the_words_that_are_shown() -> None:
    [event] = x(posts=[post()])
    assert (event.public, event.customer_id, event.thread_id) == (True, "x:2002", "x:77")
    assert (event.text, event.full_text, event.language) == ("where is it & why?", "@shop where is it & why?", "en")
    assert (event.event_id, event.occurred_at) == (event_id("x", "post", "77"), T0)


def test_a_long_post_is_whole_and_lists_its_pictures() -> None:
    media = [
        {"type": "photo", "media_url_https": "https://pics.example/a.jpg"},
        {"type": "video", "media_url_https": "https://pics.example/b.jpg", "video_info": {"variants": [
            {"content_type": "application/x-mpegURL", "url": "https://video.example/b.m3u8"},
            {"content_type": "video/mp4", "url": "https://video.example/b.mp4"}]}},
    ]  # fmt: skip
    long = {"full_text": "@shop " + "x" * 200, "display_text_range": [6, 206], "extended_entities": {"media": media}}
    [event] = x(posts=[post(truncated=True, extended_tweet=long)])
    assert event.text == "x" * 200
    assert [(each.media_type, each.reference) for each in event.attachments] == [
        ("image/jpeg", "https://pics.example/a.jpg"),
        ("video/mp4", "https://video.example/b.mp4"),
    ]


@pytest.mark.parametrize(
    ("more", "thread"),
    [
        ({"in_reply_to_status_id_str": "70"}, "x:70"),
        ({"in_reply_to_status_id_str": "70", "conversation_id_str": "60"}, "x:60"),
    ],
)
def test_an_answer_belongs_to_its_conversation(more: dict[str, Any], thread: str) -> None:
    assert x(posts=[post(**more)])[0].thread_id == thread


@pytest.mark.parametrize(
    "more",
    [
        {"in_reply_to_user_id_str": "1001"},
        {"quoted_status": {"user": {"id_str": "1001"}}},
        {"extended_tweet": {"entities": {"user_mentions": [{"id": 1001}]}}},
    ],
)
def test_answers_and_quotes_speak_to_us_as_well(more: dict[str, Any]) -> None:
    assert len(x(posts=[post(entities={}, **more)])) == 1


@pytest.mark.parametrize(
    "posts",
    [
        [post(user={"id_str": "1001"})],
        [post(retweeted_status={"id_str": "1"})],
        [post(edit_history={"initial_tweet_id": "70", "edit_tweet_ids": ["70", "77"]})],
        [post(edit_history_tweet_ids=["70", "77"])],
        [post(entities={})],
    ],
)
def test_own_posts_reposts_edits_and_foreign_talk_are_no_contacts(posts: list[Any]) -> None:
    assert x(posts=posts) == []


def test_our_own_direct_messages_are_no_contacts() -> None:
    assert (
        x(
            messages=[
                {**dm({"text": "Our answer"}), "message_create": {"sender_id": "1001", "message_data": {"text": "x"}}}
            ]
        )
        == []
    )


@pytest.mark.parametrize(
    "more",
    [
        {"favorite_events": [{"id": "1"}]},
        {"tweet_delete_events": [{"status": {"id": "1"}}]},
        {"direct_message_mark_read_events": [{}]},
        {"direct_message_indicate_typing_events": [{}]},
        {"follow_events": [{}]},
    ],
)
def test_likes_deletions_receipts_and_typing_are_no_contacts(more: dict[str, Any]) -> None:
    assert x(**more) == []


def test_an_account_that_takes_its_permission_back_is_no_contact() -> None:
    assert social_x.normalise(delivery({"user_event": {"revoke": {}}}), NOW, "") == []


def test_the_picture_of_a_direct_message_is_listed() -> None:
    media = {"type": "photo", "media_url_https": "https://ton.example/9.png"}
    [event] = x(messages=[dm({"text": "see", "attachment": {"type": "media", "media": media}})])
    assert event.attachments == [
        Attachment(name="9.png", media_type="image/png", reference="https://ton.example/9.png")
    ]


@pytest.mark.parametrize(("tag", "language"), [("ja", "ja"), ("zh", ""), ("und", ""), ("fr", ""), (None, "")])
def test_xs_language_is_a_hint_where_it_says_enough(tag: Any, language: str) -> None:
    assert x(posts=[post(lang=tag)])[0].language == language


def test_a_post_without_milliseconds_has_its_creation_time() -> None:
    [event] = x(posts=[post(timestamp_ms=None, created_at="Mon Mar 02 09:00:00 +0000 2026")])
    assert event.occurred_at == T0


def test_of_a_delivery_with_a_broken_part_the_rest_are_events() -> None:
    with pytest.raises(PartialBatch) as kept:
        x(messages=[{"type": "message_create", "message_create": {"sender_id": "1"}}], posts=[post(), post(user={})])
    assert [event.event_id for event in kept.value.events] == [event_id("x", "post", "77")]
    assert kept.value.detail == "a direct message without its id; a post without its author"


def test_a_delivery_that_is_about_no_account_is_refused() -> None:
    with pytest.raises(Refused, match="unknown_object"):
        social_x.normalise(delivery({"tweet_create_events": []}), NOW, "")


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ({"direct_message_events": [{"created_timestamp": str(MILLIS)}]}, MILLIS * 1000),
        ({"tweet_create_events": [{"timestamp_ms": MILLIS}, {"timestamp_ms": MILLIS + 1}]}, (MILLIS + 1) * 1000),
        ({"tweet_create_events": [{"created_at": "Mon Mar 02 09:00:00 +0000 2026"}]}, 1_772_442_000_000_000),
        ({"tweet_create_events": [{"text": "no time"}]}, 0),
        ({}, 0),
    ],
)
def test_a_delivery_of_x_is_as_old_as_the_newest_that_it_names(told: dict[str, Any], at: int) -> None:
    assert social_x.signed_at(Delivery("POST", "", body=json.dumps(told).encode())) == at

"""Social networks: what is genuine, what is public, who wrote it, and what is no contact at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import social_meta, social_x
from producers.endpoint import Delivery, PartialBatch
from producers.endpoints.social import ENDPOINTS
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived
from schemas.identity import customer_tag, event_id

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


# -- Meta: is it genuine --------------------------------------------------------------------------------------------


def test_metas_signature_is_the_hmac_of_the_body() -> None:
    expected = "sha256=" + hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    assert social_meta.signature("secret", b"{}") == expected
    social_meta.verify(Delivery("POST", "", {"x-hub-signature-256": expected}, body=b"{}"), ["new", "secret"], 0.0)


@pytest.mark.parametrize("module", [social_meta, social_x])
@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "missing_signature"),
        ("sha1=abc", "malformed_signature"),
        ("sha256=abc", "bad_signature"),
        ("sha256=名", "bad_signature"),
    ],
)
def test_another_signature_is_refused(module: Any, header: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        module.verify(Delivery("POST", "", {module.HEADER: header}, body=b"{}"), ["secret"], 0.0)
    assert refused.value.reason == reason


def test_metas_check_gets_its_challenge_for_a_known_token() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "old", "hub.challenge": "1158201444"}
    answer = social_meta.challenge(Delivery("GET", "", query=query), ["new", "old"])
    assert (answer.status, answer.body, answer.media_type) == (200, "1158201444", "text/plain")
    for wrong in (
        {"hub.verify_token": "x"},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.verify_token": ""},
        {"hub.verify_token": "half a character \ud800"},
    ):
        with pytest.raises(Refused):
            social_meta.challenge(Delivery("GET", "", query=query | wrong), ["new", "old"])
    with pytest.raises(Refused):
        social_meta.challenge(Delivery("GET", "", query=query | {"hub.verify_token": ""}), [])


def test_the_verify_token_is_another_setting_than_the_app_secret() -> None:
    assert [(endpoint.secrets, endpoint.tokens) for endpoint in ENDPOINTS] == [
        ("social_secrets", "social_verify_tokens"),
        ("social_x_secrets", ""),
    ]


# -- Meta: messages -------------------------------------------------------------------------------------------------


def test_a_message_to_our_page_is_private() -> None:
    assert meta(said({"text": "Where is my parcel?"})) == [
        MessageReceived(
            event_id=event_id("meta", "message", "m1"),
            occurred_at=T0,
            received_at=NOW,
            sent_at=T0,
            customer_tag=customer_tag("meta:2002"),
            channel="social",
            source="http:here",
            customer_id="meta:2002",
            address="meta:2002",
            text="Where is my parcel?",
            full_text="Where is my parcel?",
            public=False,
            thread_id="messenger:1001:2002",
            recipients=["1001"],
            fields={"platform": "messenger", "message": "m1"},
        )
    ]


def test_an_instagram_message_has_a_thread_of_its_own() -> None:
    [event] = meta(said({"text": "Hi"}), of="instagram")
    assert (event.thread_id, event.public, event.fields["platform"]) == ("instagram:1001:2002", False, "instagram")


def test_a_batch_is_all_of_its_events_in_order() -> None:
    first, second = said({"mid": "a", "text": "1"}), said({"mid": "b", "text": "2"})
    first["messaging"] += said({"mid": "c", "text": "3"})["messaging"]
    assert [event.text for event in meta(first, second, feed(), insta())] == ["1", "3", "2", "Too late!", "好看"]


def test_pictures_places_and_files_are_listed() -> None:
    [event] = meta(
        said(
            {
                "attachments": [
                    {"type": "image", "payload": {"url": "https://cdn.example/a/photo.jpg?x=1"}},
                    {"type": "file", "payload": {"url": "https://cdn.example/a/bill.pdf"}},
                    {"type": "audio", "payload": {"url": "https://cdn.example/a/98"}},
                    {"type": "location", "payload": {"coordinates": {"lat": 35.5, "long": 139.75}}},
                ]
            }
        )
    )
    assert event.text == ""
    assert event.attachments == [
        Attachment(name="photo.jpg", media_type="image/jpeg", reference="https://cdn.example/a/photo.jpg?x=1"),
        Attachment(name="bill.pdf", media_type="application/pdf", reference="https://cdn.example/a/bill.pdf"),
        Attachment(name="98", media_type="audio/*", reference="https://cdn.example/a/98"),
        Attachment(name="35.5,139.75", reference="geo:35.5,139.75"),
    ]


def test_a_pressed_button_says_what_stands_on_it() -> None:
    item = said({})
    item["messaging"][0].pop("message")
    item["messaging"][0]["postback"] = {"mid": "m2", "title": "Talk to a person", "payload": "HUMAN"}
    [event] = meta(item)
    assert (event.text, event.fields["payload"]) == ("Talk to a person", "HUMAN")
    item["messaging"][0]["postback"].pop("mid")
    [without_id] = meta(item)
    assert without_id.event_id == event_id("meta", "message", f"HUMAN@{MILLIS}")


def test_a_quick_reply_and_an_answer_name_what_they_refer_to() -> None:
    [event] = meta(said({"text": "Yes", "quick_reply": {"payload": "Y"}, "reply_to": {"mid": "m0"}}))
    assert (event.fields["payload"], event.fields["reply_to"]) == ("Y", "m0")


@pytest.mark.parametrize(
    ("found", "language"),
    [([{"locale": "zh_TW", "confidence": 0.9}], "zh-Hant"), ([{"locale": "ja_JP", "confidence": 0.5}], ""), ("x", "")],
)
def test_metas_language_detection_counts_when_it_is_sure(found: Any, language: str) -> None:
    [event] = meta(said({"text": "?", "nlp": {"detected_locales": found}}))
    assert event.language == language


@pytest.mark.parametrize(
    "item",
    [
        said({"text": "Our answer", "is_echo": True}),
        said({"is_deleted": True}),
        said({"text": "Our answer"}, sender={"id": "1001"}, recipient={"id": "2002"}),
        {"id": "1001", "messaging": [{"sender": {"id": "2002"}, "read": {"watermark": MILLIS}}]},
        {"id": "1001", "messaging": [{"sender": {"id": "2002"}, "delivery": {"mids": ["m1"]}}]},
        {"id": "1001", "messaging": [{"sender": {"id": "2002"}, "reaction": {"mid": "m1", "action": "react"}}]},
        {"id": "1001", "messaging": [{"sender": {"id": "2002"}, "message_edit": {"mid": "m1", "text": "new"}}]},
        {"id": "1001", "messaging": [{"sender": {"id": "2002"}, "optin": {"type": "x"}}]},
        {"id": "1001", "standby": said({"text": "for another app"})["messaging"]},
        {"id": "1001"},
        feed(verb="edited"),
        feed(verb="remove"),
        feed(verb="hide"),
        feed(item="reaction"),
        feed(item="like"),
        feed(**{"from": {"id": "1001", "name": "Our page"}}),
        insta(**{"from": {"id": "1001", "username": "us"}}),
        {"id": "1001", "changes": [{"field": "mentions", "value": {"media_id": "1", "comment_id": "2"}}]},
        {"id": "1001", "changes": [{"field": "leadgen", "value": {"form_id": "1"}}]},
    ],
)  # fmt: skip
def test_echoes_receipts_edits_and_deletions_are_no_contacts(item: dict[str, Any]) -> None:
    assert meta(item) == []


# -- Meta: in public ------------------------------------------------------------------------------------------------


def test_a_comment_on_our_page_is_public_below_its_post() -> None:
    [event] = meta(feed())
    assert (event.public, event.thread_id, event.customer_id) == (True, "facebook:1001_7", "meta:2003")
    assert (event.text, event.customer_name, event.occurred_at) == ("Too late!", "Ben", T0)
    assert event.event_id == event_id("meta", "post", "7_8")
    assert event.fields == {"platform": "facebook", "post": "1001_7", "comment": "7_8", "reply_to": "1001_7"}


@pytest.mark.parametrize("item", ["post", "status", "photo", "video"])
def test_a_visitors_post_is_public(item: str) -> None:
    [event] = meta(feed(item=item, comment_id=None, photos=["https://cdn.example/1.png"]))
    assert (event.public, event.event_id) == (True, event_id("meta", "post", "1001_7"))
    assert [each.media_type for each in event.attachments] == ["image/png"]


def test_a_comment_whose_author_is_hidden_is_somebody_of_its_own() -> None:
    [event] = meta(feed(**{"from": None}))
    assert event.customer_id == "meta:comment-7_8"


def test_an_instagram_comment_is_public_below_its_medium() -> None:
    for entry in (
        insta(),
        {"id": "1001", "time": SECONDS, "field": "comments", "value": insta()["changes"][0]["value"]},
    ):
        [event] = meta(entry, of="instagram")
        assert (event.public, event.thread_id, event.customer_id) == (True, "instagram:M5", "meta:2004")
        assert (event.text, event.fields["handle"], event.occurred_at) == ("好看", "mei", T0)


def test_a_public_event_names_the_post_that_answers_go_below() -> None:
    [on_post] = meta(feed())
    [reply] = meta(feed(comment_id="7_9", parent_id="7_8"))  # below another comment: answers gather at that one
    [post] = meta(feed(item="post", comment_id=None, parent_id=None))
    [insta_comment] = meta(insta(), of="instagram")
    [private] = meta(said({"text": "Hello"}))
    assert [each.message_id for each in (on_post, reply, post, insta_comment, private)] == [
        "7_8", "7_8", "1001_7", "c9", "",
    ]  # fmt: skip


def test_our_own_comments_are_ignored_and_unattributed_ones_taken() -> None:
    for own in ({"from": {"id": "1001"}}, {"from": {"id": "7", "self_ig_scoped_id": "1001"}}):
        assert meta(insta(**own), of="instagram") == []
    nameless = {name: value for name, value in insta().items() if name != "id"}
    [event] = meta(nameless, of="instagram")
    assert event.text == "好看"


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (said({"text": "Hello"}), MILLIS * 1000),
        (said({"text": "Hello"}, timestamp=MILLIS + 5_000), (MILLIS + 5_000) * 1000),  # the newest counts
        (feed(), SECONDS * 1_000_000),
        ({"id": "1001", "time": "soon", "changes": [{"value": {"created_time": SECONDS}}]}, SECONDS * 1_000_000),
        ({"id": "1001"}, 0),
        ({"id": "1001", "time": True, "messaging": [None, 7]}, 0),
    ],
)
def test_a_batch_is_as_old_as_the_newest_that_it_names(told: dict[str, Any], at: int) -> None:
    body = json.dumps({"object": "page", "entry": [told]}).encode()
    assert social_meta.signed_at(Delivery("POST", "", body=body)) == at
    assert social_meta.signed_at(Delivery("POST", "", body=b"{")) == 0


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


# -- Meta: broken ---------------------------------------------------------------------------------------------------


def test_of_a_batch_with_a_broken_part_the_others_are_events() -> None:
    broken = said({"text": "from nobody"}, sender={})
    with pytest.raises(PartialBatch) as kept:
        meta(broken, said({"mid": "m3", "text": "fine"}), feed(comment_id=None, post_id=None))
    assert [event.text for event in kept.value.events] == ["fine"]  # type: ignore[attr-defined]
    assert kept.value.detail == "a message without its sender; a comment without its id"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b'{"object":"user","entry":[]}', "unknown_object"),
        (b'{"object":"page"}', "bad_fields"),
        (b'{"object":"page","entry":[7]}', "bad_fields"),
        (b'{"object":"page","entry":[{"messaging":{}}]}', "bad_fields"),
        (b"\xff", "bad_json"),
        (b"[" * 100_000, "bad_json"),
    ],
)
def test_what_is_no_batch_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        social_meta.normalise(Delivery("POST", "", body=body), NOW, "")
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("stamp", "at"), [(MILLIS + 10**9, NOW), (0, NOW), ("soon", NOW), (None, NOW), (str(MILLIS), T0), (True, NOW)]
)
def test_a_time_that_is_none_or_in_the_future_is_now(stamp: Any, at: int) -> None:
    assert meta(said({"text": "?"}, timestamp=stamp))[0].occurred_at == at


def test_card_numbers_are_masked_and_ids_are_left_alone() -> None:
    [event] = meta(said({"mid": "m4111111111111111", "text": "4111111111111111"}, sender={"id": "4111111111111111"}))
    assert event.text == "************1111"
    assert event.customer_id == "meta:4111111111111111"
    assert event.fields["message"] == "m4111111111111111"


# -- X --------------------------------------------------------------------------------------------------------------


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


# -- whatever comes -------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["id", "messaging", "changes", "message", "sender", "value", "field", "from", "text", "attachments", "user", "verb", "item",
         "message_create", "message_data", "entities", "extended_tweet", "postback", "mid", "media", "display_text_range"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON)
def test_no_json_breaks_it(one: Any, two: Any) -> None:
    for told in ({"object": "page", "entry": [one, {"id": "1", "messaging": [two], "changes": [{"field": "feed", "value": one}]}]},
                 {"for_user_id": "1", "tweet_create_events": [one], "direct_message_events": [two], "users": one}):  # fmt: skip
        normalise = social_x.normalise if "for_user_id" in told else social_meta.normalise
        try:
            events = normalise(delivery(told), NOW, "")
        except Refused as refused:
            assert refused.reason == "bad_fields"
        else:
            assert all(isinstance(event, MessageReceived) for event in events)


def test_the_examples_of_the_endpoints_are_events() -> None:
    assert [len(endpoint.normalise(endpoint.example, NOW, "docs")) for endpoint in ENDPOINTS] == [1, 1]

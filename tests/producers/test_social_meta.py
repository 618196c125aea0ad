"""Facebook and Instagram: what is genuine, what is public, who wrote it, and what is no contact at all."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from producers.channels import social_meta
from producers.endpoint import Delivery, PartialBatch
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived
from schemas.identity import customer_tag, event_id
from tests.support.producers.social_case import MILLIS, NOW, SECONDS, T0, feed, insta, meta, said

# -- Meta: is it genuine ------------------------------------------------------------------------------------------------


def test_metas_signature_is_the_hmac_of_the_body() -> None:
    expected = "sha256=" + hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    assert social_meta.signature("secret", b"{}") == expected
    social_meta.verify(Delivery("POST", "", {"x-hub-signature-256": expected}, body=b"{}"), ["new", "secret"], 0.0)


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


# -- Meta: messages -----------------------------------------------------------------------------------------------------


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
            verified="platform",
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


# -- Meta: in public ----------------------------------------------------------------------------------------------------


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


# -- Meta: broken -------------------------------------------------------------------------------------------------------


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

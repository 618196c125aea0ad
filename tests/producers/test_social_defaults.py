"""Fields that a platform leaves out, and pictures beside a comment."""

from __future__ import annotations

from tests.support.producers.social_case import dm, feed, meta, x


def test_a_direct_message_without_a_type_is_one() -> None:
    untyped = {name: value for name, value in dm({"text": "Hello"}).items() if name != "type"}
    assert [event.text for event in x(messages=[untyped])] == ["Hello"]
    assert x(messages=[dm({"text": "Hello"}, type="message_read")]) == []


def test_the_pictures_of_a_comment_are_images() -> None:
    photos = {"photo": "https://x.example/1.jpg", "video": "https://x.example/2.mp4", "photos": ["https://x.example/"]}
    [event] = meta(feed(**photos))
    assert [(each.name, each.media_type, each.reference) for each in event.attachments] == [
        ("1.jpg", "image/jpeg", "https://x.example/1.jpg"),
        ("2.mp4", "video/mp4", "https://x.example/2.mp4"),
        ("image", "image/*", "https://x.example/"),
    ]

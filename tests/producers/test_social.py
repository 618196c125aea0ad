"""Social networks alike: proofs, settings, examples, and whatever JSON comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import social_meta, social_x
from producers.endpoint import Delivery
from producers.endpoints.social import ENDPOINTS
from schemas.errors import Refused
from schemas.events import MessageReceived
from tests.support.producers.social_case import NOW, delivery


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


def test_the_verify_token_is_another_setting_than_the_app_secret() -> None:
    assert [(endpoint.secrets, endpoint.tokens) for endpoint in ENDPOINTS] == [
        ("social_secrets", "social_verify_tokens"),
        ("social_x_secrets", ""),
    ]


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

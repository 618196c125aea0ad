"""SMS and WhatsApp: what is signed, what is a wish, and what becomes of a message."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import sms
from producers.channels.telephone import caller, e164, language_of
from producers.channels.twilio import HEADER, sign, verify
from producers.endpoint import Delivery
from producers.endpoints.sms import ENDPOINTS
from schemas.errors import Refused
from schemas.events import Attachment, ConsentChanged, DeliveryReported, Event, MessageReceived
from schemas.identity import customer_tag, event_id

NOW = 1_772_442_000_000_000
URL = "https://hooks.example/v1/sms/incoming"
TOKEN = "auth-token"


def delivery(fields: Mapping[str, str], query: Mapping[str, str] | None = None) -> Delivery:
    return Delivery("POST", URL, query=query or {}, body=urlencode(fields).encode())


def incoming(**fields: str) -> Event:
    given = {"MessageSid": "SM1", "From": "+819012345678", "To": "+815055550100", "Body": "Hello", "NumMedia": "0"}
    [event] = sms.incoming(delivery(given | fields), NOW, "http:here")
    return event


# -- signatures -----------------------------------------------------------------------------------------------------


def test_the_signature_covers_the_address_and_all_fields_in_order() -> None:
    body = b"To=%2B1555&Body=a+b%26c&From=%2B1444&Empty="
    signed = b"https://hooks.example/v1/sms/incoming?id=7Bodya b&cEmptyFrom+1444To+1555"
    expected = base64.b64encode(hmac.new(b"auth-token", signed, hashlib.sha1).digest()).decode()
    assert sign(TOKEN, URL + "?id=7", body) == expected


def test_a_repeated_field_is_signed_in_the_order_of_its_values() -> None:
    signed = base64.b64encode(hmac.new(b"auth-token", URL.encode() + b"a1a2b0", hashlib.sha1).digest()).decode()
    assert sign(TOKEN, URL, b"b=0&a=2&a=1&a=2") == signed


@pytest.mark.parametrize(
    ("header", "url", "reason"),
    [
        (None, URL, "missing_signature"),
        ("", URL, "missing_signature"),
        ("c2lnbmF0dXJl", URL, "bad_signature"),
        ("名前", URL, "bad_signature"),
        ("right", URL + "?x=1", "bad_signature"),
    ],
)
def test_what_is_not_signed_for_this_address_is_refused(header: str | None, url: str, reason: str) -> None:
    value = sign(TOKEN, URL, b"a=1") if header == "right" else header
    headers = {} if value is None else {HEADER: value}
    with pytest.raises(Refused) as refused:
        verify(Delivery("POST", url, headers, body=b"a=1"), ["other", TOKEN], 0.0)
    assert refused.value.reason == reason


@given(st.binary(max_size=60), st.sampled_from([0, 1]))
def test_any_bytes_can_be_signed_with_the_new_token_or_the_old(body: bytes, number: int) -> None:
    tokens = ["new", "old"]
    headers = {HEADER: sign(tokens[number], URL, body)}
    verify(Delivery("POST", URL, headers, body=body), tokens, 0.0)
    with pytest.raises(Refused):
        verify(Delivery("POST", URL, headers, body=body + b"&more=1"), tokens, 0.0)


def test_more_fields_than_any_message_has_are_refused() -> None:
    with pytest.raises(Refused, match="bad_encoding"):
        sign(TOKEN, URL, b"&".join(b"a%d=1" % number for number in range(300)))


# -- messages -------------------------------------------------------------------------------------------------------


def test_an_sms_is_a_message_of_its_number() -> None:
    assert incoming(Body=" 荷物が届きません ") == MessageReceived(
        event_id=event_id("sms", "message", "SM1"),
        occurred_at=NOW,
        received_at=NOW,
        customer_tag=customer_tag("tel:+819012345678"),
        channel="sms",
        source="http:here",
        customer_id="tel:+819012345678",
        address="+819012345678",
        text="荷物が届きません",
        full_text="荷物が届きません",
        recipients=["+815055550100"],
        language="ja",
        verified="carrier",
    )


def test_a_whatsapp_sender_is_the_customer_of_the_number() -> None:
    event = incoming(
        From="whatsapp:+819012345678", To="whatsapp:+815055550100", ProfileName="田中 花子", WaId="819012345678"
    )
    assert isinstance(event, MessageReceived)
    assert (event.customer_id, event.address) == ("tel:+819012345678", "whatsapp:+819012345678")
    assert (event.customer_name, event.recipients) == ("田中 花子", ["whatsapp:+815055550100"])


def test_pictures_are_listed_with_where_they_are() -> None:
    event = incoming(
        Body="",
        NumMedia="2",
        MediaUrl0="https://media.example/2010/ME1",
        MediaContentType0="image/jpeg",
        MediaUrl1="https://media.example/2010/ME2",
    )
    assert isinstance(event, MessageReceived)
    assert event.text == ""
    assert event.attachments == [
        Attachment(name="ME1", media_type="image/jpeg", reference="https://media.example/2010/ME1"),
        Attachment(name="ME2", reference="https://media.example/2010/ME2"),
    ]


def test_a_picture_without_usable_address_loses_only_its_name() -> None:
    event = incoming(Body="look", NumMedia="1", MediaUrl0="https://[")
    assert isinstance(event, MessageReceived)
    assert (event.text, event.attachments[0].reference, event.attachments[0].name) == ("look", "https://[", "")


def test_a_place_is_told_in_words() -> None:
    event = incoming(Body="", Latitude="35.68", Longitude="139.76", Address="1-9-1 Marunouchi", Label="Tokyo Station")
    assert isinstance(event, MessageReceived)
    assert event.text == "Tokyo Station\n1-9-1 Marunouchi\n35.68, 139.76"


def test_card_numbers_are_masked() -> None:
    event = incoming(Body="My card is 4111 1111 1111 1111")
    assert isinstance(event, MessageReceived)
    assert event.text == "My card is **** **** **** 1111"


@pytest.mark.parametrize("count", ["-1", "many", "99999999", "²"])
def test_a_count_of_pictures_that_is_none_lists_none(count: str) -> None:
    event = incoming(NumMedia=count)
    assert isinstance(event, MessageReceived)
    assert event.attachments == []


@pytest.mark.parametrize(
    "fields", [{"MessageSid": ""}, {"From": ""}, {"From": "anonymous"}, {"From": "+266696687"}, {"From": "whatsapp:"}]
)
def test_a_message_of_nobody_or_without_an_id_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match="bad_fields"):
        incoming(**fields)


def test_bytes_that_are_not_utf_8_are_refused_after_the_signature() -> None:
    body = b"MessageSid=SM1&From=%2B819012345678&Body=%93%FA%96%7B"  # Shift_JIS
    signed = Delivery("POST", URL, {HEADER: sign(TOKEN, URL, body)}, body=body)
    verify(signed, [TOKEN], 0.0)
    with pytest.raises(Refused, match="bad_encoding"):
        sms.incoming(signed, NOW, "")


def test_the_same_message_has_the_same_id_whatever_came_with_it() -> None:
    assert incoming(ApiVersion="2010-04-01").event_id == incoming(SmsMessageSid="SM1").event_id
    assert incoming(MessageSid="SM2").event_id != incoming().event_id


# -- consent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wish", "language"),
    [
        ("STOP", "stop", "ja"),  # by the number's country
        ("stop", "stop", "ja"),
        (" Stop. ", "stop", "ja"),
        ("“STOP”", "stop", "ja"),
        ("ＳＴＯＰ", "stop", "ja"),
        ("stopall", "stop", "ja"),
        ("Stop  all", "stop", "ja"),
        ("UNSUBSCRIBE", "stop", "ja"),
        ("Cancel!", "stop", "ja"),
        ("end", "stop", "ja"),
        ("QUIT", "stop", "ja"),
        ("停止", "stop", "ja"),
        ("退订", "stop", "zh-Hans"),
        ("退訂。", "stop", "zh-Hant"),
        ("配信停止", "stop", "ja"),
        ("TD", "stop", "ja"),
        ("START", "start", "ja"),
        ("Yes", "start", "ja"),
        ("unstop", "start", "ja"),
        ("配信再開", "start", "ja"),
        ("HELP", "help", "ja"),
        ("info?", "help", "ja"),
        ("帮助", "help", "zh-Hans"),
        ("幫助", "help", "zh-Hant"),
        ("ヘルプ", "help", "ja"),
        ("\u200fSTOP\u200f", "stop", "ja"),  # as a telephone that writes from right to left sends it
        ("\u202aStop\u202c", "stop", "ja"),
        ("S\u200bTOP", "stop", "ja"),
        ("*STOP* \U0001f6d1", "stop", "ja"),
        ("✋\U0001f3fb stop ✋\U0001f3fb", "stop", "ja"),
        ("#unsubscribe#", "stop", "ja"),
        ("<退订>", "stop", "zh-Hans"),
    ],
)
def test_a_keyword_alone_is_a_consent_change_and_no_message(body: str, wish: str, language: str) -> None:
    event = incoming(Body=body)
    assert isinstance(event, ConsentChanged)
    assert (event.wish, event.language, event.keyword, event.answered) == (wish, language, body.strip(), False)
    assert (event.customer_id, event.address) == ("tel:+819012345678", "+819012345678")


@pytest.mark.parametrize(
    "body",
    [
        "Please stop",
        "stop it",
        "Help me",
        "yes please",
        "No",
        "停止してください",
        "请帮助",
        "",
        "the end",
        "can cel",
        "STOP" * 30,
        "Help \U0001f622",
        "Cancel \U0001f64f",
        "\U0001f6d1",
    ],
)
def test_a_word_among_others_is_a_message(body: str) -> None:
    assert isinstance(incoming(Body=body), MessageReceived)


def test_the_services_own_recognition_counts_and_it_has_answered() -> None:
    event = incoming(Body="Arrêt", OptOutType="STOP")
    assert isinstance(event, ConsentChanged)
    assert (event.wish, event.keyword, event.answered) == ("stop", "Arrêt", True)


def test_a_wish_is_obeyed_with_a_picture_and_by_whatsapp() -> None:
    event = incoming(Body="stop", From="whatsapp:+447700900123", NumMedia="1", MediaUrl0="https://media.example/1")
    assert isinstance(event, ConsentChanged)
    assert (event.customer_id, event.address) == ("tel:+447700900123", "whatsapp:+447700900123")


@given(
    st.sampled_from(sorted(sms.KEYWORDS)),
    st.sampled_from(["", " ", ".", "!", "。", "\n", "\u3000", "…"]),
    st.booleans(),
)
def test_case_blanks_and_punctuation_around_a_word_do_not_matter(word: str, around: str, upper: bool) -> None:
    text = around + (word.upper() if upper else word) + around
    assert sms.keyword_of(text) == sms.KEYWORDS[word]


@pytest.mark.timeout(60)  # it took minutes: each sign was tried as the first of those at the end
def test_a_long_row_of_signs_is_no_keyword() -> None:
    assert sms.keyword_of("x" + "_" * 100_000 + "x") is None


@given(st.text(max_size=150))
def test_no_text_breaks_the_recognition(text: str) -> None:
    found = sms.keyword_of(text)
    assert found is None or found.request in ("stop", "start", "help")


# -- reports --------------------------------------------------------------------------------------------------------


def reports(query: Mapping[str, str] | None = None, **fields: str) -> list[Event]:
    given = {"MessageSid": "SM7", "MessageStatus": "delivered", "To": "+447700900123", "From": "+447700900999"}
    return sms.status(delivery(given | fields, query), NOW, "http:here")


def test_a_report_names_our_own_id_and_the_customer() -> None:
    [event] = reports({"id": "OUT1"}, MessageStatus="undelivered", ErrorCode="30003")
    assert event == DeliveryReported(
        event_id=event_id("sms", "status", "SM7", "undelivered"),
        occurred_at=NOW,
        received_at=NOW,
        customer_tag=customer_tag("tel:+447700900123"),
        channel="sms",
        source="http:here",
        customer_id="tel:+447700900123",
        address="+447700900123",
        message_id="OUT1",
        status="undelivered",
        error_code="30003",
    )


def test_without_our_id_the_services_is_named() -> None:
    [event] = reports()
    assert isinstance(event, DeliveryReported)
    assert event.message_id == "SM7"


def test_a_repeated_status_of_a_message_is_one_event() -> None:
    told = [reports(MessageStatus=status)[0].event_id for status in ("sent", "delivered", "sent", "DELIVERED")]
    assert len(set(told)) == 2


@pytest.mark.parametrize("status", ["receiving", "received"])
def test_what_is_reported_of_messages_to_us_is_nothing(status: str) -> None:
    assert reports(MessageStatus=status) == []


@pytest.mark.parametrize(
    "fields", [{"MessageSid": ""}, {"To": ""}, {"MessageStatus": ""}, {"MessageStatus": "no such!"}]
)
def test_a_report_without_message_recipient_or_status_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match="bad_fields"):
        reports(**fields)


# -- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+819012345678", "", "+819012345678"),
        ("+1 (202) 555-0123", "", "+12025550123"),
        ("020 7946 0000", "gb", "+442079460000"),
        ("0044 20 7946 0000", "GB", "+442079460000"),
        ("＋８１９０１２３４５６７８", "", "+819012345678"),
        ("12345", "GB", ""),
        ("ACME", "US", ""),
        ("", "", ""),
        ("+12", "", ""),
    ],
)
def test_numbers_become_e164(text: str, country: str, number: str) -> None:
    assert e164(text, country) == number


@pytest.mark.parametrize(
    ("number", "language"),
    [
        ("+819012345678", "ja"), ("+8613812345678", "zh-Hans"), ("+886912345678", "zh-Hant"), ("+85291234567", "zh-Hant"),
        ("+447700900123", ""), ("+442079460000", "en"), ("+12025550123", "en"), ("+6581234567", ""), ("+33612345678", ""),
        ("+15550100", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_country_tells_the_language_only_where_it_is_clear(number: str, language: str) -> None:
    assert language_of(number) == language


def test_a_short_code_and_a_name_are_known_and_not_answered() -> None:
    assert caller("12345") == ("tel:12345", "")
    assert caller("ACME") == ("tel:ACME", "")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_example_of_an_endpoint_is_one_event_with_empty_answer(endpoint: Any) -> None:
    events = endpoint.normalise(endpoint.example, NOW, "docs")
    assert len(events) == 1
    assert endpoint.answer(endpoint.example, events).body.endswith("<Response/>")

"""What a kiosk sends, and how it proves what it is, without any server."""

from __future__ import annotations

import pytest

from producers.channels import form
from producers.channels.form import FormProblems
from producers.endpoint import Delivery
from producers.endpoints import kiosk
from producers.security import device
from schemas import codec, signature
from schemas.errors import Refused
from schemas.events import MessageReceived

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
WALL = 1772445600.0
SECRETS = ("new", "old")
TYPED = {"email": "ann@example.org", "message": "The zip is broken", "place": "Dublin, ground floor"}
[KIOSK] = kiosk.ENDPOINTS


def delivery(body: bytes = b"{}", **headers: str) -> Delivery:
    return Delivery("POST", "/v1/kiosk", {"content-type": "application/json"} | headers, body=body)


def taken(sent: Delivery) -> MessageReceived:
    [event] = KIOSK.take(sent.body, KIOSK.input_context(sent, NOW, "test"))
    assert isinstance(event, MessageReceived) and codec.decode(codec.encode(event)) == event
    return event


def reason(sent: Delivery) -> str:
    with pytest.raises(Refused) as caught:
        KIOSK.verify(sent, SECRETS, WALL)
    return caught.value.reason


def test_a_kiosk_makes_a_contact_in_person_with_its_place() -> None:
    made = form.normalise(TYPED, now=NOW, channel=form.KIOSK)
    assert (made.channel, made.fields, made.text) == (
        "in_person",
        {"place": "Dublin, ground floor"},
        "The zip is broken",
    )


def test_the_same_words_on_kiosk_and_web_are_two_contacts() -> None:
    typed = {"email": "ann@example.org", "message": "x", "submission_id": "7"}
    assert form.normalise(typed, now=NOW).event_id != form.normalise(typed, now=NOW, channel=form.KIOSK).event_id


def test_the_web_form_has_no_place_and_a_kiosk_no_honeypot() -> None:
    with pytest.raises(FormProblems) as web:
        form.normalise(TYPED, now=NOW)
    with pytest.raises(FormProblems) as here:
        form.normalise(TYPED | {"website": "x"}, now=NOW, channel=form.KIOSK)
    assert (set(web.value.fields), set(here.value.fields)) == ({"place"}, {"website"})


def test_a_form_and_json_are_the_same() -> None:
    as_form = b"email=ann%40example.org&message=The+zip+is+broken&place=Dublin%2C+ground+floor&subject="
    sent = delivery(as_form, **{"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    as_json = delivery(b'{"email":"ann@example.org","message":"The zip is broken","place":"Dublin, ground floor"}')
    assert taken(sent) == taken(as_json)


def test_a_device_is_named_by_its_token_and_only_by_a_token() -> None:
    token = device.device_token("dublin-1", ["k"])
    assert device.device_of(f"Bearer {token}", ["new", "k"]) == "dublin-1"
    assert device.claimed_device(f"bearer {token}") == "dublin-1"
    assert [device.claimed_device(header) for header in ("", "Basic YTpi", "Bearer", "Bearer no.token")] == [""] * 4


def test_a_token_is_the_signed_name_of_the_device() -> None:
    # printf 'deskstream-device\ndublin-1' | openssl dgst -sha256 -hmac k -binary | base64
    assert device.device_token("dublin-1", ["k"]) == "ZHVibGluLTE.zsNlzMHEDGnukD-T7kC2bBQg5PKmZdgm7xgowlEXLrU"


@pytest.mark.parametrize("signer", [SECRETS, ("old",)])
def test_a_device_with_a_token_passes_and_names_the_place(signer: tuple[str, ...]) -> None:
    sent = delivery(
        b'{"email":"ann@example.org","message":"x"}', authorization=f"Bearer {device.device_token('dublin-1', signer)}"
    )
    KIOSK.verify(sent, SECRETS, WALL)
    assert taken(sent).fields == {"place": "dublin-1"}


def test_a_device_may_sign_instead() -> None:
    KIOSK.verify(delivery(**{signature.HEADER.lower(): signature.sign("old", b"{}", int(WALL))}), SECRETS, WALL)


def test_who_has_neither_is_not_let_in() -> None:
    token = device.device_token("dublin-1", ("guess",))
    assert reason(delivery()) == "missing_signature"
    assert reason(delivery(authorization=f"Bearer {token}")) == "bad_signature"
    assert reason(delivery(authorization="Bearer x")) == "malformed_signature"
    assert reason(delivery(authorization="Basic eA==")) == "malformed_signature"
    assert reason(delivery(authorization=f"Bearer {device.device_token('a', SECRETS)}!")) == "malformed_signature"

"""What a kiosk sends, and how it proves what it is, without any server."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from producers.channels import form
from producers.channels.form import FormProblems
from producers.endpoint import Delivery
from producers.endpoints import kiosk
from producers.security import device
from schemas import codec, signature, signed_token
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


DAY = 86_400


def token(secrets: tuple[str, ...] = ("old",), **more: int | str) -> str:
    fields: dict[str, int | str] = {
        "device": "dublin-1",
        "id": "k7q2m4x9aa",
        "issued": int(WALL) - DAY,
        "expires": int(WALL) + DAY,
    }
    return device.device_token(device.DeviceToken(**fields | more), secrets)  # type: ignore[arg-type]


def old_token(name: str, secrets: tuple[str, ...]) -> str:
    """A token of the release before: the signed name, for ever."""
    return signed_token.sign(b"deskstream-device\n", name.encode(), secrets)


def test_a_device_is_named_by_its_token_and_only_by_a_token() -> None:
    proved = device.token_of(f"Bearer {token()}", SECRETS, WALL)
    assert (proved.device, proved.id, proved.is_old) == ("dublin-1", "k7q2m4x9aa", False)
    assert device.claimed_token(f"bearer {token()}") == proved
    assert [device.claimed_token(header) for header in ("", "Basic YTpi", "Bearer", "Bearer no.token")] == [None] * 4


def test_a_token_is_signed_json_and_of_no_other_purpose() -> None:
    # printf 'deskstream-device-2\n[2,"a","b",1,2]' | openssl dgst -sha256 -hmac k -binary | base64
    mac = hmac.new(b"k", b'deskstream-device-2\n[2,"a","b",1,2]', hashlib.sha256).digest()
    text = (
        base64.urlsafe_b64encode(b'[2,"a","b",1,2]').decode() + "." + base64.urlsafe_b64encode(mac).decode().rstrip("=")
    )
    assert device.device_token(device.DeviceToken("b", "a", 1, 2), ["k"]) == text
    as_old = old_token('[2,"a","b",1,9999999999]', ("k",))
    assert device.token_of(f"Bearer {as_old}", ["k"], WALL).is_old, "an old name cannot say that it is a new token"


def test_a_token_of_the_release_before_still_names_its_device() -> None:
    proved = device.token_of(f"Bearer {old_token('dublin-1', ('old',))}", SECRETS, WALL)
    assert (proved, proved.is_old) == (device.DeviceToken("dublin-1"), True)


@pytest.mark.parametrize("late", [0, 1, DAY])
def test_a_token_expires(late: int) -> None:
    with pytest.raises(Refused) as caught:
        device.token_of(f"Bearer {token()}", SECRETS, WALL + DAY + late)
    assert caught.value.reason == "expired_token" and "dublin-1" in caught.value.detail
    device.token_of(f"Bearer {token()}", SECRETS, WALL + DAY - 1)


@pytest.mark.parametrize("signer", [SECRETS, ("old",)])
def test_a_device_with_a_token_passes_and_names_the_place(signer: tuple[str, ...]) -> None:
    sent = delivery(b'{"email":"ann@example.org","message":"x"}', authorization=f"Bearer {token(signer)}")
    KIOSK.verify(sent, SECRETS, WALL)
    assert taken(sent).fields == {"place": "dublin-1"}


def test_a_device_may_sign_instead() -> None:
    KIOSK.verify(delivery(**{signature.HEADER.lower(): signature.sign("old", b"{}", int(WALL))}), SECRETS, WALL)


def test_who_has_neither_is_not_let_in() -> None:
    assert reason(delivery()) == "missing_signature"
    assert reason(delivery(authorization=f"Bearer {token(('guess',))}")) == "bad_signature"
    assert reason(delivery(authorization=f"Bearer {old_token('dublin-1', ('guess',))}")) == "bad_signature"
    assert reason(delivery(authorization="Bearer x")) == "malformed_signature"
    assert reason(delivery(authorization="Basic eA==")) == "malformed_signature"
    assert reason(delivery(authorization=f"Bearer {token(SECRETS)}!")) == "malformed_signature"

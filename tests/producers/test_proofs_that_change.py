"""Keys change without a restart, tokens of kiosks end, and the schemes of the release before still work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from producers.channels import twilio
from producers.security.device import DeviceToken, device_token
from producers.security.first_use import FirstUse
from schemas import signature, signed_callback, signed_token
from schemas.errors import Refused
from schemas.signature import RequestHead
from tests.support.producers.signed_site import KEYS, OLD_SECRET, SECRET_OF, TICKET, Site, at_once, reason

NOTE = {"id": "n-1", "ticket_id": TICKET, "agent_id": "mei", "text": "Called twice."}
NOTES = "/v1/agents/notes"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def old_proofs(scheme: str) -> float:
    return REGISTRY.get_sample_value("deskstream_old_proofs_total", {"scheme": scheme}) or 0.0


# -- tokens of kiosks --------------------------------------------------------------------------------------------------


def test_a_token_of_a_kiosk_is_revoked_alone_and_expires(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    monkeypatch.setattr("time.monotonic", lambda now=time.monotonic: now() + 2.0)
    now, typed = int(time.time()), b'{"email":"ann@example.org","message":"The zip is broken","submission_id":"1"}'

    def told(device: str, token_id: str, expires: int) -> tuple[int, str]:
        token = device_token(DeviceToken(device, token_id, now - 9, expires), [OLD_SECRET])
        sent = [("Content-Type", "application/json"), ("Authorization", f"Bearer {token}")]
        return reason(site.request("POST", "/v1/kiosk", typed, sent))

    assert [told("dublin-1", "a", now + 60), told("dublin-1", "b", now + 60)] == [(200, ""), (200, "")]
    site.write(KEYS, revoked_tokens=[{"id": "a"}])
    assert [told("dublin-1", "a", now + 60), told("dublin-1", "b", now + 60)] == [(401, "revoked_token"), (200, "")]
    assert told("dublin-1", "c", now - 1) == (401, "expired_token")


def test_a_kiosk_token_of_the_release_before_is_counted_and_revocable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    monkeypatch.setattr("time.monotonic", lambda now=time.monotonic: now() + 2.0)
    token, before = signed_token.sign(b"deskstream-device\n", b"dublin-1", [OLD_SECRET]), old_proofs("kiosk_token")
    sent = [("Content-Type", "application/json"), ("Authorization", f"Bearer {token}")]
    typed = b'{"email":"ann@example.org","message":"The zip is broken"}'
    with capture_logs() as logs:
        assert [site.request("POST", "/v1/kiosk", typed, sent).status_code for _ in range(2)] == [200] * 2
    assert [line["device"] for line in logs if line["event"] == "old_kiosk_token"] == ["dublin-1"]
    assert old_proofs("kiosk_token") == before + 2
    site.write(KEYS, revoked_tokens=[{"device": "dublin-1", "before": "2026-01-01"}])
    assert reason(site.request("POST", "/v1/kiosk", typed, sent)) == (401, "revoked_token")


# -- keys that change -----------------------------------------------------------------------------------------------


@pytest.fixture
def changing(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    at_once(monkeypatch)
    site.post(NOTES, NOTE)  # looks for the last time a second later
    monkeypatch.setattr("time.monotonic", lambda now=time.monotonic: now() + 2.0)
    yield site


def test_a_key_is_revoked_and_another_made_without_a_restart(changing: Site) -> None:
    assert changing.post(NOTES, NOTE, "notes").status_code == 200
    new = {"id": "new", "secrets": ["new-0123456789abcdef"], "scopes": ["agents:note"]}
    changing.write([*(key for key in KEYS if key["id"] != "notes"), new])
    assert reason(changing.post(NOTES, NOTE, "notes")) == (401, "bad_signature")
    assert changing.post(NOTES, NOTE, "new", secret="new-0123456789abcdef").status_code == 200


def test_the_secret_of_before_is_valid_while_a_key_is_rotated(changing: Site) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            assert changing.post(NOTES, NOTE, "desk", secret="desk-old-0123456789").status_code == 200
    assert [line["key"] for line in logs if line["event"] == "previous_secret_in_use"] == ["desk"]
    changing.write([key if key["id"] != "desk" else key | {"secrets": key["secrets"][:1]} for key in KEYS])
    assert reason(changing.post(NOTES, NOTE, "desk", secret="desk-old-0123456789")) == (401, "bad_signature")
    assert changing.post(NOTES, NOTE, "desk").status_code == 200


@pytest.mark.parametrize("text", ["keys: {", "keys: 7\n", "", "keys:\n- id: x\n  scopes: ['*']\n", None])
def test_a_bad_file_changes_nothing_and_says_so(changing: Site, text: str | None) -> None:
    if text is None:
        changing.file.unlink()
    else:
        changing.file.write_text(text)
    with capture_logs() as logs:
        assert [changing.post(NOTES, NOTE, "notes").status_code for _ in range(2)] == [200, 200]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["keys_refused"]
    assert str(changing.file) in str(logs) and SECRET_OF["notes"] not in str(logs)
    assert REGISTRY.get_sample_value("deskstream_keys_refused") == 1
    changing.write(KEYS)
    assert changing.post(NOTES, NOTE, "notes").status_code == 200
    assert REGISTRY.get_sample_value("deskstream_keys_refused") == 0


# -- the release before ---------------------------------------------------------------------------------------------


def test_the_old_signature_is_taken_counted_and_logged_once(site: Site) -> None:
    before, raw = old_proofs("signature_v1"), json.dumps(NOTE).encode()
    sent = [("Content-Type", "application/json"), (signature.HEADER, signature.sign(OLD_SECRET, raw, int(time.time())))]
    with capture_logs() as logs:
        assert [site.request("POST", NOTES, raw, sent).status_code for _ in range(3)] == [200] * 3
    told = [line["secret"] for line in logs if line["event"] == "old_signature"]
    assert told == ["DESKSTREAM_AGENT_SECRETS, number 1"] and OLD_SECRET not in str(logs)
    assert old_proofs("signature_v1") == before + 3


def test_an_old_signature_is_of_no_use_for_another_request(site: Site) -> None:
    """What was demonstrated: a note that was recorded is sent again as an answer, or with another idempotency key."""
    raw = json.dumps({name: value for name, value in NOTE.items() if name != "id"}).encode()
    old = (signature.HEADER, signature.sign(OLD_SECRET, raw, int(time.time())))

    def told(target: str, idempotency_key: str) -> tuple[int, str]:
        sent = [("Content-Type", "application/json"), old, (signature.KEY_HEADER, idempotency_key)]
        return reason(site.request("POST", target, raw, sent))

    assert [told(NOTES, "k-1"), told(NOTES, "k-1")] == [(200, "")] * 2
    assert (
        told("/v1/agents/replies", "k-1") == told(NOTES, "k-2") == told(f"{NOTES}?a", "k-1") == (401, "bad_signature")
    )
    assert len(site.log.events) == 1


def test_the_first_use_is_forgotten_when_the_signature_is_stale() -> None:
    first, head, other = FirstUse(), RequestHead("POST", "/a"), RequestHead("POST", "/b")
    first.require(b"1.{}", head, 100.0)
    first.require(b"2.{}", other, 650.0)
    with pytest.raises(Refused, match="bad_signature"):
        first.require(b"1.{}", other, 700.0)
    first.require(b"1.{}", other, 700.1)


def test_no_secret_of_a_key_makes_an_old_signature(site: Site) -> None:
    raw = json.dumps(NOTE).encode()
    for target in (NOTES, "/v1/events"):
        header = signature.sign([*SECRET_OF.values()][:4], raw, int(time.time()))
        sent = [("Content-Type", "application/json"), (signature.HEADER, header)]
        assert reason(site.request("POST", target, raw, sent)) == (401, "bad_signature")


def test_a_wrong_new_signature_is_not_saved_by_an_old_one(site: Site) -> None:
    raw, now = json.dumps(NOTE).encode(), int(time.time())
    header = f"{signature.sign(OLD_SECRET, raw, now)},k=all,sha256={'0' * 64},v2={'0' * 64}"
    sent = [("Content-Type", "application/json"), (signature.HEADER, header)]
    assert reason(site.request("POST", NOTES, raw, sent)) == (401, "bad_signature")


# -- a service that signs no time -----------------------------------------------------------------------------------


def report(site: Site, query: str, sid: str = "SM1") -> tuple[int, str]:
    """What a report of an SMS service is answered, signed as the service does, over the address with its query."""
    body = urlencode({"MessageSid": sid, "MessageStatus": "delivered", "To": "+819012345678"}).encode()
    target = f"/v1/sms/status{'?' + query if query else ''}"
    signed = twilio.sign(OLD_SECRET, f"https://hooks.example{target}", body)
    sent = [("Content-Type", twilio.FORM), ("X-Twilio-Signature", signed)]
    answer = site.request("POST", target, body, sent)
    return answer.status_code, "" if answer.is_success else answer.json()["reason"]


def test_a_report_is_bound_to_the_time_at_which_we_sent(tmp_path: Path) -> None:
    site, now = Site(tmp_path, public_url="https://hooks.example", sms_secrets=SecretStr(OLD_SECRET)), int(time.time())

    def query(age_seconds: int, secret: str = OLD_SECRET) -> str:
        return signed_callback.url("", "OUT1", secret, now - age_seconds)[1:]

    assert report(site, query(60)) == report(site, query(60)) == (200, "")
    assert len(site.log.events) == 1, "the very same report again is the same event"
    assert report(site, query(60, "guess")) == (401, "bad_signature")
    assert report(site, query(60).replace("OUT1", "OUT2")) == (401, "bad_signature")
    assert report(site, query(8 * 86_400), "SM2")[0] == 200
    assert [refused.reason for _, refused, _ in site.log.dead_letters] == ["stale_delivery"]
    assert len(site.log.events) == 1


def test_a_report_to_an_address_of_the_release_before_is_counted(tmp_path: Path) -> None:
    site = Site(tmp_path, public_url="https://hooks.example", sms_secrets=SecretStr(OLD_SECRET))
    before = old_proofs("sms_status")
    assert report(site, "id=OUT1") == report(site, "id=OUT1") == (200, "")
    assert report(site, "", "SM3") == (200, ""), "one that is none of ours has no time to be bound to"
    assert old_proofs("sms_status") == before + 2

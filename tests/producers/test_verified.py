"""How each channel says that its sender is verified: signed users, carriers, platforms, signed links."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import chat, form, generic, helpcentre, phone, sms, survey
from producers.channels import chat_protocol as frames
from producers.channels.chat_state import ChatConversation
from producers.customers.enrichment import enrich
from producers.customers.profiles import Profile
from producers.endpoint import Delivery
from producers.replay.handlers import replay_handlers
from producers.security import signed_user
from producers.text.fields import FieldProblems
from schemas.dead_letter.headers import InputContext
from schemas.events import MessageReceived
from schemas.settings import ProducerSettings
from schemas.survey_link import SurveyLink

NOW = 1772445600_000000
ANN, EVE = "ann@example.org", "eve@evil.example"
SECRETS = ("new-secret", "old-secret")
TYPED = {"email": ANN, "message": "Hello"}
RULES = chat.Rules(user_secrets=SECRETS)
START: dict[str, Any] = {
    "visitor": "v" * 20, "conversation": "c" * 20, "line": "1", "text": "Hello", "email": ANN, "name": "Eve"
}  # fmt: skip


def signed(address: str, secret: str = SECRETS[0]) -> str:
    """The identity verification of help desks, written out."""
    return hmac.new(secret.encode(), address.encode(), hashlib.sha256).hexdigest()


# -- form and chat -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", SECRETS)
def test_a_signed_user_of_a_form_is_verified(secret: str) -> None:
    made = form.normalise({**TYPED, "user_hash": signed(ANN, secret).upper()}, now=NOW, user_secrets=SECRETS)
    assert made.verified == "signed_user"


def test_a_form_without_a_signature_is_not() -> None:
    assert form.normalise(TYPED, now=NOW, user_secrets=SECRETS).verified == "none"
    assert form.normalise({**TYPED, "user_hash": signed(ANN)}, now=NOW).verified == "none"  # nothing to check it with


@pytest.mark.parametrize("wrong", [signed(EVE), signed(ANN, "guessed"), "0" * 64, signed(ANN)[:-1], signed(""), "ä"])
def test_a_wrong_signature_is_a_wrong_field(wrong: str) -> None:
    with pytest.raises(FieldProblems) as caught:
        form.normalise({**TYPED, "user_hash": wrong}, now=NOW, user_secrets=SECRETS)
    assert set(caught.value.fields) == {"user_hash"}
    with pytest.raises(FieldProblems) as caught:
        chat.fold(ChatConversation(), frames.Start(**START, user_hash=wrong), NOW, RULES)
    assert set(caught.value.fields) == {"user_hash"}


@given(st.text(max_size=70), st.text(max_size=40))
def test_no_other_text_is_a_signature(user_hash: str, address: str) -> None:
    assert signed_user.verified(address, user_hash, SECRETS) == "none"


def test_an_empty_secret_signs_nobody() -> None:
    assert signed_user.verified(ANN, signed(ANN, ""), ("",)) == "none"


@pytest.mark.parametrize(("user_hash", "verified"), [("", "none"), (signed(ANN), "signed_user")])
def test_every_event_of_a_chat_says_how_its_visitor_is_verified(user_hash: str, verified: str) -> None:
    begun = chat.fold(ChatConversation(), frames.Start(**START, user_hash=user_hash), NOW, RULES)
    [line] = begun.events
    assert isinstance(line, MessageReceived) and line.verified == verified
    [over] = chat.fold(begun.state, frames.End(), NOW + 1, RULES).events
    assert over.verified == verified  # type: ignore[attr-defined]
    resumed = chat.observe(ChatConversation(), line).state
    [more] = chat.fold(resumed, frames.Line(line="2", text="Still there?"), NOW + 2, RULES).events
    assert more.verified == verified  # type: ignore[attr-defined]


def test_what_is_left_while_chat_is_closed_is_a_form_with_its_signature() -> None:
    frame = frames.Leave(message="m", text="Hello", email=ANN, user_hash=signed(ANN))
    [left] = chat.fold(ChatConversation(), frame, NOW, RULES).events
    assert left.verified == "signed_user"  # type: ignore[attr-defined]


def test_a_name_of_the_directory_is_not_taken_for_the_visitors() -> None:
    """A process that goes on with a chat read the directory's name from the log and wrote it as if it had been typed."""
    [line] = chat.fold(ChatConversation(), frames.Start(**START | {"name": ""}), NOW, RULES).events
    known = enrich(line, Profile(name="Annabel Northcote", language="ja"))
    resumed = chat.observe(ChatConversation(), known).state
    [more] = chat.fold(resumed, frames.Line(line="2", text="Hello?"), NOW + 2, RULES).events
    assert more.customer_name == ""  # type: ignore[attr-defined]


def test_a_replayed_form_is_verified_as_it_was() -> None:
    take = replay_handlers(ProducerSettings(user_secrets=",".join(SECRETS)), None)[form.CHANNEL]
    raw = json.dumps({**TYPED, "user_hash": signed(ANN)}).encode()
    [made] = take(raw, InputContext(received_at=NOW, headers={"content-type": "application/json"}))
    assert made.verified == "signed_user"  # type: ignore[attr-defined]


def test_a_kiosk_proves_its_device_and_nobody_at_it() -> None:
    assert form.normalise(TYPED, now=NOW, channel=form.KIOSK, user_secrets=SECRETS).verified == "none"
    with pytest.raises(FieldProblems):
        form.normalise({**TYPED, "user_hash": signed(ANN)}, now=NOW, channel=form.KIOSK, user_secrets=SECRETS)


# -- carriers and platforms ----------------------------------------------------------------------------------------------


def texted(sender: str) -> str:
    body = f"MessageSid=SM1&From={sender}&Body=Hello".replace("+", "%2B").encode()
    [event] = sms.incoming(Delivery("POST", "", body=body), NOW, "")
    return event.verified  # type: ignore[attr-defined,no-any-return]


def called(found: str) -> str:
    body = f"CallSid=CA1&CallStatus=ringing&From=%2B442079460000&StirVerstat={found}".encode()
    [event] = phone.status(Delivery("POST", "", body=body), NOW, "")
    return event.verified  # type: ignore[attr-defined,no-any-return]


def test_a_number_is_its_carriers_and_a_name_anybodys() -> None:
    assert (texted("+819012345678"), texted("whatsapp:+819012345678")) == ("carrier", "carrier")
    assert texted("YourBank") == "none"


def test_a_caller_id_that_the_networks_found_forged_is_nobodys() -> None:
    assert called("") == called("TN-Validation-Passed-A") == "carrier"
    assert called("TN-Validation-Failed-C") == called("tn-validation-failed") == "none"


@pytest.mark.parametrize(("signed_in", "verified"), [(False, "none"), (True, "platform")])
def test_what_was_typed_to_a_bot_proves_nothing(signed_in: bool, verified: str) -> None:
    report = {
        "type": "hand_over", "id": "1", "conversation_id": "c", "conversation": [{"by": "customer", "text": "Hi"}],
        "customer": {"email": ANN, "signed_in": signed_in},
    }  # fmt: skip
    [event] = helpcentre.normalise(json.dumps(report).encode(), now=NOW)
    assert event.verified == verified  # type: ignore[attr-defined]


def test_who_posts_events_says_how_they_know_the_customer() -> None:
    body = {"type": "message", "id": "1", "channel": "chat", "customer_id": f"email:{ANN}", "text": "Hello"}
    for said, verified in (({}, "none"), ({"verified": "platform"}, "platform")):
        assert generic.normalise(json.dumps(body | said).encode(), now=NOW).verified == verified  # type: ignore[attr-defined]
    for wrong in ({"verified": "surely"}, {"directory": ["customer_name"]}):
        with pytest.raises(FieldProblems):
            generic.normalise(json.dumps(body | wrong).encode(), now=NOW)


def test_an_answer_to_a_survey_has_the_proof_of_its_link() -> None:
    link = SurveyLink("ABCDEFGHIJKL-1", 1, "mei", 0)
    made = survey.vote(link, {"csat": "5"}, ("s",), wall=1.0, now=NOW, source="")
    assert made.verified == "signed_link"

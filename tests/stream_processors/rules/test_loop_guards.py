"""The loop guards, case by case: who is not acknowledged, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.events import CallEnded, MessageReceived
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.loop_guards import REASONS, Guards, subject_fingerprint
from stream_processors.tickets.state import Customer, SentAcknowledgement
from tests.support.each import each

CONFIG = rules_module.SHIPPED / "acknowledgements.yaml"
GUARDS = Guards.load(CONFIG, "support.example")
MINUTE = 60_000_000
NOW = 1_772_442_000_000_000


def message(**changes: Any) -> MessageReceived:
    fields: dict[str, Any] = {
        "event_id": "e",
        "occurred_at": NOW,
        "received_at": NOW,
        "customer_tag": "T",
        "channel": "email",
        "customer_id": "email:ann@example.org",
        "address": "ann@example.org",
    }
    return MessageReceived(**fields | changes)


def suppression(
    event: Any = None, sent: tuple[SentAcknowledgement, ...] = (), fingerprint: int = 7, acknowledged: bool = False
) -> str:
    return GUARDS.suppression(event or message(), Customer(acknowledgements=sent), acknowledged, NOW, fingerprint)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, ""),
        ({"auto-submitted": "no"}, ""),
        ({"auto-submitted": " No "}, ""),
        ({"auto-submitted": ""}, ""),
        ({"auto-submitted": "auto-replied"}, "auto_submitted"),
        ({"auto-submitted": "Auto-Generated; owner=cron"}, "auto_submitted"),
        ({"auto-submitted": "auto-notified"}, "auto_submitted"),
        ({"x-autoreply": "yes"}, "auto_submitted"),
        ({"x-auto-reply": "yes"}, "auto_submitted"),
        ({"preference": "auto_reply"}, "auto_submitted"),
        ({"x-ms-exchange-generated-message-source": "Mailbox Rules Agent"}, "auto_submitted"),
        ({"precedence": "auto-reply"}, "precedence"),
        ({"x-rt-loop-prevention": "other.example"}, "loop"),
        ({"x-deskstream-repeated-text": "yes"}, "repeated_text"),
        ({"x-auto-response-suppress": "All"}, "auto_response_suppress"),
        ({"x-auto-response-suppress": "DR, RN, NRN, OOF, AutoReply"}, "auto_response_suppress"),
        ({"x-auto-response-suppress": "None"}, ""),
        ({"precedence": "bulk"}, "precedence"),
        ({"precedence": "List"}, "precedence"),
        ({"precedence": "junk"}, "precedence"),
        ({"precedence": "auto_reply"}, "precedence"),
        ({"precedence": "first-class"}, ""),
        ({"list-id": "<news.example.org>"}, "mailing_list"),
        ({"list-unsubscribe": "<mailto:off@example.org>"}, "mailing_list"),
        ({"x-loop": "support@elsewhere.example"}, "loop"),
        ({"content-type": "multipart/report; report-type=delivery-status"}, "delivery_report"),
        ({"content-type": "multipart/alternative"}, ""),
        ({"x-failed-recipients": "ann@example.org"}, "delivery_report"),
        ({"return-path": "<>"}, "empty_return_path"),
        ({"return-path": " <> "}, "empty_return_path"),
        ({"return-path": "<ann@example.org>"}, ""),
        # the most telling reason first
        ({"return-path": "<>", "auto-submitted": "auto-replied", "precedence": "bulk"}, "auto_submitted"),
        ({"return-path": "<>", "content-type": "multipart/report"}, "delivery_report"),
    ],
)
def test_headers_give_a_machine_away(headers: dict[str, str], reason: str) -> None:
    assert suppression(message(headers=headers)) == reason


MACHINES = [
    "Automatic reply: Order 12",
    "Auto-Reply: hello",
    "Autoreply",
    "Auto Response from Bob",
    "AutoResponder: x",
    "Out of Office",
    "Out of the office: Re: x",
    "OOO: hi",
    "[EXTERNAL] Automatic reply: Order",
    "Out of office until 5 May",
    "Vacation message",
    "Your request (#123) has been received",
    "Your ticket ABC-123 has been created",
    "Ticket #77 created: printer",
    "[Request received] my printer",
    "We have received your request",
    "We've received your message (case 77)",
    "[#4711] Thank you for contacting Other",
    "Thank you for contacting us",
    "Thanks for your email",
    "[Request 1001] We received your request",
    "Automatische Antwort: Bestellung",
    "Abwesenheitsnotiz: Bestellung",
    "Abwesenheit",
    "Ihre Anfrage #1001 ist eingegangen",
    "Ihre Anfrage Nr. 1001 wurde registriert",
    "Eingangsbestätigung - Ticket 77",
    "Vielen Dank für Ihre Nachricht",
    "Réponse automatique : commande",
    "Accusé de réception de votre demande",
    "Respuesta automática: pedido",
    "Hemos recibido su solicitud 77",
    "Resposta automática: pedido",
    "Risposta automatica: ordine",
    "Automatisch antwoord: bestelling",
    "Autosvar: x",
    "Automatiskt svar: x",
    "Automaattinen vastaus: x",
    "Odpowiedź automatyczna: x",
    "Automatická odpověď: x",
    "Otomatik yanıt: x",
    "Автоматический ответ: заказ",
    "Αυτόματη απάντηση: x",
    "自动答复: 订单",
    "自動回覆: 訂單",
    "自动回复",
    "自動応答: 注文",
    "【自動返信】お問い合わせありがとうございます",
    "자동 회신: 주문",
]
PEOPLE = [
    "Automatic reply does not work",
    "Re: Automatic reply: x",
    "Fwd: Out of office",
    "AW: Abwesenheitsnotiz: Bestellung",
    "Office chair out of stock",
    "Out of office chair order",
    "Your request form is broken",
    "Thank you",
    "Thanks for your help",
    "Request received but not paid",
    "Abwesenheit der Lieferung am Montag",
    "Ihre Anfrage vom Montag",
    "We have received your parcel but it is broken",
    "I have received your message but not the parcel",
    "Message received twice",
    "E-mail received, but no invoice",
    "Ticket created twice",
    "Antwort: Bestellung",
    "Received the wrong case",
    "Case opened",
    "OOO",
    "Fuera de plazo",
    "不在のため受け取れませんでした",
    "自动售货机坏了",
    "Poissa",
    "Vacation home booking",
    "Away kit size",
    "Absence of order confirmation",
]


@each("subject", MACHINES)
def test_the_subject_of_an_automatic_answer_gives_a_machine_away(subject: str) -> None:
    assert suppression(message(subject=subject)) == "auto_submitted"
    assert GUARDS.from_machine(message(subject=subject))
    assert suppression(message(subject=subject, channel="form")) == ""
    assert suppression(message(subject=f"Re: {subject}")) == ""


@pytest.mark.parametrize("subject", PEOPLE)
def test_people_who_write_about_automatic_answers_are_answered(subject: str) -> None:
    assert suppression(message(subject=subject)) == ""


def test_rules_from_before_subjects_were_read_are_still_read(tmp_path: Path) -> None:
    text = CONFIG.read_text("utf-8")
    before, _, rest = text.partition("auto_reply_subjects:")
    path = tmp_path / "acknowledgements.yaml"
    path.write_text(before + rest[rest.index("\n# A delivery report") :], "utf-8")
    guards = Guards.load(path, "support.example")
    assert not guards.from_machine(message(subject="Automatic reply: Order"))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ann@example.org", ""),
        ("", "no_address"),
        ("noreply@example.org", "no_reply"),
        ("No-Reply@example.org", "no_reply"),
        ("no_reply+123@example.org", "no_reply"),
        ("donotreply@example.org", "no_reply"),
        ("do-not-reply@example.org", "no_reply"),
        ("orders-noreply@example.org", "no_reply"),
        ("MAILER-DAEMON@example.org", "no_reply"),
        ("postmaster@example.org", "no_reply"),
        ("bounce+abc=def@example.org", "no_reply"),
        ("notifications@example.org", "no_reply"),
        ("support@support.example", "own_address"),
        ("Support+ABCDEFGHIJKL-1@Support.Example", "own_address"),
        ("anna.noreplyson@example.org", ""),
        ("bouncer@example.org", ""),
        ("ann@notsupport.example", ""),
        ("+4915112345678", ""),
        ("@ann_on_social", ""),
    ],
)
def test_addresses_give_a_machine_away(address: str, reason: str) -> None:
    assert suppression(message(address=address)) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imported": True}, "imported"),
        ({"imported": True, "address": "", "headers": {"precedence": "bulk"}}, "imported"),
        ({"causation_depth": 2}, ""),
        ({"causation_depth": 3}, "causation_depth"),
    ],
)
def test_history_and_chains_of_automatic_hops_are_not_answered(changes: dict[str, Any], reason: str) -> None:
    assert suppression(message(**changes)) == reason


def test_a_call_has_no_headers_and_is_answered() -> None:
    call = CallEnded(
        event_id="e",
        occurred_at=NOW,
        received_at=NOW,
        customer_tag="T",
        customer_id="tel:+4915112345678",
        address="+4915112345678",
        outcome="voicemail",
    )
    assert suppression(call, fingerprint=0) == ""


def test_an_episode_is_acknowledged_once() -> None:
    assert suppression(acknowledged=True) == "already_acknowledged"
    assert suppression(acknowledged=False) == ""


@pytest.mark.parametrize(
    ("count", "minutes"), [(10, 10), (15, 30), (25, 60), (50, 180), (100, 600)], ids=lambda value: str(value)
)
def test_a_cap_holds_within_its_window_and_not_beyond(count: int, minutes: int) -> None:
    """The acknowledgements lie at the far edge of the window, where no tighter cap sees them."""
    inside = tuple(SentAcknowledgement(NOW - minutes * MINUTE + 1, number) for number in range(100, 100 + count))
    outside = tuple(SentAcknowledgement(NOW - minutes * MINUTE, number) for number in range(100, 100 + count))
    assert suppression(sent=inside) == "rate_cap"
    assert suppression(sent=inside[1:]) == ""
    assert suppression(sent=outside[:1] + inside[1:]) == ""


def test_the_third_with_the_same_subject_within_three_hours_is_not_answered() -> None:
    two = (SentAcknowledgement(NOW - 180 * MINUTE + 1, 7), SentAcknowledgement(NOW - MINUTE, 7))
    assert suppression(sent=two) == "same_subject"
    assert suppression(sent=two[:1]) == ""
    assert suppression(sent=two, fingerprint=8) == ""
    assert suppression(sent=(SentAcknowledgement(NOW - 180 * MINUTE, 7), two[1])) == ""


def test_contacts_without_a_subject_have_nothing_in_common() -> None:
    assert suppression(sent=(SentAcknowledgement(NOW - 1, 0), SentAcknowledgement(NOW - 2, 0)), fingerprint=0) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Order 123", "order 124"),
        ("Re: Order 123", "Order 123"),
        ("RE: AW: Fwd: Order", "order"),
        ("Ｏｒｄｅｒ", "order"),
        ("Order [#ABCDEFGHIJKL-1]", "Order"),
        ("回复：訂單", "订单"),
        ("Re[2]: Order", "Order"),
    ],
)
def test_subjects_that_differ_in_form_alone_have_one_fingerprint(one: str, other: str) -> None:
    assert subject_fingerprint(one) == subject_fingerprint(other) != 0


def test_other_subjects_have_other_fingerprints() -> None:
    assert subject_fingerprint("Order") != subject_fingerprint("Refund")
    assert subject_fingerprint("") == subject_fingerprint(" Re: ") == subject_fingerprint("[#ABCDEFGHIJKL-1]") == 0


@given(
    st.text(), st.text(), st.dictionaries(st.sampled_from(["precedence", "return-path", "auto-submitted"]), st.text())
)
def test_whatever_is_sent_the_reason_is_a_known_word(subject: str, address: str, headers: dict[str, str]) -> None:
    fingerprint = subject_fingerprint(subject)
    assert 0 <= fingerprint < 2**63
    assert suppression(message(subject=subject, address=address, headers=headers)) in ("", *REASONS)


# -- the limits are data --------------------------------------------------------------------------------------------


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = CONFIG.read_text("utf-8")
    assert old in text
    path = tmp_path / "acknowledgements.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def test_own_addresses_can_be_added_as_addresses_and_domains(tmp_path: Path) -> None:
    path = changed(tmp_path, "own_addresses: []", 'own_addresses: ["*@Shop.example", sales@other.example]')
    guards = Guards.load(path, "support.example")
    for address in ("a@shop.example", "sales@other.example", "x@support.example"):
        assert guards.suppression(message(address=address), Customer(), False, NOW, 0) == "own_address"
    assert guards.suppression(message(address="ann@other.example"), Customer(), False, NOW, 0) == ""
    assert guards.version != GUARDS.version


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["no"]', "[no]", "must be a list of texts"),
        ("precedence: [bulk", "precedance: [bulk", "unknown setting 'precedance'"),
        ("causation_depth: 3", "", "causation_depth is missing"),
        ("causation_depth: 3", "causation_depth: 0", "must be a whole number"),
        ("causation_depth: 3", "causation_depth: true", "must be a whole number"),
        ("refuse_empty_return_path: true", "refuse_empty_return_path: 1", "must be true or false"),
        ("- 'postmaster'", "- 'post(master'", "is not a regular expression"),
        ("- 'postmaster'", "- 'a{99999999999}'", "is not a regular expression"),
        ("- 'postmaster'", f"- 'a{{{'9' * 5000}}}'", "is not a regular expression"),
        ("- 'postmaster'", "- '(?p<a>x)(?i)'", "is not a regular expression"),
        ("- 'ooo ?:.*'", '- "[\']"', "is not a regular expression"),
        ("{count: 100, minutes: 600}", "{count: 101, minutes: 600}", "100 at most"),
        ("{count: 100, minutes: 600}", "{count: 100}", "must be {count"),
        ("same_subject: {count: 2", "same_subject: {count: two", "must be a whole number"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(ConfigurationError) as raised:
        Guards.load(path, "support.example")
    assert told in str(raised.value)
    expected = path.read_text("utf-8").splitlines()
    line = int(raised.value.where.rpartition(":")[2])
    assert not new or new.split("\n")[0].strip(" -") in expected[line - 1]


@pytest.mark.parametrize(("old", "new"), [("causation_depth: 3", "causation_depth: 1"), ("{count: 100,", "{count: 1,")])
def test_one_is_enough_for_a_whole_number(tmp_path: Path, old: str, new: str) -> None:
    assert Guards.load(changed(tmp_path, old, new), "support.example").version != GUARDS.version

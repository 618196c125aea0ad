"""How our own mail server verified the sender of a mail, and what a stranger writes into its place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.mail import authentication
from producers.mail import event as email
from producers.sources.mail_intake import mail_event
from schemas.dead_letter.headers import InputContext
from schemas.events import VERIFICATIONS, MessageReceived
from schemas.settings import ProducerSettings

OURS = frozenset({"mx.shop.example"})
FROM = "From: Ann <ann@bank.example>\n"
PASS = "Authentication-Results: mx.shop.example; dmarc=pass header.from=bank.example\n"


def verified(*headers: str, sender: str = FROM, servers: frozenset[str] = OURS) -> str:
    raw = "".join(headers) + sender + "Subject: Hello\n\nHello"
    return email.normalise(raw.encode("utf-8", "surrogateescape"), now=1, servers=servers).verified


def results(text: str, name: str = "mx.shop.example") -> str:
    return f"Authentication-Results: {name}; {text}\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dmarc=pass header.from=bank.example", "dmarc"),
        ("dmarc=pass (p=reject dis=none) header.from=Bank.Example", "dmarc"),
        ("spf=fail smtp.mailfrom=x@evil.example; dmarc=pass action=none header.from=bank.example", "dmarc"),
        ("dkim=pass header.d=bank.example header.s=s1 header.b=Ab12/x+y", "dkim"),
        ("dkim=fail header.d=bank.example; dkim=pass header.i=@bank.example", "dkim"),
        ("dmarc=none header.from=bank.example; dkim=pass header.d=bank.example", "dkim"),
        ("spf=pass smtp.mailfrom=bounce@bank.example", "spf"),
        ('spf=pass (a ";" in (a comment)) smtp.mailfrom="odd; part"@bank.example', "spf"),
        ('dkim/1=pass reason="good; very" header.d=bank.example', "dkim"),
        ("dmarc=fail header.from=bank.example; dkim=pass header.d=bank.example", "none"),
        ("dmarc=pass", "none"),
        ("dmarc=pass header.from=evil.example", "none"),
        ("dkim=pass header.d=evil.example", "none"),
        ("dkim=pass header.d=ank.example", "none"),
        ("dkim=pass header.d=mail.bank.example", "none"),
        ("dkim=pass header.d=example", "none"),
        ("spf=pass smtp.mailfrom=bank.example@evil.example", "none"),
        ("spf=pass smtp.helo=bank.example", "none"),
        ("spf=softfail smtp.mailfrom=bank.example", "none"),
        ("dmarc=fail header.from=bank.example; dmarc=pass header.from=bank.example", "none"),
        ("dmarc=pass header.from=evil.example header.from=bank.example", "none"),
        ("spf=fail smtp.mailfrom=a@evil.example; spf=pass smtp.mailfrom=a@bank.example", "none"),
        ('spf=pass smtp.mailfrom="; dmarc=pass header.from=bank.example', "none"),
        ("spf=none (; dmarc=pass header.from=bank.example", "none"),
        ("spf=none (a) b); dmarc=pass header.from=bank.example", "none"),
        ('spf=fail smtp.mailfrom="a; dmarc=pass header.from=bank.example;"@evil.example', "none"),
        ("spf=fail (a\\); dmarc=pass header.from=bank.example) smtp.mailfrom=evil.example", "none"),
        ("none", "none"),
        ("", "none"),
    ],
)
def test_results_count_for_the_domain_of_the_sender(text: str, found: str) -> None:
    assert verified(results(text)) == found


def test_a_signature_of_a_domain_above_counts() -> None:
    sender = "From: ann@mail.bank.example\n"
    assert verified(results("dkim=pass header.d=bank.example"), sender=sender) == "dkim"


@pytest.mark.parametrize(
    "name",
    [
        "mx.evil.example",
        "mx.shop.example.evil.example",
        "evil-mx.shop.example",
        "mx.shop.example@evil.example",
        '"mx.shop .example"',
    ],
)
def test_results_of_others_are_dropped(name: str) -> None:
    assert verified(results("dmarc=pass header.from=bank.example", name)) == "none"


def test_only_the_topmost_results_of_ours_count() -> None:
    assert verified(results("dmarc=fail header.from=bank.example"), "Received: from x by y; now\n", PASS) == "none"
    assert verified(results("spf=none smtp.mailfrom=x"), PASS) == "none"
    assert verified(results('spf=none smtp.mailfrom="broken'), PASS) == "none"
    assert verified(results("dmarc=fail header.from=bank.example", "mx.elsewhere.example"), PASS) == "dmarc"


def test_without_a_configured_server_nothing_is_verified() -> None:
    assert verified(PASS, servers=frozenset()) == "none"
    assert verified(PASS, servers=authentication.names(" ,")) == "none"
    assert verified(PASS, servers=authentication.names("other.example, MX.shop.example")) == "dmarc"


@pytest.mark.parametrize(
    "sender",
    [
        "From: ann@bank.example\nFrom: mallory@bank.example\n",
        "From: ann@bank.example, mallory@bank.example\n",
        "From: ann@bank.example <mallory@bank.example>\n",
        "From: mallory@bank.example <ann@bank.example>\n",
        "Sender: ann@bank.example\n",
        "Reply-To: ann@bank.example\n",
    ],
)
def test_a_mail_with_two_senders_or_none_is_not_verified(sender: str) -> None:
    assert verified(PASS, sender=sender) == "none"


def test_names_that_look_like_the_address_do_no_harm() -> None:
    assert verified(PASS, sender='From: "mallory@evil.example" <ann@bank.example>\n') == "dmarc"


def test_the_setting_names_the_server_and_a_replay_comes_to_the_same() -> None:
    take = mail_event(ProducerSettings(mail_authserv_id="MX.shop.example"), None)
    raw = f"{PASS}{FROM}Message-ID: <1@bank.example>\n\nHello".encode()
    first = take(raw, InputContext(received_at=1))
    assert isinstance(first, MessageReceived) and first.verified == "dmarc"
    assert take(raw, InputContext(received_at=1)) == first


def test_the_sender_stands_beside_another_address_for_the_answer() -> None:
    made = email.normalise(b"From: ann@bank.example\nReply-To: mallory@evil.example\n\nHello", now=1)
    assert (made.address, made.sender, made.verified) == ("mallory@evil.example", "ann@bank.example", "none")
    assert email.normalise(b"From: ann@bank.example\nReply-To: Ann@Bank.example\n\nHello", now=1).sender == ""


@given(st.text(alphabet='mx.shopexample;=()"\\ \t\n,@bnkdmrcfi-/1', max_size=120))
def test_any_header_of_others_verifies_nobody(text: str) -> None:
    value = text.replace("\n", "\n ")
    assert verified(f"Authentication-Results: x{value}\n") == "none"


@given(st.text(alphabet='mx.shopexample;=()"\\ \tdkrcf-/1@', max_size=160), st.text(max_size=40))
def test_any_header_of_ours_is_read_or_says_nothing(text: str, sender: str) -> None:
    headers = {"authentication-results": [f"mx.shop.example; {text}"], "from": [sender, "ann@bank.example"][1:]}
    assert authentication.verified(headers, "ann@bank.example", OURS) in VERIFICATIONS


@given(st.text(alphabet='abc;=()" \\@.', max_size=60).filter(lambda text: "pass" not in text))
def test_what_an_envelope_sender_puts_in_quotes_is_no_result(local: str) -> None:
    quoted = local.replace("\\", "\\\\").replace('"', '\\"')
    evil = f"{quoted}; dmarc=pass header.from=bank.example; dkim=pass header.d=bank.example"
    header = results(f'spf=pass smtp.mailfrom="{evil}"@evil.example; dmarc=fail header.from=bank.example')
    assert verified(header.replace("\r", " ").replace("\n ", " ")) == "none"


@pytest.mark.parametrize("piece", ['"', "(", "\\", "a=", "a=b;", '"a"', "@", "<", "a@b.example ", "=?utf-8?q?"])
def test_headers_made_to_cost_time_do_not(piece: str) -> None:
    long = piece * 100_000
    headers = {"authentication-results": [f"mx.shop.example; {long}"] * 60, "from": [long[:900]]}
    before = time.process_time()
    authentication.verified(headers, "ann@bank.example", OURS)
    authentication.verified(headers | {"from": ["ann@bank.example"]}, "ann@bank.example", OURS)
    assert time.process_time() - before < 0.25

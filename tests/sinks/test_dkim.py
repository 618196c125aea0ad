"""Signatures of our mail: verified by code that knows nothing of the signer, and broken by every change that matters."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings
from sinks.delivery.channels.email import connect
from sinks.delivery.dkim import DkimKey, sender_domain, signed
from sinks.delivery.dkim_keys import MailSigner, read_keys
from sinks.delivery.mail import address, compose
from tests.support.sinks.deployment import Outcome
from tests.support.sinks.dkim_verifier import verified
from tests.support.sinks.examples import NOW, outbound
from tests.support.sinks.scripted_smtp import scripted_smtp

DOMAIN = "support.example"
AT = NOW // 1_000_000


def pem(key: Any) -> bytes:
    kinds = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, *kinds))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dkim")
    (made / "rsa.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    (made / "old.pem").write_bytes(pem(rsa.generate_private_key(65537, 1024)))
    (made / "ed.pem").write_bytes(pem(Ed25519PrivateKey.generate()))
    (made / "ec.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    (made / "none.pem").write_text("no key")
    return made


@pytest.fixture(scope="module")
def both(folder: Path) -> list[DkimKey]:
    return read_keys(f"r@{DOMAIN}={folder / 'rsa.pem'}, e@{DOMAIN}={folder / 'ed.pem'}", DOMAIN)


def dns(keys: list[DkimKey]) -> dict[str, str]:
    return {f"{key.selector}._domainkey.{key.domain}": key.record for key in keys}


def mail(**fields: Any) -> bytes:
    return compose(outbound(**fields), sender=address(f"support@{DOMAIN}"), now=NOW)[1]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": ""},
        {"text": "\n\n\n"},
        {"text": " blanks \t at ends \t\n\n  \n.\n..\n"},
        {"text": "お問い合わせありがとうございます。\n", "subject": "お問い合わせ" * 30, "customer_name": "田中 さん"},
        {"text": "Grüße\n" * 200, "headers": {"References": " ".join(f"<{n}@x.example>" for n in range(60))}},
        {
            "text": "Grüße -- \n",
            "html": "<p>Grüße</p><blockquote>お問い合わせ</blockquote>",
            "cc": ["bob@x.example", "eve@x.example"],
        },
        {"headers": {"X-Empty": "", "List-Unsubscribe": "<mailto:a@b.example>", "Auto-Submitted": "auto-replied"}},
    ],
)
def test_both_kinds_of_key_sign_so_that_others_verify_it(fields: dict[str, Any], both: list[DkimKey]) -> None:
    raw = mail(**fields)
    received = signed(raw, both, AT)
    assert received.endswith(raw)
    assert verified(received, dns(both)) == ["r", "e"]
    assert max(map(len, received[: -len(raw)].split(b"\r\n"))) <= 78


@settings(max_examples=30)
@given(
    body=st.binary(max_size=200).map(lambda found: re.sub(rb"[\r\n]+", b"\r\n", found)),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["X-A", "x-a", "Subject", "to", "Cc", "Received", "References"]),
            st.text(" \tab:;é", max_size=20),
        ),
        max_size=6,
    ),
)
def test_any_mail_verifies_and_none_that_was_changed_does(
    body: bytes, headers: list[tuple[str, str]], both: list[DkimKey]
) -> None:
    lines = [f"From: a@{DOMAIN}", *(f"{name}: {value}x" for name, value in headers)]
    received = signed("\r\n".join(lines).encode() + b"\r\n\r\n" + body, both[1:], AT)
    assert verified(received, dns(both)) == ["e"]
    assert verified(received.replace(b"From: a@", b"From: b@"), dns(both)) == []
    assert verified(received + b"more", dns(both)) == []


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type"])
def test_nobody_adds_a_header_that_people_trust(name: str, both: list[DkimKey]) -> None:
    received = signed(mail(), both, AT)
    for forged in (
        f"{name}: x@evil.example\r\n".encode() + received,
        received.replace(b"\r\n\r\n", f"\r\n{name}: x\r\n\r\n".encode(), 1),
    ):
        assert verified(forged, dns(both)) == []


def test_what_servers_may_change_on_the_way_breaks_nothing(both: list[DkimKey]) -> None:
    received = signed(mail(headers={"References": "<a@x.example> <b@x.example>"}), both, AT)
    changed = (
        received.replace(b"Subject: ", b"SUBJECT :  ").replace(b"<a@x.example>\r\n ", b"<a@x.example>\r\n\t  ")
        + b"\r\n\r\n"
    )
    assert changed != received
    assert verified(b"Received: from a by b\r\nX-Spam: no\r\n" + changed, dns(both)) == ["r", "e"]


def test_another_key_or_another_domain_verifies_nothing(both: list[DkimKey], folder: Path) -> None:
    received = signed(mail(), both, AT)
    other = dns(read_keys(f"r@{DOMAIN}={folder / 'old.pem'}", DOMAIN))
    assert verified(received, other) == []
    assert verified(received.replace(b"d=support.example", b"d=evil.example"), dns(both)) == []


def test_the_keys_of_the_nearest_domain_sign(both: list[DkimKey], folder: Path) -> None:
    signer = MailSigner(
        read_keys(f"r@{DOMAIN}={folder / 'rsa.pem'},b@brand.test={folder / 'ed.pem'}", f"desk.{DOMAIN}")
    )
    of_brand = mail().replace(f"From: support@{DOMAIN}".encode(), b"From: =?utf-8?q?B?= <help@EU.brand.test>")
    assert sender_domain(of_brand) == "eu.brand.test"
    assert b"d=brand.test;" not in signer.sign(mail(), AT)
    assert b"d=brand.test;" in signer.sign(of_brand, AT)
    stranger = mail().replace(f"From: support@{DOMAIN}".encode(), b"From: a@else.test")
    assert signer.sign(stranger, AT) == stranger, "it goes out unsigned"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("s1", "is not selector@domain=file"),
        (f"@{DOMAIN}=x.pem", "is not selector@domain=file"),
        ("s 1@support.example=x.pem", "is not selector@domain=file"),
        ("s1@support=x.pem", "is not selector@domain=file"),
        (f"s1@{DOMAIN}=FOLDER/missing.pem", "cannot be read: No such file"),
        (f"s1@{DOMAIN}=FOLDER/none.pem", "is no private key in PEM without a password"),
        (f"s1@{DOMAIN}=FOLDER/ec.pem", "is neither an RSA nor an Ed25519 key"),
        (f"s1@{DOMAIN}=FOLDER/rsa.pem,s1@{DOMAIN}=FOLDER/ed.pem", f"s1@{DOMAIN} is there twice"),
        ("s1@other.example=FOLDER/rsa.pem", "no key is of the domain of DESKSTREAM_MAIL_FROM, support.example"),
    ],
)
def test_a_wrong_key_is_told_at_the_start(setting: str, told: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        connect(SinkSettings(dkim_keys=setting.replace("FOLDER", str(folder))))
    assert str(refused.value).startswith("DESKSTREAM_DKIM_KEYS")


def test_a_rotation_signs_with_both_selectors_until_the_old_one_goes(folder: Path) -> None:
    old, new = f"s1@{DOMAIN}={folder / 'old.pem'}", f"s2@{DOMAIN}={folder / 'rsa.pem'}"
    published = dns(read_keys(old, DOMAIN))
    during = read_keys(f"{old}, {new}", DOMAIN)
    assert verified(signed(mail(), during, AT), published) == ["s1"], "the new record is not everywhere yet"
    assert verified(signed(mail(), during, AT), published | dns(during)) == ["s1", "s2"]
    assert verified(signed(mail(), read_keys(new, DOMAIN), AT), published | dns(during)) == ["s2"]


def test_what_the_server_gets_is_signed(both: list[DkimKey], folder: Path) -> None:
    async def run() -> bytes:
        async with scripted_smtp({}) as smtp:
            keys = f"r@{DOMAIN}={folder / 'rsa.pem'}"
            adapter = connect(SinkSettings(smtp_port=smtp.port, dkim_keys=keys))
            await adapter.deliver(outbound(text=".\n..two\n"))
            await adapter.close()
            return smtp.mails[0]

    wire = asyncio.run(run())
    received = re.sub(rb"(?m)^\.", b"", wire.removesuffix(b".\r\n"))
    assert verified(received, dns(both)) == ["r"]


def test_check_shows_the_records_to_publish(cli: Callable[..., Outcome], both: list[DkimKey], folder: Path) -> None:
    done = cli({"DESKSTREAM_DKIM_KEYS": f"r@{DOMAIN}={folder / 'rsa.pem'}"}, "delivery", "--check")
    assert (done.returncode, done.stderr.splitlines()[1]) == (0, f'r._domainkey.{DOMAIN} TXT "{both[0].record}"')

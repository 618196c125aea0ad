"""Deskstream against mail servers of others: dovecot serves the mailbox, exim takes our mail and returns what it cannot deliver.

Kafka is in memory; everything between the wire of the mail servers and the event, and between the outbound message and the
wire, is real.
"""

from __future__ import annotations

import asyncio
import email
import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.sources.imap import mailbox as mailboxes
from producers.sources.imap.accounts import Account, parse
from producers.sources.imap.mailbox import Mailbox, once
from schemas import identity, metrics
from schemas.errors import ConfigurationError, Unavailable
from schemas.events import DeliveryReported, MessageReceived
from schemas.facts import Outbound
from schemas.settings import ProducerSettings, SinkSettings
from sinks.delivery.adapter import ServiceUnavailable
from sinks.delivery.channels.email import connect
from sinks.delivery.dkim_keys import read_keys
from sinks.delivery.smtp import try_connection
from tests.fuzz.memory_kafka import MemoryKafka, publisher_in_memory
from tests.support.mail.correspondence import Desk, Post
from tests.support.mail.servers import MailHost, installed, mail_host
from tests.support.mail.token_server import CLIENT, SECRET, TokenServer, token_server
from tests.support.producers.imap_server import PASSWORD, USER
from tests.support.sinks.examples import outbound
from tests.support.tickets.story import T0
from tests.support.timeouts import eventually

TICKET = "ABCDEFGHIJKL-1"


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    with token_server(USER) as server:
        yield server


@pytest.fixture(scope="module")
def host(tokens: TokenServer) -> Iterator[MailHost]:
    with mail_host(installed(), tokens) as host:
        yield host


def mail(number: int | str, more: str = "") -> bytes:
    head = (
        f"From: ann@customer.example\r\nTo: {USER}\r\nSubject: S{number}\r\nMessage-ID: <{number}@customer.example>\r\n"
    )
    return f"{head}{more}\r\nHello\r\n".encode()


def settings(host: MailHost, **changes: Any) -> ProducerSettings:
    """Waits for news for half an hour: what is taken sooner, IDLE told of."""
    fields: dict[str, Any] = {
        "imap_state_dir": None,
        "imap_ca_file": host.certificate,
        "imap_idle_seconds": 1740,
        "imap_poll_seconds": 1740,
        "imap_retry_seconds": 1740,
        "mail_domain": "shop.example",
    }
    return ProducerSettings(**fields | changes)


@contextmanager
def reading(host: MailHost, accounts: list[Account], **changes: Any) -> Iterator[MemoryKafka]:
    """Reads mailboxes as the process does, each in its thread, into a Kafka in memory."""
    ours = settings(host, **changes)
    publisher, kafka = publisher_in_memory(ours)
    stop = threading.Event()
    mailboxes.begin_unconnected(accounts)
    boxes = [Mailbox(account, publisher, ours, None, stop) for account in accounts]
    threads = [threading.Thread(target=box.run) for box in boxes]
    for thread in threads:
        thread.start()
    try:
        yield kafka
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def subjects(kafka: MemoryKafka) -> list[str]:
    return [event.subject for event in kafka.last]


def sender(host: MailHost, **changes: Any) -> SinkSettings:
    fields: dict[str, Any] = {
        "smtp_host": "localhost",
        "smtp_port": host.smtp_port,
        "smtp_starttls": True,
        "smtp_ca_file": host.certificate,
        "smtp_username": USER,
        "smtp_password": PASSWORD,
        "mail_from": USER,
    }
    return SinkSettings(**fields | changes)


def deliver(settings: SinkSettings, *messages: Outbound) -> None:
    async def send() -> None:
        adapter = connect(settings)
        for message in messages:
            await adapter.deliver(message)
        await adapter.close()

    asyncio.run(send())


# dovecot


def test_idle_tells_of_new_mail_and_all_is_taken_in_order(host: MailHost) -> None:
    host.imap.add([mail(number) for number in range(60)], "Live")
    with structlog.testing.capture_logs() as lines, reading(host, parse(host.imap.url("Live"))) as kafka:
        eventually(lambda: len(kafka.last) == 60)
        eventually(lambda: host.imap.unread("Live") == 0)
        host.imap.add([mail("new")], "Live")
        eventually(lambda: len(kafka.last) == 61)
        host.imap.add([mail("read")], "Live", read=True)
        eventually(lambda: len(kafka.last) == 62)
    assert subjects(kafka) == [*(f"S{number}" for number in range(60)), "Snew", "Sread"]
    assert [line["idle"] for line in lines if line["event"] == "mailbox_open"] == [True]


def test_a_new_uidvalidity_is_another_scan(host: MailHost) -> None:
    host.imap.add([mail(f"u{number}") for number in range(3)], "Moved")
    with (
        structlog.testing.capture_logs() as lines,
        reading(host, parse(host.imap.url("Moved")), imap_idle_seconds=0.5) as kafka,
    ):
        eventually(lambda: len(kafka.last) == 3)
        host.imap.replace("Moved", [*(mail(f"u{number}") for number in range(3)), mail("u3")])  # read, as from a backup
        eventually(lambda: len(kafka.last) == 4)
    assert subjects(kafka) == ["Su0", "Su1", "Su2", "Su3"]  # the publisher knows the first three by their event ids
    assert "uid_validity_changed" in {line["event"] for line in lines}


@pytest.mark.parametrize("scheme", ["imaps", "imap+starttls"])
def test_tls_is_checked_against_the_given_authority(host: MailHost, scheme: str) -> None:
    host.imap.add([mail(scheme)], scheme)
    url = host.imap.url(scheme, scheme=scheme, host="localhost")
    if scheme == "imaps":
        url = url.replace(f":{host.imap.port}/", f":{host.imaps_port}/")
    ours = settings(host)
    publisher, _ = publisher_in_memory(ours)
    assert once(parse(url), publisher, ours, threading.Event()) == 1
    with pytest.raises(Unavailable, match="certificate verify failed"):
        once(parse(url), publisher, settings(host, imap_ca_file=None), threading.Event())


def test_one_failing_mailbox_holds_up_none_of_the_others(host: MailHost, tmp_path: Path) -> None:
    host.imap.add([mail("one")], "One")
    host.imap.add([mail("two")], "Two")
    file = tmp_path / "boxes.yaml"
    urls = [
        host.imap.url("Lost", password="wrong"),
        host.imap.url("Nowhere"),
        host.imap.url("One"),
        host.imap.url("Two"),
    ]
    file.write_text("".join(f"- url: {url!r}\n  brand: brand-{number}\n" for number, url in enumerate(urls)))
    with reading(host, parse(str(file)), imap_state_dir=tmp_path / "state") as kafka:
        eventually(lambda: len(kafka.last) == 2)
        assert sorted((event.subject, event.brand) for event in kafka.last) == [
            ("Sone", "brand-2"),
            ("Stwo", "brand-3"),
        ]
        sources = [f"imap:{account.name}" for account in parse(str(file))]
        assert [metrics.SOURCE_CONNECTED.labels(source)._value.get() for source in sources][0::2] == [0, 1]
        taken = [metrics.MAILBOX_MAILS.labels(source, "published")._value.get() for source in sources]
        assert taken == [0, 0, 1, 1]
    assert len(list((tmp_path / "state").glob("*.json"))) == 2
    host.imap.add([mail("later")], "Two")
    ours = settings(host, imap_state_dir=tmp_path / "state")
    publisher, kafka = publisher_in_memory(ours)
    with pytest.raises(ConfigurationError, match="/Lost: login refused"):
        once(parse(str(file)), publisher, ours, threading.Event())
    assert subjects(kafka) == ["Slater"]


# OAuth


def token_file(tmp_path: Path, tokens: TokenServer, auth: str, **more: str) -> Path:
    options = {"token_url": tokens.token_url, "client_id": CLIENT, "client_secret": SECRET, "scope": "mail"} | more
    lines = "".join(f"{name}: {value!r}\n" for name, value in options.items())
    (tmp_path / "oauth.yaml").write_text(f"auth: {auth}\n{lines}")
    return tmp_path / "oauth.yaml"


def token_account(tmp_path: Path, host: MailHost, tokens: TokenServer, auth: str, **more: str) -> list[Account]:
    options = token_file(tmp_path, tokens, auth, **more).read_text().partition("\n")[2]
    indented = "".join(f"    {line}\n" for line in options.splitlines())
    url = f"imap+starttls://{USER.replace('@', '%40')}@localhost:{host.imap.port}/Tokens{auth}"
    (tmp_path / "boxes.yaml").write_text(f"- url: {url}\n  auth: {auth}\n  oauth:\n{indented}")
    return parse(str(tmp_path / "boxes.yaml"))


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_dovecot_takes_our_access_token_and_a_revoked_one_is_renewed(
    host: MailHost, tokens: TokenServer, tmp_path: Path, auth: str
) -> None:
    host.imap.add([mail(f"{auth}1")], f"Tokens{auth}")
    accounts, ours = token_account(tmp_path, host, tokens, auth), settings(host)
    publisher, kafka = publisher_in_memory(ours)
    box = Mailbox(accounts[0], publisher, ours, None, threading.Event())
    box.once()
    tokens.live.clear()
    host.imap.add([mail(f"{auth}2")], f"Tokens{auth}")
    with pytest.raises(mailboxes.LoginRefused, match="login refused") as error:
        box.once()
    assert "token-" not in str(error.value)
    box.once()
    assert subjects(kafka) == [f"S{auth}1", f"S{auth}2"]


def test_a_refused_client_secret_is_one_line_of_what_to_do(host: MailHost, tokens: TokenServer, tmp_path: Path) -> None:
    accounts, ours = token_account(tmp_path, host, tokens, "xoauth2", client_secret="wr0ng"), settings(host)
    publisher, _ = publisher_in_memory(ours)
    with pytest.raises(ConfigurationError, match=r"invalid_client: .*make a new one") as error:
        once(accounts, publisher, ours, threading.Event())
    assert "wr0ng" not in str(error.value)


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_exim_takes_our_access_token(host: MailHost, tokens: TokenServer, tmp_path: Path, auth: str) -> None:
    ours = sender(host, smtp_password="", smtp_oauth_file=token_file(tmp_path, tokens, auth))
    deliver(ours, outbound(outbound_id=auth, address="ann@customer.example", subject=f"By {auth}"))
    eventually(lambda: any(f"By {auth}".encode() in raw for raw in host.mails_of("ann")), host.log())
    assert "logged in as" in asyncio.run(try_connection(ours, USER))
    tokens.answer = (200, {"access_token": "stolen"})
    with pytest.raises(ServiceUnavailable, match="535") as error:
        deliver(ours, outbound(outbound_id="STOLEN", address="ann@customer.example"))
    assert "stolen" not in str(error.value)
    tokens.answer = (200, {"access_token": "stolen"})
    with pytest.raises(Unavailable, match=f"let the client of .* send as {USER}"):
        asyncio.run(try_connection(ours, USER))
    tokens.answer = (401, {"error": "invalid_client"})
    with pytest.raises(Unavailable, match=r"make a new one.*correct or renew what .*oauth\.yaml names"):
        asyncio.run(try_connection(ours, USER))
    tokens.answer = (503, {})
    with pytest.raises(Unavailable, match="look whether the token server"):
        asyncio.run(try_connection(ours, USER))


# exim


def test_a_contact_is_acknowledged_over_starttls_and_the_answer_joins_its_ticket(host: MailHost) -> None:
    desk = Desk("shop.example")
    with reading(host, parse(host.imap.url())) as kafka:
        deliver_raw(host, "ann@customer.example", USER, mail("circle"))
        eventually(lambda: "Scircle" in subjects(kafka), host.log())
        desk.receive(Post("ann@customer.example", USER, mail("circle")), T0)
        (acknowledgement,) = desk.sent
        deliver(sender(host), acknowledgement)
        arrived = eventually(
            lambda: [raw for raw in host.mails_of("ann") if acknowledgement.ticket_id.encode() in raw], host.log()
        )
        read = email.message_from_bytes(arrived[0], policy=SMTP)
        assert read["From"] == read["Reply-To"] == acknowledgement.sender
        assert read["Return-path"] == f"<{acknowledgement.sender}>"
        assert "esmtpsa" in read["Received"]
        deliver_raw(host, "ann@customer.example", acknowledgement.sender, mail("answer"))
        eventually(lambda: "Sanswer" in subjects(kafka), host.log())
    (answer,) = [event for event in kafka.last if event.subject == "Sanswer"]
    assert answer.ticket_ref == acknowledgement.ticket_id


def test_a_bounce_comes_back_and_is_recognised(host: MailHost) -> None:
    gone = outbound(outbound_id="GONE", ticket_id=TICKET, address="gone@customer.example", sender=f"support+{TICKET}@shop.example",
                    headers={"Auto-Submitted": "auto-replied"})  # fmt: skip
    with reading(host, parse(host.imap.url())) as kafka:
        deliver(sender(host), gone)
        eventually(lambda: any(isinstance(event, DeliveryReported) for event in kafka.last), host.log())
    (report,) = [event for event in kafka.last if isinstance(event, DeliveryReported)]
    assert (report.status, report.address, report.customer_tag) == ("failed", "gone@customer.example", TICKET[:12])
    assert (report.error_code, report.recipients) == ("5.1.1", ["gone@customer.example"]), (
        "exim says: unrouteable address"
    )
    assert identity.is_report_proof(report.proof, gone.message_id)
    assert not [event for event in kafka.last if isinstance(event, MessageReceived) and "failed" in event.subject]


def test_exim_verifies_our_signature(host: MailHost, tmp_path: Path) -> None:
    """With the key that fits into the DNS of the test: the other kind signs the same hash of the same lines."""
    key, selector = Ed25519PrivateKey.generate(), "s1"
    file = tmp_path / "key.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    ours = sender(host, dkim_keys=f"{selector}@shop.example={file}")
    (published,) = read_keys(ours.dkim_keys, "shop.example")
    host.publish(f"{selector}._domainkey.shop.example", published.record)
    texts = ["Hello.\n", "Grüße\n.\nFrom here on  \n\n\n", "您好\n" * 40, "x" * 5000]
    about = {"address": "ann@customer.example", "subject": "Grüße", "customer_name": "Ann"}
    deliver(ours, *(outbound(outbound_id=f"{selector}{n}", text=text, **about) for n, text in enumerate(texts)))
    signed = f"s={selector};".encode()
    arrived = eventually(lambda: len(found := [raw for raw in host.mails_of("ann") if signed in raw]) == 4 and found)
    results = [email.message_from_bytes(raw, policy=SMTP)["Authentication-Results"] for raw in arrived]
    assert [f"dkim=pass header.d=shop.example header.s={selector}" in each for each in results] == [True] * 4, results


def test_a_wrong_password_says_which_setting_to_correct(host: MailHost) -> None:
    with pytest.raises(Unavailable, match=r"DESKSTREAM_SMTP_(USERNAME|PASSWORD)"):
        asyncio.run(try_connection(sender(host, smtp_password="wrong"), USER))
    with pytest.raises(Unavailable, match="CA_FILE"):
        asyncio.run(try_connection(sender(host, smtp_ca_file=None), USER))


def deliver_raw(host: MailHost, author: str, recipient: str, raw: bytes) -> None:
    """Hands a stranger's mail to exim, as another mail server would."""
    with smtplib.SMTP("localhost", host.smtp_port) as client, suppress(smtplib.SMTPServerDisconnected):
        client.starttls(context=ssl.create_default_context(cafile=host.certificate))
        client.login(USER, PASSWORD)
        client.sendmail(author, [recipient], raw)

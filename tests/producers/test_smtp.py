"""The SMTP and LMTP listener as a mail server sees it: a real process, a real client, a real Kafka."""

from __future__ import annotations

import asyncio
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from producers.mail import event as email
from producers.publisher import Publisher
from producers.sources import smtp
from schemas import metrics
from schemas.errors import ConfigurationError
from schemas.process import Health
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.balance import Metrics
from tests.support.producers.certificate import self_signed
from tests.support.producers.log_reader import dead_letters, events, free_port, logged, producer
from tests.support.timeouts import eventually

OURS, THEIRS = "support@support.example", "ann@example.org"
TICKET = "ABCDEFGHIJKL-1"


def mail(number: int | str, body: str = "Hello", *, sender: str = THEIRS, more: str = "") -> bytes:
    return (
        f"From: {sender}\r\nTo: {OURS}\r\nSubject: S{number}\r\nMessage-ID: <{number}@example.org>\r\n{more}\r\n{body}\r\n"
    ).encode()


# the envelope


@pytest.mark.parametrize(
    ("content", "sender", "expected"),
    [
        (b"Subject: a\r\n\r\nb", "x@y.z", b"Return-Path: <x@y.z>\r\nDelivered-To: s@o\r\nSubject: a\r\n\r\nb"),
        (b"Subject: a\r\n\r\nb", "<>", b"Return-Path: <>\r\nDelivered-To: s@o\r\nSubject: a\r\n\r\nb"),
        (b"return-path: <q@r.s>\n\nb", "x@y.z", b"Delivered-To: s@o\r\nreturn-path: <q@r.s>\n\nb"),
        (b"Return-Path: <q@r.s>\n\nb", "<>", b"Return-Path: <>\r\nDelivered-To: s@o\r\nReturn-Path: <q@r.s>\n\nb"),
        (b"A: b\n\nReturn-Path: <q@r.s>\n", "x@y.z", b"Return-Path: <x@y.z>\r\nDelivered-To: s@o\r\nA: b\n\nReturn-Path: <q@r.s>\n"),
        (b"\r\n\r\nno header", "x@y.z", b"Return-Path: <x@y.z>\r\nDelivered-To: s@o\r\nno header"),
        (b"From ann Mon Mar  2 10:00:00 2026\nA: b\n\nc", "x@y.z", b"Return-Path: <x@y.z>\r\nDelivered-To: s@o\r\nA: b\n\nc"),
    ],
)  # fmt: skip
def test_the_envelope_becomes_the_first_headers(content: bytes, sender: str, expected: bytes) -> None:
    assert smtp.with_envelope(content, sender, ["s@o", "s@o"]) == expected


@given(content=st.binary(max_size=200), empty=st.booleans())
def test_the_normaliser_sees_the_envelope_of_any_mail(content: bytes, empty: bool) -> None:
    raw = smtp.with_envelope(b"From: a@b.example\r\n" + content, "" if empty else "x@y.example", [OURS])
    event = email.normalise(raw, now=1)
    assert OURS in event.recipients
    assert not empty or event.headers["return-path"] == "<>"


def test_the_domains_that_mail_is_taken_for() -> None:
    assert smtp.our_domains(ProducerSettings(mail_domain="Shop.Example.")) == {"shop.example"}
    several = ProducerSettings(smtp_listen_domains="a.example, b.example,", mail_domain="c.example")
    assert smtp.our_domains(several) == {"a.example", "b.example"}
    assert smtp.our_domains(ProducerSettings(mail_domain="例え.example")) == {"xn--r8jz45g.example"}


def test_starttls_without_a_usable_certificate_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_SMTP_TLS_CERT: STARTTLS needs a certificate"):
        smtp.tls_context(ProducerSettings(smtp_require_starttls=True))
    with pytest.raises(ConfigurationError, match="certificate and key cannot be used: No such file"):
        smtp.tls_context(ProducerSettings(smtp_tls_cert=tmp_path / "none.pem"))


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ProducerSettings(smtp_listen_port=port)
        with pytest.raises(ConfigurationError, match=f"SMTP_LISTEN_PORT: cannot listen on 127.0.0.1:{port}: "):
            smtp.serve(settings, Publisher(settings), Health(), threading.Event())


# the process


class Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int, metrics: Metrics) -> None:
        self.process, self.port, self.metrics = process, port, metrics

    @contextmanager
    def client(self) -> Iterator[smtplib.SMTP]:
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=90)
        try:
            client.ehlo()
            yield client
        finally:
            client.close()

    def send(self, raw: bytes, *, sender: str = THEIRS, to: list[str] | None = None) -> tuple[int, str]:
        """The reply to the whole mail, on a connection of its own."""
        with self.client() as client:
            assert client.mail(sender)[0] == 250
            for recipient in to or [OURS]:
                assert client.rcpt(recipient)[0] == 250
            code, text = client.data(raw)
            return code, text.decode()


@contextmanager
def serving(deployment: Deployment, *arguments: str, await_ready: bool = True, **env: str) -> Iterator[Server]:
    metrics = Metrics(free_port())
    ours = {"DESKSTREAM_SMTP_LISTEN_PORT": "0", "DESKSTREAM_METRICS_PORT": str(metrics.port)}
    with producer(deployment, "smtp", *arguments, **ours | env) as process:
        port = int(logged(process, r'"port": (\d+)')[1])
        if await_ready:
            eventually(metrics.ready)
        yield Server(process, port, metrics)


@pytest.mark.stack
def test_250_means_that_kafka_has_the_mail_once_with_its_envelope(deployment: Deployment) -> None:
    with serving(deployment) as server:
        hidden = f"support+{TICKET}@support.example"
        code, text = server.send(mail(1), to=[OURS, hidden], sender="bounces@example.org")
        (event,) = events(deployment)
        assert (code, text) == (250, f"2.0.0 taken as {event.event_id}")
        assert (event.subject, event.text, event.address, event.channel) == ("S1", "Hello", THEIRS, "email")
        assert event.recipients == [OURS, hidden] and event.ticket_ref == TICKET
        assert event.headers["return-path"] == "<bounces@example.org>"
        assert event.source == f"smtp:{socket.gethostname()}"

        assert server.send(mail(2), sender="")[0] == 250
        paths = {event.subject: event.headers["return-path"] for event in events(deployment)}
        assert paths == {"S1": "<bounces@example.org>", "S2": "<>"}

        code, text = server.send(b"Subject: from nobody\r\n\r\nHello\r\n", sender="")
        assert (code, text) == (250, "2.0.0 kept for a person to look at")
        (dead_letter,) = dead_letters(deployment)
        assert dead_letter.headers["reason"] == "no_sender" and dead_letter.headers["producer"] == "email"
        assert dead_letter.raw.startswith(
            b"Return-Path: <>\r\nDelivered-To: support@support.example\r\nSubject: from nobody"
        )
        assert server.metrics.balance() == (3, 2, 0, 1)


@pytest.mark.stack
def test_an_international_address_comes_by_smtputf8(deployment: Deployment) -> None:
    sender = "小红@example.org"
    with serving(deployment) as server, server.client() as client:
        assert client.has_extn("smtputf8")
        assert client.mail(sender, options=["SMTPUTF8"])[0] == 250
        assert client.rcpt(OURS)[0] == 250
        assert client.data(f"From: {sender}\r\nSubject: 你好\r\n\r\nHi\r\n".encode())[0] == 250
        (event,) = events(deployment)
    assert (event.address, event.subject, event.headers["return-path"]) == (sender, "你好", f"<{sender}>")


@pytest.mark.stack
def test_addresses_and_headers_in_any_script_are_taken(deployment: Deployment) -> None:
    """SMTPUTF8 (RFC 6531): without it a server downgrades such a mail, or gives it back."""
    sender = "jörg@example.org"
    with serving(deployment) as server, server.client() as client:
        assert client.has_extn("smtputf8")
        client.command_encoding = "utf-8"
        assert client.mail(sender, ["SMTPUTF8"])[0] == 250
        assert client.rcpt("サポート@support.example")[0] == 250
        assert client.data(mail("箱", sender=sender))[0] == 250
    (event,) = events(deployment)
    assert (event.address, event.subject) == (sender, "S箱")
    assert event.headers["return-path"] == f"<{sender}>" and "サポート@support.example" in event.recipients


@pytest.mark.stack
def test_foreign_or_too_large_mail_is_refused_and_never_relayed(deployment: Deployment) -> None:
    limits = {"DESKSTREAM_MAX_BODY_BYTES": "50000", "DESKSTREAM_SMTP_LISTEN_DOMAINS": "support.example,shop.example"}
    with serving(deployment, **limits, DESKSTREAM_SMTP_LISTEN_CONNECTIONS="2") as server:
        with server.client() as client:
            assert client.esmtp_features["size"] == "50000" and not client.has_extn("auth")
            client.mail(THEIRS)
            strangers = ["ann@example.org", "a@support.example.org", "a@sub.support.example", "a@x.org@y.org", "nobody"]
            assert [client.rcpt(stranger)[0] // 10 for stranger in strangers] == [55] * 5
            assert client.docmd("DATA")[0] == 503
            ours = ["A@SHOP.Example", "ann%example.org@support.example", "postmaster@support.example"]
            assert [client.rcpt(address)[0] for address in ours] == [250] * 3
            assert client.data(mail(1))[0] == 250

            assert client.mail(THEIRS, ["size=50001"])[0] == 552
            client.mail(THEIRS)
            client.rcpt(OURS)
            assert client.data(mail(2, "x\r\n" * 20_000))[0] == 552
            client.mail(THEIRS)
            codes = [client.rcpt(f"a{number}@shop.example")[0] for number in range(101)]
            assert codes == [250] * 100 + [452]
            client.rset()

            with server.client():
                refused = smtplib.SMTP()
                assert refused.connect("127.0.0.1", server.port)[0] == 421
            eventually(lambda: smtplib.SMTP().connect("127.0.0.1", server.port)[0] == 220)
        assert [event.subject for event in events(deployment)] == ["S1"]
        assert server.metrics.balance() == (1, 1, 0, 0)
        refused_for = server.metrics.refused()
        assert refused_for["too_large"] == 2 and refused_for["too_many_recipients"] == 1
        assert refused_for["not_our_domain"] >= 4 and refused_for["too_many_connections"] >= 1


@pytest.mark.stack
def test_lmtp_answers_for_every_recipient_of_one_contact(deployment: Deployment) -> None:
    with serving(deployment, "--lmtp") as server, socket.create_connection(("127.0.0.1", server.port), 30) as wire:
        lines = wire.makefile("rb")

        def say(line: bytes, replies: int = 1) -> list[int]:
            wire.sendall(line + b"\r\n")
            codes = []
            while len(codes) < replies:
                answer = lines.readline()
                if answer[3:4] == b" ":
                    codes.append(int(answer[:3]))
            return codes

        assert lines.readline().startswith(b"220 ")
        assert say(b"EHLO mx.example") == [500]
        assert say(b"LHLO mx.example") == [250]
        assert say(b"MAIL FROM:<>") == [250]
        recipients = [b"a@support.example", b"b@support.example", b"c@example.org"]
        assert [say(b"RCPT TO:<" + each + b">")[0] for each in recipients] == [250, 250, 550]
        assert say(b"DATA") == [354]
        assert say(mail(1) + b".", replies=2) == [250, 250]
        (event,) = events(deployment)
        assert event.recipients == ["support@support.example", "a@support.example", "b@support.example"]
        assert event.headers["return-path"] == "<>"
        assert server.metrics.balance() == (1, 1, 0, 0)


@pytest.mark.stack
def test_a_certificate_enforces_starttls_and_is_reloaded(deployment: Deployment, tmp_path: Path) -> None:
    path = self_signed(tmp_path / "certificate.pem", serial=1)

    def serial(server: Server) -> int:
        context = ssl.create_default_context(cafile=str(path))
        with server.client() as client:
            client._host = "localhost"  # type: ignore[attr-defined]
            client.starttls(context=context)
            client.ehlo()
            assert not client.has_extn("starttls")
            assert client.sendmail(THEIRS, [OURS], mail(1)) == {}
            found: Any = client.sock
            return x509.load_der_x509_certificate(found.getpeercert(binary_form=True)).serial_number

    tls = {"DESKSTREAM_SMTP_TLS_CERT": str(path), "DESKSTREAM_SMTP_REQUIRE_STARTTLS": "true"}
    with serving(deployment, **tls) as server:
        with server.client() as client:
            assert client.has_extn("starttls") and client.mail(THEIRS)[0] == 530
        assert serial(server) == 1
        self_signed(path, serial=2)
        logged(server.process, "certificate_renewed")
        assert serial(server) == 2
        (ends,) = server.metrics.counted("certificate_expiry_timestamp_seconds").items()
        assert ends == (
            'listener="smtp"',
            x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp(),
        )
        assert server.metrics.balance() == (2, 1, 1, 0)


def is_refused(port: int) -> bool:
    """Whether nobody listens. Until then a client may be let in, told 421, or cut off."""
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


@pytest.mark.stack
def test_sigterm_lets_a_mail_that_was_begun_come_to_its_answer(deployment: Deployment) -> None:
    with serving(deployment) as server, server.client() as busy, server.client() as idle:
        busy.mail(THEIRS)
        busy.rcpt(OURS)
        assert busy.docmd("DATA")[0] == 354
        server.process.send_signal(signal.SIGTERM)
        assert idle.getreply()[0] == 421
        eventually(lambda: is_refused(server.port), "that nobody else is let in")
        busy.send(mail(1) + b".\r\n")
        assert busy.getreply()[0] == 250
        assert server.process.wait(60) == 0
    assert [event.subject for event in events(deployment)] == ["S1"]


@pytest.mark.stack
def test_without_kafka_it_is_451_and_counted_as_refused(deployment: Deployment) -> None:
    closed = {"DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with serving(deployment, await_ready=False, **closed) as server:
        assert server.send(mail(1))[0] == 451
        assert not server.metrics.ready() and server.metrics.live()
        assert server.metrics.balance() == (0, 0, 0, 0) and server.metrics.refused() == {"unavailable": 1}


@pytest.mark.stack
def test_who_sends_more_than_a_share_is_asked_to_wait(deployment: Deployment) -> None:
    share = {"DESKSTREAM_ENDPOINT_REQUESTS_PER_SECOND": "0.001", "DESKSTREAM_ENDPOINT_BURST_REQUESTS": "2"}
    with serving(deployment, **share) as server:
        assert [server.send(mail(number))[0] for number in range(2)] == [250, 250]
        with server.client() as client:
            assert client.mail(THEIRS)[0] == 450
        assert server.metrics.refused() == {"rate_limited": 1}
        assert server.metrics.balance() == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("451 4.3.0 we cannot take mail at the moment", "unavailable"),
        ("450 4.7.1 too much", "rate_limited"),
        ("452 4.5.3 too many recipients", "too_many_recipients"),
        ("500 Line too long (see RFC5321 4.5.3.1.6)", "line_too_long"),
        ("550 5.7.1 we do not relay", "not_our_domain"),
        ("552 Error: Too much mail data", "too_large"),
        ("451 4.3.0 another", ""),
        ("250 OK", ""),
    ],
)
def test_a_refusing_reply_is_counted_with_its_reason(reply: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    async def push(self: Any, status: str) -> None:
        written.append(status)

    def counts() -> dict[str, float]:
        samples = metrics.CONTACTS_REFUSED.collect()[0].samples
        totals = [each for each in samples if each.name.endswith("_total") and each.labels["channel"] == "email"]
        return {each.labels["reason"]: each.value for each in totals}

    monkeypatch.setattr(SMTP, "push", push)
    before = counts()
    asyncio.run(smtp._Smtp.push(object.__new__(smtp._Smtp), reply))
    changed = {name: value - before.get(name, 0) for name, value in counts().items() if value != before.get(name, 0)}
    assert (written, changed) == ([reply], {reason: 1} if reason else {})

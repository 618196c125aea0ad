"""Listens for mail by SMTP, or by LMTP behind a mail server.

A client is told 250 only when Kafka has the mail; while Kafka (or the attachment store) does not answer it is told 451
and keeps it. A mail that cannot become a contact is dead-lettered and answered 250: we have it, and the
same mail would fail again. Mail is taken for our own domains only, everything else is 550: nothing is ever relayed.

The envelope goes before the mail's own header, because the guards against loops and the threading read it there:

    Return-Path   the envelope's sender, when the mail has none or the envelope's is empty (`<>`: a bounce)
    Delivered-To  every recipient; one mail to several of them is one contact

Replies: 250 taken · 421 too many connections or bytes, too slow, or stopping · 450 too much mail at once from one address
· 451 Kafka does not answer · 452 too many recipients · 530 STARTTLS first · 550 not our domain · 552 too large.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from asn1crypto import pem, x509

from producers.intake import Intake
from producers.mail import event as email
from producers.publisher import Outcome, Publisher, Receipt
from producers.security.proxies import share_of
from producers.security.ratelimit import RateLimit
from producers.security.shares import Shares
from producers.sources.connections import Connections
from producers.sources.mail_intake import mail_intake
from producers.sources.reconnect import keep_connected
from producers.sources.smtp_session import REST_SECONDS, BoundedSession, peer_of
from producers.storage.attachments import AttachmentStore
from schemas import brands_file, metrics
from schemas.errors import ConfigurationError, Unavailable
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["our_domains", "serve", "tls_context", "with_envelope"]

MAX_RECIPIENTS = 100
_WORKERS = 16
_POLL_SECONDS, _RENEW_SECONDS, _GRACE_SECONDS = 0.05, 0.5, 5.0
_RETURN_PATH = re.compile(rb"^return-path:", re.IGNORECASE | re.MULTILINE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")

log = structlog.get_logger("producers.smtp")


def with_envelope(content: bytes, sender: str, recipients: Sequence[str]) -> bytes:
    """Returns the mail with its envelope as its first headers. `sender` is `` or `<>` for a bounce."""
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t\x00")  # a blank line would end the header here
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    sender = sender.strip("<> ")
    end = _HEADER_END.search(content)
    has_path = _RETURN_PATH.search(content, 0, end.start() if end else len(content))
    lines = [] if sender and has_path else [f"Return-Path: <{sender}>"]
    lines += [f"Delivered-To: {recipient}" for recipient in dict.fromkeys(recipients)]
    return "".join(line + "\r\n" for line in lines).encode("utf-8", "surrogateescape") + content


def our_domains(settings: ProducerSettings) -> frozenset[str]:
    """Returns the domains that mail is taken for, in lower-case ASCII: those of the setting, else ours and those of the brands."""
    named = [each.strip() for each in (settings.smtp_listen_domains or settings.mail_domain).split(",") if each.strip()]
    if not settings.smtp_listen_domains and settings.brands_file is not None:
        brands = brands_file.load(settings.brands_file, settings.mail_domain)
        named += [*brands.domains, *(own.rpartition("@")[2] for each in brands.all for own in each.addresses)]
    return frozenset(map(_ascii_domain, named))


def tls_context(settings: ProducerSettings) -> ssl.SSLContext | None:
    """Returns the TLS context of STARTTLS; None without a certificate.

    Raises:
        ConfigurationError: certificate and key cannot be used.
    """
    if settings.smtp_tls_cert is None:
        if settings.smtp_require_starttls:
            raise ConfigurationError("STARTTLS needs a certificate", where="DESKSTREAM_SMTP_TLS_CERT")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.smtp_tls_cert, settings.smtp_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"certificate and key cannot be used: {error.strerror or error}", where="DESKSTREAM_SMTP_TLS_CERT"
        ) from error
    return context


def show_expiry(settings: ProducerSettings, listener: str) -> None:
    """Tells Prometheus when our certificate ends: the first of the file, which is the one that is presented."""
    if settings.smtp_tls_cert is None:
        return
    with contextlib.suppress(OSError, ValueError):  # what cannot be read was refused when it was loaded
        blocks = pem.unarmor(settings.smtp_tls_cert.read_bytes(), multiple=True)
        first = next((der for kind, _, der in blocks if kind == "CERTIFICATE"), None)
        if first is not None:
            ends = x509.Certificate.load(first).not_valid_after
            metrics.CERTIFICATE_EXPIRY_SECONDS.labels(listener).set(ends.timestamp())


class _MailHandler:
    """Answers each SMTP command, for aiosmtpd. One handler serves all connections."""

    def __init__(self, intake: Intake, publisher: Publisher, settings: ProducerSettings, *, lmtp: bool) -> None:
        self.intake, self.publisher, self.lmtp = intake, publisher, lmtp
        self.domains = our_domains(settings)
        self.sessions: set[Any] = set()
        most, of_address = settings.smtp_listen_connections, settings.smtp_listen_connections_per_address
        listener = "lmtp" if lmtp else "smtp"
        # LMTP has one client, our own mail server: all places and bytes are its own.
        self.bounds = Connections(
            listener, email.CHANNEL, most, most if lmtp else of_address, rest_seconds=REST_SECONDS
        )
        largest = settings.max_body_bytes + 65_536
        total = max(settings.smtp_listen_bytes_at_once, 2 * largest)
        self.bytes = Shares(total, total if lmtp else max(settings.smtp_listen_bytes_per_address, largest))
        self.begin_seconds = settings.smtp_listen_begin_seconds
        metrics.LISTENER_BYTES.labels(listener).set_function(lambda: self.bytes.used)
        self.stopping = False
        self._rate = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="smtp-intake")

    def close(self) -> None:
        self._workers.shutdown(wait=True)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]  # nobody has a password here

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.stopping:
            return "421 4.3.2 we are stopping; please send it again in a moment"
        if self._rate.wait_seconds(share_of(peer_of(session.peer)), time.monotonic()) > 0:
            return "450 4.7.1 too much mail at once from this address; please send it again in a moment"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return f"452 4.5.3 at most {MAX_RECIPIENTS} recipients for one mail"
        _, at, domain = address.rpartition("@")
        if at and _ascii_domain(domain) not in self.domains:
            return "550 5.7.1 we take mail for our own domains only"
        if not at and address.lower() != "postmaster":  # RFC 5321, 4.5.1: always answered, without a domain too
            return "550 5.1.3 an address has a domain"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        origin = f"{'lmtp' if self.lmtp else 'smtp'}:{peer_of(session.peer)}"
        try:
            if not self.publisher.connected:
                raise Unavailable("not connected to Kafka")
            raw = with_envelope(envelope.content, envelope.mail_from, envelope.rcpt_tos)
            loop = asyncio.get_running_loop()
            receipt = await loop.run_in_executor(self._workers, self._take, raw, origin)
            reply = _taken(receipt)
        except Unavailable as error:
            log.debug("unavailable", problem=str(error), origin=origin)  # `waiting_for_kafka` says it once
            reply = "451 4.3.0 we cannot store this right now; please send it again later"
        # LMTP answers for every recipient (RFC 2033, 4.2); they share one mail, and so one fate
        return "\r\n".join([reply] * len(envelope.rcpt_tos)) if self.lmtp else reply

    async def handle_exception(self, error: Exception) -> str:
        log.error("defect", exc_info=error)
        return "451 4.3.0 this is our mistake, it is logged; please send it again later"

    def _take(self, raw: bytes, origin: str) -> Receipt:
        return self.publisher.wait(self.intake.take(raw, origin=origin))


class _Smtp(BoundedSession, SMTP):  # type: ignore[misc]
    pass


class _Lmtp(BoundedSession, LMTP):  # type: ignore[misc]
    pass


def serve(
    settings: ProducerSettings, publisher: Publisher, health: Health, stop: threading.Event, *, lmtp: bool = False
) -> None:
    """Listens until `stop` is set, then answers the mails that were begun.

    Raises:
        ConfigurationError: the port is taken, or the certificate or the attachment store cannot be used.
    """
    tls, store = tls_context(settings), AttachmentStore.of(settings)
    show_expiry(settings, "lmtp" if lmtp else "smtp")
    listener = _listener(settings)
    intake = mail_intake(publisher, settings, store, source=f"{'lmtp' if lmtp else 'smtp'}:{socket.gethostname()}")
    handler = _MailHandler(intake, publisher, settings, lmtp=lmtp)
    if not lmtp and tls is None and settings.smtp_listen_host not in ("127.0.0.1", "localhost", "::1"):
        log.warning("no_starttls", fix="set DESKSTREAM_SMTP_TLS_CERT, so that mail does not cross networks in plain")
    try:
        with listener:
            asyncio.run(_run(settings, listener, handler, tls, health, stop))
    finally:
        handler.close()


async def _run(
    settings: ProducerSettings,
    listener: socket.socket,
    handler: _MailHandler,
    tls: ssl.SSLContext | None,
    health: Health,
    stop: threading.Event,
) -> None:
    loop = asyncio.get_running_loop()

    def protocol() -> Any:
        return (_Lmtp if handler.lmtp else _Smtp)(
            handler,
            data_size_limit=settings.max_body_bytes,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="Deskstream",
            tls_context=tls,
            require_starttls=settings.smtp_require_starttls,
            timeout=settings.smtp_listen_seconds,
            loop=loop,
        )

    server = await loop.create_server(protocol, sock=listener)
    host, port = listener.getsockname()[:2]
    log.info(
        "listening", protocol="lmtp" if handler.lmtp else "smtp", host=host, port=port, domains=sorted(handler.domains)
    )
    keeping = [asyncio.create_task(keep_connected(handler.publisher, health))]
    if tls is not None:
        keeping.append(asyncio.create_task(_take_up_renewed(settings, handler, tls)))
    await asyncio.to_thread(stop.wait)
    server.close()
    await _drain(handler, settings.publish_timeout_seconds + _GRACE_SECONDS)
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)


async def _drain(handler: _MailHandler, seconds: float) -> None:
    """Waits for the answers to mails that were begun; closes every other connection at once."""
    handler.stopping = True
    deadline = asyncio.get_running_loop().time() + seconds
    while handler.sessions:
        late = asyncio.get_running_loop().time() > deadline
        for connection in list(handler.sessions):
            if late or not connection.in_a_mail:
                connection.dismiss()
        await asyncio.sleep(_POLL_SECONDS)


async def _take_up_renewed(settings: ProducerSettings, handler: _MailHandler, tls: ssl.SSLContext) -> None:
    """Loads the certificate again when its file changes, for the connections that follow."""
    used = _certificate_age(settings)
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        if (now := _certificate_age(settings)) != used and settings.smtp_tls_cert is not None:
            with contextlib.suppress(OSError, ssl.SSLError):  # half of the pair is there: the next look finds both
                tls.load_cert_chain(settings.smtp_tls_cert, settings.smtp_tls_key)
                show_expiry(settings, "lmtp" if handler.lmtp else "smtp")
                log.info("certificate_renewed")
                used = now


def _certificate_age(settings: ProducerSettings) -> tuple[float, ...]:
    paths = [path for path in (settings.smtp_tls_cert, settings.smtp_tls_key) if path is not None]
    with contextlib.suppress(OSError):
        return tuple(path.stat().st_mtime for path in paths)
    return ()


def _listener(settings: ProducerSettings) -> socket.socket:
    host, port = settings.smtp_listen_host, settings.smtp_listen_port
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            where="DESKSTREAM_SMTP_LISTEN_PORT",
            fix="choose another port, or 0 for a free one",
        ) from error


def _taken(receipt: Receipt) -> str:
    if receipt.outcome is Outcome.DEAD_LETTERED:
        log.warning("refused", reason=receipt.reason)
        return "250 2.0.0 kept for a person to look at"
    return f"250 2.0.0 taken as {receipt.event_id}"


def _ascii_domain(domain: str) -> str:
    domain = domain.strip().rstrip(".").lower()
    with contextlib.suppress(UnicodeError):
        return domain.encode("idna").decode()
    return domain

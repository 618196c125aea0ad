"""Sends e-mail over SMTP, for mail and web-form contacts; reuses connections, one message each at a time.

| the server                                              | then                                                  |
|---------------------------------------------------------|-------------------------------------------------------|
| answers 2xx to the end of the mail                      | taken                                                 |
| does not connect, breaks off or answers 421, 454, 53x   | ServiceUnavailable: nothing was sent                  |
| answers 4xx                                             | TryLater: nothing was taken                           |
| refuses the ticket's address as the sender              | sent with the plain sender, as all mail from then on  |
| answers 5xx                                             | Undeliverable `bounced`, `smtp_permanent`             |
| refuses a copy (cc, bcc) only                           | taken; the outcome says so                            |
| breaks off, is silent or answers 421 after the mail     | AnswerLost: it may have taken the mail (RFC 1047)     |
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress

import aiosmtplib
import structlog
from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.errors import ConfigurationError
from schemas.facts import Outbound
from schemas.settings import SinkSettings
from schemas.text import encodable, one_line
from sinks.delivery.adapter import AnswerLost, Attempt, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.attachments import AttachmentReader
from sinks.delivery.compose import File
from sinks.delivery.dkim_keys import MailSigner, read_keys
from sinks.delivery.mail import address, compose, copies, envelope_sender
from sinks.delivery.smtp import answer_text, error_text, opened, tls_context, try_connection
from sinks.delivery.smtp_oauth import TokenLogin

CHANNELS = ("email", "form")
#: Answers about our connection and not about the message: closing, login wanted, login failed, encryption wanted.
_ABOUT_US = frozenset({421, 530, 534, 535, 538, 454})
_CLOSING, _SEND_THE_MAIL = 421, 354
#: Mails with files that are in memory at once, each of them several times.
_WITH_FILES = 2
#: A login that may send as its own address only: the sender that names a ticket (`support+TOKEN@`) is another one.
_SENDER_REFUSED = re.compile(r"\b5\.2\.252\b|\b5\.7\.60\b|send ?as|sender|not owned", re.IGNORECASE)
_NO_SMTPUTF8 = "the SMTP server offers no SMTPUTF8"
_LEADING_DOT = re.compile(rb"(?m)^\.")


log = structlog.get_logger("sinks.email")


class Email:
    """Holds at most `smtp_connections` connections; a message waits for a free one."""

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._sender = address(settings.mail_from)
        self._tls = tls_context(settings)
        self._login = TokenLogin.of(settings)
        self._signer = MailSigner(read_keys(settings.dkim_keys, self._sender.domain))
        self._slots = asyncio.Semaphore(settings.smtp_connections)
        self._idle: list[aiosmtplib.SMTP] = []
        self._by_ticket = True
        self._attachments, self._with_files = AttachmentReader.of(settings), asyncio.Semaphore(_WITH_FILES)

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Sends a message; returns the server's answer, and which of the copies it refused.

        Raises:
            ServiceUnavailable, TryLater, AnswerLost, Undeliverable
        """
        others = copies(message)
        if not message.attachments:
            return await self._send(message, others, ())
        async with self._with_files:
            return await self._send(message, others, await self._attachments.files(message))

    async def _send(self, message: Outbound, others: Sequence[str], files: Sequence[File]) -> str:
        by_ticket = self._by_ticket
        try:
            return await self._send_once(message, others, files, by_ticket=by_ticket)
        except Undeliverable as error:
            if not by_ticket or not _SENDER_REFUSED.search(str(error)):
                raise
            refusal = str(error)
        answer = await self._send_once(message, others, files, by_ticket=False)
        if self._by_ticket:
            log.warning("ticket_sender_refused", answer=refusal, then="all mail has the plain sender until a restart")
        self._by_ticket = False
        return answer

    async def _send_once(
        self, message: Outbound, others: Sequence[str], files: Sequence[File], *, by_ticket: bool
    ) -> str:
        sender = envelope_sender(message, self._sender, by_ticket=by_ticket).spec
        now = self._settings.pipeline_clock.now()
        async with self._slots:
            connection = await self._connection()
            usable = False
            try:
                # a server after the next one may take seven bits only, and what it converts is no longer what was signed
                eight_bit = connection.supports_extension("8bitmime") and not self._signer.records
                reached, out_of_reach = _reached(connection, others)
                recipient, mail = compose(
                    _without_copies(message, out_of_reach),
                    sender=self._sender,
                    now=now,
                    files=files,
                    eight_bit=eight_bit,
                    by_ticket=by_ticket,
                )
                mail = self._signer.sign(mail, now // MICROS)
                refused = await self._open(connection, sender, recipient, reached, mail)
                answer = await self._hand_over_content(connection, mail)
                usable = True
            except (TryLater, Undeliverable):
                usable = True  # the server answered, and the library reset the dialogue
                raise
            finally:
                if usable and connection.is_connected:
                    self._idle.append(connection)
                else:
                    connection.close()
            return _with_refusals(answer, message, [*((each, _NO_SMTPUTF8) for each in out_of_reach), *refused])

    @property
    def to_publish(self) -> list[str]:
        """The DNS records of the keys that sign."""
        return self._signer.records

    async def check(self) -> str:
        """Opens a connection as for a mail; returns a line about the server.

        Raises:
            Unavailable: with the next step to take.
        """
        return await try_connection(self._settings, self._sender.spec)

    async def close(self) -> None:
        """Closes the idle connections, with QUIT."""
        while self._idle:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._idle.pop().quit(timeout=1)

    async def _connection(self) -> aiosmtplib.SMTP:
        """Returns an idle connection that still answers, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            with suppress(aiosmtplib.SMTPException, OSError):
                if connection.is_connected:
                    return connection
            connection.close()
        return await opened(self._settings, self._tls, self._login)

    async def _open(
        self, connection: aiosmtplib.SMTP, sender: str, recipient: str, others: Sequence[str], mail: bytes
    ) -> list[tuple[str, str]]:
        """Begins an SMTP transaction: MAIL, RCPT, DATA. The addresses are checked, so they go out as they are.

        Returns those of the others that the server refused, with its answers: they hold up nobody.
        """
        refused = []
        try:
            parameters = _parameters(connection, "".join((sender, recipient, *others)), mail)
            await _commanded(connection, f"MAIL FROM:<{sender}>{parameters}")
            await _commanded(connection, f"RCPT TO:<{recipient}>")
            for other in others:
                try:
                    await _commanded(connection, f"RCPT TO:<{other}>", is_copy=True)
                except Undeliverable as error:
                    refused.append((other, str(error)))
            await _commanded(connection, "DATA", expected=_SEND_THE_MAIL)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ServiceUnavailable(f"SMTP: {error_text(error)}") from error
        return refused

    async def _hand_over_content(self, connection: aiosmtplib.SMTP, mail: bytes) -> str:
        """Sends the mail itself, after which only a clear answer says whether the server has it."""
        protocol = connection.protocol
        if protocol is None:
            raise ServiceUnavailable("SMTP: the connection was lost before the mail")
        try:
            protocol.write(_wire_form(mail))
        except aiosmtplib.SMTPException as error:
            raise ServiceUnavailable(f"SMTP: {error_text(error)}") from error
        try:
            response = await protocol.read_response(timeout=self._settings.smtp_answer_timeout_seconds)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise AnswerLost(f"SMTP, after the mail: {error_text(error)}") from error
        answer = answer_text(response.code, response.message)
        if response.code == _CLOSING:
            raise AnswerLost(f"SMTP, after the mail: {answer}")
        if not 200 <= response.code < 300:
            raise _failure_of(response.code, answer)
        return encodable(response.message)


def connect(settings: SinkSettings) -> Email:
    """Returns the adapter.

    Raises:
        ConfigurationError: DESKSTREAM_MAIL_FROM is not one e-mail address, or a file of certificates or a key is wrong.
    """
    try:
        return Email(settings)
    except Undeliverable as error:
        raise ConfigurationError(str(error), where="DESKSTREAM_MAIL_FROM") from error


def _reached(connection: aiosmtplib.SMTP, others: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the copies that the server can be asked about, and those whose addresses it does not understand."""
    international = connection.supports_extension("smtputf8")
    reached = [each for each in others if international or each.isascii()]
    return reached, [each for each in others if each not in reached]


def _without_copies(message: Outbound, others: Sequence[str]) -> Outbound:
    if not others:
        return message
    return replace(message, cc=[each for each in message.cc if address(each).spec not in others])


def _parameters(connection: aiosmtplib.SMTP, addresses: str, mail: bytes) -> str:
    """Returns the parameters of MAIL: what the server has to be told of characters beyond ASCII (RFC 6152, RFC 6531).

    Raises:
        Undeliverable: an address is international, and the server takes none such.
    """
    found = ""
    if not (addresses.isascii() and mail.partition(b"\r\n\r\n")[0].isascii()):
        if not connection.supports_extension("smtputf8"):
            raise Undeliverable("refused", "smtputf8", f"the address has characters beyond ASCII, and {_NO_SMTPUTF8}")
        found += " SMTPUTF8"
    if not mail.isascii() and connection.supports_extension("8bitmime"):
        found += " BODY=8BITMIME"
    return found


async def _commanded(
    connection: aiosmtplib.SMTP, command: str, *, expected: int | None = None, is_copy: bool = False
) -> None:
    """Gives an SMTP command; raises for an answer other than 2xx, or the expected one.

    A refusal ends the transaction, but for that of a copy, which is about nothing else: the server has taken the recipient.
    """
    response = await connection.execute_command(command.encode())
    if response.code != expected if expected is not None else not 200 <= response.code < 300:
        if is_copy and response.code != _CLOSING:
            raise Undeliverable("bounced", "smtp_copy", answer_text(response.code, response.message))
        await _reset(connection)
        raise _failure_of(response.code, answer_text(response.code, response.message))


def _with_refusals(answer: str, message: Outbound, refused: Sequence[tuple[str, str]]) -> str:
    """Returns the answer with the copies that were refused. Who is told of it does not learn of a `bcc`."""
    shown = {address(each).spec.lower() for each in message.cc}
    told = [f"{spec} ({why})" for spec, why in refused if spec.lower() in shown]
    hidden = len(refused) - len(told)
    told += [f"{hidden} bcc"] if hidden else []
    return one_line(f"{answer}; refused: {', '.join(told)}", 500) if told else answer


async def _reset(connection: aiosmtplib.SMTP) -> None:
    """Ends a refused transaction; the refusal counts, also when the server hangs up now."""
    with suppress(aiosmtplib.SMTPException, OSError):
        await connection.execute_command(b"RSET")


def _wire_form(mail: bytes) -> bytes:
    """Returns a mail with CRLF line ends as DATA sends it: leading dots doubled, and the line that ends it."""
    return _LEADING_DOT.sub(b"..", mail) + (b".\r\n" if mail.endswith(b"\r\n") else b"\r\n.\r\n")


def _failure_of(code: int, answer: str) -> Exception:
    """Returns the exception for an SMTP answer (RFC 5321, section 4.2.1)."""
    if code in _ABOUT_US:
        return ServiceUnavailable(f"SMTP: {answer}")
    if 400 <= code < 500:
        return TryLater(answer)
    return Undeliverable("bounced", "smtp_permanent", answer)

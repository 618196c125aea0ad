"""Opens connections to the outgoing SMTP server, and tries one for `python -m sinks delivery --check --connect`.

A connection is used only when TLS (where it is wanted) and the login succeeded: no mail goes over a weaker one.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

import aiosmtplib

from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from schemas.text import encodable, named_error_line, one_line
from sinks.delivery.adapter import ServiceUnavailable
from sinks.delivery.smtp_advice import next_step
from sinks.delivery.smtp_oauth import TokenLogin

__all__ = ["answer_text", "error_text", "is_implicit_tls", "opened", "tls_context", "try_connection"]

_IMPLICIT_TLS_PORT = 465
_EXTENSIONS = ("starttls", "auth", "8bitmime", "smtputf8", "size")


def is_implicit_tls(settings: SinkSettings) -> bool:
    """Tells whether the connection begins with TLS: the port says so (RFC 8314)."""
    return settings.smtp_port == _IMPLICIT_TLS_PORT


def tls_context(settings: SinkSettings) -> ssl.SSLContext | None:
    """Returns a TLS context that trusts the authorities of `smtp_ca_file` alone, or those of the system; None without TLS.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if not (is_implicit_tls(settings) or settings.smtp_starttls):
        return None
    try:
        return ssl.create_default_context(cafile=settings.smtp_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"cannot read the certificates of {settings.smtp_ca_file}: {error}", where="DESKSTREAM_SMTP_CA_FILE"
        ) from error


async def opened(
    settings: SinkSettings, context: ssl.SSLContext | None, login: TokenLogin | None = None
) -> aiosmtplib.SMTP:
    """Returns a connection that is encrypted and logged in, as the settings want it.

    `context` is that of `tls_context`, `login` that of `TokenLogin.of`.

    Raises:
        ServiceUnavailable: its cause is the error of the connection.
    """
    connection = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=is_implicit_tls(settings),
        start_tls=settings.smtp_starttls and not is_implicit_tls(settings),
        tls_context=context,
        username=(settings.smtp_username or None) if login is None else None,
        password=(settings.smtp_password.get_secret_value() or None) if login is None else None,
        timeout=settings.smtp_timeout_seconds,
    )
    try:
        await connection.connect()
        if connection.is_ehlo_or_helo_needed:
            await connection.ehlo()
        if login is not None:
            await login.log_in(connection)
    except ServiceUnavailable:
        connection.close()
        raise
    except (aiosmtplib.SMTPException, OSError) as error:
        connection.close()
        raise ServiceUnavailable(f"SMTP at {settings.smtp_host}:{settings.smtp_port}: {error_text(error)}") from error
    return connection


async def try_connection(settings: SinkSettings, sender: str) -> str:
    """Connects, encrypts, logs in and offers `sender` as the sender of a mail; returns a line about the server.

    Raises:
        Unavailable: with the next step to take.
        ConfigurationError: the file of certificates cannot be read.
    """
    where = f"SMTP at {settings.smtp_host}:{settings.smtp_port}"
    try:
        connection = await opened(settings, tls_context(settings), TokenLogin.of(settings))
    except ServiceUnavailable as error:
        raise Unavailable(f"{error}; next: {next_step(error.__cause__, settings)}") from error
    try:
        response = await connection.execute_command(b"MAIL FROM:<" + sender.encode() + b">")
        if not 200 <= response.code < 300:
            refusal = aiosmtplib.SMTPSenderRefused(response.code, response.message, sender)
            said = answer_text(response.code, response.message)
            raise Unavailable(f"{where}: {said}; next: {next_step(refusal, settings)}")
        return f"{where}: {_described(connection, settings)}"
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Unavailable(f"{where}: {error_text(error)}; next: {next_step(error, settings)}") from error
    finally:
        with suppress(aiosmtplib.SMTPException, OSError):
            await connection.quit(timeout=1)
        connection.close()


def _described(connection: aiosmtplib.SMTP, settings: SinkSettings) -> str:
    tls = connection.get_transport_info("ssl_object")
    login = f"logged in as {settings.smtp_username}" if settings.smtp_username else "no login"
    offered = [name.upper() for name in _EXTENSIONS if connection.supports_extension(name)]
    encryption = str(tls.version()) if tls is not None else "not encrypted"
    return one_line(f"{encryption}, {login}, takes mail from {settings.mail_from}, offers {' '.join(offered)}", 500)


def answer_text(code: int, message: str) -> str:
    """Returns an SMTP answer on one line."""
    return encodable(one_line(f"{code} {message}", 500))


def error_text(error: Exception) -> str:
    """Returns an error of the connection on one line."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return answer_text(error.code, error.message)
    return named_error_line(error, 500)

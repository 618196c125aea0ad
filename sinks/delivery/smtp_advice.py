"""Says what to do after a connection to the outgoing SMTP server failed. Pure."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import aiosmtplib

from schemas.errors import Unavailable
from schemas.oauth import TokenRefused
from schemas.settings import SinkSettings

__all__ = ["next_step"]

_IMPLICIT_TLS_PORT = 465
#: SMTP answers about how we are, not about a message: login wanted, too weak a login, login failed, encryption wanted.
_NO_SUCH_COMMAND = (500, 501, 502, 503, 504)
_LOGIN_WANTED, _NO_SUCH_LOGIN, _TOO_WEAK, _ENCRYPTION_WANTED = 530, 535, 534, 538


def next_step(error: BaseException | None, settings: SinkSettings) -> str:
    """Returns one sentence that names the setting to change or the thing to look at."""
    causes = list(_causes(error))
    for advise in (_by_token, _by_kind, _by_words):
        for cause in causes:
            if found := advise(cause, settings):
                return found
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    if any(isinstance(cause, OSError) for cause in causes):
        return f"look whether this machine reaches {where} (route, firewall, NetworkPolicy)"
    return f"look into the log of the server at {where}"


def _by_token(cause: BaseException, settings: SinkSettings) -> str:
    """Says what to do about an access token, or about a mail server that does not take it."""
    file = settings.smtp_oauth_file
    if file is None:
        return ""
    if isinstance(cause, TokenRefused):
        return f"correct or renew what {file} names, as the token server says"
    if isinstance(cause, Unavailable):
        return f"look whether the token server that {file} names answers, and whether this machine reaches it"
    if isinstance(cause, aiosmtplib.SMTPAuthenticationError):
        if cause.code in _NO_SUCH_COMMAND:
            return "the server takes no access tokens on this port: use its submission port (587 or 465), or a password"
        return f"let the client of {file} send as {settings.smtp_username}, and allow SMTP AUTH for that mailbox; or correct its scope"
    return ""


def _by_kind(cause: BaseException, settings: SinkSettings) -> str:
    if isinstance(cause, ssl.SSLError):
        return _tls(cause, settings)
    if isinstance(cause, socket.gaierror):
        return f"no DNS entry for {settings.smtp_host}: correct DESKSTREAM_SMTP_HOST"
    if isinstance(cause, ConnectionRefusedError):
        return (
            f"nothing listens there: correct DESKSTREAM_SMTP_PORT ({settings.smtp_port}; submission is 587 or 465), or "
            "start the server"
        )
    if isinstance(cause, aiosmtplib.SMTPResponseException):
        return _answered(cause.code, cause.message, settings)
    return ""


def _by_words(cause: BaseException, settings: SinkSettings) -> str:
    text, port = str(cause), settings.smtp_port
    if isinstance(cause, aiosmtplib.SMTPReadTimeoutError):
        return "the server fell silent in the middle: look into its log, or raise DESKSTREAM_SMTP_TIMEOUT_SECONDS"
    if isinstance(cause, TimeoutError):
        return _silent(settings)
    if "STARTTLS extension not supported" in text:
        return (
            f"the server offers no STARTTLS on port {port}: use its port 587 or 465, or unset DESKSTREAM_SMTP_STARTTLS"
        )
    if "AUTH extension is not supported" in text:
        return _no_login_offered(settings)
    if "No suitable authentication" in text:
        return "the server offers none of PLAIN, LOGIN and CRAM-MD5: allow one there, or use an account with a password"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what caused it, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _tls(error: ssl.SSLError, settings: SinkSettings) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"{error.verify_message} {error}".lower()
        if "hostname mismatch" in text or "not valid for" in text or "ip address mismatch" in text:
            return f"set DESKSTREAM_SMTP_HOST to a name that is in the certificate: {settings.smtp_host} is not"
        if "expired" in text or "not yet valid" in text:
            return "renew the certificate of the server, or correct the clock of this machine"
        if settings.smtp_ca_file is None:
            return "name the file of the authority that signed the certificate with DESKSTREAM_SMTP_CA_FILE"
        return f"{settings.smtp_ca_file} does not hold the authority that signed the certificate: correct DESKSTREAM_SMTP_CA_FILE"
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER" in str(error):
        return "the server does not begin with TLS on this port: use 587 with DESKSTREAM_SMTP_STARTTLS=true"
    return "the server and this machine agree on no version or cipher of TLS: allow TLS 1.2 or later on the server"


def _silent(settings: SinkSettings) -> str:
    if settings.smtp_port != _IMPLICIT_TLS_PORT:
        return (
            f"nothing answers: a firewall or NetworkPolicy may block port {settings.smtp_port} (many block 25), or the port begins "
            "with TLS: then use 465"
        )
    return "nothing answers: a firewall or NetworkPolicy may block port 465"


def _answered(code: int, message: str, settings: SinkSettings) -> str:
    encrypted = settings.smtp_starttls or settings.smtp_port == _IMPLICIT_TLS_PORT
    if "starttls" in message.lower() or code == _ENCRYPTION_WANTED:
        return "set DESKSTREAM_SMTP_STARTTLS=true: the server wants encryption before a login"
    if code == _LOGIN_WANTED and not settings.smtp_username:
        return "set DESKSTREAM_SMTP_USERNAME and DESKSTREAM_SMTP_PASSWORD: the server wants a login"
    if code in (_LOGIN_WANTED, _NO_SUCH_LOGIN):
        return "correct DESKSTREAM_SMTP_USERNAME and DESKSTREAM_SMTP_PASSWORD; some providers want a password made for applications"
    if code == _TOO_WEAK:
        return "the provider wants another kind of login: make a password for applications there" + (
            "" if encrypted else ", and set DESKSTREAM_SMTP_STARTTLS=true"
        )
    if 400 <= code < 500:
        return "the server is busy or limits us: try again later"
    if settings.smtp_username:
        return f"let {settings.smtp_username} send as DESKSTREAM_MAIL_FROM ({settings.mail_from}), or correct one of the two"
    return f"let the server relay mail from this machine and from DESKSTREAM_MAIL_FROM ({settings.mail_from}), or set a login"


def _no_login_offered(settings: SinkSettings) -> str:
    if settings.smtp_starttls or settings.smtp_port == _IMPLICIT_TLS_PORT:
        return "the server takes no login on this port: use its submission port (587 or 465), or empty DESKSTREAM_SMTP_USERNAME"
    return "the server takes no login without encryption: set DESKSTREAM_SMTP_STARTTLS=true (port 587), or use port 465"

"""Logs in to the outgoing SMTP server with an access token (XOAUTH2, or OAUTHBEARER of RFC 7628) instead of a password."""

from __future__ import annotations

import asyncio
import base64
import binascii
from pathlib import Path

import aiosmtplib
import yaml

from schemas import oauth
from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from schemas.text import one_line
from sinks.delivery.adapter import ServiceUnavailable

__all__ = ["TokenLogin"]

_SETTING = "DESKSTREAM_SMTP_OAUTH_FILE"
_MECHANISMS = ("xoauth2", "oauthbearer")
_CONTINUE = 334
_IMPLICIT_TLS_PORT = 465
_LOCAL = ("localhost", "127.0.0.1", "::1")


class TokenLogin:
    """Holds the user, the mechanism and the access token of the SMTP server."""

    def __init__(self, user: str, mechanism: str, tokens: oauth.Tokens) -> None:
        self.user, self.mechanism, self._tokens = user, mechanism, tokens

    @classmethod
    def of(cls, settings: SinkSettings) -> TokenLogin | None:
        """Returns the login that the settings describe, None when they have no OAuth file.

        Raises:
            ConfigurationError: the file is wrong, there is no user, or the token would travel in plain text.
        """
        path = settings.smtp_oauth_file
        if path is None:
            return None
        if not settings.smtp_username or settings.smtp_password.get_secret_value():
            raise ConfigurationError("needs DESKSTREAM_SMTP_USERNAME, and no DESKSTREAM_SMTP_PASSWORD", where=_SETTING)
        encrypted = settings.smtp_starttls or settings.smtp_port == _IMPLICIT_TLS_PORT
        if not encrypted and settings.smtp_host not in _LOCAL:
            raise ConfigurationError(
                "the token would travel in plain text", where=_SETTING, fix="DESKSTREAM_SMTP_STARTTLS=true"
            )
        options = _read(path)
        mechanism = options.pop("auth", _MECHANISMS[0])
        if mechanism not in _MECHANISMS:
            raise ConfigurationError(f"auth is one of {', '.join(_MECHANISMS)}", where=str(path))
        client = oauth.configured(options, str(path))
        return cls(settings.smtp_username, mechanism, oauth.Tokens(client, f"smtp:{settings.smtp_host}"))

    async def log_in(self, connection: aiosmtplib.SMTP) -> None:
        """Logs in on a connection that has said EHLO.

        Raises:
            ServiceUnavailable: no token can be had.
            SMTPAuthenticationError: the server does not take the token.
        """
        try:
            token = await asyncio.to_thread(self._tokens.token)
        except (oauth.TokenRefused, Unavailable) as error:
            raise ServiceUnavailable(f"SMTP: {error}") from error
        response = await connection.execute_command(b"AUTH", self.mechanism.upper().encode(), self._initial(token))
        told = ""
        if response.code == _CONTINUE:  # the reason of a refusal, which wants an empty answer
            told = _decoded(response.message)
            response = await connection.execute_command(b"AQ==" if self.mechanism == "oauthbearer" else b"")
        if not 200 <= response.code < 300:
            self._tokens.forget()
            raise aiosmtplib.SMTPAuthenticationError(response.code, one_line(f"{response.message} {told}", 300))

    def _initial(self, token: str) -> bytes:
        if self.mechanism == "oauthbearer":
            user = self.user.replace("=", "=3D").replace(",", "=2C")
            text = f"n,a={user},\1auth=Bearer {token}\1\1"
        else:
            text = f"user={self.user}\1auth=Bearer {token}\1\1"
        return base64.b64encode(text.encode())


def _read(path: Path) -> dict[str, object]:
    try:
        options = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=f"{_SETTING}: {path}") from error
    except (yaml.YAMLError, ValueError):
        raise ConfigurationError("is not valid YAML", where=str(path)) from None  # its text quotes the file
    if not isinstance(options, dict):
        raise ConfigurationError("is not an object of token_url, client_id, ...", where=str(path))
    return options


def _decoded(message: str) -> str:
    try:
        return base64.b64decode(message, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return message

"""Gets access tokens (OAuth 2.0, RFC 6749) for mail servers that take no password, and keeps them until shortly before their end.

Two grants: with a refresh token (a mailbox whose owner consented once), or with the client's own credentials (an
application that was given the mailbox). The keys of a configuration, all text:

    token_url              where tokens are issued; https, or http on this machine
    client_id              who we are there
    client_secret, client_secret_file
    refresh_token, refresh_token_file   without either, the client's own credentials are the grant
    scope                  what the token is for; needed with the client's own credentials
    client_secret_expires, refresh_token_expires   dates (2027-03-01), for the alert that comes before
    ca_file                authorities that the token server's certificate is checked against; default: the system's

Files are read at each request, so that a rotated secret needs no restart. A refresh token that the server replaces is written
back to its file. No message, log line or `repr` holds a secret.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from schemas import metrics
from schemas.errors import ConfigurationError, DeskstreamError, Unavailable
from schemas.text import error_line, one_line

__all__ = ["KEYS", "Client", "TokenRefused", "Tokens", "begin_at_zero", "configured"]

KEYS = frozenset(
    (
        "token_url", "client_id", "client_secret", "client_secret_file", "refresh_token", "refresh_token_file", "scope",
        "client_secret_expires", "refresh_token_expires", "ca_file",
    )
)  # fmt: skip
_LOCAL = ("localhost", "127.0.0.1", "::1")
_REQUEST_SECONDS = 20.0
#: A token is renewed so long before its end, or after nine tenths of its life where that is shorter.
_EARLY_SECONDS = 300.0
#: The life of a token whose server does not say.
_UNSAID_SECONDS = 300.0
_ADVICE = {
    "invalid_client": "the client id or its secret is wrong, or the secret has expired: make a new one",
    "unauthorized_client": "the client may not use this grant: allow it where the client is registered",
    "invalid_grant": "the refresh token has expired or was revoked: let the owner of the mailbox consent again",
    "invalid_scope": "the scope is not one of the token server",
    "access_denied": "the owner or an administrator has not consented",
}

log = structlog.get_logger("oauth")


class TokenRefused(DeskstreamError):
    """The token server refuses the client or its grant. To ask again soon would change nothing."""


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret as text, or in a file that is read each time."""

    text: str = field(default="", repr=False)
    file: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.text) or self.file is not None

    def read(self) -> str:
        if self.file is None:
            return self.text
        try:
            return self.file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the secret in {self.file} cannot be read: {error_line(error, 200)}") from error


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for tokens where. `expires` holds dates by credential, as Unix times."""

    token_url: str
    client_id: str
    client_secret: _Secret
    refresh_token: _Secret
    scope: str = ""
    expires: Mapping[str, float] = field(default_factory=dict)
    ca_file: Path | None = None


def configured(options: Any, where: str) -> Client:
    """Returns the client that a mapping of `KEYS` describes. No error quotes a value.

    Raises:
        ConfigurationError: `where` says which file and entry.
    """
    if not isinstance(options, dict) or set(options) - KEYS:
        raise ConfigurationError(f"oauth is not an object of {', '.join(sorted(KEYS))}", where=where)
    given = {name: value.isoformat() if isinstance(value, date) else value for name, value in options.items()}
    if not all(isinstance(value, str) and value for value in given.values()):
        raise ConfigurationError("every value of oauth must be text", where=where, fix="write it in quotation marks")
    client_secret, refresh_token = (_secret(given, name, where) for name in ("client_secret", "refresh_token"))
    for name, present in (("token_url", "token_url" in given), ("client_id", "client_id" in given)):
        if not present:
            raise ConfigurationError(f"oauth needs {name}", where=where)
    if not client_secret and not refresh_token:
        raise ConfigurationError("oauth needs client_secret_file or refresh_token_file", where=where)
    if not refresh_token and "scope" not in given:
        raise ConfigurationError("oauth needs a scope, because it has no refresh token", where=where)
    _check_url(given["token_url"], where)
    expires = {
        name: _instant(given[f"{name}_expires"], f"{name}_expires", where)
        for name in ("client_secret", "refresh_token")
        if f"{name}_expires" in given
    }
    return Client(
        given["token_url"],
        given["client_id"],
        client_secret,
        refresh_token,
        given.get("scope", ""),
        expires,
        Path(given["ca_file"]) if "ca_file" in given else None,
    )


def _secret(given: Mapping[str, str], name: str, where: str) -> _Secret:
    text, file = given.get(name, ""), given.get(f"{name}_file", "")
    if text and file:
        raise ConfigurationError(f"oauth takes one of {name} and {name}_file", where=where)
    return _Secret(text, Path(file) if file else None)


def _check_url(text: str, where: str) -> None:
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        url, host = urlsplit(""), None
    if not host or url.username or not (url.scheme == "https" or (url.scheme == "http" and host in _LOCAL)):
        raise ConfigurationError("token_url must be https://host/path", where=where)


def _instant(text: str, name: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{name} is not a date such as 2027-03-01", where=where) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def begin_at_zero(client: Client, name: str) -> None:
    """Shows when the secrets end, and lets the counts of requests begin at 0."""
    for credential, moment in client.expires.items():
        metrics.CREDENTIAL_EXPIRY_SECONDS.labels(name, credential).set(moment)
    for outcome in ("issued", "refused", "unavailable"):
        metrics.OAUTH_TOKEN_REQUESTS.labels(name, outcome)


class Tokens:
    """Holds the access token of one mailbox or server; `name` is that of the logs and metrics. Safe for several threads."""

    def __init__(self, client: Client, name: str, *, now: Callable[[], float] = time.time) -> None:
        self.client, self.name, self._now = client, name, now
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        #: The refresh token that the server gave us, and the one in the configuration that it replaces.
        self._renewed, self._replaces = "", ""
        begin_at_zero(client, name)

    def token(self) -> str:
        """Returns an access token that is valid for a while; blocks for 20 s at most.

        Raises:
            TokenRefused: with the next step to take.
            Unavailable: the token server does not answer, or a file of a secret cannot be read.
        """
        with self._lock:
            if self._now() < self._until:
                return self._token
            try:
                self._request()
            except TokenRefused:
                metrics.OAUTH_TOKEN_REQUESTS.labels(self.name, "refused").inc()
                raise
            except Unavailable:
                metrics.OAUTH_TOKEN_REQUESTS.labels(self.name, "unavailable").inc()
                raise
            metrics.OAUTH_TOKEN_REQUESTS.labels(self.name, "issued").inc()
            return self._token

    def forget(self) -> None:
        """Drops the token: the mail server did not take it."""
        with self._lock:
            self._until = 0.0

    def _request(self) -> None:
        client = self.client
        configured_refresh = client.refresh_token.read()
        refresh = self._renewed if configured_refresh == self._replaces and self._renewed else configured_refresh
        form = {"client_id": client.client_id, "grant_type": "refresh_token" if refresh else "client_credentials"}
        if client.scope:
            form["scope"] = client.scope
        if refresh:
            form["refresh_token"] = refresh
        if secret := client.client_secret.read():
            form["client_secret"] = secret
        answer = self._answer(form)
        token, life = answer.get("access_token"), answer.get("expires_in", _UNSAID_SECONDS)
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Unavailable(f"{self.name}: {self._host} answered without an access token")
        try:
            seconds = float(life)
        except (TypeError, ValueError):
            seconds = _UNSAID_SECONDS
        seconds = seconds if 0 < seconds < 1e9 else _UNSAID_SECONDS
        self._token, self._until = token, self._now() + max(seconds - _EARLY_SECONDS, seconds * 0.9)
        if isinstance(renewed := answer.get("refresh_token"), str) and renewed and renewed != refresh:
            self._keep(renewed, configured_refresh)

    @property
    def _host(self) -> str:
        return urlsplit(self.client.token_url).hostname or ""

    def _answer(self, form: Mapping[str, str]) -> dict[str, Any]:
        try:
            # no proxy or netrc of the environment, and no redirect: the secret goes to the server of the setting alone
            with httpx.Client(timeout=_REQUEST_SECONDS, verify=self._tls(), trust_env=False) as http:
                answer = http.post(self.client.token_url, data=form, headers={"Accept": "application/json"})
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise Unavailable(f"{self.name}: no token from {self._host}: {error_line(error, 200)}") from error
        try:
            said = answer.json()
        except ValueError:
            said = None
        said = said if isinstance(said, dict) else {}
        if answer.status_code == httpx.codes.OK:
            return said
        kind = str(said.get("error", ""))
        if kind in _ADVICE or answer.status_code in (400, 401, 403):
            raise TokenRefused(f"{self.name}: {self._host} refuses a token: {self._told(answer, said, form)}")
        raise Unavailable(f"{self.name}: no token from {self._host}: {answer.status_code}")

    def _tls(self) -> ssl.SSLContext:
        if self.client.token_url.startswith("https:"):
            return ssl.create_default_context(cafile=self.client.ca_file)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not used; without the system's authorities, which take time

    def _told(self, answer: httpx.Response, said: Mapping[str, Any], form: Mapping[str, str]) -> str:
        """Returns what the server said, without our secrets, and what to do."""
        kind = str(said.get("error", "")) or str(answer.status_code)
        words = str(said.get("error_description", ""))
        for name in ("client_secret", "refresh_token"):
            if form.get(name):
                kind, words = (text.replace(form[name], "***") for text in (kind, words))
        told = one_line(f"{kind}: {words}" if words else kind, 300)
        return f"{told} ({_ADVICE[kind]})" if kind in _ADVICE else told

    def _keep(self, renewed: str, replaced: str) -> None:
        """Keeps the refresh token that replaces ours, also for the next start where its file can be written."""
        self._renewed, self._replaces = renewed, replaced
        file = self.client.refresh_token.file
        if file is None:
            return
        try:
            descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(renewed + "\n")
            Path(draft).replace(file)
        except OSError as error:
            log.warning("refresh_token_not_stored", mailbox=self.name, problem=f"{file}: {error.strerror}")
            return
        self._renewed = self._replaces = ""

"""Admits signed requests by the keys of a file, before their bodies are read where the scheme allows it.

The file is read again within a second of a change; one that is invalid changes nothing. What is proved by a scheme of the
release before is admitted, counted, and logged once an hour for each secret.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from fastapi import Request

from producers.security import keys
from producers.security.device import DeviceToken
from producers.security.first_use import FirstUse
from producers.security.grants import Grant
from producers.security.keys import Key, KeyFile
from schemas import metrics, signature
from schemas.errors import ConfigurationError, Refused
from schemas.settings import ProducerSettings
from schemas.signature import RequestHead, RequestSignature

__all__ = ["Admission", "Admitted"]

CHECK_SECONDS, SETTLE_SECONDS, LOG_SECONDS = 1.0, 0.5, 3600.0

log = structlog.get_logger("producers.keys")


@dataclass(frozen=True, slots=True)
class Admitted:
    """Holds a request whose sender is proved. `signature` is None when the proof does not cover the body, as a token's."""

    grant: Grant
    signature: RequestSignature | None = None

    def verify_body(self, body: bytes) -> None:
        """Accepts the body that was signed.

        Raises:
            Refused: `bad_signature`.
        """
        if self.signature is not None:
            self.signature.verify_body(body)


class Admission:
    """Holds the keys in force.

    Raises:
        ConfigurationError: at the start, the file is missing or invalid.
    """

    def __init__(self, settings: ProducerSettings) -> None:
        self._path = settings.keys_file
        self._prefix = urlsplit(settings.public_url).path.rstrip("/")
        self._fingerprint = _fingerprint(self._path)
        self._keys = keys.read(self._path) if self._path is not None else KeyFile()
        self._next_check = time.monotonic() + CHECK_SECONDS
        self._told: dict[str, float] = {}
        self._first_use = FirstUse()
        # What names no key is compared with a secret that nobody has, so that the time taken says nothing.
        self._nobody = Key("nobody", (secrets.token_hex(32), secrets.token_hex(32)), ())
        metrics.KEYS_REFUSED.set(0)

    @property
    def has_file(self) -> bool:
        """Says whether there is a file of keys."""
        return self._path is not None

    @property
    def keys(self) -> KeyFile:
        """The keys in force; looks once a second at most for a change of their file."""
        if self._path is not None and time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self._read_changed(self._path)
        return self._keys

    def admit(self, request: Request, scopes: Collection[str]) -> Admitted | None:
        """Admits a request that a key with one of these scopes signed; None: it has the old signature, over its body.

        Raises:
            Refused: `missing_signature`, `malformed_signature`, `bad_signature`, `stale_signature`, `expired_key`,
                `missing_scope`.
        """
        header = _single(request, signature.HEADER)
        if RequestSignature.is_old(header):
            return None
        given = RequestSignature.parse(header)
        key, wall = self.keys.key(given.key_id) or self._nobody, time.time()
        both = (*key.secrets, *self._nobody.secrets)[: keys.MOST_SECRETS]  # as many for each key, for the same reason
        place = self._verify_head(request, given, both, wall)
        key.require_valid(wall)
        key.grant.require_any(scopes)
        if place:
            self._tell(f"{key.id}/{place}", "previous_secret_in_use", key=key.id)
        return Admitted(key.grant, given)

    def admit_key(self, request: Request, scopes: Collection[str]) -> Admitted:
        """Admits a request that a key with one of these scopes signed, where the old signature is not taken.

        Raises:
            Refused: as `admit`; `no_secret_configured`, there is no file of keys.
        """
        if not self.has_file:
            raise Refused("no_secret_configured", "this endpoint is switched off: set DESKSTREAM_KEYS_FILE")
        admitted = self.admit(request, scopes)
        if admitted is None:
            raise Refused("malformed_signature", "sign with a key of DESKSTREAM_KEYS_FILE (v2)")
        return admitted

    def admit_token(self, token: DeviceToken, scope: str) -> Admitted:
        """Admits a device whose token is proved.

        Raises:
            Refused: `revoked_token`.
        """
        self.keys.require_token(token)
        if token.is_old:
            metrics.OLD_PROOFS.labels("kiosk_token").inc()
            fix = "`python -m producers kiosk-token` makes one that expires"
            self._tell(f"token of {token.device[:100]}", "old_kiosk_token", device=token.device[:100], fix=fix)
        return Admitted(Grant(f"token {token.id or token.device[:100]}", frozenset((scope,))))

    def admit_old(self, request: Request, body: bytes, old_secrets: Sequence[str], setting: str) -> None:
        """Admits a request that an old signature has proved, counts it, and logs the secret's place in its setting.

        Raises:
            Refused: `bad_signature`, it was used for another path or idempotency key before.
        """
        header, wall = request.headers.get(signature.HEADER, ""), time.time()
        head = RequestHead(request.method, _target(request), request.headers.get(signature.KEY_HEADER, ""))
        self._first_use.require(signature.old_time(header).encode() + b"." + body, head, time.monotonic())
        metrics.OLD_PROOFS.labels("signature_v1").inc()
        place = next((at for at, secret in enumerate(old_secrets) if _is_signed(header, body, secret, wall)), 0)
        variable = f"DESKSTREAM_{setting.upper()}"
        fix = "`python -m producers keys new` makes a key; v1 goes away with the next release"
        self._tell(f"{variable}/{place}", "old_signature", secret=f"{variable}, number {place + 1}", fix=fix)

    def note_unbound(self, endpoint: str) -> None:
        """Counts a delivery to an address that the release before made, without a time in it."""
        metrics.OLD_PROOFS.labels(endpoint.replace("-", "_")).inc()
        self._tell(endpoint, "unbound_callback", endpoint=endpoint, fix="none: addresses that are made now have a time")

    def _verify_head(self, request: Request, given: RequestSignature, key_secrets: Sequence[str], wall: float) -> int:
        """Returns which of the secrets signed a request, by its address as we see it or as a proxy with a prefix does."""
        method, key = request.method, (_single(request, signature.KEY_HEADER) or "").strip(" \t")
        target = _target(request)
        try:
            return given.verify_head(RequestHead(method, target, key), key_secrets, wall=wall)
        except Refused as refused:
            if refused.reason != "bad_signature" or not self._prefix:
                raise
        return given.verify_head(RequestHead(method, self._prefix + target, key), key_secrets, wall=wall)

    def _read_changed(self, path: Path) -> None:
        """Puts a changed file in force, once nobody has written to it for half a second."""
        fingerprint = _fingerprint(path)
        if fingerprint == self._fingerprint or (fingerprint is not None and 0 <= _age(fingerprint) < SETTLE_SECONDS):
            return
        self._fingerprint = fingerprint
        try:
            self._keys = keys.read(path)
        except ConfigurationError as error:
            metrics.KEYS_REFUSED.set(1)
            log.error("keys_refused", problem=str(error), fix="the keys of before stay in force")
            return
        metrics.KEYS_REFUSED.set(0)
        log.info("keys", ids=sorted(key.id for key in self._keys.keys.values() if not key.revoked))

    def _tell(self, what: str, event: str, **fields: str) -> None:
        """Logs what is true of one secret, once an hour."""
        now = time.monotonic()
        if now - self._told.get(what, -LOG_SECONDS) >= LOG_SECONDS and len(self._told) < 10_000:
            self._told[what] = now
            log.warning(event, **fields)


def _single(request: Request, name: str) -> str | None:
    """Returns the value of a header that may come once: of two, a proxy and we might read different ones."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Refused("malformed_signature", f"{name} is there {len(values)} times")
    return values[0] if values else None


def _target(request: Request) -> str:
    """Returns path and query byte for byte as they came."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string") or b""
    return (raw.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")


def _is_signed(header: str | None, body: bytes, secret: str, wall: float) -> bool:
    try:
        signature.verify(header, body, (secret,), wall=wall)
    except Refused:
        return False
    return True


def _fingerprint(path: Path | None) -> tuple[int, int, int] | None:
    """Returns inode, time and size; a link that is pointed elsewhere, as Kubernetes does, changes them, too."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else None


def _age(fingerprint: tuple[int, int, int]) -> float:
    return time.time() - fingerprint[1] / 1e9

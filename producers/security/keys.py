"""Reads and checks the keys of DESKSTREAM_KEYS_FILE, by which our endpoints know who signed a request.

    keys:
      - id: help-desk                            # in every signature as k=...
        secrets: [0123456789abcdef0123456789]    # the newest first; two while it is changed; 16 characters at least
        scopes: [agents:reply, agents:note]      # or agents:*, or "*"
        agents: [mei, jun]                       # optional: it may speak for these agents only
        expires: 2027-12-31                      # optional: the first day (UTC) on which it is no longer valid
      - id: old-desk
        revoked: 2026-11-30                      # its id is not used again; it has no secrets any more
        scopes: [agents:*]
    revoked_tokens:                              # tokens of kiosks
      - id: k7q2m4x9aa                           # one token
      - device: dublin-1                         # all tokens of a device that were made before
        before: 2026-12-01T09:00:00Z

`python -m producers keys` writes the file; other programs may write it as well.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from producers.security.device import DeviceToken
from producers.security.grants import ANY_SCOPE, SCOPES, Grant, expanded
from schemas import yamlfile
from schemas.errors import Refused
from schemas.signature import KEY_ID

__all__ = ["MOST_SECRETS", "SHORTEST_SECRET", "Key", "KeyFile", "read"]

SHORTEST_SECRET, MOST_SECRETS = 16, 2
_KEY_FIELDS = ("id", "secrets", "scopes", "agents", "expires", "revoked")
_TOKEN_FIELDS = ("id", "device", "before")


@dataclass(frozen=True, slots=True)
class Key:
    """Holds one key.

    secrets   the newest first
    patterns  its scopes as the file has them
    expires   the first wall second at which it is no longer valid; None for never
    revoked   the day of the revocation; '' for a key that is valid
    """

    id: str
    secrets: tuple[str, ...] = field(repr=False)
    patterns: tuple[str, ...]
    agents: tuple[str, ...] = ()
    expires: float | None = None
    revoked: str = ""

    @property
    def grant(self) -> Grant:
        """What its holder may do."""
        scopes = frozenset(scope for pattern in self.patterns for scope in expanded(pattern))
        return Grant(self.id, scopes, frozenset(self.agents))

    def require_valid(self, wall: float) -> None:
        """Accepts a key that has not expired at `wall`; to be asked once its secret is proved.

        Raises:
            Refused: `expired_key`.
        """
        if self.expires is not None and wall >= self.expires:
            day = datetime.fromtimestamp(self.expires, UTC).date()
            raise Refused("expired_key", f"this key was valid until {day} (UTC): ask for a new one")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Holds the keys by id, and the kiosk tokens that were revoked: by id, and by device with the second before which."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    revoked_tokens: frozenset[str] = frozenset()
    revoked_devices: Mapping[str, float] = field(default_factory=dict)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that any of the keys has."""
        return frozenset(scope for key in self.keys.values() if not key.revoked for scope in key.grant.scopes)

    def key(self, key_id: str) -> Key | None:
        """Returns a key; None for an id that is unknown or revoked."""
        key = self.keys.get(key_id)
        return None if key is None or key.revoked else key

    def require_token(self, token: DeviceToken) -> None:
        """Accepts a token that was not revoked.

        Raises:
            Refused: `revoked_token`.
        """
        if token.id in self.revoked_tokens or token.issued < self.revoked_devices.get(token.device, 0.0):
            raise Refused("revoked_token", f"the token of {token.device[:60]!r} was revoked: give the device a new one")


def read(path: Path) -> KeyFile:
    """Returns the keys of a file.

    Raises:
        ConfigurationError: it is missing or invalid: names file, line and mistake, and shows no secret.
    """
    document = yamlfile.read(path)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("keys"), list):
        document.refuse("a mapping with the list `keys` is expected")
    document.known(data, ("keys", "revoked_tokens"))
    keys: dict[str, Key] = {}
    for number in range(len(data["keys"])):
        key = _Entry(document, "keys", number, _KEY_FIELDS).key()
        if key.id in keys:
            document.refuse(f"the id {key.id!r} is there already", "keys", number, "id")
        keys[key.id] = key
    _require_own_secrets(document, list(keys.values()))
    tokens = data.get("revoked_tokens") or []
    if not isinstance(tokens, list):
        document.refuse("must be a list", "revoked_tokens")
    entries = [_Entry(document, "revoked_tokens", number, _TOKEN_FIELDS) for number in range(len(tokens))]
    found = [entry.revoked_token() for entry in entries]
    devices: dict[str, float] = {}
    for _, device, before in found:
        devices[device] = max(before, devices.get(device, 0.0))
    devices.pop("", None)
    return KeyFile(keys, frozenset(token for token, _, _ in found if token), devices)


def _require_own_secrets(document: yamlfile.Document, keys: list[Key]) -> None:
    """Refuses a secret that two keys share: each would be as good as both."""
    owners: dict[str, str] = {}
    for number, key in enumerate(keys):
        for secret in key.secrets:
            if (owner := owners.setdefault(secret, key.id)) != key.id:
                document.refuse(f"{key.id!r} and {owner!r} have the same secret", "keys", number, "secrets")


class _Entry:
    """Reads one item of a list."""

    def __init__(self, document: yamlfile.Document, section: str, number: int, names: Collection[str]) -> None:
        self._document, self._place = document, (section, number)
        data = document.data[section][number]
        if not isinstance(data, dict):
            self._refuse(f"a mapping is expected with {', '.join(names)}")
        self._data: dict[Any, Any] = data
        document.known(data, names, *self._place)

    def key(self) -> Key:
        key_id = self._data.get("id")
        if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
            self._refuse("is needed: lower-case letters, digits, dot, dash and underscore, at most 40", "id")
        revoked = self._data.get("revoked", "")
        if revoked and not isinstance(revoked, str | date):
            self._refuse("must be the day on which the key was revoked", "revoked")
        return Key(
            id=key_id,
            secrets=() if revoked else self._secrets(),
            patterns=self._scopes(),
            agents=self._names("agents") if "agents" in self._data else (),
            expires=self._seconds("expires") if "expires" in self._data else None,
            revoked=str(revoked),
        )

    def revoked_token(self) -> tuple[str, str, float]:
        """Returns `(token's id, device, before)`, of which either the first or the others are empty."""
        token, device = (self._data.get(name, "") for name in ("id", "device"))
        if not isinstance(token, str) or not isinstance(device, str) or bool(token) == bool(device):
            self._refuse("give the id of a token, or device and before")
        if token and "before" in self._data:
            self._refuse("belongs to device; a token is revoked by its id alone", "before")
        return token, device, self._seconds("before") if device else 0.0

    def _secrets(self) -> tuple[str, ...]:
        given = self._data.get("secrets")
        secrets = given if isinstance(given, list) else []
        if not 0 < len(secrets) <= MOST_SECRETS:
            self._refuse("must be a list of one secret, or of two while it is changed", "secrets")
        if not all(isinstance(each, str) and len(each) >= SHORTEST_SECRET for each in secrets):
            self._refuse(
                f"must be text of at least {SHORTEST_SECRET} characters, in quotes if it is a number", "secrets"
            )
        return tuple(secrets)

    def _scopes(self) -> tuple[str, ...]:
        patterns = self._names("scopes")
        known = sorted((*SCOPES, ANY_SCOPE, *{f"{scope.partition(':')[0]}:*" for scope in SCOPES}))
        for place, pattern in enumerate(patterns):
            if not expanded(pattern):
                close = difflib.get_close_matches(pattern, known, 1)
                fix = f"did you mean {close[0]}?" if close else "known: " + ", ".join(known)
                self._refuse(f"{pattern!r} is no scope", "scopes", place, fix=fix)
        return patterns

    def _names(self, name: str) -> tuple[str, ...]:
        value = self._data.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
            self._refuse("must be a list of names with something in it", name)
        return tuple(value)

    def _seconds(self, name: str) -> float:
        value = self._data.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-.{5,30}", value):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                value = None
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if not isinstance(value, datetime):
            self._refuse("must be a day such as 2027-12-31, or a time such as 2027-12-31T09:00:00Z", name)
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()

    def _refuse(self, problem: str, *keys: str | int, fix: str = "") -> NoReturn:
        said = f"{keys[0]}: {problem}" if keys else problem
        self._document.refuse(said, *self._place, *keys, fix=fix)

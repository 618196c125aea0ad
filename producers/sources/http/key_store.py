"""Changes the file of keys: a new key, a second secret, a revocation. The file is replaced as a whole, never half-written."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from producers.security import keys
from producers.security.keys import MOST_SECRETS, KeyFile
from schemas import yamlfile
from schemas.errors import ConfigurationError

__all__ = ["add", "drop_previous", "load", "new_secret", "revoke", "revoke_device", "revoke_token", "rotate"]

_HEAD = (
    "# Keys of signed requests, written by `python -m producers keys`. It holds secrets: for its owner's eyes only.\n"
)

Data = dict[str, Any]


def new_secret() -> str:
    """Returns a secret of 32 random bytes, in hex."""
    return secrets.token_hex(32)


def load(path: Path) -> KeyFile:
    """Returns the keys of a file; none when there is no file yet.

    Raises:
        ConfigurationError: it is invalid.
    """
    return keys.read(path) if path.exists() else KeyFile()


def add(path: Path, key_id: str, scopes: Sequence[str], agents: Sequence[str] = (), expires: str = "") -> str:
    """Adds a key and returns its secret.

    Raises:
        ConfigurationError: the id is taken or was, a scope is none, or the file is invalid.
    """
    data = _data(path)
    if any(each["id"] == key_id for each in data["keys"]):
        raise ConfigurationError(f"there is a key {key_id!r} already", where=str(path), fix="choose another id")
    secret = new_secret()
    entry: Data = {"id": key_id, "secrets": [secret], "scopes": list(scopes)}
    entry |= {"agents": list(agents)} if agents else {}
    entry |= {"expires": expires} if expires else {}
    data["keys"].append(entry)
    _write(path, data)
    return secret


def rotate(path: Path, key_id: str) -> str:
    """Puts a new secret before the one that a key has, which stays valid, and returns the new one.

    Raises:
        ConfigurationError: there is no such key, or it has two secrets already.
    """
    data = _data(path)
    entry = _valid(path, data, key_id)
    if len(entry["secrets"]) >= MOST_SECRETS:
        fix = f"`keys rotate {key_id} --finish` drops the old one first"
        raise ConfigurationError(f"key {key_id!r} has two secrets", where=str(path), fix=fix)
    secret = new_secret()
    entry["secrets"] = [secret, *entry["secrets"]]
    _write(path, data)
    return secret


def drop_previous(path: Path, key_id: str) -> None:
    """Takes the older of two secrets away.

    Raises:
        ConfigurationError: there is no such key, or it has only one secret.
    """
    data = _data(path)
    entry = _valid(path, data, key_id)
    if len(entry["secrets"]) < MOST_SECRETS:
        raise ConfigurationError(f"key {key_id!r} has only one secret", where=str(path), fix="nothing is to be done")
    entry["secrets"] = entry["secrets"][:1]
    _write(path, data)


def revoke(path: Path, key_id: str, day: str) -> None:
    """Takes all secrets of a key away; its id stays, so that it is not used again.

    Raises:
        ConfigurationError: there is no such key, or it was revoked before.
    """
    data = _data(path)
    entry = _valid(path, data, key_id)
    del entry["secrets"]
    entry["revoked"] = day
    _write(path, data)


def revoke_token(path: Path, token_id: str) -> None:
    """Revokes one token of a kiosk."""
    data = _data(path)
    if {"id": token_id} not in data["revoked_tokens"]:
        data["revoked_tokens"].append({"id": token_id})
    _write(path, data)


def revoke_device(path: Path, device: str, before: str) -> None:
    """Revokes all tokens of a device that were made before a time."""
    data = _data(path)
    others = [each for each in data["revoked_tokens"] if each.get("device") != device]
    data["revoked_tokens"] = [*others, {"device": device, "before": before}]
    _write(path, data)


def _data(path: Path) -> Data:
    """Returns what the file holds, once it is known to be valid."""
    load(path)
    data: Data = dict(yamlfile.read(path).data) if path.exists() else {}
    return {"keys": list(data.get("keys") or []), "revoked_tokens": list(data.get("revoked_tokens") or [])}


def _valid(path: Path, data: Data, key_id: str) -> Data:
    for entry in data["keys"]:
        if entry["id"] == key_id and not entry.get("revoked"):
            found: Data = entry
            return found
    fix = "`python -m producers keys list` shows them"
    raise ConfigurationError(f"there is no valid key {key_id!r}", where=str(path), fix=fix)


def _write(path: Path, data: Data) -> None:
    """Replaces the file by one that was checked. A new one may be read by its owner only, another keeps its mode."""
    if not data["revoked_tokens"]:
        data = {"keys": data["keys"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            written.chmod(path.stat().st_mode & 0o777)
        try:
            keys.read(written)
        except ConfigurationError as error:
            raise ConfigurationError(error.problem, where=str(path), fix=error.fix) from error
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)

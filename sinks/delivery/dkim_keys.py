"""Reads the keys of `DESKSTREAM_DKIM_KEYS`, checks them at the start, and signs each mail with those of its sender's domain.

    s2026a@support.example=/etc/dkim/s2026a.pem, s2026b@support.example=/etc/dkim/s2026b.pem

Two selectors of one domain both sign: so a key is changed. `python -m sinks delivery --check` prints the DNS records.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from schemas.errors import ConfigurationError
from sinks.delivery.dkim import DkimKey, keys_of, sender_domain, signed

__all__ = ["MailSigner", "read_keys"]

_SETTING = "DESKSTREAM_DKIM_KEYS"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENTRY = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)@({_LABEL}(?:\.{_LABEL})+)=(\S.*)")
#: Verifiers refuse shorter ones (RFC 8301).
_FEWEST_BITS = 1024
log = structlog.get_logger()


def read_keys(setting: str, sender: str) -> list[DkimKey]:
    """Returns the keys in the order of the setting; none for an empty one. `sender` is the domain of our address.

    Raises:
        ConfigurationError: an entry is wrong, two name the same DNS record, or none is of the sender's domain.
    """
    keys = [_key(entry.strip()) for entry in setting.split(",") if entry.strip()]
    records = [(key.selector, key.domain) for key in keys]
    for selector, domain in records:
        if records.count((selector, domain)) > 1:
            raise ConfigurationError(f"{selector}@{domain} is there twice", where=_SETTING)
    if keys and not keys_of(sender.lower(), keys):
        raise ConfigurationError(
            f"no key is of the domain of DESKSTREAM_MAIL_FROM, {sender}", where=_SETTING, fix="add one, or none at all"
        )
    return keys


class MailSigner:
    """Signs mails. One whose sender's domain has no key goes out unsigned, which is logged once for each domain."""

    def __init__(self, keys: list[DkimKey]) -> None:
        self._keys = keys
        self._unsigned: set[str] = set()

    def sign(self, mail: bytes, at: int) -> bytes:
        """Returns the mail with its signatures. `at` is in seconds since 1970."""
        if not self._keys:
            return mail
        domain = sender_domain(mail)
        if keys := keys_of(domain, self._keys):
            return signed(mail, keys, at)
        if domain not in self._unsigned:
            self._unsigned.add(domain)
            log.warning("mail_not_signed", domain=domain, fix=f"add a key of it to {_SETTING}")
        return mail

    @property
    def records(self) -> list[str]:
        """The DNS records that have to be published, one text each."""
        return [f'{key.selector}._domainkey.{key.domain} TXT "{key.record}"' for key in self._keys]


def _key(entry: str) -> DkimKey:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigurationError(f"{entry[:100]!r} is not selector@domain=file", where=_SETTING)
    selector, domain, path = found[1], found[2].lower(), Path(found[3])
    where = f"{_SETTING}: {path}"
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=where) from error
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            "is no private key in PEM without a password", where=where, fix="`openssl genrsa 2048` makes one"
        ) from error
    if isinstance(private, Ed25519PrivateKey):
        raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        record = f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
        return DkimKey(selector, domain, "ed25519-sha256", lambda text: private.sign(sha256(text).digest()), record)
    if not isinstance(private, RSAPrivateKey):
        raise ConfigurationError("is neither an RSA nor an Ed25519 key", where=where)
    if private.key_size < _FEWEST_BITS:
        raise ConfigurationError(
            f"has {private.key_size} bits; receivers refuse fewer than {_FEWEST_BITS}", where=where, fix="take 2048"
        )
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
    return DkimKey(
        selector,
        domain,
        "rsa-sha256",
        lambda text: private.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        record,
    )

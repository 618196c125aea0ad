"""Derives the names that two processes must agree on: customers, tickets, event ids, mail tokens.

The record key is the *customer tag*: 12 base32 characters of BLAKE2b over the canonical customer id, so that
keys hold no personal data. A ticket id is `<customer tag>-<n>`: whoever knows a ticket knows its partition.
"""

from __future__ import annotations

import re
from hashlib import blake2b

TAG_LENGTH = 12
EVENT_ID_LENGTH = 26
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_TAG = r"[A-Z2-7]{12}"
_NUMBER = r"[1-9][0-9]{0,8}"  # one spelling per ticket: no leading zero, no other script's digits
TICKET_ID = re.compile(rf"^({_TAG})-({_NUMBER})\Z")
# People and mail programs change case. ASCII, because otherwise K and S would match the Kelvin sign and the long s.
_TOKEN_FLAGS = re.IGNORECASE | re.ASCII
_SUBJECT_TOKEN = re.compile(rf"\[#({_TAG}-{_NUMBER})\]", _TOKEN_FLAGS)
_ADDRESS_TOKEN = re.compile(rf"\+({_TAG}-{_NUMBER})@", _TOKEN_FLAGS)
_MESSAGE_ID_TOKEN = re.compile(rf"<ds\.({_TAG}-{_NUMBER})\.[^@>\s]+@", _TOKEN_FLAGS)


def canonical_customer_id(kind: str, value: str) -> str:
    """Returns `kind:value` with the value in its canonical form: `email:ann@example.org`, `tel:+15550100`, `chat:abc`."""
    value = value.strip()
    return f"{kind}:{value.lower() if kind == 'email' else value}"


def customer_tag(customer_id: str) -> str:
    """Returns 12 base32 characters of BLAKE2b over the canonical customer id."""
    return _base32(blake2b(_bytes(customer_id), digest_size=8).digest(), TAG_LENGTH)


def ticket_id(tag: str, number: int) -> str:
    """Returns the id of a customer's ticket; `number` counts from 1."""
    return f"{tag}-{number}"


def split_ticket_id(ticket: str) -> tuple[str, int] | None:
    """Returns `(customer tag, number)`, or None when the text is not a ticket id."""
    match = TICKET_ID.match(ticket)
    return (match[1], int(match[2])) if match else None


def event_id(source: str, *parts: str | bytes) -> str:
    """Returns a deterministic id: 26 base32 characters of BLAKE2b over the source's kind and its own id parts.

    Each part is hashed behind its length, so that no two lists of parts run together into the same bytes.
    """
    hashed = b""
    for part in (source, *parts):
        raw = part if isinstance(part, bytes) else _bytes(part)
        hashed += len(raw).to_bytes(8, "big") + raw
    return _base32(blake2b(hashed, digest_size=16).digest(), EVENT_ID_LENGTH)


def _base32(digest: bytes, length: int) -> str:
    """Returns the first `length` (even) characters of the digest in base32: two at a time, several times as fast as `base64`."""
    spare = len(digest) * 8 - length * 5
    bits = int.from_bytes(digest, "big")
    bits = bits >> spare if spare > 0 else bits << -spare
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(length * 5 - 10, -1, -10)])


def _bytes(text: str) -> bytes:
    """Returns UTF-8, also of text with lone surrogates: sources send them, and an id must never fail."""
    return text.encode("utf-8", "surrogatepass")


def subject_token(ticket: str) -> str:
    """Returns the token that names the ticket in the subject of our mails."""
    return f"[#{ticket}]"


def mail_message_id(ticket: str, unique: str, domain: str) -> str:
    """Returns our stable Message-ID: `<ds.TICKET.UNIQUE@domain>`; `unique` holds no `@`, `>` or space."""
    return f"<ds.{ticket}.{unique}@{domain}>"


def ticket_in_mail(subject: str, recipients: list[str], message_ids: list[str]) -> str:
    """Returns the ticket that a mail belongs to: recipient token first, then our Message-IDs, then the subject; '' if none."""
    for recipient in recipients:
        if match := _ADDRESS_TOKEN.search(recipient):
            return match[1].upper()
    for message_id in reversed(message_ids):  # the last reference is the nearest
        if match := _MESSAGE_ID_TOKEN.search(message_id):
            return match[1].upper()
    match = _SUBJECT_TOKEN.search(subject)
    return match[1].upper() if match else ""

"""Derives the names that two processes must agree on: customers, tickets, event ids, mail tokens.

The record key is the *customer tag*: 12 base32 characters of BLAKE2b over the canonical customer id, keyed with a secret of
the deployment, so that keys hold no personal data and nobody else can reckon them. A ticket id is `<customer tag>-<n>`:
whoever knows a ticket knows its partition. Outside, a ticket is named by a *token*: its id and a MAC.

The secrets are constants of a process, which its entry point sets once (`use`). All processes of a deployment have the
same; `schemas/secret_check.py` compares them at every start. Without secrets tags have no key and tokens no MAC.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

TAG_LENGTH = 12
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LOW_70_BITS = (1 << 70) - 1
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_EVENT_IDS = blake2b(digest_size=16)
_LENGTHS = tuple(size.to_bytes(8, "big") for size in range(256))
_TAG = r"[A-Z2-7]{12}"
_NUMBER = r"[1-9][0-9]{0,8}"  # one spelling per ticket: no leading zero, no other script's digits
TICKET_ID = re.compile(rf"^({_TAG})-({_NUMBER})\Z")
#: Characters of the MAC: 60 bits, which can only be tried by sending mail.
MAC_LENGTH = 12
_TOKEN = rf"({_TAG}-{_NUMBER})(?:-([A-Z2-7]{{{MAC_LENGTH}}}))?"
# People and mail programs change case. ASCII, because otherwise K and S would match the Kelvin sign and the long s.
_TOKEN_FLAGS = re.IGNORECASE | re.ASCII
_SUBJECT_TOKEN = re.compile(rf"\[#{_TOKEN}\]", _TOKEN_FLAGS)
_ADDRESS_TOKEN = re.compile(rf"\+{_TOKEN}@", _TOKEN_FLAGS)
_MESSAGE_ID_TOKEN = re.compile(rf"<ds\.{_TOKEN}\.[^@>\s]+@", _TOKEN_FLAGS)
#: Characters of the proof that a report about a mail comes from who had the mail.
PROOF_LENGTH = 16
_TAGS_PURPOSE, _TOKENS_PURPOSE = b"ds-customer-tag", b"deskstream-ticket-token\n"
_REPORTS_PURPOSE = b"deskstream-mail-report\n"


class _Keys(NamedTuple):
    """Holds what this process makes and recognises names with.

    tags    a keyed hash for each secret of the tags, ready to be copied; the first makes tags. Empty: tags have no key
    tokens  the secrets of the tokens; the first signs. Empty: tokens have no MAC
    """

    tags: tuple[Any, ...] = ()
    tokens: tuple[bytes, ...] = ()


#: The header of our automatic mails that says how many automatic messages led there, and the most that is read of it.
DEPTH_HEADER, MOST_DEPTH = "X-Deskstream-Depth", 1000

_keys = _Keys()


def use(tag_secrets: Sequence[str] = (), token_secrets: Sequence[str] = ()) -> None:
    """Sets the secrets of this process, before it derives any name; of each kind the first makes, the others recognise.

    Without secrets of their own, tokens are signed with those of the tags.
    """
    global _keys
    signing = tuple(secret.encode() for secret in token_secrets or tag_secrets)
    _keys = _Keys(tuple(_keyed(secret) for secret in tag_secrets), signing)
    _mac.cache_clear()


def fingerprint(secret: str) -> str:
    """Returns 16 characters that tell secrets apart and say nothing about them."""
    return _base32(hmac.digest(secret.encode(), b"deskstream-fingerprint\n", "sha256")[:10], 16)


def _keyed(secret: str) -> Any:
    """Returns a keyed BLAKE2b: to copy it costs a tenth of keying it anew."""
    key = blake2b(secret.encode(), digest_size=32, person=_TAGS_PURPOSE).digest()
    return blake2b(digest_size=8, key=key)


def canonical_customer_id(kind: str, value: str) -> str:
    """Returns `kind:value` with the value in its canonical form: `email:ann@example.org`, `tel:+15550100`, `chat:abc`."""
    value = value.strip()
    return f"{kind}:{value.lower() if kind == 'email' else value}"


def customer_tag(customer_id: str) -> str:
    """Returns the tag of a customer: 12 base32 characters of keyed BLAKE2b over the canonical customer id."""
    return _tag(customer_id, _keys.tags[0] if _keys.tags else None)


def is_tag_of(tag: str, customer_id: str) -> bool:
    """Returns true for the customer's tag, and for the one that they had under an earlier secret or without any."""
    if tag == customer_tag(customer_id):
        return True
    return bool(_keys.tags) and any(tag == _tag(customer_id, earlier) for earlier in (*_keys.tags[1:], None))


def seals(address: str) -> tuple[str, ...]:
    """Returns digests by which an address is known again that must not be stored: that of today first, then earlier ones."""
    unkeyed = event_id("opted-out", address).lower()
    return (*(_tag(f"opted-out:{address}", keyed).lower() for keyed in _keys.tags), unkeyed)


def address_keys(address: str) -> tuple[str, ...]:
    """Returns digests by which a mailbox is known again that is stored nowhere: that of today first, then earlier ones."""
    plain = f"mailbox:{address.lower()}"
    return (*(_tag(plain, keyed) for keyed in _keys.tags), _tag(plain, None))


def message_key(message_id: str) -> int:
    """Returns 63 bits by which a Message-ID is known again."""
    return int.from_bytes(blake2b(_bytes(message_id), digest_size=8).digest(), "big") >> 1


def report_proof(message_id: str) -> str:
    """Returns what a mail of ours carries in a header: who gives it back has had the mail, and not only an answer to it."""
    return _proof(_keys.tokens[0] if _keys.tokens else b"", message_id)


def is_report_proof(proof: str, message_id: str) -> bool:
    """Returns true for the proof of a mail, made with any of the secrets."""
    given = _bytes(proof)
    matches = [hmac.compare_digest(_bytes(_proof(secret, message_id)), given) for secret in _keys.tokens or (b"",)]
    return any(matches)


def _proof(secret: bytes, message_id: str) -> str:
    return _base32(hmac.digest(secret, _REPORTS_PURPOSE + _bytes(message_id), "sha256")[:10], PROOF_LENGTH)


def _tag(customer_id: str, keyed: Any) -> str:
    if keyed is None:
        return _base32(blake2b(_bytes(customer_id), digest_size=8).digest(), TAG_LENGTH)
    state = keyed.copy()
    state.update(_bytes(customer_id))
    return _base32(state.digest(), TAG_LENGTH)


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
    hashed = []
    for part in (source, *parts):
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        size = len(raw)
        hashed.append(_LENGTHS[size] if size < 256 else size.to_bytes(8, "big"))
        hashed.append(raw)
    state = _EVENT_IDS.copy()  # in two thirds of the time of a new one
    state.update(b"".join(hashed))
    return _base32_of_16_bytes(state.digest())


def _base32_of_16_bytes(digest: bytes) -> str:
    """Returns what `_base32` returns of 26 characters, written out: in a third of the time, several times per contact."""
    bits = int.from_bytes(digest, "big") << 2
    high, low, pairs = bits >> 70, bits & _LOW_70_BITS, _PAIRS
    return (
        f"{pairs[high >> 50]}{pairs[high >> 40 & 1023]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}"
        f"{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{pairs[low >> 60]}{pairs[low >> 50 & 1023]}"
        f"{pairs[low >> 40 & 1023]}{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}"
        f"{pairs[low & 1023]}"
    )


def _base32(digest: bytes, length: int) -> str:
    """Returns the first `length` (even) characters of the digest in base32: two at a time, several times as fast as `base64`."""
    spare = len(digest) * 8 - length * 5
    bits = int.from_bytes(digest, "big")
    bits = bits >> spare if spare > 0 else bits << -spare
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(length * 5 - 10, -1, -10)])


def _bytes(text: str) -> bytes:
    """Returns UTF-8, also of text with lone surrogates: sources send them, and an id must never fail."""
    return text.encode("utf-8", "surrogatepass")


# -- tokens of tickets in mail -----------------------------------------------------------------------------------------


def ticket_token(ticket: str) -> str:
    """Returns how a ticket is named outside: `TICKET-MAC`. Whoever has it was sent it, or has it from somebody who was."""
    return f"{ticket}-{_mac(_keys.tokens[0], ticket)}" if _keys.tokens else ticket


def subject_token(ticket: str) -> str:
    """Returns the token that names the ticket in the subject of our mails."""
    return f"[#{ticket_token(ticket)}]"


def reply_address(ticket: str, domain: str, mailbox: str = "support") -> str:
    """Returns the address that answers about a ticket go to: `mailbox+TOKEN@domain`."""
    return f"{mailbox}+{ticket_token(ticket)}@{domain}"


def mail_message_id(ticket: str, unique: str, domain: str) -> str:
    """Returns our stable Message-ID: `<ds.TOKEN.UNIQUE@domain>`; `unique` holds no `@`, `>` or space."""
    return f"<ds.{ticket_token(ticket)}.{unique}@{domain}>"


def ticket_in_mail(subject: str, recipients: Sequence[str], message_ids: Sequence[str]) -> str:
    """Returns the ticket that a mail belongs to: recipient token first, then our Message-IDs, then the subject; '' if none.

    A token without the MAC of one of our secrets is none. A Message-ID from before tokens had a MAC names no ticket
    here; the fold still finds it among those that the customer's tickets remember.
    """
    for recipient in recipients:
        if ticket := _ticket_in(_ADDRESS_TOKEN, recipient):
            return ticket
    for message_id in reversed(message_ids):  # the last reference is the nearest
        if ticket := _ticket_in(_MESSAGE_ID_TOKEN, message_id):
            return ticket
    return _ticket_in(_SUBJECT_TOKEN, subject)


def _ticket_in(pattern: re.Pattern[str], text: str) -> str:
    for match in pattern.finditer(text):
        ticket = match[1].upper()
        if not _keys.tokens or _is_signed(ticket, (match[2] or "").upper()):
            return ticket
    return ""


def _is_signed(ticket: str, mac: str) -> bool:
    matches = [hmac.compare_digest(_mac(secret, ticket), mac) for secret in _keys.tokens]
    return any(matches)  # all are compared, so that the time taken says nothing


@lru_cache(maxsize=4096)
def _mac(secret: bytes, ticket: str) -> str:
    """Returns the first 60 bits of HMAC-SHA256. Kept a while: one answer names its ticket three times."""
    return _base32(hmac.digest(secret, _TOKENS_PURPOSE + ticket.encode(), "sha256")[:8], MAC_LENGTH)

"""Signs mail with DKIM (RFC 6376, RFC 8463): relaxed canonicalisation, SHA-256, RSA or Ed25519. Pure.

Each key of the sender's domain signs, so that a selector is changed without a gap: the new key signs beside the old one until
its DNS record is everywhere; a receiver wants one signature that it can verify. Written here because `dkimpy` is published
without a wheel, and the lock holds nothing that is built at installation; the tests verify with code of others.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["DkimKey", "keys_of", "sender_domain", "signed"]

#: Signed as often as they are present, and once more: nobody may add another one.
_COMPLETE = ("from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type")
#: Signed where they are present. One-click unsubscription wants the last two signed (RFC 8058, section 3.1).
_SIGNED = ("content-transfer-encoding", "in-reply-to", "references", "auto-submitted")
_UNSUBSCRIBE = ("list-unsubscribe", "list-unsubscribe-post")
_LINE_CHARACTERS = 72
_BLANKS = re.compile(rb"[ \t]+")
_BLANKS_AT_END = re.compile(rb"[ \t]+(?=\r\n|\Z)")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_DOMAIN = re.compile(rb"@([A-Za-z0-9.-]+)[ \t]*>?[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class DkimKey:
    """Holds one key.

    selector, domain  name its DNS record, `<selector>._domainkey.<domain>`
    algorithm         `rsa-sha256` or `ed25519-sha256`
    sign              returns the signature of what it is given
    record            the value of the DNS record
    """

    selector: str
    domain: str
    algorithm: str
    sign: Callable[[bytes], bytes]
    record: str


def keys_of(domain: str, keys: Sequence[DkimKey]) -> list[DkimKey]:
    """Returns the keys of a domain, or of the nearest domain above it that has any."""
    while domain:
        if found := [key for key in keys if key.domain == domain]:
            return found
        domain = domain.partition(".")[2]
    return []


def sender_domain(mail: bytes) -> str:
    """Returns the domain of the From header in lower case; '' when there is none."""
    for name, value in _headers(mail.partition(b"\r\n\r\n")[0]):
        if name == b"from" and (found := _DOMAIN.search(value)):
            return found[1].decode().lower()
    return ""


def signed(mail: bytes, keys: Sequence[DkimKey], at: int) -> bytes:
    """Returns the mail, whose lines end in CRLF, with a signature of each key before it. `at` is in seconds since 1970."""
    head, _, body = mail.partition(b"\r\n\r\n")
    headers = _headers(head)
    names = _names(headers)
    body_hash = base64.b64encode(sha256(_relaxed_body(body)).digest()).decode()
    signatures = b""
    for key in keys:
        tags = (
            ("v", "1"), ("a", key.algorithm), ("c", "relaxed/relaxed"), ("d", key.domain), ("s", key.selector),
            ("t", str(at)), ("h", ":".join(names)), ("bh", body_hash), ("b", ""),
        )  # fmt: skip
        unsigned = b"DKIM-Signature: " + _folded(tags).encode()
        chosen = _chosen(headers, names)
        text = b"".join(name + b":" + value + b"\r\n" for name, value in (*chosen, *_headers(unsigned)))
        signature = base64.b64encode(key.sign(text.removesuffix(b"\r\n"))).decode()
        lines = [signature[at : at + _LINE_CHARACTERS] for at in range(0, len(signature), _LINE_CHARACTERS)]
        signatures += unsigned + "\r\n\t".join(lines).encode() + b"\r\n"
    return signatures + mail


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """Returns the headers in relaxed form (section 3.4.2): names in lower case, values unfolded, blanks single."""
    found = []
    for line in _FOLD.sub(b"", head).split(b"\r\n"):
        if header := _HEADER.fullmatch(line):
            found.append((header[1].lower(), _BLANKS.sub(b" ", header[2]).strip(b" ")))
    return found


def _names(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """Returns the names of `h=`: each as often as it is present, and those that nobody may add once more."""
    present = [name.decode() for name, _ in headers]
    names = [name for name in (*_COMPLETE, *_SIGNED, *_UNSUBSCRIBE) for _ in range(present.count(name))]
    return [*names, *_COMPLETE]


def _chosen(headers: Sequence[tuple[bytes, bytes]], names: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Returns the headers that `names` signs: of several with one name the last comes first (section 5.4.2)."""
    left = list(headers)
    chosen = []
    for name in names:
        for place in range(len(left) - 1, -1, -1):
            if left[place][0] == name.encode():
                chosen.append(left.pop(place))
                break
    return chosen


def _relaxed_body(body: bytes) -> bytes:
    """Returns the body in relaxed form (section 3.4.4): blanks single, none at the end of a line, no empty lines at the end."""
    text = _BLANKS.sub(b" ", _BLANKS_AT_END.sub(b"", body))
    while text.endswith(b"\r\n"):
        text = text.removesuffix(b"\r\n")
    return text + b"\r\n" if text else b""


def _folded(tags: Sequence[tuple[str, str]]) -> str:
    """Returns the tags on lines of their own; the names of `h=` are broken after a colon."""
    lines = []
    for name, value in tags:
        line = f"{name}={value}" + ("" if name == "b" else ";")
        while len(line) > _LINE_CHARACTERS and ":" in line[:_LINE_CHARACTERS]:
            end = line.rindex(":", 0, _LINE_CHARACTERS) + 1
            lines.append(line[:end])
            line = line[end:]
        lines.append(line)
    return "\r\n\t".join(lines)

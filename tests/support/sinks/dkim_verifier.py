"""Verifies DKIM signatures after RFC 6376 and RFC 8463, written without a look at the signer: strings, not streams."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verified(mail: bytes, dns: Mapping[str, str]) -> list[str]:
    """The selectors whose signatures hold, in the order of the mail; `dns` are TXT records by name."""
    fields = _fields(mail)
    return [
        tags["s"]
        for place, field in enumerate(fields)
        if field.lower().startswith("dkim-signature:")
        and _holds(mail, fields, place, tags := _tags(field.split(":", 1)[1]), dns)
    ]


def _fields(mail: bytes) -> list[str]:
    """The header fields as they stand, each with its continuation lines."""
    head = mail.decode("latin-1").split("\r\n\r\n", 1)[0]
    return re.split(r"\r\n(?![ \t])", head)


def _tags(value: str) -> dict[str, str]:
    pairs = [part.split("=", 1) for part in value.split(";") if part.strip()]
    return {name.strip(): re.sub(r"[ \t\r\n]", "", content) for name, content in pairs}


def _relaxed(field: str) -> str:
    name, value = field.split(":", 1)
    unfolded = value.replace("\r\n", "")
    return name.strip().lower() + ":" + re.sub(r"[ \t]+", " ", unfolded).strip() + "\r\n"


def _holds(mail: bytes, fields: list[str], place: int, tags: dict[str, str], dns: Mapping[str, str]) -> bool:
    assert (tags["v"], tags["c"]) == ("1", "relaxed/relaxed")
    assert "l" not in tags, "a body length lets anybody append"
    body = mail.split(b"\r\n\r\n", 1)[1].decode("latin-1")
    lines = [re.sub(r"[ \t]+", " ", line).rstrip(" ") for line in body.split("\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    canonical = "".join(line + "\r\n" for line in lines).encode("latin-1")
    if base64.b64encode(hashlib.sha256(canonical).digest()).decode() != tags["bh"]:
        return False
    left = [field for at, field in enumerate(fields) if at != place]
    text = ""
    for name in tags["h"].lower().split(":"):
        for at in reversed(range(len(left))):
            if left[at].split(":", 1)[0].strip().lower() == name:
                text += _relaxed(left.pop(at))
                break
    own = re.sub(r"([;\s]b=)[^;]*", r"\1", fields[place])
    text += _relaxed(own).removesuffix("\r\n")
    record = _tags(dns.get(f"{tags['s']}._domainkey.{tags['d']}", ""))
    return bool(record) and _is_of(record, tags["a"], text.encode("latin-1"), base64.b64decode(tags["b"]))


def _is_of(record: dict[str, str], algorithm: str, text: bytes, signature: bytes) -> bool:
    raw = base64.b64decode(record["p"])
    try:
        if record.get("k", "rsa") == "ed25519":
            assert algorithm == "ed25519-sha256"
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, hashlib.sha256(text).digest())
        else:
            assert algorithm == "rsa-sha256"
            public = serialization.load_der_public_key(raw)
            assert isinstance(public, rsa.RSAPublicKey)
            public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True

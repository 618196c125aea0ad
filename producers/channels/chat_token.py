"""Signs and opens the token that resumes a chat conversation. Pure."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256

from schemas.errors import Refused

__all__ = ["opened_by", "sign"]


def sign(thread_id: str, secret: str) -> str:
    """Returns the token that resumes a conversation; whoever has it has the conversation."""
    digest = hmac.new(secret.encode(), b"chat-resume\0" + thread_id.encode(), sha256).digest()
    return f"{thread_id}.{base64.b32encode(digest[:20]).decode().lower()}"


def opened_by(token: str, secrets: Sequence[str]) -> str:
    """Returns the thread id that a token opens.

    Raises:
        Refused: `bad_token`.
    """
    thread_id = token.partition(".")[0]
    signed = [sign(thread_id, secret) for secret in secrets] if token.isascii() else []
    if not any(hmac.compare_digest(each, token) for each in signed):
        raise Refused("bad_token", "this token opens no conversation")
    return thread_id

"""Unwraps S/MIME whose content is inside of the signature, Outlook's "opaque" signed mail. Verifies nothing."""

from __future__ import annotations

from asn1crypto import cms

__all__ = ["signed_content"]


def signed_content(data: bytes) -> bytes:
    """Returns the mail part inside of a CMS signed-data structure; b"" when there is none, or it is encrypted."""
    try:
        info = cms.ContentInfo.load(data)
        if info["content_type"].native != "signed_data":
            return b""
        content = info["content"]["encap_content_info"]["content"].native
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
        return b""
    return content if isinstance(content, bytes) else b""

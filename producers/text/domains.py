"""Writes the domains of addresses as DNS knows them."""

from __future__ import annotations

from functools import lru_cache

import idna

__all__ = ["ascii_domain"]


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """Returns a domain in ASCII, as IDNA 2008 writes it; as it is when it has no such form."""
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain

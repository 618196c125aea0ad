"""Tells public addresses from private ones: a subscription must not make us call our own network (SSRF)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

__all__ = ["is_public", "literal"]

#: Addresses that a translator turns into the IPv4 address in their last four bytes (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Returns the address that a URL names itself; None when its host is a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Tells whether an address, and every IPv4 address inside it, is one of the public internet."""
    try:
        found = ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return isinstance(found, IPv6Address) and found in _TRANSLATED and is_public(_last_four(found))
    inner = _inside(found) if isinstance(found, IPv6Address) else None
    return inner is None or is_public(inner)


def _inside(found: IPv6Address) -> IPv4Address | None:
    if found in _TRANSLATED:
        return _last_four(found)
    teredo = found.teredo
    return found.ipv4_mapped or found.sixtofour or (teredo[1] if teredo else None)


def _last_four(found: IPv6Address) -> IPv4Address:
    return IPv4Address(found.packed[-4:])

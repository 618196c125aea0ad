"""Finds the address that a request comes from, behind proxies, and the network that its share counts against.

A proxy is named by its address or its network (`10.0.0.0/8`): on Kubernetes an ingress has another address after every
restart. Whoever is not named may write into that header what they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from schemas.errors import ConfigurationError

__all__ = ["Proxies", "share_of"]

#: What one customer of a provider has of IPv6 (RFC 6177); a share for each address would be no limit.
_ONE_PARTY = 64
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Proxies:
    """Holds the networks of our own proxies."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> Proxies:
        """Reads a comma-separated list of addresses and networks.

        Raises:
            ConfigurationError: one of them is none; `where` names the setting.
        """
        found = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            try:
                found.append(ip_network(part, strict=False))
            except ValueError as error:
                raise ConfigurationError(
                    f"{part[:60]!r} is neither an address nor a network",
                    where=where,
                    fix="such as 10.0.0.7, 10.1.0.0/16",
                ) from error
        return cls(tuple(found))

    def client(self, peer: str, forwarded: str) -> str:
        """Returns the address of the client: the last that was not added by one of our proxies. `forwarded` is the header."""
        address = peer
        for told in reversed(forwarded.split(",")):
            if not told.strip() or not self.are(address):
                break
            address = told.strip()[:_LONGEST]
        return address

    def are(self, address: str) -> bool:
        """Says if an address is one of our own proxies."""
        if not self.networks:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed.version == network.version and parsed in network for network in self.networks)


def share_of(address: str) -> str:
    """Returns whose share a request counts against: an IPv4 address, the /64 of an IPv6 address, anything else as it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, _ONE_PARTY), strict=False))

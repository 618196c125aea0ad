"""Divides what a process has once (connections, bytes in flight) between its clients.

A client is whoever `proxies.share_of` names: an IPv4 address, or the /64 of an IPv6 address. None has more than its own
most, and the last quarter of everything goes only to who asks for little. So one stranger who takes all that one address
may have leaves room for the others, and so do a few of them. The caller says what is little, and bounds how often one
client may ask for it.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

__all__ = ["Denied", "Shares"]

#: Why nothing was given: the client has its most, or the process has.
Denied = Literal["", "client", "all"]
_RESERVE = 0.25


class Shares:
    """Counts units in use.

    most        in all
    per_client  of one client
    used        in all at this moment
    """

    def __init__(self, most: int, per_client: int) -> None:
        self.most, self.per_client = most, min(per_client, most)
        self.open_to_all = most - int(most * _RESERVE)
        self.used = 0
        self._of: Counter[str] = Counter()

    def take(self, client: str, units: int = 1, *, little: bool = False, most: int = 0) -> Denied:
        """Takes units for a client, all or none. Returns "" when it has them.

        little  it asks for so little that the reserve is for it, also when it has its own most
        most    its own most, where it is another than that of all clients
        """
        own_most = most or self.per_client
        if not little and own_most < self.most and self._of[client] + units > own_most:
            return self._denied(client, "client")
        if self.used + units > (self.most if little else self.open_to_all):
            return self._denied(client, "all")
        self._of[client] += units
        self.used += units
        return ""

    def give_back(self, client: str, units: int = 1) -> None:
        """Gives units back that the client has."""
        left = self._of[client] - units
        if left < 0:
            raise ValueError(f"{client!r} has {self._of[client]} units and gives back {units}")
        self.used -= units
        if left:
            self._of[client] = left
        else:
            del self._of[client]

    def held(self, client: str) -> int:
        """Returns the units that a client has."""
        return self._of.get(client, 0)

    def _denied(self, client: str, why: Denied) -> Denied:
        if not self._of[client]:
            del self._of[client]  # or everybody who was ever refused would be remembered
        return why

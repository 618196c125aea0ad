"""Binds a callback address of ours to a time: `<url>?id=<our id>&t=<unix seconds>&m=<MAC>`.

A service that reports to an address of ours signs the address, and no time. So the address says when we made it, for one id.
The MAC is the first 32 hex digits of HMAC-SHA256 over `deskstream-callback`, id and time, one a line.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from schemas.errors import Refused

__all__ = ["ID", "is_unbound", "made_at", "url", "verify"]

ID, _TIME, _MAC = "id", "t", "m"
_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}")


def url(base: str, own_id: str, secret: str, at: int) -> str:
    """Returns the address for what becomes of `own_id`, made `at` wall seconds since 1970."""
    joint = "&" if "?" in base else "?"
    return f"{base}{joint}{urlencode({ID: own_id, _TIME: at, _MAC: _mac(secret, own_id, str(at))})}"


def is_unbound(query: Mapping[str, str]) -> bool:
    """Says whether an address has an id and no time, as those of the release before."""
    return bool(query.get(ID)) and not (query.get(_TIME) or query.get(_MAC))


def made_at(query: Mapping[str, str]) -> int:
    """Returns the wall seconds at which an address was made that `verify` has accepted; 0 for one without a time."""
    text = query.get(_TIME, "")
    return int(text) if _SECONDS.fullmatch(text) else 0


def verify(query: Mapping[str, str], secrets: Sequence[str]) -> None:
    """Accepts an address that we made with any of `secrets`, one of the release before, and one that has no id of ours.

    Raises:
        Refused: `bad_signature`.
    """
    own_id, at, given = (query.get(name, "") for name in (ID, _TIME, _MAC))
    if not (at or given):
        return
    matches = [
        hmac.compare_digest(_mac(secret, own_id, at).encode(), given.encode("utf-8", "replace")) for secret in secrets
    ]  # all are compared, so that the time taken says nothing
    if not any(matches) or not _SECONDS.fullmatch(at) or "\n" in own_id:
        raise Refused("bad_signature", "we did not make this address: its id, its time or its MAC is another")


def _mac(secret: str, own_id: str, at: str) -> str:
    text = "\n".join(("deskstream-callback", own_id, at)).encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()[:32]

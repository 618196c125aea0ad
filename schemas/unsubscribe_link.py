"""Links and subjects by which a recipient unsubscribes from surveys, for the worker that writes them and who receives them.

    List-Unsubscribe: <mailto:support+TOKEN@domain?subject=unsubscribe%20survey.1>, <https://survey-url/u/TOKEN>
    List-Unsubscribe-Post: List-Unsubscribe=One-Click

The token of a link is the JSON array `[1, ticket id, Message-ID, address]`, encrypted with the first of the survey secrets, so
that a POST to it says everything (RFC 8058). It does not expire: old mail is unsubscribed from, too. The subject names the mail
by the end of its Message-ID. Whoever has either can unsubscribe that address from surveys, and do nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from schemas import identity, signed_token
from schemas.errors import Refused

__all__ = ["PATH", "UnsubscribeLink", "headers", "message_id_of", "read", "token"]

#: Below the address of the survey pages.
PATH = "/u/"
_FORMAT = 1
_PURPOSE = b"deskstream-unsubscribe-link\n"
_SUBJECT = re.compile(r"\s*unsubscribe\s+([a-z]{1,20}\.[0-9]{1,9})\s*", re.IGNORECASE | re.ASCII)
_Fields = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """Holds what a link says: the mail, its ticket, and to whom it went."""

    ticket_id: str
    message_id: str
    address: str


def headers(link: UnsubscribeLink, unique: str, answers_to: str, base: str, secrets: Sequence[str]) -> dict[str, str]:
    """Returns the headers of a mail; `unique` is that of its Message-ID, `answers_to` the address that names its ticket.

    One click needs an address that is encrypted on the way: without https there is only the mail address.
    """
    mailto = f"<mailto:{answers_to}?subject={quote(f'unsubscribe {unique}')}>"
    if not base.lower().startswith("https://"):
        return {"List-Unsubscribe": mailto}
    url = f"<{base.rstrip('/')}{PATH}{token(link, secrets)}>"
    return {"List-Unsubscribe": f"{mailto}, {url}", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def token(link: UnsubscribeLink, secrets: Sequence[str]) -> str:
    """Returns the link's token, encrypted with the first of the secrets."""
    fields = [_FORMAT, link.ticket_id, link.message_id, link.address]
    return signed_token.encrypt(_PURPOSE, msgspec.json.encode(fields), secrets)


def read(text: str, secrets: Sequence[str]) -> UnsubscribeLink:
    """Returns the link of a token.

    Raises:
        Refused: `garbled_link` it is not a token of ours at all, or was cut; `forged_link` none of the secrets encrypted it.
    """
    try:
        payload = signed_token.decrypt(_PURPOSE, text, secrets)
        if payload is None:
            raise Refused("forged_link", "none of our secrets encrypted it")
        version, ticket, message_id, address = msgspec.json.decode(payload, type=_Fields)
    except (ValueError, msgspec.DecodeError) as error:
        raise Refused("garbled_link", str(error)) from error
    if version != _FORMAT or identity.split_ticket_id(ticket) is None:
        raise Refused("garbled_link", f"format {version}, ticket {ticket[:40]!r}")
    return UnsubscribeLink(ticket, message_id, address)


def message_id_of(subject: str, ticket: str, domain: str) -> str:
    """Returns the Message-ID of the mail that a subject unsubscribes from, '' when it is another subject."""
    found = _SUBJECT.fullmatch(subject)
    return identity.mail_message_id(ticket, found[1].lower(), domain) if found else ""

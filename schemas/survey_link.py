"""Links to a survey, for the worker that writes them and the server of the survey pages.

A link is `<survey url>/s/<token>`; a token is the JSON array `[1, ticket id, episode, agent, expiry, locale, brand]`, encrypted
(`schemas/signed_token.py`) with the first of the secrets: who sees the link learns neither the agent nor the ticket. While a
secret is rotated out, the others still read what they encrypted. Whoever has the token may vote on that episode of that ticket
until it expires, and may do nothing else. Links of before, whose array was signed and readable, work until they expire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas import identity, signed_token
from schemas.errors import Refused
from schemas.events import LOCALES

__all__ = ["SurveyLink", "read", "survey_id", "token", "url"]

_FORMAT = 1
_LINK = b"deskstream-survey-link\n"


@dataclass(frozen=True, slots=True)
class SurveyLink:
    """Holds what a link says: the ticket and the episode that its customer may score.

    episode   which time the ticket was solved, from 1
    agent_id  who solved it: a late answer counts for them; '' when nobody did
    expires   pipeline microseconds; from then on the link is of no use
    locale    one of `schemas.events.LOCALES`
    brand     the slug of whom the customer wrote to, which the pages show; '' for none, and in links of before
    """

    ticket_id: str
    episode: int
    agent_id: str
    expires: int
    locale: str = "en"
    brand: str = ""


def survey_id(link: SurveyLink) -> str:
    """Returns the id of the one survey of each resolution episode of a ticket, whoever solved it and however often the link is sent."""
    return identity.event_id("survey", link.ticket_id, str(link.episode))


def url(base: str, link: SurveyLink, secrets: Sequence[str]) -> str:
    """Returns the address to send to the customer."""
    return f"{base.rstrip('/')}/s/{token(link, secrets)}"


def token(link: SurveyLink, secrets: Sequence[str]) -> str:
    """Returns the link's token, encrypted with the first of the secrets."""
    fields = [_FORMAT, link.ticket_id, link.episode, link.agent_id, link.expires, link.locale]
    fields += [link.brand] if link.brand else []  # a server of the release before knows no seventh
    return signed_token.encrypt(_LINK, msgspec.json.encode(fields), secrets)


def read(text: str, secrets: Sequence[str], *, now: int) -> SurveyLink:
    """Returns the link of a token; `now` is pipeline microseconds.

    Raises:
        Refused: `garbled_link` it is not a token of ours at all, or was cut; `forged_link` none of the secrets signed
            it; `expired_link`.
    """
    try:
        opened = signed_token.decrypt if signed_token.is_encrypted(text) else signed_token.verify
        payload = opened(_LINK, text, secrets)
    except ValueError as error:
        raise Refused("garbled_link", str(error)) from error
    if payload is None:
        raise Refused("forged_link", "none of our secrets signed it")
    link = _link(payload)
    if now >= link.expires:
        raise Refused("expired_link", f"it expired at {link.expires}")
    return link


class _Link(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Decodes the array of a token."""

    format: int
    ticket: str
    episode: int
    agent: str
    expires: int
    locale: str
    brand: str = ""


def _link(payload: bytes) -> SurveyLink:
    """Returns the link of a payload. What we signed is well-formed, unless another version of ours signed it."""
    try:
        given = msgspec.json.decode(payload, type=_Link)
    except msgspec.DecodeError as error:
        raise Refused("garbled_link", str(error)) from error
    if given.format != _FORMAT or identity.split_ticket_id(given.ticket) is None:
        raise Refused("garbled_link", f"format {given.format}, ticket {given.ticket[:40]!r}")
    locale = given.locale if given.locale in LOCALES else "en"
    return SurveyLink(given.ticket, given.episode, given.agent, given.expires, locale, given.brand)

"""Decides which reports suppress an address, and which messages a suppressed address still gets. Pure.

| the report                                               | is a                    | then                                     |
|----------------------------------------------------------|-------------------------|------------------------------------------|
| failed, 5.1.0 to 5.1.6, 5.1.10, 5.2.1: no such mailbox   | hard bounce             | permanent: nothing is sent there         |
| failed, 5.1.7, 5.1.8, 5.3, 5.5, 5.6, 5.7: for our sake   | no word on the address  | nothing                                  |
| failed otherwise: mailbox full, expired, no status code  | temporary failure       | the third is temporary: nothing for days |
| complained                                               | complaint               | permanent: only replies of people        |
| unsubscribed                                             | wish                    | permanent: no surveys and no thanks      |

A mail counts once. Of a mail with several recipients each could write a report that names another one: none counts. What the SMTP
server answers itself is no report and is believed. A report without the proof that stood in the header of the mail may be of
somebody who has seen an answer to it: it suppresses for days only. A temporary suppression ends when the customer writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.facts import SuppressionFact

__all__ = [
    "MAIL_CHANNELS",
    "Evidence",
    "Limits",
    "after",
    "ends",
    "is_suppressed",
    "refuses",
    "released",
    "revived",
    "status_code",
]

MAIL_CHANNELS = ("email", "form")
_DAY = 86_400 * MICROS
#: So many mails are remembered for each address.
_MOST_COUNTED = 20
_NO_MAILBOX = re.compile(r"5\.(?:1\.(?:[0-6]|10)|2\.1)")
_FOR_OUR_SAKE = re.compile(r"[45]\.(?:[3567]\.\d+|1\.[78])")
_STATUS_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_BY_PEOPLE, _OF_SURVEYS = frozenset(("reply",)), frozenset(("survey", "thanks"))
#: These count each mail once.
_COUNTED = frozenset(("hard_bounce", "soft_bounces"))
#: Temporary failures are forgotten after so many times the days of a suppression without another one.
_MEMORY_PAUSES = 3
#: A permanent reason gives way only to one that stops more.
_RANKS = {"complaint": 1, "hard_bounce": 2}


@dataclass(frozen=True, slots=True)
class Limits:
    """Holds how many temporary failures suppress an address, and for how many days."""

    bounces: int
    days: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Holds what is said of one mail and one of its recipients.

    address_key  of the recipient
    mail_key     digest of the Message-ID
    at           pipeline micros
    proven       who says it has had the mail itself
    """

    address_key: str
    mail_key: int
    status: str
    code: str
    at: int
    customer_tag: str
    partition: int
    ticket_id: str
    brand: str = ""
    proven: bool = True


def status_code(text: str) -> str:
    """Returns the enhanced status code (RFC 3463) in the answer of a server, '' when there is none."""
    found = _STATUS_CODE.search(text)
    return found[0] if found else ""


def after(known: SuppressionFact | None, evidence: Evidence, limits: Limits) -> SuppressionFact | None:
    """Returns what is known of the address now; None when the evidence changes nothing."""
    kind = _kind(evidence)
    fact = known or SuppressionFact(
        customer_tag="", version=0, partition=0, at=0, address_key=evidence.address_key, state="watched"
    )
    if not kind or (kind in _COUNTED and evidence.mail_key in fact.counted):
        return None
    if kind == "unsubscribed" and fact.unsubscribed:
        return None
    lasts = kind != "soft_bounces" and evidence.proven
    in_force = _is_in_force(fact, evidence.at) and fact.reason != "unsubscribed"
    if kind != "unsubscribed" and in_force and not (lasts and _outranks(kind, fact)):
        return None
    at = max(evidence.at, fact.at + 1)
    fresh = replace(
        fact,
        customer_tag=evidence.customer_tag,
        version=at,
        partition=evidence.partition,
        at=at,
        error_code=evidence.code,
        counted=[*fact.counted, evidence.mail_key][-_MOST_COUNTED:] if kind in _COUNTED else fact.counted,
        ticket_id=evidence.ticket_id,
        brand=evidence.brand,
    )
    if kind == "unsubscribed":
        fresh = replace(fresh, unsubscribed=True)
        return fresh if in_force else replace(fresh, state="permanent", reason=kind, since=at, until=None)
    until = at + int(limits.days * _DAY)
    if lasts:
        return replace(fresh, state="permanent", reason=kind, since=at, until=None)
    if kind != "soft_bounces":
        return replace(fresh, state="temporary", reason=kind, since=at, until=until)
    bounces = fact.bounces + 1 if evidence.at - fact.at <= _MEMORY_PAUSES * limits.days * _DAY else 1
    if not limits.bounces or bounces < limits.bounces:
        if fact.unsubscribed:
            return replace(fresh, state="permanent", reason="unsubscribed", until=None, bounces=bounces)
        return replace(fresh, state="watched", reason="", since=None, until=None, bounces=bounces)
    return replace(fresh, state="temporary", reason=kind, since=at, until=until, bounces=bounces)


def refuses(known: SuppressionFact | None, kind: str, now: int) -> bool:
    """Tells whether a message of this kind must not go to the address."""
    if known is None:
        return False
    if known.unsubscribed and kind in _OF_SURVEYS:
        return True
    if known.reason == "unsubscribed" or not _is_in_force(known, now):
        return False
    return known.reason != "complaint" or kind not in _BY_PEOPLE


def ends(known: SuppressionFact | None, kind: str, written_at: int, now: int) -> bool:
    """Tells whether a message shows that the customer has written from the address since: somebody reads there."""
    return (
        known is not None
        and kind == "acknowledgement"
        and known.state == "temporary"
        and _is_in_force(known, now)
        and written_at > known.at
    )


def released(known: SuppressionFact, at: int) -> SuppressionFact:
    """Returns the address as one that may be written to again; the mails that were counted stay counted."""
    at = max(at, known.at + 1)
    return replace(
        known,
        version=at,
        at=at,
        state="released",
        reason="",
        error_code="",
        since=None,
        until=None,
        bounces=0,
        unsubscribed=False,
    )


def revived(known: SuppressionFact, at: int) -> SuppressionFact:
    """Returns the address after its customer wrote: released, but for the wish to get no surveys."""
    free = released(known, at)
    if not known.unsubscribed:
        return free
    return replace(free, state="permanent", reason="unsubscribed", since=free.at, unsubscribed=True)


def is_suppressed(known: SuppressionFact, now: int) -> bool:
    """Tells whether anything is not sent to the address."""
    return known.unsubscribed or _is_in_force(known, now)


def _is_in_force(known: SuppressionFact, now: int) -> bool:
    return known.state == "permanent" or (known.state == "temporary" and now < (known.until or 0))


def _outranks(kind: str, known: SuppressionFact) -> bool:
    return known.state == "temporary" or _RANKS[kind] > _RANKS[known.reason]


def _kind(evidence: Evidence) -> str:
    """Returns the reason that the evidence would be, '' for none."""
    if evidence.status == "complained":
        return "complaint"
    if evidence.status == "unsubscribed":
        return "unsubscribed"
    if evidence.status != "failed" or _FOR_OUR_SAKE.fullmatch(evidence.code):
        return ""
    return "hard_bounce" if _NO_MAILBOX.fullmatch(evidence.code) else "soft_bounces"

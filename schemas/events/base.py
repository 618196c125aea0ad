"""The fields that every event has, and the words that several of them share."""

from __future__ import annotations

from typing import Annotated

import msgspec

Micros = Annotated[int, msgspec.Meta(description="timestamp-micros")]

#: Of a message that was a dead letter, among its `fields`: when it was replayed, in micros. Until then nobody saw it.
REPLAYED_AT = "replayed_at"

CHANNELS = ("email", "chat", "sms", "social", "phone", "voicemail", "form", "help_centre", "bot", "in_person")
STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
LOCALES = ("en", "zh-Hans", "zh-Hant", "ja")
#: How it was verified that the sender of a contact is who it says, the strongest proofs of a mail first:
#:   dmarc, dkim, spf   our own mail server says so, for the domain of the From address
#:   signed_user        the shop signed the address of a user who is signed in there, for chat and form
#:   carrier            the signed webhook of a telephone or SMS service names the number
#:   platform           the signed webhook of a social network or shop names the account
#:   signed_link        the link of a survey
#:   none               anybody may have written it
VERIFICATIONS = ("none", "dmarc", "dkim", "spf", "signed_user", "carrier", "platform", "signed_link")
UNVERIFIED = "none"


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every event carries.

    event_id      deterministic, from the source's own id: the same thing delivered twice is one event
    occurred_at   when it happened; SLA arithmetic uses this
    received_at   when a producer received it (pipeline clock)
    channel       `email chat sms social phone voicemail form help_centre bot in_person`, `` for none; checked by producers
    source        which producer instance, for people: `maildir:/var/mail/support`
    customer_tag  the record key; for `routing` records the customer the ticket belongs to
    imported      history: advances by its own timestamps, never by the wall clock, disturbs no live deadline
    causation_depth  how many automatic hops led here; guards against loops across channels
    """

    event_id: str
    occurred_at: Micros
    received_at: Micros
    customer_tag: str
    channel: str = ""
    source: str = ""
    imported: bool = False
    causation_depth: int = 0


class Tick(Event, frozen=True, kw_only=True):
    """Time passed: appended by the worker when a deadline is due. `state_key` is the state whose deadline it is."""

    state_key: bytes = b""

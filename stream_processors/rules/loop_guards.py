"""Suppresses acknowledgements that would loop or annoy: to machines, mailing lists, ourselves, or too many to one customer.

The guards are one pure function over the event, the customer and the ticket; their limits are data
(`config/acknowledgements.yaml`). The order is from what is certain to what is counted, so that the reason recorded is
the most telling one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from schemas.clock import MICROS
from schemas.events import CallEnded, ConsentChanged, MessageReceived
from schemas.text import NOT_A_PATTERN
from schemas.yamlfile import Document, read
from stream_processors.text.language import normalise

__all__ = ["REASONS", "REMEMBERED", "Cap", "Guards", "subject_fingerprint"]

#: Why an acknowledgement was suppressed; metric labels.
REASONS = (
    "imported",
    "no_address",
    "opted_out",
    "auto_submitted",
    "auto_response_suppress",
    "precedence",
    "mailing_list",
    "empty_return_path",
    "delivery_report",
    "loop",
    "no_reply",
    "own_address",
    "causation_depth",
    "repeated_text",
    "already_acknowledged",
    "same_subject",
    "rate_cap",
)
#: The reasons that mean that no person wrote the message, whoever sent it.
_MACHINES = frozenset(("auto_submitted", "delivery_report", "empty_return_path"))
#: Acknowledgements remembered per customer; no cap can count higher.
REMEMBERED = 100

#: The header by which the mail reader says that a domain sends the same text under ever new addresses.
_REPEATED_TEXT = "x-deskstream-repeated-text"

_MINUTE = 60 * MICROS
_TOKEN = re.compile(r"\[#[^\]]*\]")
#: What many write about comes with the same subjects.
_SUBJECTS = 4096
_PREFIXES = re.compile(
    r"^(?:\s*(?:re|fw|fwd|aw|wg|sv|antwort|回复|答复|回覆|转发|返信|転送)\s*(?:\[\d+\])?\s*[:：]\s*)+"
)
_DIGITS = re.compile(r"\d+")
#: What mail gateways put before a subject: `[EXTERNAL]`.
_LABEL = r"(?:\[[^\[\]]{1,40}\] ?)?"


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit of `count` messages in `micros`."""

    count: int
    micros: int


class SentMessage(Protocol):
    """A message that we sent by ourselves: when (micros), and the fingerprint of its subject."""

    @property
    def at(self) -> int: ...
    @property
    def subject_fingerprint(self) -> int: ...


class Recipient(Protocol):
    """Holds what the guards ask of a customer; `acknowledgements` are the last messages sent, oldest first."""

    @property
    def acknowledgements(self) -> Sequence[SentMessage]: ...
    def wants_nothing_at(self, address: str) -> bool:
        """Returns true when nothing more may be sent to this address."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Holds the guards in force. `version` is 12 hex characters of the file's content."""

    version: str
    caps: tuple[Cap, ...]
    same_subject: Cap
    causation_depth: int
    refuse_empty_return_path: bool
    _auto_submitted: frozenset[str]
    _auto_response_suppress: frozenset[str]
    _precedence: frozenset[str]
    _list_headers: tuple[str, ...]
    _auto_reply_headers: tuple[str, ...]
    _auto_reply_subject: re.Pattern[str]
    _loop_headers: tuple[str, ...]
    _report_headers: tuple[str, ...]
    _report_types: tuple[str, ...]
    _no_reply: re.Pattern[str]
    _own_addresses: frozenset[str]
    _own_domains: frozenset[str]

    @classmethod
    def load(cls, path: Path, mail_domain: str, domains: Iterable[str] = (), addresses: Iterable[str] = ()) -> Guards:
        """Reads and validates the limits. Every address in these domains is one of ours, and so are these addresses.

        Raises:
            ConfigurationError: with file and line of the first mistake.
        """
        return _load(read(path), frozenset((mail_domain.lower(), *domains)), frozenset(addresses))

    def suppression(
        self,
        event: MessageReceived | CallEnded,
        customer: Recipient,
        acknowledged: bool,
        now: int,
        fingerprint: int,
    ) -> str:
        """Returns why this contact must not be acknowledged, one of `REASONS`, or '' when it must be.

        `acknowledged` says that the ticket's episode was acknowledged already. `now` is in micros on the log's axis;
        `fingerprint` is that of the subject, 0 for none.
        """
        if event.imported:
            return "imported"
        if not event.address:
            return "no_address"
        if customer.wants_nothing_at(event.address):
            return "opted_out"
        if isinstance(event, MessageReceived) and (reason := self._by_mail(event)):
            return reason
        if "@" in event.address and (reason := self._by_address(event.address.strip().lower())):
            return reason
        if event.causation_depth >= self.causation_depth:
            return "causation_depth"
        if acknowledged:
            return "already_acknowledged"
        return self._by_count(customer.acknowledgements, now, fingerprint)

    def notice_suppression(self, event: ConsentChanged, customer: Recipient, now: int) -> str:
        """Returns why a STOP, START or HELP must not be answered, one of `REASONS`, or '' when it must be."""
        return self.repeated(event.causation_depth, customer, now)

    def repeated(self, depth: int, customer: Recipient, now: int) -> str:
        """Returns why a customer gets no further automatic message after so many hops: `causation_depth`, `rate_cap` or ''."""
        return "causation_depth" if depth >= self.causation_depth else self._by_count(customer.acknowledgements, now, 0)

    def from_machine(self, event: MessageReceived) -> bool:
        """Returns true when a machine wrote this (an out-of-office answer, a delivery report): nobody waits for an answer."""
        return self._by_mail(event) in _MACHINES

    def machine(self, address: str, headers: Mapping[str, str]) -> str:
        """Returns why nobody reads what is sent there, one of `REASONS`, or '' when somebody may."""
        reason = self._by_headers(headers) if headers else ""
        return reason or (self._by_address(address.strip().lower()) if "@" in address else "")

    def _by_mail(self, event: MessageReceived) -> str:
        if event.headers and (reason := self._by_headers(event.headers)):
            return reason
        if event.channel == "email" and event.subject and self._auto_reply_subject.fullmatch(_plain(event.subject)):
            return "auto_submitted"
        return ""

    def _by_headers(self, headers: Mapping[str, str]) -> str:
        def first(name: str) -> str:
            return headers[name].split(";", 1)[0].strip().lower() if name in headers else ""

        if (value := first("auto-submitted")) and value not in self._auto_submitted:
            return "auto_submitted"
        if any(name in headers for name in self._auto_reply_headers):
            return "auto_submitted"
        if "x-auto-response-suppress" in headers:
            values = {value.strip() for value in headers["x-auto-response-suppress"].lower().split(",")} - {""}
            if not values <= self._auto_response_suppress:
                return "auto_response_suppress"
        if first("precedence") in self._precedence:
            return "precedence"
        if any(name in headers for name in self._list_headers):
            return "mailing_list"
        if any(name in headers for name in self._loop_headers):
            return "loop"
        if first("content-type").startswith(self._report_types) or any(n in headers for n in self._report_headers):
            return "delivery_report"
        if self.refuse_empty_return_path and headers.get("return-path", "-").strip() in ("<>", ""):
            return "empty_return_path"
        return "repeated_text" if _REPEATED_TEXT in headers else ""

    def _by_address(self, address: str) -> str:
        local, _, domain = address.rpartition("@")
        if domain in self._own_domains or address in self._own_addresses:
            return "own_address"
        return "no_reply" if self._no_reply.fullmatch(local) else ""

    def _by_count(self, sent: Sequence[SentMessage], now: int, fingerprint: int) -> str:
        if not sent:
            return ""
        since = now - self.same_subject.micros
        if fingerprint and self.same_subject.count <= sum(
            1 for each in sent if each.subject_fingerprint == fingerprint and each.at > since
        ):
            return "same_subject"
        for cap in self.caps:
            if len(sent) >= cap.count and cap.count <= sum(1 for each in sent if each.at > now - cap.micros):
                return "rate_cap"
        return ""


@lru_cache(maxsize=_SUBJECTS)
def _plain(subject: str) -> str:
    return normalise(subject)


@lru_cache(maxsize=_SUBJECTS)
def subject_fingerprint(subject: str) -> int:
    """Returns 63 bits that are equal for subjects that differ only in Re:, ticket token, numbers, case or width; 0 for none."""
    if not subject:
        return 0
    plain = _PREFIXES.sub("", _TOKEN.sub("", _plain(subject)))
    plain = _DIGITS.sub("0", plain).strip()
    if not plain:
        return 0
    return int.from_bytes(blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1 or 1


_FIELDS = (
    "auto_submitted_allowed",
    "auto_response_suppress_allowed",
    "precedence",
    "list_headers",
    "auto_reply_headers",
    "auto_reply_subjects",
    "loop_headers",
    "report_types",
    "report_headers",
    "refuse_empty_return_path",
    "no_reply",
    "own_addresses",
    "caps",
    "same_subject",
    "causation_depth",
)
#: Files that were copied before these fields existed do without.
_LATER = frozenset(("auto_reply_subjects",))


def _load(document: Document, domains: frozenset[str], addresses: frozenset[str]) -> Guards:
    data = document.data
    if not isinstance(data, dict):
        document.refuse("must be a mapping")
    for name in data:
        if name not in _FIELDS:
            document.refuse(f"unknown setting {name!r}", str(name), fix=f"one of {', '.join(_FIELDS)}")
    for name in _FIELDS:
        if name not in data and name not in _LATER:
            document.refuse(f"{name} is missing")
    own = _texts(document, "own_addresses")
    refuse_empty = data["refuse_empty_return_path"]
    if not isinstance(refuse_empty, bool):
        document.refuse("refuse_empty_return_path must be true or false", "refuse_empty_return_path")
    return Guards(
        version=document.version,
        caps=_caps(document),
        same_subject=_cap(document, "same_subject"),
        causation_depth=_whole(document, data["causation_depth"], "causation_depth"),
        refuse_empty_return_path=refuse_empty,
        _auto_submitted=frozenset(_texts(document, "auto_submitted_allowed")),
        _auto_response_suppress=frozenset(_texts(document, "auto_response_suppress_allowed")),
        _precedence=frozenset(_texts(document, "precedence")),
        _list_headers=_texts(document, "list_headers"),
        _auto_reply_headers=_texts(document, "auto_reply_headers"),
        _auto_reply_subject=_patterns(document, "auto_reply_subjects", normalise, _LABEL),
        _loop_headers=_texts(document, "loop_headers"),
        _report_headers=_texts(document, "report_headers"),
        _report_types=_texts(document, "report_types"),
        _no_reply=_patterns(document, "no_reply"),
        _own_addresses=addresses.union(address for address in own if not address.startswith("*@")),
        _own_domains=domains.union(address[2:] for address in own if address.startswith("*@")),
    )


def _texts(document: Document, field: str) -> tuple[str, ...]:
    values = document.data.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        document.refuse(f"{field} must be a list of texts", field, fix='write "no" in quotes, and [] for none')
    return tuple(value.lower() for value in values)


def _patterns(document: Document, field: str, form: Callable[[str], str] = str, before: str = "") -> re.Pattern[str]:
    """Returns one pattern for what any pattern of the field fits, each in that form."""
    patterns = [form(pattern) for pattern in _texts(document, field)]
    for number, pattern in enumerate(patterns):
        _compiled(document, pattern, field, number)
    either = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    return _compiled(document, f"{before}(?:{either})", field)


def _compiled(document: Document, pattern: str, *at: str | int) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except NOT_A_PATTERN as error:
        document.refuse(f"{pattern[:200]!r} is not a regular expression: {error}", *at)


def _caps(document: Document) -> tuple[Cap, ...]:
    caps = document.data["caps"]
    if not isinstance(caps, list):
        document.refuse("caps must be a list of {count, minutes}", "caps")
    return tuple(_cap(document, "caps", number) for number in range(len(caps)))


def _cap(document: Document, *at: str | int) -> Cap:
    value: Any = document.data
    for key in at:
        value = value[key]
    if not isinstance(value, dict) or set(value) != {"count", "minutes"}:
        document.refuse("must be {count: ..., minutes: ...}", *at)
    count = _whole(document, value["count"], *at, "count")
    if count > REMEMBERED:
        document.refuse(f"count may be {REMEMBERED} at most: no more are remembered", *at, "count")
    return Cap(count, _whole(document, value["minutes"], *at, "minutes") * _MINUTE)


def _whole(document: Document, value: Any, *at: str | int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        document.refuse(f"{at[-1]} must be a whole number of 1 or more", *at)
    return value

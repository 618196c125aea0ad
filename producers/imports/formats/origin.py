"""Holds the product, account and time of an import. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import identity

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The product, account and time of an import.

    product    `zendesk`, `freshdesk`, `chatwoot`; part of every event id and thread id
    account    tells two accounts of the same product apart, '' when there is one
    source     for people: `import:export.json`
    now        the pipeline's time, micros: nothing in a history may be later
    zone       of times that do not say it (CSV), an IANA name, '' when every time must say it
    tags       their tags to our why-tags; what is not in it keeps its name
    """

    product: str
    source: str
    now: int
    account: str = ""
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def event_id(self, kind: str, *own: object) -> str:
        """Returns the id of an event, made of the product's own ids: the same part is the same event."""
        return identity.event_id(f"import-{self.product}", self.account, kind, *(str(part) for part in own))

    def thread_id(self, number: object) -> str:
        """Returns the thread id of a ticket of the product."""
        return ":".join(filter(None, (self.product, self.account, str(number))))

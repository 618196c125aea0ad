"""Holds what will happen at a moment: a mail, a filled-in form, or an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from producers.channels import form
from producers.mail import event as email
from producers.simulation import mail
from schemas.events import Event

__all__ = ["SOURCE", "Form", "Planned", "Thing", "event_of"]

#: `source` of everything that the simulator publishes.
SOURCE = "simulator"
#: The mail server of the shop, which verifies who wrote.
MAIL_SERVER = "mx.shop.example"


@dataclass(frozen=True, slots=True)
class Form:
    """Holds a submitted contact form: field names and values."""

    values: tuple[tuple[str, str], ...]


Thing = mail.Mail | Form | Event


class Planned(NamedTuple):
    """Holds one thing that will happen. `at` is the moment in simulated time, micros UTC; sorting by (`at`, `order`) is total.

    ticket, revision, round   what it reacts to: it is dropped when that ticket has moved on (see `agents.Director.stands`);
                          revision 0 stays whatever happens
    """

    at: int
    order: str
    thing: Thing
    ticket: str = ""
    revision: int = 0
    round: int = 0


def event_of(planned: Planned) -> Event:
    """Returns the event, made by the normaliser of its channel as if it had come from outside at its moment."""
    thing = planned.thing
    if isinstance(thing, mail.Mail):
        domain = thing.sender.rpartition("@")[2]
        seen = f"Authentication-Results: {MAIL_SERVER}; dmarc=pass header.from={domain}\r\n".encode("ascii", "replace")
        raw = seen + mail.render(thing, planned.at)
        return email.normalise(raw, now=planned.at, source=SOURCE, servers=(MAIL_SERVER,))
    if isinstance(thing, Form):
        return form.normalise(dict(thing.values), now=planned.at, source=SOURCE)
    return thing

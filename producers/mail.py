"""From raw mail to receipt, for every mail source: normalise, store its attachments, publish.

A report about a mail of ours is no contact of whoever sent it back: it is an event of the customer we wrote to.
"""

from __future__ import annotations

from producers.attachments import AttachmentStore, storing
from producers.channels import email
from producers.intake import Intake
from producers.mime.reports import reported
from producers.mime_parts import attachment_contents
from producers.publisher import Publisher
from schemas.events import Event, MessageReceived
from schemas.settings import ProducerSettings

__all__ = ["mail_intake"]


def mail_intake(
    publisher: Publisher,
    settings: ProducerSettings,
    store: AttachmentStore | None,
    *,
    source: str,
    imported: bool = False,
) -> Intake:
    """The intake of one mail source. `source` is its name for people, such as `maildir:/var/mail/support`."""
    clock = settings.pipeline_clock

    def normalise(raw: bytes) -> MessageReceived:
        return email.normalise(
            raw, now=clock.now(), source=source, imported=imported, max_bytes=settings.max_body_bytes
        )

    contact = storing(normalise, attachment_contents, store)

    def event(raw: bytes) -> Event:
        report = None
        if not imported and len(raw) <= settings.max_body_bytes:
            report = reported(raw, now=clock.now(), source=source)
        return contact(raw) if report is None else report

    return Intake(publisher, email.CHANNEL, event)

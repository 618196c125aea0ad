"""From raw mail to receipt, for every mail source: normalise, store its attachments, publish.

A report about a mail of ours is no contact of whoever sent it back: it is an event of the customer we wrote to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from producers.channels import email
from producers.intake import Intake
from producers.mail.attachments import attachment_contents
from producers.mail.reports import reported
from producers.publisher import Publisher
from producers.storage.attachments import AttachmentStore, storing
from schemas.dead_letter.headers import InputContext
from schemas.events import Event, MessageReceived
from schemas.settings import ProducerSettings

__all__ = ["mail_event", "mail_intake"]


def mail_intake(
    publisher: Publisher,
    settings: ProducerSettings,
    store: AttachmentStore | None,
    *,
    source: str,
    imported: bool = False,
) -> Intake:
    """The intake of one mail source. `source` is its name for people, such as `maildir:/var/mail/support`."""
    return Intake(publisher, email.CHANNEL, mail_event(settings, store), source=source, imported=imported)


def mail_event(settings: ProducerSettings, store: AttachmentStore | None) -> Callable[[bytes, InputContext], Event]:
    """What makes an event of a mail, of whatever source, now or later.

    Raises:
        Refused: it is no mail, or too large.
        Unavailable: the attachment store does not answer.
    """

    def normalise(raw: bytes, given: InputContext) -> MessageReceived:
        return email.normalise(
            raw,
            now=given.received_at,
            source=given.source,
            imported=given.imported,
            max_bytes=settings.max_body_bytes,
        )

    def event(raw: bytes, given: InputContext) -> Event:
        report = None
        if not given.imported and len(raw) <= settings.max_body_bytes:
            report = reported(raw, now=given.received_at, source=given.source)
        if report is not None:
            return report
        return storing(partial(normalise, given=given), attachment_contents, store)(raw)

    return event

"""Takes raw mail to its receipt, for every mail source: parse once, normalise, store its attachments, publish.

A report about a mail of ours is no contact of the server that sent it: it is an event of the customer whom we wrote to.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from producers.intake import Intake
from producers.mail import authentication
from producers.mail.event import CHANNEL, check_size, message_received
from producers.mail.parse import parse
from producers.mail.repeats import HEADER, RepeatedTexts
from producers.mail.reports import delivery_report
from producers.mail.unsubscribe import unsubscription
from producers.publisher import Publisher
from producers.storage.attachments import AttachmentStore, store_attachments
from schemas.dead_letter.headers import InputContext
from schemas.events import Event
from schemas.settings import ProducerSettings

__all__ = ["mail_event", "mail_intake"]

#: What the mailbox says beside the mail, in `InputContext.headers`.
_BRAND = "brand"


def mail_intake(
    publisher: Publisher,
    settings: ProducerSettings,
    store: AttachmentStore | None,
    *,
    source: str,
    imported: bool = False,
    brand: str = "",
) -> Intake:
    """Returns the intake of one mail source. `source` is its name for people: `maildir:/var/mail/support`.

    `brand` is that of a mailbox which belongs to one. A dead letter keeps it for its replay.
    """
    headers = {_BRAND: brand} if brand else {}
    return Intake(publisher, CHANNEL, mail_event(settings, store), source=source, imported=imported, headers=headers)


def mail_event(settings: ProducerSettings, store: AttachmentStore | None) -> Callable[[bytes, InputContext], Event]:
    """Returns the function that makes the event of a raw mail, whatever its source, now or when it is replayed.

    The function raises `Refused` for what is no mail or too large, and `Unavailable` when the attachment store does
    not answer.
    """
    servers, repeated = authentication.names(settings.mail_authserv_id), RepeatedTexts()

    def event(raw: bytes, context: InputContext) -> Event:
        check_size(raw, settings.max_body_bytes)
        mail = parse(raw)
        if not context.imported:
            now, source = context.received_at, context.source
            report = delivery_report(mail, now=now, source=source) or unsubscription(mail, now=now, source=source)
            if report is not None:
                return report
        message = message_received(
            mail, now=context.received_at, source=context.source, imported=context.imported, servers=servers
        )
        if brand := context.headers.get(_BRAND, ""):
            message = replace(message, brand=brand)
        sender = message.sender or message.address
        if not context.imported and repeated.is_repeated(sender, message.subject, message.text, context.received_at):
            message = replace(message, headers={**message.headers, HEADER: "yes"})
        if store is None or not mail.files:
            return message
        return store_attachments(message, (file.content() for file in mail.files), store)

    return event

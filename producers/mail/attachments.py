"""The bytes of the attachments that `producers.channels.email` lists for a mail. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producers.mail import body
from schemas.events import Attachment

__all__ = ["attachment_contents"]


def attachment_contents(raw: bytes, attachments: Sequence[Attachment]) -> Iterator[bytes | None]:
    """The decoded bytes of each listed attachment, in the list's order; None for one that is not in the mail.

    The list was made on the same way through the same parts, so its order is theirs; files out of an Outlook
    container are among them.
    """
    if not attachments:
        return
    files = body.read(body.parse(raw)).files
    for number, attachment in enumerate(attachments):
        file = files[number] if number < len(files) else None
        yield file.content() if file is not None and file.media_type == attachment.media_type else None

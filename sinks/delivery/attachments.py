"""Reads the files of an outbound mail from the attachment store, which the producers fill.

A reference that is not below a customer of this store is refused, so is one into quarantine, and a file whose bytes are no longer
those that its name is the digest of.
"""

from __future__ import annotations

import asyncio
import re
from hashlib import blake2b
from typing import Any

from schemas import attachment_store
from schemas.facts import Outbound
from schemas.settings import SinkSettings
from schemas.text import named_error_line
from sinks.delivery.adapter import TryLater, Undeliverable
from sinks.delivery.compose import File

__all__ = ["AttachmentReader"]

_STORED = re.compile(r"[A-Z2-7]{12}/([0-9a-f]{64})")


class AttachmentReader:
    """Reads from the store at `url`; '' for none. Mails whose files are over `max_bytes` together are refused."""

    def __init__(self, url: str, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._files: Any
        self._files, self._root = attachment_store.opened(url) if url else (None, "")

    @classmethod
    def of(cls, settings: SinkSettings) -> AttachmentReader:
        """Returns the reader of these settings.

        Raises:
            ConfigurationError: the URL names no kind of store that is installed.
        """
        return cls(settings.attachments_url, settings.mail_attachments_max_bytes)

    async def files(self, message: Outbound) -> tuple[File, ...]:
        """Returns the files of a message, in their order.

        Raises:
            Undeliverable: one is not there, not in the store, or they are too large.
            TryLater: the store does not answer.
        """
        if not message.attachments:
            return ()
        return await asyncio.to_thread(self._read, message)

    def _read(self, message: Outbound) -> tuple[File, ...]:
        if self._files is None:
            raise Undeliverable("refused", "no_attachment_store", f"set {attachment_store.SETTING} for this process")
        paths = [self._path(attachment.reference) for attachment in message.attachments]
        try:
            size = sum(int(self._files.info(path)["size"]) for path in paths)
            if size > self._max_bytes:
                raise Undeliverable("refused", "attachments_too_large", f"{size} bytes, the limit is {self._max_bytes}")
            contents = [bytes(self._files.cat_file(path)) for path in paths]
        except Undeliverable:
            raise
        except FileNotFoundError as error:
            raise Undeliverable("refused", "attachment_gone", "a file of it was erased") from error
        except Exception as error:  # each kind of store has errors of its own, and all of them may pass
            raise TryLater(f"the attachment store: {named_error_line(error, 200)}") from error
        for path, data in zip(paths, contents, strict=True):
            if blake2b(data, digest_size=32).hexdigest() != path.rpartition("/")[2]:
                raise Undeliverable(
                    "refused", "attachment_changed", "the bytes of a file are not those that were stored"
                )
        return tuple(
            File(attachment.name, attachment.media_type, data)
            for attachment, data in zip(message.attachments, contents, strict=True)
        )

    def _path(self, reference: str) -> str:
        """Returns where a file is; a reference leads nowhere but into the folder of a customer."""
        assert self._files is not None
        path = str(self._files._strip_protocol(reference))
        if not path.startswith(f"{self._root}/") or not _STORED.fullmatch(path[len(self._root) + 1 :]):
            raise Undeliverable("refused", "bad_attachment", f"{reference[:200]!r} is no file of the store")
        return path

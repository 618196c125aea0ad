"""Stores attachments beside Kafka; an event only refers to them.

The store is any file system that fsspec knows by URL: a folder by default, `s3://bucket/prefix` with the package's
extra `s3`. Credentials and endpoints come from the store's usual variables (`AWS_ACCESS_KEY_ID`,
`FSSPEC_S3_ENDPOINT_URL`). An object is named by the digest of its bytes, below its customer:

    <url>/<customer tag>/<BLAKE2b-256 of its bytes, hex>

Its type is told by its content; a name and a declared type are what a sender says. With a scanner
(`DESKSTREAM_ATTACHMENTS_SCANNER`) what it finds something in lies below `<url>/quarantine/` and nobody is given a reference.

So the same bytes are stored once, writing again changes nothing, and everything of a customer is one folder that
erasure removes. Bytes are stored before their event is published: a reference in Kafka is never dead. If the
event then fails to be published, its source offers it again and finds the bytes stored.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog
from fsspec.implementations.local import LocalFileSystem

from producers.storage.content_type import media_type_of
from producers.storage.scanner import Scanner
from producers.text import privacy
from producers.text.privacy import Allowance
from schemas import attachment_store, metrics
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import Attachment, MessageReceived
from schemas.settings import ProducerSettings
from schemas.text import error_line

__all__ = ["AttachmentStore", "store_attachments"]

#: Text, in which card numbers can be found and masked; other formats are stored as they are.
_TEXTUAL = ("text/*", "message/*", "application/json", "application/xml", "application/*+json", "application/*+xml")
_RETRY_SECONDS = 5.0
_QUARANTINE = "quarantine/"
#: A file within the store, not in quarantine.
_STORED = re.compile(r"[A-Za-z0-9]+/[0-9a-f]{64}")

log = structlog.get_logger("producers.attachments")


class AttachmentStore:
    """The store of attachments. Safe to use from several threads; every method blocks.

    max_bytes  larger attachments are refused
    refused    patterns of media types (with a slash) and of file names (without) that are refused
    scanner    looks at each file before it is stored; None: nobody does
    """

    def __init__(
        self, url: str, *, max_bytes: int, refused: Iterable[str] = (), scanner: Scanner | None = None
    ) -> None:
        self._max_bytes, self._scanner = max_bytes, scanner
        self._refused = [pattern.strip().lower() for pattern in refused if pattern.strip()]
        self._files, self._root = attachment_store.opened(url)
        self._local = isinstance(self._files, LocalFileSystem)

    @classmethod
    def of(cls, settings: ProducerSettings) -> AttachmentStore | None:
        """Returns the store of these settings; None when attachments are only listed.

        Raises:
            ConfigurationError: the URL names no kind of store that is installed, or a folder that cannot be made; the
                scanner's address is none.
        """
        if not settings.attachments_url:
            return None
        store = cls(
            settings.attachments_url,
            max_bytes=settings.attachments_max_bytes,
            refused=settings.attachments_refused.split(","),
            scanner=Scanner.parse(settings.attachments_scanner, settings.attachments_scan_seconds),
        )
        store.prepare()
        return store

    def prepare(self) -> None:
        """Makes the folder of a local store.

        Raises:
            ConfigurationError: it cannot be written to.
        """
        if not self._local:
            return
        try:
            for place in ("", _QUARANTINE) if self._scanner is not None else ("",):
                Path(self._root, place).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{self._root} cannot be made: {error.strerror}", where=attachment_store.SETTING
            ) from error
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{self._root} cannot be written to", where=attachment_store.SETTING)

    def put(
        self,
        customer_tag: str,
        data: bytes,
        *,
        name: str = "",
        media_type: str = "",
        allowance: Allowance | None = None,
    ) -> str:
        """Stores bytes and returns their reference; the same bytes have the same reference and are written once.

        `media_type` is the declared one. The `allowance` is that of the whole contact.

        Raises:
            Refused: `too_large`, `refused_type`, `infected` (it lies in quarantine), or `too_costly` to be searched for card
                numbers.
            Unavailable: the store does not take it now, or the scanner does not answer; offer it again.
        """
        found = media_type_of(data, media_type)
        self._allow(len(data), name, media_type, found)
        if self._scanner is not None and (finding := self._scanner.finding(data)):
            self._store(self._path(customer_tag, data, _QUARANTINE), data, "quarantined")
            raise Refused("infected", finding[:200])
        if any(fnmatchcase(kind, pattern) for kind in (found, media_type.lower()) for pattern in _TEXTUAL):
            if not (allowance or Allowance()).take(data):
                raise Refused("too_costly", "the text has too many digits to be searched for card numbers")
            data = privacy.mask_bytes(data)
        path = self._path(customer_tag, data)
        self._store(path, data, "stored")
        return str(self._files.unstrip_protocol(path))

    def _store(self, path: str, data: bytes, outcome: str) -> None:
        try:
            if self._size(path) == len(data):
                metrics.ATTACHMENTS.labels("known").inc()
            else:
                self._write(path, data)
                metrics.ATTACHMENTS.labels(outcome).inc()
        except Exception as error:  # each kind of store has errors of its own, and all of them may pass
            raise self._no_answer(error) from error

    def _path(self, customer_tag: str, data: bytes, place: str = "") -> str:
        return f"{self._folder(customer_tag, place)}/{blake2b(data, digest_size=32).hexdigest()}"

    def get(self, reference: str) -> bytes:
        """Returns the bytes behind a reference of this store.

        Raises:
            FileNotFoundError: they were erased.
        """
        return bytes(self._files.cat_file(self._files._strip_protocol(reference)))

    def require(self, attachment: Attachment) -> int:
        """Accepts an attachment that refers to a file of this store, and returns the bytes of that file.

        Raises:
            Refused: `unknown_attachment`, there is none; `refused_type`, for its name or declared type.
            Unavailable: the store does not answer.
        """
        path = str(self._files._strip_protocol(attachment.reference))
        within = path.removeprefix(f"{self._root}/")
        if within == path or not _STORED.fullmatch(within):
            raise Refused("unknown_attachment", "it is no file of the store")
        try:
            size = self._size(path)
        except Exception as error:
            raise self._no_answer(error) from error
        if size < 0:
            raise Refused("unknown_attachment", "there is no such file in the store, or it was erased")
        self._allow(size, attachment.name, attachment.media_type)
        return size

    def erase(self, customer_tag: str) -> int:
        """Removes everything of a customer, in quarantine too, and returns the number of objects.

        Raises:
            Unavailable: the store does not answer; what is left is removed by asking again.
        """
        return sum(self._erase(self._folder(customer_tag, place)) for place in ("", _QUARANTINE))

    def _erase(self, folder: str) -> int:
        try:
            found = self._files.find(folder)
            if found:
                self._files.rm(folder if self._local else found, recursive=self._local)
        except FileNotFoundError:
            return 0
        except Exception as error:
            raise self._no_answer(error) from error
        return len(found)

    def _allow(self, size: int, name: str, *media_types: str) -> None:
        if size > self._max_bytes:
            raise Refused("too_large", f"{size} bytes, the limit is {self._max_bytes}")
        for pattern in self._refused:
            for subject in media_types if "/" in pattern else (name,):
                if fnmatchcase(subject.strip().rstrip(".").lower(), pattern):
                    raise Refused("refused_type", f"it matches {pattern}")

    def _folder(self, customer_tag: str, place: str = "") -> str:
        if not customer_tag.isalnum():  # it becomes part of a path, and erase() removes what it names
            raise ValueError(f"{customer_tag!r} is not a customer tag")
        return f"{self._root}/{place}{customer_tag}"

    def _size(self, path: str) -> int:
        try:
            return int(self._files.info(path)["size"])
        except FileNotFoundError:
            return -1

    def _write(self, path: str, data: bytes) -> None:
        if self._local:
            _write_durably(Path(path), data)
        else:
            self._files.pipe_file(path, data)

    def _no_answer(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"the attachment store does not answer: {type(error).__name__}: {error_line(error, 200)}",
            retry_after=_RETRY_SECONDS,
        )


def store_attachments(
    event: MessageReceived, contents: Iterable[bytes | None], store: AttachmentStore
) -> MessageReceived:
    """Returns the event with a reference in each attachment that was stored.

    Each has the media type of its content. A refused attachment keeps an empty reference, and `fields` has the reason:
    `attachment.2.refused` (counted from 1) is `too_large`, `refused_type`, `infected`, `too_costly` or `unreadable`.

    Raises:
        Unavailable: the store does not take one now; offer the contact again.
    """
    listed, refusals, allowance = [], {}, Allowance()
    for number, (attachment, data) in enumerate(zip(event.attachments, contents, strict=True), 1):
        declared = attachment.media_type
        try:
            if data is None:
                raise Refused("unreadable", "its bytes are not where the list says")
            attachment = msgspec.structs.replace(attachment, media_type=media_type_of(data, declared))
            reference = store.put(
                event.customer_tag, data, name=attachment.name, media_type=declared, allowance=allowance
            )
            listed.append(msgspec.structs.replace(attachment, reference=reference, size_bytes=len(data)))
        except Refused as refused:
            metrics.ATTACHMENTS.labels(refused.reason).inc()
            log.info("attachment_refused", event_id=event.event_id, number=number, reason=refused.reason)
            listed.append(attachment)
            refusals[f"attachment.{number}.refused"] = refused.reason
    return msgspec.structs.replace(event, attachments=listed, fields=event.fields | refusals)


def _write_durably(path: Path, data: bytes) -> None:
    """Writes a file so that it is whole and on the disk when this returns: the event may be published next."""
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

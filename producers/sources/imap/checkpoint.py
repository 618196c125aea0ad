"""Remembers how far each mailbox was read, also for the next start."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import structlog

from producers.sources.imap.accounts import Account
from schemas.errors import ConfigurationError

__all__ = ["UidCheckpoint"]

log = structlog.get_logger("producers.imap")


class UidCheckpoint:
    """The position in a mailbox: below `next_uid` everything is in Kafka, as long as `uid_validity` holds.

    Written to a file after every chunk; without a directory it lasts as long as the process.
    """

    def __init__(self, directory: Path | None, account: Account) -> None:
        self.uid_validity: int | None = None
        self.next_uid = 1
        self._path: Path | None = None
        self._unwritten = False
        if directory is not None:
            name = hashlib.blake2b(account.name.encode(), digest_size=12).hexdigest()
            self._path = directory / f"{name}.json"
            self._read(account)

    def _read(self, account: Account) -> None:
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            saved = json.loads(self._path.read_text("utf-8"))
            self.uid_validity, self.next_uid = int(saved["uid_validity"]), int(saved["next_uid"])
        except FileNotFoundError:
            pass
        except OSError as error:
            raise ConfigurationError(
                f"{self._path} cannot be used: {error.strerror}",
                where="DESKSTREAM_IMAP_STATE_DIR",
                fix="give a directory that the producer may write to, or nothing",
            ) from error
        except (ValueError, KeyError, TypeError):
            log.warning("forgotten", mailbox=account.name, problem=f"{self._path} is not readable")

    def save(self, account: Account, uid_validity: int, next_uid: int) -> None:
        """Remembers the position and writes it to the file.

        A disk that is full holds no mail up: the position is written with the next save that succeeds. A restart before
        that reads the same mails again, under the same event ids.
        """
        if (uid_validity, next_uid) == (self.uid_validity, self.next_uid) and not self._unwritten:
            return
        self.uid_validity, self.next_uid = uid_validity, next_uid
        if self._path is None:
            return
        temporary = self._path.with_suffix(".tmp")
        saved = {"mailbox": account.name, "uid_validity": uid_validity, "next_uid": next_uid}
        try:
            temporary.write_text(json.dumps(saved), "utf-8")
            temporary.replace(self._path)
        except OSError as error:
            if not self._unwritten:
                log.warning("checkpoint_not_written", mailbox=account.name, problem=f"{self._path}: {error.strerror}")
            self._unwritten = True
        else:
            self._unwritten = False

r"""Reads mailboxes on IMAP servers: one thread each, waiting for new mail by IDLE, or polling a server without it.

A mail is marked as read (`\Seen`) only after Kafka has it, as an event or as a dead letter. Mails of one mailbox are
taken in the order of their UIDs. A checkpoint (`UidCheckpoint`) is kept besides, because people read mail, too:

    checkpoint                 taken
    none yet                   unread mails
    the same UIDVALIDITY       unread mails, and every UID above the last one taken, read or not
    another UIDVALIDITY        unread mails, and mails of the last `imap_rescan_days` days, read or not

A mail that is taken twice has the same event id, and is dropped downstream. A lost connection is tried again after
1, 2, 4 ... `imap_retry_seconds` seconds; a refused login after the longest pause at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from producers.intake import Intake
from producers.publisher import MAX_RECORD_BYTES, Outcome, Publisher, Receipt
from producers.sources.imap.accounts import Account
from producers.sources.imap.checkpoint import UidCheckpoint
from producers.sources.imap.connection import Connection, Folder, ImapProblem, LoginRefused
from producers.sources.mail_intake import mail_intake
from producers.storage.attachments import AttachmentStore
from schemas import metrics
from schemas.backoff import Backoff
from schemas.errors import ConfigurationError, DeskstreamError, Refused, Unavailable
from schemas.oauth import Tokens, begin_at_zero
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["Mailbox", "UidCheckpoint", "check", "once", "watch"]

T = TypeVar("T")
_CHUNK_MAILS, _CHUNK_BYTES = 50, 32_000_000
_SLICE_SECONDS = 0.25
_KAFKA_RETRY_SECONDS = 1.0

log = structlog.get_logger("producers.imap")


class Mailbox:
    """One mailbox and the thread that reads it. `problem` and `connected` are for the probes."""

    def __init__(
        self,
        account: Account,
        publisher: Publisher,
        settings: ProducerSettings,
        store: AttachmentStore | None,
        stop: threading.Event,
    ) -> None:
        self.account, self.publisher, self.settings = account, publisher, settings
        self.connected, self.problem = False, ""
        self.alive_at = time.monotonic()
        self.taken = 0
        self._source = f"imap:{account.name}"
        self._intake: Intake = mail_intake(publisher, settings, store, source=self._source, brand=account.brand)
        self._tokens = None if account.tokens is None else Tokens(account.tokens, self._source)
        self._checkpoint = UidCheckpoint(settings.imap_state_dir, account)
        self._stop = stop
        self._backoff = Backoff(1.0, settings.imap_retry_seconds)

    # for ever

    def run(self) -> None:
        """Reads the mailbox until `stop` is set, whatever its server and Kafka do meanwhile. Never raises."""
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    self._watch(connection)
            except LoginRefused as error:
                self._backoff.exhaust()
                self._lost(str(error))
            except (ImapProblem, Unavailable, OSError) as error:
                self._lost(str(error))
            except Exception as error:  # a defect of ours must not silence a mailbox
                log.exception("mailbox_failed", mailbox=self.account.name)
                self._lost(f"{self.account.name}: {type(error).__name__}: {error}")
        self._note_connected(False)

    def _watch(self, connection: Connection) -> None:
        while not self._stop.is_set():
            try:
                self.publisher.connect()
                self.sweep(connection)
                self.problem = ""
                self._backoff.succeeded()
            except Unavailable as error:
                if self.problem != str(error):
                    log.warning("waiting", mailbox=self.account.name, problem=str(error))
                self.problem = str(error)
                self._rest(_KAFKA_RETRY_SECONDS)
                continue
            self._await_news(connection)

    def _await_news(self, connection: Connection) -> None:
        """Waits for news of the server, for the time to look anyway, or for `stop`."""
        if connection.can_idle:
            connection.idle()
        if not connection.can_idle:
            self._rest(self.settings.imap_poll_seconds)
            return
        until = time.monotonic() + self.settings.imap_idle_seconds
        while not self._stop.is_set() and time.monotonic() < until and not connection.news(_SLICE_SECONDS):
            self._beat()
        connection.end_idle()

    def _lost(self, problem: str) -> None:
        self._note_connected(False)
        pause = self._backoff.failed()
        log.warning("mailbox_lost", mailbox=self.account.name, problem=problem, retry_seconds=round(pause, 1))
        self.problem = problem
        self._rest(pause * random.uniform(0.8, 1.2))  # so that many mailboxes do not come back in one moment

    # once

    def _connect(self) -> Connection:
        ca_file = self.settings.imap_ca_file
        connection = Connection(
            self.account,
            timeout=self.settings.imap_timeout_seconds,
            ca_file=str(ca_file) if ca_file else None,
            tokens=self._tokens,
        )
        self._note_connected(True)
        log.info("mailbox_open", mailbox=self.account.name, idle=connection.can_idle)
        return connection

    def once(self) -> None:
        """Takes every mail that waits now.

        Raises:
            ImapProblem, Unavailable: a server does not answer.
        """
        with self._connect() as connection:
            self.publisher.connect()
            self.sweep(connection)
        self._note_connected(False)

    def waiting(self) -> int:
        """Returns how many mails would be taken now; nothing is changed."""
        with self._connect() as connection:
            return len(self._wanted(connection, connection.open()))

    def sweep(self, connection: Connection) -> None:
        """Takes every mail that waits, in order, and marks what Kafka has.

        Raises:
            ImapProblem: the server does not answer.
            Unavailable: Kafka or the attachment store does not answer.
        """
        self._beat()
        folder = connection.open()
        if self._checkpoint.uid_validity not in (None, folder.uid_validity):
            log.warning("uid_validity_changed", mailbox=self.account.name, was=self._checkpoint.uid_validity)
        wanted = self._wanted(connection, folder)
        upto = max(folder.next_uid or 1, *(uid + 1 for uid in wanted), 1)
        for chunk in _chunks(connection, wanted, self.settings.max_body_bytes):
            if self._stop.is_set():
                return
            self._take(connection, folder, chunk)
        if not self._stop.is_set():
            self._checkpoint.save(self.account, folder.uid_validity, max(upto, self._floor(folder)))

    def _wanted(self, connection: Connection, folder: Folder) -> list[int]:
        wanted = connection.unread() if folder.can_flag else set()
        if self._checkpoint.uid_validity == folder.uid_validity:
            wanted |= connection.from_uid(self._checkpoint.next_uid)
        elif self._checkpoint.uid_validity is not None or not folder.can_flag:
            now = datetime.fromtimestamp(self.settings.pipeline_clock.now() / 1e6, UTC)
            wanted |= connection.since((now - timedelta(days=self.settings.imap_rescan_days)).date())
        return sorted(wanted)

    def _floor(self, folder: Folder) -> int:
        """Advances the mark; it never goes back while UIDVALIDITY holds."""
        return self._checkpoint.next_uid if self._checkpoint.uid_validity == folder.uid_validity else 1

    def _take(self, connection: Connection, folder: Folder, chunk: Sequence[tuple[int, int]]) -> None:
        """Hands over a chunk of `(uid, bytes)` in the order of UIDs, waits for Kafka, and marks what Kafka has."""
        pending: list[tuple[int, Future[Receipt]]] = []
        done: list[int] = []
        complete = False
        try:
            for uid, size in chunk:
                if (future := self._hand_over(connection, folder, uid, size)) is not None:
                    pending.append((uid, future))
                self._beat()
            for uid, future in pending:
                self._note(uid, folder, self.publisher.wait(future))
                done.append(uid)
                self._beat()
            complete = True
        finally:
            if done and folder.can_flag:
                connection.mark_seen(done)
            if complete:
                self._checkpoint.save(self.account, folder.uid_validity, max(chunk[-1][0] + 1, self._floor(folder)))

    def _hand_over(self, connection: Connection, folder: Folder, uid: int, size: int) -> Future[Receipt] | None:
        where, limit = self.account.message_url(folder.uid_validity, uid), self.settings.max_body_bytes
        refused = Refused("too_large", f"the mail has {size} bytes, the limit is {limit}") if size > limit else None
        # One byte more than the limit: some servers say less than they send, and then the normaliser notices.
        raw = connection.fetch(uid, MAX_RECORD_BYTES if refused else limit + 1)
        if raw is None:
            return None
        return self._intake.take(raw, origin=where, kept_at=where, refused=refused, total_bytes=max(size, len(raw)))

    def _note(self, uid: int, folder: Folder, receipt: Receipt) -> None:
        self.taken += 1
        metrics.MAILBOX_MAILS.labels(self._source, receipt.outcome.value).inc()
        if receipt.outcome is Outcome.DEAD_LETTERED:
            log.warning("refused", origin=self.account.message_url(folder.uid_validity, uid), reason=receipt.reason)

    # signs of life

    def _beat(self) -> None:
        self.alive_at = time.monotonic()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            self._beat()
            self._stop.wait(min(left, 1.0))

    def _note_connected(self, connected: bool) -> None:
        self.connected = connected
        metrics.SOURCE_CONNECTED.labels(self._source).set(int(connected))


def begin_unconnected(accounts: Sequence[Account]) -> None:
    """Shows every mailbox as not connected, and its counts as 0: one that never answers is noticed, too."""
    for account in accounts:
        source = f"imap:{account.name}"
        metrics.SOURCE_CONNECTED.labels(source).set(0)
        for outcome in Outcome:
            metrics.MAILBOX_MAILS.labels(source, outcome.value)
        if account.tokens is not None:
            begin_at_zero(account.tokens, source)


def watch(
    accounts: Sequence[Account],
    publisher: Publisher,
    settings: ProducerSettings,
    health: Health,
    stop: threading.Event,
) -> int:
    """Reads all mailboxes until `stop` is set, then finishes what is under way. Returns the number of mails taken.

    Raises:
        ConfigurationError: the state directory or the attachment store cannot be used.
    """
    mailboxes = _mailboxes(accounts, publisher, settings, stop)
    threads = [threading.Thread(target=box.run, name=f"imap-{n}", daemon=True) for n, box in enumerate(mailboxes)]
    for thread in threads:
        thread.start()
    stuck_after_seconds = settings.imap_timeout_seconds + settings.publish_timeout_seconds + 10
    while not stop.wait(_SLICE_SECONDS):
        if all(time.monotonic() - box.alive_at < stuck_after_seconds for box in mailboxes):
            health.beat()
        health.ready = publisher.connected and all(box.connected for box in mailboxes)
        health.problem = "; ".join(box.problem for box in mailboxes if box.problem)
        health.unready = publisher.problem() if publisher.connected else ""
        health.kafka.heard() if publisher.connected and not health.unready else health.kafka.silent()
    until = time.monotonic() + stuck_after_seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(box.taken for box in mailboxes)


def once(accounts: Sequence[Account], publisher: Publisher, settings: ProducerSettings, stop: threading.Event) -> int:
    """Takes what waits in every mailbox now, one after the other. Returns the number of mails taken.

    Raises:
        ConfigurationError: a login is refused, or a setting is wrong.
        Unavailable: an IMAP server, Kafka or the attachment store does not answer.
    """
    mailboxes = _mailboxes(accounts, publisher, settings, stop)
    _each(mailboxes, Mailbox.once)
    return sum(box.taken for box in mailboxes)


def check(
    accounts: Sequence[Account],
    publisher: Publisher,
    settings: ProducerSettings,
    tell: Callable[[str, int], None] = lambda _, __: None,
) -> dict[str, int]:
    """Logs in to every mailbox, tells and returns the number of waiting mails. Nothing is taken, marked or published.

    Raises:
        ConfigurationError: a login is refused, or a setting is wrong.
        Unavailable: an IMAP server does not answer.
    """
    counts: dict[str, int] = {}

    def count(box: Mailbox) -> None:
        counts[box.account.name] = box.waiting()
        tell(box.account.name, counts[box.account.name])

    _each(_mailboxes(accounts, publisher, settings, threading.Event()), count)
    return counts


def _each(mailboxes: Sequence[Mailbox], work: Callable[[Mailbox], None]) -> None:
    """Does it to all of them: one that fails holds up none of the others. Raises the first error at the end."""
    errors: list[DeskstreamError] = []
    for box in mailboxes:
        try:
            _plainly(partial(work, box))
        except (ConfigurationError, Unavailable) as error:
            if errors or len(mailboxes) > 1:
                log.warning("mailbox_lost", mailbox=box.account.name, problem=str(error))
            errors.append(error)
    if errors:
        raise errors[0]


def _mailboxes(
    accounts: Sequence[Account], publisher: Publisher, settings: ProducerSettings, stop: threading.Event
) -> list[Mailbox]:
    store = AttachmentStore.of(settings)
    for account in accounts:
        if account.tls == "imap" and account.host not in ("localhost", "127.0.0.1", "::1"):
            log.warning("plain_text_login", mailbox=account.name, fix="use imaps:// or imap+starttls://")
    return [Mailbox(account, publisher, settings, store, stop) for account in accounts]


def _plainly(work: Callable[[], T]) -> T:
    """Turns the errors of one attempt into those of a command line."""
    try:
        return work()
    except LoginRefused as error:
        raise ConfigurationError(str(error), where="DESKSTREAM_IMAP_ACCOUNTS") from error
    except ImapProblem as error:
        raise Unavailable(str(error)) from error


def _chunks(connection: Connection, uids: Sequence[int], max_bytes: int) -> Iterator[list[tuple[int, int]]]:
    """Yields `(uid, bytes)` in order, in chunks of bounded memory; what is gone meanwhile is left out."""
    for first in range(0, len(uids), _CHUNK_MAILS):
        some = uids[first : first + _CHUNK_MAILS]
        sizes = connection.sizes(some)
        chunk: list[tuple[int, int]] = []
        room = _CHUNK_BYTES
        for uid in some:
            if uid not in sizes:
                continue
            need = min(sizes[uid], max_bytes)
            if chunk and need > room:
                yield chunk
                chunk, room = [], _CHUNK_BYTES
            chunk.append((uid, sizes[uid]))
            room -= need
        if chunk:
            yield chunk

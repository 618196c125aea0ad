"""A load that comes in by producers: a maildir, a mailbox, and a client of the signed endpoint who asks again."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from imapclient.exceptions import IMAPClientError

from schemas import codec
from schemas.events import MessageReceived
from schemas.settings import Settings
from schemas.signature import HEADER, sign
from tests.support.faults.load import Sent
from tests.support.faults.oracle import log_of
from tests.support.producers.imap_server import ImapServer
from tests.support.timeouts import eventually

SECRET = "the-secret-of-this-help-desk"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_RETRY_SECONDS = 0.2


class Senders(threading.Thread):
    """Gives each source `count` messages at this pace; `run` ends when the log has them all.

    accepted    as `Load.accepted`: the events of the messages that were given, as the log has them
    """

    def __init__(
        self, settings: Settings, count: int, per_second: float, maildir: Path, imap: ImapServer, http_port: int
    ) -> None:
        super().__init__(daemon=True)
        self.settings, self.count, self.per_second = settings, count, per_second
        self._maildir, self._imap, self._url = maildir, imap, f"http://127.0.0.1:{http_port}/v1/events"
        self.finished = False
        self.accepted: list[Sent] = []

    def run(self) -> None:
        sources: tuple[Callable[[str], None], ...] = (self._drop, self._append, self._post)
        names = {source: [f"{source.__name__.strip('_')}-{n}" for n in range(self.count)] for source in sources}
        threads = [threading.Thread(target=self._give, args=each, daemon=True) for each in names.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        given = {name for each in names.values() for name in each}
        found = eventually(lambda: given <= (log := self._in_log()).keys() and log, "that the log has all", 300)
        doubled = {name: len(ids) for name, ids in found.items() if len(ids) > 1}
        assert not doubled, f"messages that have several ids: {doubled}"
        self.accepted = [Sent(b"", codec.encode(event), event) for ids in found.values() for event in ids.values()]
        self.finished = True

    def _give(self, source: Callable[[str], None], names: list[str]) -> None:
        for name in names:
            source(name)
            time.sleep(1 / self.per_second)

    def _in_log(self) -> dict[str, dict[str, MessageReceived]]:
        """Returns subject → event id → event."""
        found: dict[str, dict[str, MessageReceived]] = {}
        for event in log_of(self.settings)[0].values():
            if isinstance(event, MessageReceived):
                found.setdefault(event.subject, {})[event.event_id] = event
        return found

    def _drop(self, name: str) -> None:
        draft = self._maildir / "tmp" / name
        draft.write_bytes(mail(name))
        draft.rename(self._maildir / "new" / name)

    def _append(self, name: str) -> None:
        """Asks again when the server breaks off, as a mail program does: the copy has the same Message-ID."""
        while True:
            with suppress(OSError, IMAPClientError):
                self._imap.add([mail(name)])
                return
            time.sleep(_RETRY_SECONDS)

    def _post(self, name: str) -> None:
        """Asks again until it is answered that Kafka has it, as the endpoint's clients are told to."""
        address = f"{name}@example.org"
        event = {"type": "message_received", "id": name, "channel": "form", "customer_id": f"email:{address}"}
        body = json.dumps(event | {"address": address, "subject": name, "text": "Where is my parcel?"}).encode()
        while True:
            headers = {HEADER: sign(SECRET, body, int(time.time())), "Content-Type": "application/json"}
            try:
                with _OPENER.open(urllib.request.Request(self._url, body, headers), timeout=30) as answer:
                    assert answer.status == 202
                    return
            except urllib.error.HTTPError as error:
                assert error.code in (429, 503), error.read().decode()
            except OSError:
                pass  # it was killed, and is started again
            time.sleep(_RETRY_SECONDS)


def mail(name: str) -> bytes:
    return (
        f"From: {name}@example.org\r\nTo: support@support.example\r\nSubject: {name}\r\nMessage-ID: <{name}@example.org>\r\n"
        "\r\nWhere is my parcel?\r\n"
    ).encode()

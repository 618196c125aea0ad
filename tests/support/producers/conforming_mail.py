"""E-mail, on each of its ways: a mailbox, a mail server that delivers by SMTP or LMTP, a folder."""

from __future__ import annotations

import os
import smtplib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from imapclient import IMAPClient

from tests.support.producers.conformance import MAIL_BYTES, Answer, Becomes, Channel, Process, Site
from tests.support.producers.imap_server import PASSWORD, USER, ImapServer
from tests.support.producers.log_reader import free_port

OURS, THEIRS = "support@support.example", "ann@example.org"


def mail(way: str, number: int | str, body: str = "Hello", more: str = "") -> bytes:
    return (
        f"From: {THEIRS}\r\nTo: {OURS}\r\nSubject: S{number}\r\nMessage-ID: <{number}@{way}.example>\r\n{more}\r\n{body}\r\n"
    ).encode()


def lying(way: str) -> bytes:
    """It says ASCII, and is Shift JIS."""
    claimed = mail(way, "lies", more="Content-Type: text/plain; charset=us-ascii\r\n")
    return claimed.replace(b"Hello", "注文が届きません".encode("shift_jis"))


class Imap(Process):
    """Reads the one mailbox of the suite's own server."""

    server = ImapServer(0)

    def environment(self, site: Site) -> Mapping[str, str]:
        return {
            "DESKSTREAM_IMAP_ACCOUNTS": self.server.url(),
            "DESKSTREAM_IMAP_STATE_DIR": str(site.folder / "imap"),
            "DESKSTREAM_IMAP_RETRY_SECONDS": "1",
            "DESKSTREAM_MAX_BODY_BYTES": str(MAIL_BYTES),
        }


class ImapChannel(Channel):
    """Received means \\Seen. A mail that is not waits where it is: it is never offered again."""

    name = "imap"
    process: Imap
    exempt: ClassVar[Mapping[str, str]] = {"forged": "we log in to the mailbox, nobody proves anything to us"}
    oversize = Becomes.DEAD_LETTER
    garbled = Becomes.EVENT

    def __init__(self) -> None:
        self.process = Imap("imap", "imap")
        self._waiting: set[int] = set()

    def open(self, site: Site) -> None:
        self.process.server = ImapServer(free_port())
        self.process.server.start()
        self._client = IMAPClient("127.0.0.1", self.process.server.port, ssl=False, timeout=90)
        self._client.login(USER, PASSWORD)

    def close(self) -> None:
        self._client.shutdown()
        self.process.server.stop()

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        if number not in self._waiting:
            self._waiting.add(number)
            self._client.append("INBOX", mail(self.name, number))
        answer = self._until_seen(seconds)
        if answer is Answer.RECEIVED:
            self._waiting.discard(number)
        return answer

    def hang(self, number: int) -> None:
        self.offer(number, 0)  # it waits where it is, whoever is killed

    def offer_oversize(self) -> Answer:
        self._client.append("INBOX", mail(self.name, "huge", "x" * MAIL_BYTES))
        return self._until_seen(90)

    def offer_garbled(self) -> Answer:
        self._client.append("INBOX", lying(self.name))
        return self._until_seen(90)

    def _until_seen(self, seconds: float) -> Answer:
        end = time.monotonic() + seconds
        while self._client.folder_status("INBOX", ["UNSEEN"])[b"UNSEEN"]:
            if time.monotonic() > end:
                return Answer.SILENT
            time.sleep(0.03)
        return Answer.RECEIVED


class Listener(Channel):
    """A mail server that delivers to us. Received means 250; 4xx and it tries again."""

    exempt: ClassVar[Mapping[str, str]] = {
        "forged": "mail is not signed for its way; who may send is the mail server's to say"
    }
    garbled = Becomes.EVENT

    def __init__(self, name: str, client: type[smtplib.SMTP], *arguments: str) -> None:
        self.name, self._client = name, client
        limit = str(MAIL_BYTES)
        self.process = Process(
            name, "smtp", *arguments, DESKSTREAM_SMTP_LISTEN_PORT="0", DESKSTREAM_MAX_BODY_BYTES=limit
        )

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        return self._send(mail(self.name, number), seconds)

    def offer_oversize(self) -> Answer:
        return self._send(mail(self.name, "huge", "x" * 70 + ("\r\n" + "x" * 70) * (MAIL_BYTES // 70)), 90)

    def offer_garbled(self) -> Answer:
        return self._send(lying(self.name), 90)

    def _send(self, raw: bytes, seconds: float) -> Answer:
        client = self._client("127.0.0.1", int(self.process.logged(r'"port": (\d+)')), timeout=seconds)
        try:
            client.ehlo_or_helo_if_needed()
            for code, text in (client.mail(THEIRS), client.rcpt(OURS)):
                if code // 100 == 4:
                    return Answer.LATER
                assert code == 250, text
            code = client.data(raw)[0]
            return {2: Answer.RECEIVED, 4: Answer.LATER, 5: Answer.REFUSED}[code // 100]
        except TimeoutError:
            return Answer.SILENT
        finally:
            client.close()


class Watch(Process):
    """Watches a folder of the suite."""

    def arguments(self, site: Site) -> tuple[str, ...]:
        return ("mail", str(site.folder / "inbox"), "--watch")


class Folder(Channel):
    """Received means: moved away."""

    name = "mail-folder"
    exempt: ClassVar[Mapping[str, str]] = {"forged": "who may write into the folder is the file system's to say"}
    oversize = Becomes.DEAD_LETTER
    garbled = Becomes.EVENT

    def __init__(self) -> None:
        self.process = Watch("mail", DESKSTREAM_MAX_BODY_BYTES=str(MAIL_BYTES))
        self._inbox = Path()

    def open(self, site: Site) -> None:
        self._inbox = site.folder / "inbox"
        self._inbox.mkdir()

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        return self._drop(f"{number}.eml", mail(self.name, number), seconds)

    def hang(self, number: int) -> None:
        self.offer(number, 0)  # it waits where it is, whoever is killed

    def offer_oversize(self) -> Answer:
        return self._drop("huge.eml", mail(self.name, "huge", "x" * MAIL_BYTES), 90)

    def offer_garbled(self) -> Answer:
        return self._drop("lies.eml", lying(self.name), 90)

    def _drop(self, name: str, raw: bytes, seconds: float) -> Answer:
        path = self._inbox / name
        if not path.exists():
            whole = path.with_suffix(".tmp")
            whole.write_bytes(raw)
            os.utime(whole, (1_700_000_000, 1_700_000_000))  # nobody is writing to it any more
            whole.rename(path)
        end = time.monotonic() + seconds
        while path.exists():
            if time.monotonic() > end:
                return Answer.SILENT
            time.sleep(0.02)
        return Answer.RECEIVED


CHANNELS: list[Channel] = [
    ImapChannel(),
    Listener("smtp", smtplib.SMTP),
    Listener("lmtp", smtplib.LMTP, "--lmtp"),
    Folder(),
]

"""A real IMAP server of a test's own: pymap, with its mailboxes in memory, as a child process.

python -m tests.support.producers.imap_server PORT [--no-idle] [pymap's options]
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imapclient import IMAPClient

from tests.support.producers.log_reader import free_port
from tests.support.timeouts import eventually

USER, PASSWORD = "support@shop.example", "s3cret,p@ss"


@dataclass
class ImapServer:
    """Folders and mails are made through IMAP itself, as other mail programs of the same mailbox would."""

    port: int
    arguments: tuple[str, ...] = ()
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.producers.imap_server", str(self.port), *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """At once, and with everything that it held: what lies in memory is gone."""
        assert self.child is not None
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def url(
        self, folder: str = "INBOX", *, scheme: str = "imap", password: str = PASSWORD, host: str = "127.0.0.1"
    ) -> str:
        quoted = password.replace("%", "%25").replace("@", "%40").replace(",", "%2C")
        return f"{scheme}://{USER.replace('@', '%40')}:{quoted}@{host}:{self.port}/{folder}"

    @contextmanager
    def client(self) -> Iterator[IMAPClient]:
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=60)
        client.login(USER, PASSWORD)
        try:
            yield client
        finally:
            client.shutdown()

    def add(self, mails: Iterable[bytes], folder: str = "INBOX", *, read: bool = False) -> None:
        """Deliver; `read` as if a person had looked at it in the same moment."""
        with self.client() as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.multiappend(folder, [{"msg": raw, "flags": [b"\\Seen"] if read else []} for raw in mails])

    def replace(self, folder: str, mails: Iterable[bytes]) -> None:
        """Put a new folder in the place of this one, with these mails, read: another UIDVALIDITY, other UIDs."""
        with self.client() as client:
            client.create_folder("Restored")
            for raw in mails:
                client.append("Restored", raw, [b"\\Seen"])
            client.delete_folder(folder)
            client.rename_folder("Restored", folder)

    def unread(self, folder: str = "INBOX") -> int:
        with self.client() as client:
            client.select_folder(folder, readonly=True)
            return len(client.search(["UNSEEN"]))


@contextmanager
def imap_server(*arguments: str) -> Iterator[ImapServer]:
    server = ImapServer(free_port(), arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _serve(port: str, *arguments: str) -> None:
    from pymap.backend.dict import Config
    from pymap.config import BackendCapability
    from pymap.main import main
    from pysasl.hashing import BuiltinHash

    # A login of half a million rounds of hashing would be most of what the tests measure.
    Config._get_hash_context = classmethod(lambda cls, _: BuiltinHash(rounds=1))

    options = list(arguments)
    if "--no-idle" in options:
        options.remove("--no-idle")
        Config.backend_capability = BackendCapability(idle=False, object_id=True, multi_append=True)
    if "--cert" not in options:
        options.insert(0, "--no-tls")
    sys.argv = [
        "pymap", "--host", "127.0.0.1", "--port", port, "--no-service", "admin", *options,
        "dict", "--demo-user", USER, "--demo-password", PASSWORD,
    ]  # fmt: skip
    main()


if __name__ == "__main__":
    _serve(*sys.argv[1:])

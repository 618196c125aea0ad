"""Runs the demo's SMTP server, which stores every message in a maildir.

A real deployment has its mail relay instead. A message is in the maildir before the sender is answered 250.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from schemas.errors import ConfigurationError

MAX_MESSAGE_BYTES = 33_554_432


class MaildirHandler:
    """Stores each message of an SMTP session under `<maildir>/new`."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._count = itertools.count()
        for part in ("tmp", "new", "cur"):
            (maildir / part).mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Stores a message, one file for each recipient; returns the answer to the sender.

        Each mailbox gets a copy of its own, as everywhere: who reads one does not learn of a blind copy.
        """
        content = envelope.original_content or b""
        try:
            for recipient in envelope.rcpt_tos:
                head = f"Return-Path: <{envelope.mail_from or ''}>\r\nDelivered-To: {recipient}\r\n"
                name = f"{time.time_ns() // 1000}.P{os.getpid()}Q{next(self._count)}.{socket.gethostname()}"
                written = self._maildir / "tmp" / name
                written.write_bytes(head.encode("utf-8", "surrogateescape") + content)
                written.rename(self._maildir / "new" / name)
        except OSError as error:
            return f"451 cannot store the message: {error.strerror}"
        return "250 kept"


def messages(maildir: Path) -> list[Path]:
    """Returns every message of a maildir, read or not, oldest first."""
    return sorted(path for part in ("new", "cur") for path in (maildir / part).glob("*") if path.is_file())


async def serve(maildir: Path, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the port is taken.
    """
    loop = asyncio.get_running_loop()
    handler, stop = MaildirHandler(maildir), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = await loop.create_server(
            lambda: SMTP(handler, data_size_limit=MAX_MESSAGE_BYTES, enable_SMTPUTF8=True, ident="deskstream demo"),
            host,
            port,
        )
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}", where="--port", fix="choose another"
        ) from error
    async with server:
        await stop.wait()

"""Runs an SMTP server that writes a maildir."""

import asyncio
import email
import mailbox
import threading
from collections import Counter
from collections.abc import Callable
from email.policy import default

from aiosmtpd.controller import Controller

from tests.support.producers.log_reader import free_port

DROP = "drop"


class Maildir:
    """An SMTP server on a port of its own. `answers` says what a recipient is told, first to last; then it is 250.

    A recipient in `held` gets that 250 only when its condition holds. `after_mail` says what comes after a mail that is
    stored: an answer, or DROP, which breaks the connection; the last one is for all mails that follow.
    """

    def __init__(self, folder, port=0):
        self.box = mailbox.Maildir(str(folder))
        self.answers: dict[str, list[str]] = {}
        self.held: dict[str, Callable[[], bool]] = {}
        self.after_mail: dict[str, list[str]] = {}
        self.tried: Counter[str] = Counter()
        self.connections = 0
        self.lock = threading.Lock()
        self.port = port or free_port()
        self.controller = None

    def start(self):
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()
        return self

    def stop(self):
        if self.controller:
            self.controller.stop()
            self.controller = None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tried[address] += 1
        if self.answers.get(address):
            return self.answers[address].pop(0)
        while address in self.held and not self.held[address]():  # noqa: ASYNC110 - it is no event of this loop
            await asyncio.sleep(0.01)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        with self.lock:
            self.box.add(envelope.content)
        answers = self.after_mail.get(envelope.rcpt_tos[0], ["250 accepted"])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == DROP:
            server.transport.abort()
        return answer

    def mails(self):
        with self.lock:
            return [email.message_from_bytes(self.box.get_bytes(key), policy=default) for key in self.box.iterkeys()]

    def ids(self):
        return sorted(mail["Message-ID"].split(".")[2].split("@")[0] for mail in self.mails())

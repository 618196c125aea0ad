"""Plays a correspondence in memory: the real mail reader, the real fold and the real composer, against any responder.

    desk = Desk("support.example")
    posts = correspond(desk, responder, desk.post_to_support(from_="ann@example.org"))

A `Post` is a mail on its way, with its envelope. A correspondence ends when nobody writes any more, or after `MOST` mails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import SMTP
from functools import cache
from typing import Protocol

from producers.sources.mail_intake import mail_event
from schemas import codec
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.facts import Outbound
from schemas.settings import ProducerSettings
from schemas.topics import TOPIC_OF
from sinks.delivery.mail import address, compose, envelope_sender
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import T0

__all__ = ["MOST", "Correspondent", "Desk", "Post", "correspond", "read"]

#: Mails after which a correspondence is a loop.
MOST = 12
_SECOND = 1_000_000
_AUTHSERV_ID = "mx.desk.example"


@dataclass(frozen=True, slots=True)
class Post:
    """A mail on its way. `sender` is the envelope's, '' for `<>`."""

    sender: str
    recipient: str
    raw: bytes


class Correspondent(Protocol):
    """Somebody who gets mail and may answer it."""

    def owns(self, recipient: str) -> bool:
        """Returns true when mail to this address arrives here."""

    def receive(self, post: Post, now: int) -> Sequence[Post]:
        """Returns what is sent because of a mail. `now` in microseconds."""


@cache
def _rules(domain: str) -> Rules:
    return ruleset.load(mail_domain=domain)


@cache
def _settings(domain: str) -> ProducerSettings:
    return ProducerSettings(mail_domain=domain, mail_authserv_id=_AUTHSERV_ID)


class Desk:
    """A whole Deskstream. `verifies`: its mail server vouches for every sender, so that it answers in their own words."""

    def __init__(self, domain: str, *, verifies: bool = False, rules: Rules | None = None) -> None:
        self.domain, self.verifies = domain, verifies
        self.worker = MemoryWorker(TicketsProcessor(rules or _rules(domain)))
        self.sent: list[Outbound] = []
        self._read = mail_event(_settings(domain), None)

    @property
    def support(self) -> str:
        """The address that everybody knows."""
        return f"support@{self.domain}"

    def owns(self, recipient: str) -> bool:
        """Says so of every address at its domain, and of those of its brands."""
        return recipient.lower().rpartition("@")[2] in (self.domain, "acme.example", "tea.example")

    def receive(self, post: Post, now: int) -> list[Post]:
        """Takes a mail as its mail server delivers it, folds it, and returns the mails that are sent because of it."""
        head = f"Return-Path: <{post.sender}>\r\nDelivered-To: {post.recipient}\r\n"
        if self.verifies:
            author = read(post.raw)["From"].addresses[0].domain
            head += f"Authentication-Results: {_AUTHSERV_ID}; dmarc=pass header.from={author}\r\n"
        try:
            event = self._read(head.encode() + post.raw, InputContext(now, "test"))
        except Refused:
            return []
        seen = len(self.worker.outputs)
        self.worker.feed([event])
        assert not self.worker.dead_letters, self.worker.dead_letters
        written = self.worker.outputs[seen:]
        on_outbound = [codec.decode(each.value) for each in written if each.topic == TOPIC_OF[Outbound].name]
        new = [each for each in on_outbound if isinstance(each, Outbound)]  # beside them reports, for the delivery sink
        self.sent += new
        sender = address(self.support)
        return [Post(envelope_sender(each, sender).spec, *compose(each, sender=sender, now=now)) for each in new]


def read(raw: bytes) -> Message:
    """Returns a mail as the standard library reads it."""
    return BytesParser(policy=SMTP).parsebytes(raw)


def correspond(parties: Sequence[Correspondent], first: Post) -> list[Post]:
    """Returns every mail, in order, until all are silent or there are `MOST`."""
    posts: list[Post] = []
    waiting = deque([first])
    while waiting and len(posts) < MOST:
        post = waiting.popleft()
        posts.append(post)
        now = T0 + len(posts) * 20 * _SECOND
        for party in parties:
            if party.owns(post.recipient):
                waiting.extend(party.receive(post, now))
                break
    return posts

"""Deskstream and another machine never exchange more than two messages about a ticket, whatever the machine is.

Played by the real mail reader, fold and composer. We send one message about a ticket; the machine may answer it. What
answers an address of our mail opens no further ticket. What writes to the address in its address book, under ever new
addresses, headers and subjects, opens a few.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_processors.rules import ruleset
from tests.support.mail.correspondence import MOST, Correspondent, Desk, Post, correspond, read
from tests.support.mail.responders import ANSWERED, AUTHORS, BODIES, MARKS, SUBJECTS, THREADS, Responder
from tests.support.secrets import FIRST, secrets

#: Tickets that a machine opens before it is noticed, which answers none of the addresses that our mail names.
_UNNOTICED = 5


def assert_ends(desk: Desk, other: Correspondent, first: Post, *, most: int) -> list[Post]:
    """Plays it to the end, and returns the mails."""
    posts = correspond([desk, other], first)
    assert len(posts) < MOST, [str(read(post.raw)["Subject"]) for post in posts]
    assert len(desk.sent) <= most
    assert max(Counter(sent.ticket_id for sent in desk.sent).values(), default=0) <= 1
    return posts


def most_of(responder: Responder) -> int:
    return _UNNOTICED if responder.answers == "static" else 1


@pytest.mark.parametrize("answers", ANSWERED)
@pytest.mark.parametrize("author", AUTHORS)
def test_an_unmarked_responder_ends_after_its_answer(answers: str, author: str) -> None:
    for number, (subject, thread) in enumerate(itertools.product(SUBJECTS, THREADS)):
        desk = Desk("support.example", verifies=number % 2 == 0)
        responder = Responder(answers, author, subject, thread, body=BODIES[number // 2 % len(BODIES)])
        assert_ends(desk, responder, responder.write(desk.support, None, 1), most=most_of(responder))


@pytest.mark.parametrize("marks", sorted(MARKS))
def test_a_responder_that_says_what_it_is_is_not_answered(marks: str) -> None:
    told_by_nothing = (
        "none",
        "exchange_rule",
        "jira",
    )  # a rule also forwards people's mail; an issue tracker carries it
    for answers, bounces in itertools.product(ANSWERED, (False, True)):
        desk = Desk("support.example")
        responder = Responder(answers, "random", "echo", "none", marks, bounces=bounces)
        first = Responder(subject="numbered", marks=marks, bounces=bounces).write(desk.support, None, 1)
        assert_ends(desk, responder, first, most=most_of(responder))
        if marks not in told_by_nothing or bounces:
            assert desk.sent == []


responders = st.builds(
    Responder,
    answers=st.sampled_from(ANSWERED[:3]),
    author=st.sampled_from(AUTHORS),
    subject=st.sampled_from(sorted(SUBJECTS)),
    thread=st.sampled_from(THREADS),
    marks=st.sampled_from(sorted(MARKS)),
    body=st.sampled_from(BODIES),
    bounces=st.booleans(),
    times=st.integers(1, 2),
)


@given(responders, responders, st.booleans())
@settings(max_examples=80)
def test_whatever_answers_an_address_of_ours_is_answered_once(
    responder: Responder, writer: Responder, verifies: bool
) -> None:
    with secrets(FIRST):
        desk = Desk("support.example", verifies=verifies)
        assert_ends(desk, responder, writer.write(desk.support, None, 1), most=1)


BRANDS = """
default: acme
brands:
  acme: {name: Acme, mail_domain: acme.example, addresses: [hello@tea.example]}
  zen: {name: Zen, mailbox: zen}
"""


@pytest.mark.parametrize(
    "to", ["support@acme.example", "hello@tea.example", "zen@support.example", "support@support.example"]
)
def test_a_brand_answers_a_machine_once_too(tmp_path_factory: pytest.TempPathFactory, to: str) -> None:
    file = tmp_path_factory.mktemp("brands") / "brands.yaml"
    file.write_text(BRANDS)
    rules = ruleset.of_files(ruleset.read_files(ruleset.SHIPPED, file), "support.example")
    for answers, author, subject in itertools.product(ANSWERED, AUTHORS, ("fixed", "echo", "empty")):
        desk = Desk("support.example", verifies=True, rules=rules)
        responder = Responder(answers, author, subject, "none", book=to)
        assert_ends(desk, responder, responder.write(to, None, 1), most=most_of(responder))


# two Deskstreams

#: Headers that gateways and forwards lose.
LOST = ("auto-submitted", "x-auto-response-suppress", "x-loop", "in-reply-to", "references", "reply-to", "message-id")


class Gateway:
    """A Deskstream behind a gateway that loses headers of what comes and changes the envelope's sender."""

    def __init__(self, desk: Desk, lost: frozenset[str], subject: bool) -> None:
        self.desk, self.lost, self.subject = desk, lost, subject
        self.owns = desk.owns

    def receive(self, post: Post, now: int) -> list[Post]:
        head, _, body = post.raw.partition(b"\r\n\r\n")
        kept: list[bytes] = []
        keep = True
        for line in head.split(b"\r\n"):
            if not line.startswith((b" ", b"\t")):
                name = line.split(b":", 1)[0].decode().lower()
                keep = name not in self.lost and not (name == "subject" and not self.subject)
            kept += [line] if keep else []
        return self.desk.receive(Post(post.sender, post.recipient, b"\r\n".join(kept) + b"\r\n\r\n" + body), now)


@pytest.mark.parametrize("verifies", [False, True])
@pytest.mark.parametrize(
    "lost", [(), *((each,) for each in LOST), LOST[:3], LOST], ids=lambda lost: "+".join(lost) or "nothing"
)
def test_two_deskstreams_exchange_two_messages_at_most(lost: tuple[str, ...], verifies: bool) -> None:
    for keeps_subject, starts in itertools.product((True, False), ("support", "support+someone", "sales")):
        ours, theirs = (Desk(domain, verifies=verifies) for domain in ("support.example", "other.example"))
        parties = [Gateway(desk, frozenset(lost), keeps_subject) for desk in (ours, theirs)]
        first = Responder(address=f"{starts}@other.example", subject="fixed").write(ours.support, None, 1)
        posts = correspond(parties, first)
        sent = Counter((desk.domain, each.ticket_id) for desk in (ours, theirs) for each in desk.sent)
        assert len(posts) <= 3, [str(read(post.raw)["Subject"]) for post in posts]
        assert max(sent.values(), default=0) <= 1

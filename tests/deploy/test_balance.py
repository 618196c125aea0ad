"""The numbers and the examples that the demo's balance gives with each of its statements."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from deploy.local.balance import DeadLetter, Ledger, Log, Received, check, read_ledger
from schemas.facts import Outbound


def outbound(number: int, channel: str, kind: str = "acknowledgement") -> Outbound:
    mail = f"<ds.{number}@support.example>" if channel == "email" else ""
    return Outbound(
        customer_tag="A", version=number, partition=0, at=0, outbound_id=f"out-{number}", ticket_id="A-1", kind=kind,
        channel=channel, address="ann@example.org", message_id=mail,
    )  # fmt: skip


def said(published: int, log: Log, ledger: Ledger, received: Received) -> list[str]:
    return [f"{'yes' if each.holds else 'no'}: {each.detail}" for each in check(published, log, ledger, received)]


def test_what_the_balance_says_of_a_day_without_loss() -> None:
    log = Log(
        events={"message_received": {"m1", "m2", "m3"}, "call_ended": {"c1"}, "agent_replied": {"r1"}},
        produced=1234,
        outbound={
            "out-1": outbound(1, "email"),
            "out-2": outbound(2, "chat"),
            "out-3": outbound(3, "email", "survey"),
            "out-4": outbound(4, "sms", "thanks"),
        },
        dead_letters=[DeadLetter("contact-events.dlq", "bad_time", "", "message_received", "m3")],
    )
    ledger = Ledger(
        contacts={"message_received": {"m1", "m2"}, "call_ended": {"c1"}, "agent_replied": {"r1"}},
        without_ticket=[],
        episodes={"A-1": 2, "B-1": 1},
        decisions=[
            ("A-1", 1, "sent", "", "out-1"),
            ("A-1", 2, "sent", "", "out-2"),
            ("B-1", 1, "suppressed", "auto_submitted", ""),
        ],
        deliveries={"out-1": "delivered", "out-2": "delivered", "out-3": "delivered", "out-4": "bounced"},
        invitations=[("A-1", 1, "sent", "", "out-3"), ("B-1", 1, "withheld", "opted_out", "")],
        solved=[("A-1", 1), ("A-1", 2)],
        thanked=1,
    )
    mails = Counter({"<ds.1@support.example>": 1, "<ds.3@support.example>": 1})
    assert said(1234, log, ledger, Received(mails, Counter())) == [
        "yes: 1,234",
        "yes: 4 rows",
        "yes: 3 messages",
        "yes: 3 episodes of 2 tickets",
        "yes: 1 silences",
        "yes: 2 acknowledgements",
        "yes: 1 of 3 resolutions, 1 thanks",
        "yes: 2 messages",
    ]


def test_what_the_balance_says_of_losses() -> None:
    log = Log(
        events={"message_received": {"m1", "m2"}},
        produced=2,
        outbound={"out-1": outbound(1, "email"), "out-2": outbound(2, "sms"), "out-3": outbound(3, "sms", "survey")},
    )
    ledger = Ledger(
        contacts={"message_received": {"m2", "m3", "m4"}, "note_added": {"n1"}},
        without_ticket=["m3", "m4"],
        episodes={"A-1": 2},
        decisions=[
            ("A-1", 1, "sent", "", "out-1"),
            ("A-1", 1, "sent", "", "out-9"),
            ("B-1", 1, "suppressed", "", ""),
            ("C-1", 1, "lost", "why", ""),
        ],
        deliveries={"out-1": "delivered", "out-8": "delivered"},
        invitations=[("B-1", 1, "withheld", "", "")],
        thanked=2,
    )
    received = Received(Counter({"<ds.1@support.example>": 2, "<x@y>": 1}), Counter({"out-2": 1, "out-7": 1}))
    assert said(3, log, ledger, received) == [
        "no: 3 and 2",
        "no: 4 rows; message_received: 1 missing, 2 too many, note_added: 0 missing, 1 too many",
        "no: 3 messages; m3, m4",
        "no: 2 episodes of 1 tickets; A-1 episode 2, A-1 episode 1 acknowledged 2 times",
        "no: 2 silences; B-1, C-1",
        "no: 2 acknowledgements; out-2, out-9",
        "no: 0 of 1 resolutions, 0 thanks; out-3, B-1 silent, 2 thanked and 0 thanks",
        "no: 5 messages; email out-1: delivered, 2 copies, sms out-2: no delivery, 1 copies, sms out-3: no delivery, 0"
        " copies, unknown out-8, unknown <x@y> and 1 more",
    ]


ROWS: dict[str, list[tuple[Any, ...]]] = {
    "contacts": [("message_received", "m1", "A-1"), ("message_received", "m2", ""), ("note_added", "n1", "")],
    "tickets": [("A-1", 2)],
    "acknowledgements": [("A-1", 1, "sent", "", "out-1")],
    "deliveries": [("out-1", "delivered")],
    "survey_invitations": [("A-1", 1, "withheld", "opted_out", "")],
    "resolutions": [("A-1", 1)],
    "surveys": [(3,)],
}


class Client:
    """Answers each query by the first table that it names."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, sql: str) -> Any:
        self.asked.append(sql)
        return SimpleNamespace(result_rows=ROWS[sql.partition(" FROM ")[2].split()[0]])


def test_the_ledger_is_read_from_the_tables() -> None:
    client = Client()
    ledger = read_ledger(client)  # type: ignore[arg-type]
    assert ledger.contacts == {"message_received": {"m1", "m2"}, "note_added": {"n1"}}
    assert (ledger.without_ticket, ledger.episodes) == (["m2"], {"A-1": 2})
    assert ledger.deliveries == {"out-1": "delivered"}
    assert ledger.decisions == [("A-1", 1, "sent", "", "out-1")]
    assert (ledger.invitations, ledger.solved) == ([("A-1", 1, "withheld", "opted_out", "")], [("A-1", 1)])
    assert ledger.thanked == 3
    assert client.asked[1:] == [
        "SELECT ticket_id, episode FROM tickets FINAL WHERE NOT imported AND channel != 'phone'",
        "SELECT ticket_id, episode, outcome, reason, outbound_id FROM acknowledgements FINAL",
        "SELECT outbound_id, outcome FROM deliveries FINAL",
        "SELECT ticket_id, episode, outcome, reason, outbound_id FROM survey_invitations FINAL",
        "SELECT ticket_id, episode FROM resolutions FINAL",
        "SELECT countIf(thanked = 'sent') FROM surveys FINAL",
    ]

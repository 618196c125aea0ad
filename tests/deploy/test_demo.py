"""The demo's balance: what it accepts, and that it notices every kind of loss and doubling."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from aiosmtpd.smtp import Envelope
from clickhouse_connect import get_client

from deploy.local.balance import DeadLetter, Ledger, Log, Received, check, read_received
from deploy.local.demo import MARK, prepare, published_at_end
from deploy.local.mailbox import MaildirHandler, messages
from deploy.local.pipeline import lead_seconds
from deploy.local.process import free_ports
from producers.simulation.people import STAFF
from schemas.errors import ConfigurationError
from schemas.facts import Outbound
from tests.conftest import Deployment

ROOT = Path(__file__).parents[2]

TICKETS = {"AAAAAAAAAAAA-1": 2, "BBBBBBBBBBBB-1": 1}


def outbound(number: int, channel: str) -> Outbound:
    return Outbound(
        customer_tag="AAAAAAAAAAAA",
        version=number,
        partition=0,
        at=0,
        outbound_id=f"out-{number}",
        ticket_id="AAAAAAAAAAAA-1",
        kind="acknowledgement",
        channel=channel,
        address="ann@example.org",
        message_id=f"<ds.{number}@support.example>" if channel == "email" else "",
    )


def books() -> tuple[int, Log, Ledger, Received]:
    """Two customers, three messages, one answer, one assignment, an automatic reply; everything as it should be."""
    log = Log(
        events={"message_received": {"m1", "m2", "m3"}, "agent_replied": {"r1"}, "assigned": {"a1"}},
        records=8,
        ticks=2,
        produced=4,
        outbound={"out-1": outbound(1, "email"), "out-2": outbound(2, "sms")},
    )
    ledger = Ledger(
        contacts={"message_received": {"m1", "m2", "m3"}, "agent_replied": {"r1"}, "assigned": {"a1"}},
        without_ticket=[],
        episodes=dict(TICKETS),
        decisions=[
            ("AAAAAAAAAAAA-1", 1, "sent", "", "out-1"),
            ("AAAAAAAAAAAA-1", 2, "sent", "", "out-2"),
            ("BBBBBBBBBBBB-1", 1, "suppressed", "auto_submitted", ""),
        ],
        deliveries={"out-1": "delivered", "out-2": "delivered"},
    )
    received = Received(Counter({"<ds.1@support.example>": 1}), Counter({"out-2": 1}))
    return 4, log, ledger, received


def broken(published: int, log: Log, ledger: Ledger, received: Received) -> list[str]:
    return [finding.statement for finding in check(published, log, ledger, received) if not finding.holds]


def test_books_that_balance_have_no_finding() -> None:
    assert broken(*books()) == []


def drop_row(ledger: Ledger) -> Ledger:
    return replace(ledger, contacts={**ledger.contacts, "message_received": {"m1", "m3"}})


def add_row(ledger: Ledger) -> Ledger:
    return replace(ledger, contacts={**ledger.contacts, "agent_replied": {"r1", "r2"}})


def loose_message(ledger: Ledger) -> Ledger:
    return replace(ledger, without_ticket=["m2"])


def silent_episode(ledger: Ledger) -> Ledger:
    return replace(ledger, episodes={**TICKETS, "BBBBBBBBBBBB-1": 2})


def acknowledged_twice(ledger: Ledger) -> Ledger:
    return replace(ledger, decisions=[*ledger.decisions, ("AAAAAAAAAAAA-1", 1, "sent", "", "out-1")])


def no_reason(ledger: Ledger) -> Ledger:
    return replace(ledger, decisions=[*ledger.decisions[:2], ("BBBBBBBBBBBB-1", 1, "suppressed", "", "")])


def never_written(ledger: Ledger) -> Ledger:
    return replace(ledger, decisions=[*ledger.decisions[:2], ("BBBBBBBBBBBB-1", 1, "sent", "", "out-3")])


def not_delivered(ledger: Ledger) -> Ledger:
    return replace(ledger, deliveries={"out-1": "delivered"})


def asked_without_a_message(ledger: Ledger) -> Ledger:
    return replace(ledger, invitations=[("AAAAAAAAAAAA-1", 1, "sent", "", "out-9")])


def silently_not_asked(ledger: Ledger) -> Ledger:
    return replace(ledger, invitations=[("AAAAAAAAAAAA-1", 1, "withheld", "", "")])


def thanked_without_a_message(ledger: Ledger) -> Ledger:
    return replace(ledger, thanked=1)


SURVEYED = "every survey and every thanks that was decided was written, and no other"


@pytest.mark.parametrize(
    ("damage", "statement"),
    [
        (asked_without_a_message, SURVEYED),
        (silently_not_asked, SURVEYED),
        (thanked_without_a_message, SURVEYED),
        (drop_row, "every event of the log is a row of its kind, or a dead letter"),
        (add_row, "every event of the log is a row of its kind, or a dead letter"),
        (loose_message, "every customer message belongs to a ticket"),
        (silent_episode, "every episode of a ticket is acknowledged once, or deliberately not"),
        (acknowledged_twice, "every episode of a ticket is acknowledged once, or deliberately not"),
        (no_reason, "every silence has a reason"),
        (never_written, "every acknowledgement that was decided was written, and no other"),
        (not_delivered, "every message to a customer was delivered exactly once"),
    ],
)
def test_each_damage_to_the_ledger_is_noticed(damage: Callable[[Ledger], Ledger], statement: str) -> None:
    published, log, ledger, received = books()
    assert broken(published, log, damage(ledger), received) == [statement]


@pytest.mark.parametrize(
    "received",
    [
        Received(Counter({"<ds.1@support.example>": 2}), Counter({"out-2": 1})),
        Received(Counter(), Counter({"out-2": 1})),
        Received(Counter({"<ds.1@support.example>": 1}), Counter({"out-2": 2})),
        Received(Counter({"<ds.1@support.example>": 1, "<other@example.org>": 1}), Counter({"out-2": 1})),
    ],
    ids=["a mail twice", "a mail lost", "a line twice", "a mail of nobody"],
)
def test_what_customers_hold_is_counted(received: Received) -> None:
    published, log, ledger, _ = books()
    assert broken(published, log, ledger, received) == ["every message to a customer was delivered exactly once"]


def test_an_event_that_was_published_and_is_not_in_the_log_is_noticed() -> None:
    _, log, ledger, received = books()
    assert broken(5, log, ledger, received) == ["what producers published is in the log"]


def test_a_dead_letter_accounts_for_its_event() -> None:
    published, log, ledger, received = books()
    log.dead_letters.append(DeadLetter("contact-events.dlq", "unknown_ticket", "", "agent_replied", "r1"))
    ledger = replace(ledger, contacts={kind: ids for kind, ids in ledger.contacts.items() if kind != "agent_replied"})
    assert broken(published, log, ledger, received) == []


def test_a_bounced_message_must_not_be_in_the_mailbox() -> None:
    published, log, ledger, received = books()
    ledger = replace(ledger, deliveries={"out-1": "bounced", "out-2": "delivered"})
    assert broken(published, log, ledger, received) == ["every message to a customer was delivered exactly once"]
    assert broken(published, log, ledger, replace(received, mails=Counter())) == []


def test_the_maildir_and_the_outbox_files_are_read_with_their_copies(tmp_path: Path) -> None:
    maildir, outbox = tmp_path / "mail", tmp_path / "outbox"
    (maildir / "new").mkdir(parents=True)
    (maildir / "cur").mkdir()
    outbox.mkdir()
    for name in ("new/1", "cur/2"):
        (maildir / name).write_bytes(b"Subject: x\r\nMessage-ID: <a@b>\r\n\r\nMessage-ID: <c@d>\r\n")
    (outbox / "sms.jsonl").write_text('{"outbound_id": "o1"}\n{"outbound_id": "o1"}\n')
    received = read_received(maildir, outbox)
    assert received.mails == {"<a@b>": 2}
    assert received.lines == {"o1": 2}


def test_each_recipient_of_a_mail_has_a_file_that_names_no_other(tmp_path: Path) -> None:
    envelope = Envelope()
    envelope.mail_from, envelope.rcpt_tos = "support@support.example", ["ann@x.org", "boss@x.org"]
    envelope.original_content = b"Message-ID: <a@b>\r\nTo: ann@x.org\r\n\r\nHello\r\n"
    asyncio.run(MaildirHandler(tmp_path / "mail").handle_DATA(cast(Any, None), cast(Any, None), envelope))
    ann, boss = (path.read_bytes() for path in messages(tmp_path / "mail"))
    assert (b"boss" in ann, b"Delivered-To: boss@x.org\r\n" in boss) == (False, True)
    assert read_received(tmp_path / "mail", tmp_path).mails == {"<a@b>": 1}


def test_the_demo_empties_only_its_own_directory(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    prepare(data)
    (data / "old").touch()
    prepare(data)
    assert [path.name for path in data.iterdir()] == [MARK]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").touch()
    with pytest.raises(ConfigurationError, match="not from an earlier demo"):
        prepare(precious)
    assert (precious / "thesis.txt").exists()


def test_what_a_producer_published_after_the_last_look_at_its_metrics_is_counted() -> None:
    started = '{"producer": "http", "kafka": "127.0.0.1:9092", "event": "started", "level": "info"}\n'
    ended = '{"producer": "http", "published": 112, "event": "drained", "level": "info"}\n'
    assert (published_at_end(started), published_at_end(started + ended)) == (None, 112)


def test_the_day_begins_later_on_a_slow_machine() -> None:
    assert [lead_seconds(8.0, made) for made in (0.5, 15.0, 90.0, 900.0)] == [8.0, 8.0, 45.0, 60.0]


# -- on the real servers --------------------------------------------------------------------------------------------


def command(name: str, *arguments: str, deployment: Deployment) -> dict[str, Any]:
    """The arguments of a subprocess that runs one of the commands in this deployment."""
    ports = free_ports(2)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DESKSTREAM_")}
    environ |= {name: value for name, value in deployment.env.items() if name != "DESKSTREAM_STATE_DIR"}
    environ |= {"DESKSTREAM_HTTP_PORT": str(ports[0]), "DESKSTREAM_SMTP_PORT": str(ports[1])}
    return {
        "args": [sys.executable, "-m", "deploy.local", name, *arguments],
        "env": environ,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "cwd": ROOT,
    }


@pytest.mark.stack
def test_a_small_day_balances(deployment: Deployment, tmp_path: Path) -> None:
    arguments = ("--contacts", "60", "--speed", "4320", "--data", str(tmp_path / "demo"))
    done = subprocess.run(**command("demo", *arguments, deployment=deployment), timeout=400)
    assert done.returncode == 0, done.stdout
    assert "It balances" in done.stdout
    assert "NO" not in done.stdout.split()
    client = get_client(dsn=deployment.env["DESKSTREAM_CLICKHOUSE_URL"], database=deployment.database)
    rows = client.query(
        "SELECT agent_id, available_seconds, handling_seconds, occupancy FROM agent_occupancy_24h"
    ).result_rows
    assert {agent for agent, *_ in rows} == {agent.name for agent in STAFF}
    for _, available, handling, share in rows:
        # whoever had something in hand all the time that a window shows has handled as long as they were available
        assert 0 <= handling <= available
        assert share == (handling / available if available else None)
    assert sum(handling > 0 for _, _, handling, _ in rows) > len(rows) / 2


@pytest.mark.stack
def test_run_shows_counts_restarts_who_dies_and_stops_in_ten_seconds(deployment: Deployment, tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ("--no-view", "--speed", "1", "--no-simulate", "--data", str(data))
    running = subprocess.Popen(**command("run", *arguments, deployment=deployment))
    assert running.stdout is not None
    try:
        lines = iter(running.stdout)
        assert any("0 contacts" in line and "waiting for" not in line for line in lines)
        processes = {" ".join(each.cmdline()[-2:]): each for each in psutil.Process(running.pid).children()}
        assert len(processes) == 6
        processes["sinks delivery"].kill()
        assert any("sink-delivery restarted 1x" in line and "waiting for" not in line for line in lines)
    finally:
        running.send_signal(signal.SIGTERM)
        usual = 2 * (os.cpu_count() or 1)  # processes that want to run
        began, crowd = time.monotonic(), max(1.0, os.getloadavg()[0] / usual)
        rest = running.communicate(timeout=120)[0]
    assert time.monotonic() - began <= 10 * crowd
    assert running.returncode == 0
    assert "Stopped in" in rest
    _, alive = psutil.wait_procs(processes.values(), timeout=30)
    assert alive == []
    assert f"DESKSTREAM_NAMESPACE={deployment.namespace}" in (data / "env").read_text()

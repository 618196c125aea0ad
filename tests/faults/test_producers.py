"""Rows of the fault matrix: producers are killed while they take contacts, or have no room for their checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import free_ports
from tests.support.faults.disk import small_disk
from tests.support.faults.row import Scene, Size, row
from tests.support.faults.senders import SECRET, Senders
from tests.support.producers.imap_server import ImapServer, imap_server

PRODUCERS = ("maildir", "imap", "http")


@pytest.fixture
def mailbox() -> Iterator[ImapServer]:
    with imap_server() as server:
        yield server


def senders(scene: Scene, size: Size, mailbox: ImapServer, imap_state: Path) -> Senders:
    """Starts the three producers; returns the load that they take."""
    maildir = scene.folder / "maildir"
    for name in ("tmp", "new", "cur"):
        (maildir / name).mkdir(parents=True)
    [port] = free_ports(1)
    env = {
        "DESKSTREAM_IMAP_ACCOUNTS": mailbox.url(),
        "DESKSTREAM_IMAP_STATE_DIR": str(imap_state),
        "DESKSTREAM_IMAP_RETRY_SECONDS": "60",
        "DESKSTREAM_HTTP_PORT": str(port),
        "DESKSTREAM_WEBHOOK_SECRETS": SECRET,
    }
    scene.fleet.env |= {**scene.deployment.env, **env}
    commands = {"maildir": ["mail", str(maildir), "--watch"], "imap": ["imap"], "http": ["http"]}
    for name, command in commands.items():
        scene.fleet.start(name, ["-m", "producers", *command])
    return Senders(scene.settings, size.contacts // 3, size.per_second / 3, maildir, mailbox, port)


@row(short=Size(contacts=150, faults=3, per_second=30.0), soak=Size(contacts=3_000, faults=60, per_second=30.0))
def test_a_killed_producer_costs_and_doubles_nothing(scene: Scene, mailbox: ImapServer, size: Size) -> None:
    scene.workers = 1
    load = senders(scene, size, mailbox, scene.folder / "imap")
    with scene.under_load(size, load=load):
        for number in range(size.faults):
            scene.wait(0.5, 2.0)
            scene.fleet.kill(PRODUCERS[number % 3])
            scene.faults += 1


@row(soak=Size(contacts=300, faults=2, per_second=15.0))
def test_a_full_disk_under_the_mailbox_checkpoint_holds_nothing_up(
    scene: Scene, mailbox: ImapServer, tmp_path: Path, size: Size
) -> None:
    """Mails are taken as before; after a restart those of that time are read again, under the same ids."""
    scene.workers = 1
    with small_disk(tmp_path / "checkpoint", 1) as disk:
        load = senders(scene, size, mailbox, disk.folder)
        with scene.under_load(size, load=load):
            for _ in range(size.faults):
                scene.wait(1.0, 2.0)
                with disk.full():
                    scene.wait(4.0, 6.0)
                    assert scene.said("imap", "mailbox_lost") == 0
                    scene.fleet.kill("imap")
                    scene.wait(2.0, 3.0)
                scene.faults += 1

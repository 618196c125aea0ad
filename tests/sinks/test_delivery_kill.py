"""Kill -9 of the delivery sink at random moments under load, against a real mail server."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.settings import SinkSettings
from tests.support.faults.summary import PROPERTY
from tests.support.sinks.deployment import Log, Processes, delivery_facts, ended
from tests.support.sinks.examples import mail_to
from tests.support.sinks.smtp_server import Maildir
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack


def noted(folder: Path) -> set[str]:
    """Returns the messages in the log of sent messages."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return {msgspec.json.decode(line)[0] for line in lines}


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.soak)])
def test_a_kill_doubles_only_what_the_server_had_and_we_had_not_read(
    log: Log, settings: SinkSettings, processes: Processes, tmp_path: Path, kills: int, record_property: Any
) -> None:
    smtp, sent_log, chance = Maildir(tmp_path / "maildir").start(), tmp_path / "sent", random.Random(kills)
    ids: set[str] = set()
    may_double: set[str] = set()
    options = {"smtp_port": smtp.port, "sink_instance": "one", "delivery_sent_log_dir": sent_log}
    try:
        for _ in range(kills):
            # Each round gets mails of its own: a quick sink has sent all that was there before.
            mails = [mail_to(number) for number in range(len(ids), len(ids) + 100)]
            log.write(mails, partition=None)
            ids |= {mail.outbound_id for mail in mails}
            before, worker = len(smtp.box), processes.start("delivery", **options)
            eventually(lambda before=before: len(smtp.box) >= before + 10, "mails")  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 0.3))
            worker.kill()
            worker.wait()
            time.sleep(0.1)  # the server stores what it has received
            may_double |= set(smtp.ids()) - noted(sent_log)
        worker = processes.start("delivery", **options)
        last = mail_to(len(ids))  # something to do, so that its fact shows that the worker is up before it is ended
        log.write([last], partition=None)
        ids.add(last.outbound_id)
        eventually(lambda: {fact.outbound_id for _, fact in delivery_facts(log)} == ids, "a fact of each")
        assert ended(worker) == 0, processes.output(worker)
        copies = Counter(smtp.ids())
    finally:
        smtp.stop()
    doubled = {outbound_id for outbound_id, count in copies.items() if count > 1}
    counts = {"events": len(ids), "faults": kills, "lost": len(ids - set(copies)), "doubled": len(doubled)}
    record_property(PROPERTY, counts)
    assert set(copies) == ids
    assert doubled <= may_double

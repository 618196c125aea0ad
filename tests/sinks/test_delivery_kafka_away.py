"""The sinks while Kafka is silent: the probes tell the truth, SIGTERM is obeyed, and no mail goes out twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.process import Health
from schemas.settings import SinkSettings
from sinks.clickhouse.sink import ClickHouseSink
from sinks.delivery import adapter
from sinks.delivery import sink as delivery_module
from sinks.delivery.sink import DeliverySink
from tests.support.own_kafka import OwnKafka, own_kafka
from tests.support.sinks.deployment import Log, Processes, delivery_facts, ended
from tests.support.sinks.examples import mail_to
from tests.support.sinks.in_process import SinkThread, running
from tests.support.sinks.smtp_server import Maildir
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack
SHOWN_WITHIN_SECONDS = 15.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with own_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture
def settings(kafka: OwnKafka, tmp_path: Path) -> SinkSettings:
    return kafka.deployment.settings(SinkSettings, sink_drain_seconds=2, outbox_dir=tmp_path / "outbox")


@pytest.fixture
def log(settings: SinkSettings) -> Log:
    return Log(settings)


def delivery(settings: SinkSettings, health: Health) -> DeliverySink:
    return DeliverySink(settings, adapter.adapters(settings), health)


def clickhouse(settings: SinkSettings, health: Health) -> ClickHouseSink:
    client: Any = None  # nothing is inserted
    return ClickHouseSink(settings, client, health)


# First, while no facts are in Kafka yet: the ClickHouse sink of this test has no client to insert them with.
@pytest.mark.parametrize("make", [delivery, clickhouse])
def test_readyz_fails_while_kafka_is_silent_and_livez_does_not(
    kafka: OwnKafka, settings: SinkSettings, make: Callable[[SinkSettings, Health], Any]
) -> None:
    health = Health(stall_seconds=8)
    with running(lambda: make(settings, health)):
        eventually(lambda: health.takes_work() == (True, "ok"), "ready")
        with kafka.silenced():
            began = time.monotonic()
            eventually(lambda: not health.takes_work()[0], "not ready", SHOWN_WITHIN_SECONDS)
            assert health.takes_work()[1] == "Kafka does not answer"
            # longer than a loop that waits for Kafka would be excused
            time.sleep(max(0.0, began + 10 - time.monotonic()))
            assert health.live()[0], health.live()
        eventually(lambda: health.takes_work()[0], "ready again", SHOWN_WITHIN_SECONDS)
    assert not health.takes_work()[0]


def test_what_was_taken_while_kafka_was_silent_is_not_sent_again_after_a_kill(
    kafka: OwnKafka, log: Log, tmp_path: Path
) -> None:
    smtp = Maildir(tmp_path / "maildir").start()
    processes = Processes(kafka.deployment.env, tmp_path)
    options = {"smtp_port": smtp.port, "delivery_sent_log_dir": tmp_path / "sent"}
    is_silent: list[bool] = []
    written = [mail_to(number, text="silence") for number in range(200, 240)]
    smtp.held = {message.address: lambda: bool(is_silent) for message in written}
    try:
        worker = processes.start("delivery", **options)
        log.write(written, partition=0)
        eventually(lambda: sum(smtp.tried.values()) >= 8 or worker.poll() is not None, "mails on their way", 60)
        assert worker.poll() is None, processes.output(worker)
        with kafka.silenced():
            is_silent.append(True)
            eventually(lambda: len(smtp.mails()) >= 20, "mails whose facts cannot be written")
            worker.kill()
            worker.wait()
        on_their_way = 8  # connections
        worker = processes.start("delivery", **options)
        eventually(
            lambda: {f.outbound_id for _, f in delivery_facts(log)} >= {m.outbound_id for m in written}, "all facts"
        )
        assert ended(worker) == 0, processes.output(worker)
        copies = Counter(smtp.ids())
        assert set(copies) == {message.outbound_id for message in written}
        assert sum(copies.values()) - len(written) <= on_their_way, "without the log at least twenty"
        facts = {fact.outbound_id: fact for _, fact in delivery_facts(log)}
        assert {facts[message.outbound_id].outcome for message in written} == {"delivered"}
        assert facts["O200"].detail == "accepted"
    finally:
        smtp.stop()
        for process in processes.started:
            process.kill()
            process.wait()


def test_a_commit_that_waits_for_kafka_stops_neither_the_loop_nor_the_drain(
    kafka: OwnKafka, settings: SinkSettings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "COMMIT_SECONDS", 6.0)  # Kafka falls silent before it
    health, before = Health(stall_seconds=8), len(delivery_facts(log))
    started = SinkThread(lambda: delivery(settings, health))
    log.write([mail_to(1, channel="sms", address="+15550100", at=before)], partition=0)
    eventually(lambda: len(delivery_facts(log)) > before, "the fact")
    with kafka.silenced():
        time.sleep(16)
        assert health.live()[0], health.live()
        began = time.monotonic()
        started.stop()
        started.thread.join(60)
        assert not started.thread.is_alive()
        assert time.monotonic() - began < settings.sink_drain_seconds + 10, "not the 30 s of Kafka's own time limits"

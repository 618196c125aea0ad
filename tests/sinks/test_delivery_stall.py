"""One bad recipient or message never holds back the others; the same mail does not go out without limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from schemas.process import Health
from schemas.settings import SinkSettings
from schemas.topics import Topic
from sinks.delivery import adapter, partition, retries, sink
from tests.support.sinks.deployment import Log, delivery_facts
from tests.support.sinks.examples import mail_to
from tests.support.sinks.in_process import running
from tests.support.sinks.smtp_server import DROP, Maildir
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack
OUTBOUND_DLQ = Topic("outbound.dlq", "")
BAD = "c1@example.org"


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[Maildir]:
    server = Maildir(tmp_path / "maildir").start()
    yield server
    server.stop()


def delivering(settings: SinkSettings, smtp: Maildir) -> AbstractContextManager[sink.DeliverySink]:
    ours = settings.model_copy(update={"smtp_port": smtp.port, "smtp_timeout_seconds": 5.0})
    return running(lambda: sink.DeliverySink(ours, adapter.adapters(ours), Health()))


def outcomes(log: Log) -> dict[str, Any]:
    return {fact.outbound_id: fact for _, fact in delivery_facts(log)}


@pytest.mark.parametrize("answer", ["421 4.3.2 closing", DROP])
def test_a_mail_whose_answer_is_lost_goes_out_a_bounded_number_of_times(
    log: Log, settings: SinkSettings, smtp: Maildir, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(retries, "FIRST_LOST_WAIT_SECONDS", 0.1)
    smtp.after_mail[BAD] = [answer]
    log.write([mail_to(1), mail_to(2, customer=1), *[mail_to(number) for number in range(10, 60)]], partition=0)
    smtp.after_mail["c20@example.org"] = [answer, "250 accepted"]  # it is taken the second time
    with delivering(settings, smtp):
        eventually(lambda: len(outcomes(log)) == 52, "an outcome of every message")
    facts, copies = outcomes(log), Counter(smtp.ids())
    assert (facts["O1"].outcome, facts["O1"].attempts) == ("bounced", 3)
    assert facts["O1"].detail.startswith(
        "handed over 3 times, it may have been taken each time: SMTP, after the mail: "
    )
    assert (facts["O20"].outcome, facts["O20"].attempts) == ("delivered", 2)
    assert copies["O1"] == 3
    assert copies["O20"] == 2
    assert {copies[f"O{number}"] for number in range(10, 60) if number != 20} == {1}
    assert {story["reason"] for story, _ in log.dead_letters(OUTBOUND_DLQ)} == {"answer_lost"}


@pytest.mark.parametrize("answer", ["421 too many errors", "454 TLS needed for you"])
def test_a_recipient_who_alone_closes_the_connection_ends(
    log: Log, settings: SinkSettings, smtp: Maildir, answer: str
) -> None:
    smtp.answers[BAD] = [answer] * 10_000
    log.write([mail_to(1), mail_to(2)], partition=0)
    with delivering(settings.model_copy(update={"delivery_retry_seconds": 1.0}), smtp):
        eventually(lambda: "O2" in outcomes(log), "the neighbour")
        number = 10

        def ended() -> bool:
            nonlocal number
            number += 1
            log.write([mail_to(number)], partition=0)
            return "O1" in outcomes(log)

        eventually(ended, "the end of the tries, while others go out")
    facts = outcomes(log)
    assert (facts["O1"].outcome, facts["O1"].detail) == ("bounced", f"SMTP: {answer}")
    assert {fact.outcome for name, fact in facts.items() if name != "O1"} == {"delivered"}


def test_a_recipient_who_is_refused_for_long_does_not_pause_the_partition(
    log: Log, settings: SinkSettings, smtp: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "MAX_UNFINISHED", 50)
    smtp.answers[BAD] = ["451 greylisted"] * 10_000
    log.write([mail_to(number) for number in range(1, 700)], partition=0)
    with delivering(settings, smtp):
        eventually(lambda: len(outcomes(log)) == 698, "all others, many more than may be unfinished")
        smtp.answers.pop(BAD)
        eventually(lambda: len(outcomes(log)) == 699, "this one")
    assert set(Counter(smtp.ids()).values()) == {1}


def test_too_many_finished_messages_behind_an_unfinished_one_pause_the_partition(
    log: Log, settings: SinkSettings, smtp: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "MAX_BEHIND", 100)
    monkeypatch.setattr(partition, "MOST_AT_ONCE", 20)
    monkeypatch.setattr(sink, "MOST_AT_ONCE", 20)
    smtp.answers[BAD] = ["451 greylisted"] * 10_000
    log.write([mail_to(number) for number in range(1, 400)], partition=0)
    with delivering(settings, smtp) as delivery:
        eventually(lambda: len(outcomes(log)) >= 99, "the first hundred")
        (assigned,) = (each for each in delivery._partitions.values() if each.partition.partition == 0)
        assert len(assigned.unfinished) < 100 + 20
        smtp.answers.pop(BAD)
        eventually(lambda: len(outcomes(log)) == 399, "all")
        eventually(lambda: not assigned.unfinished, "none unfinished")

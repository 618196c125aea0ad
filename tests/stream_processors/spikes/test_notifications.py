"""What rules say to people: limits that hold for the whole desk, one summary an hour, nothing twice."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event, NotificationRequested
from schemas.facts import AutomationFact, Outbound
from schemas.service_metrics import ServiceMetric
from stream_processors.rules import ruleset
from stream_processors.spikes.processor import SpikesProcessor
from tests.stream_processors.spikes.test_spikes import DAY, HOUR, MINUTE, T0, TAG, events, traffic
from tests.support.gauge_partition import played
from tests.support.memory_worker import Crashed, MemoryWorker
from tests.support.tickets.ruled_story import with_automations

SHIPPED = ruleset.load()


def asked(at: int, number: int, **fields: Any) -> NotificationRequested:
    values: dict[str, Any] = {
        "event_id": f"F{number}",
        "occurred_at": at,
        "received_at": at,
        "customer_tag": "ABCDEFGHIJKL",
        "ticket_id": f"ABCDEFGHIJKL-{number}",
        "rule": "it",
        "trigger": "breach",
        "situation": "breach:first_response:1:1",
        "way": "mail",
        "target": "lead@care.example",
        "subject": f"number {number}",
        "text": f"ticket {number}",
        "per_hour": 3,
        "version": number,
    }
    return NotificationRequested(**(values | fields))


def desk(told: list[Event] | list[NotificationRequested]) -> MemoryWorker:
    worker = MemoryWorker(SpikesProcessor(SHIPPED))
    worker.feed(told)
    assert worker.dead_letters == []
    return worker


def mails(worker: MemoryWorker) -> list[str]:
    return [mail.subject for mail in worker.records(Outbound)]


def test_further_ones_are_withheld_with_a_fact_and_told_together_when_the_hour_ends() -> None:
    worker = desk([asked(T0 + number * MINUTE, number) for number in range(8)])
    assert mails(worker) == ["number 0", "number 1", "number 2"]
    assert [fact.reason for fact in worker.records(AutomationFact)] == ["", "", ""] + ["limit"] * 5
    worker.advance(T0 + HOUR)
    assert mails(worker)[3:] == ["5 further notifications: it"]
    assert "ABCDEFGHIJKL-7" in worker.records(Outbound)[-1].text
    worker.feed([asked(T0 + 2 * HOUR, 9)])
    worker.advance(T0 + DAY)
    assert mails(worker)[4:] == ["number 9"]
    counts = played(worker).counts
    assert counts[ServiceMetric.AUTOMATIONS, ("it", "mail", "withheld", "limit")] == 5


def test_each_target_has_its_own_limit_and_an_hour_is_not_a_clock_hour() -> None:
    worker = desk([asked(T0 + 50 * MINUTE + n * MINUTE, n, target=f"{'ab'[n % 2]}@care.example") for n in range(20)])
    assert len(mails(worker)) == 6


def test_a_chat_and_a_webhook_get_the_fact_and_no_mail() -> None:
    worker = desk([asked(T0, 1, way="chat", target="support"), asked(T0, 2, way="webhook", target="erp")])
    assert mails(worker) == []
    told = [(fact.action, fact.target, fact.text, fact.outcome) for fact in worker.records(AutomationFact)]
    assert told == [("chat", "support", "ticket 1", "done"), ("webhook", "erp", "ticket 2", "done")]


def test_a_mail_says_that_no_machine_is_to_answer_it() -> None:
    (mail,) = desk([asked(T0, 1, subject="late\r\nBcc: a@b.example")]).records(Outbound)
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert "\n" not in mail.subject and mail.kind == "notification" and mail.address == "lead@care.example"


@settings(max_examples=25, deadline=None)
@given(
    crash=st.integers(1, 30),
    again=st.lists(st.integers(0, 7), max_size=6),
    gaps=st.lists(st.integers(0, 40), min_size=8, max_size=8),
)
def test_crashes_and_repeats_notify_nobody_twice(crash: int, again: list[int], gaps: list[int]) -> None:
    told = [asked(T0 + sum(gaps[: n + 1]) * MINUTE, n) for n in range(8)]
    calm = desk(told)
    worker = MemoryWorker(SpikesProcessor(SHIPPED))
    worker.append([*told, *(told[n] for n in again)])
    with contextlib.suppress(Crashed):
        worker.run([3, 1, 2], crash_after=crash)
    worker.run()
    before = {mail.outbound_id: mail.text for mail in calm.records(Outbound)}
    after = {mail.outbound_id: mail.text for mail in worker.records(Outbound)}
    assert after == before


def test_a_spike_that_begins_is_told_once() -> None:
    rules = with_automations(
        SHIPPED, "- name: storm\n  when: {spike: any}\n  then: [{notify: {mail: lead@care.example}}]"
    )
    worker = MemoryWorker(SpikesProcessor(rules))
    worker.feed(events(traffic(T0, T0 + 21 * DAY, 10.0)))
    begin = T0 + 21 * DAY + 10 * HOUR
    worker.feed(events((begin + n * MINUTE for n in range(120)), 10**6))
    worker.advance(begin + 2 * DAY)
    (mail,) = worker.records(Outbound)
    assert mail.subject == f"{TAG} spikes" and TAG in mail.text
    assert [fact.trigger for fact in worker.records(AutomationFact)] == ["spike"]

"""The present queue in a promise: the waits of the last hour on a channel, in working time, and who answered them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.facts import AcknowledgementFact, Outbound
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.sla.queue import MOST_ANSWERS, queue_key
from tests.support.memory_worker import Crashed, MemoryWorker
from tests.support.tickets.story import Story, at

MINUTE, HOUR = 60, 3600
NOW = 10 * HOUR


def day(
    rules: Rules, waits: list[tuple[float, str]], *, channel: str = "email", until: float = NOW, tier: str = ""
) -> Story:
    """Customers of one partition who were answered in the minutes up to `until`, each after so long, by these agents."""
    told = []
    for number, (wait, agent) in enumerate(waits):
        answered = until - (len(waits) - number) * MINUTE
        told += [(answered - wait, number, ""), (answered, number, agent)]
    worker, stories = MemoryWorker(TicketsProcessor(rules)), {}
    for seconds, number, agent in sorted(told):
        story = stories.setdefault(number, Story(rules, channel=channel, customer_id=f"email:c{number}@example.org"))
        story.worker = worker
        if agent:
            story.reply(seconds, agent=agent)
        else:
            story.message(seconds, tier=tier)
    last = Story(rules, channel=channel)
    last.worker = worker
    return last


def promised_after(story: Story, seconds: float = NOW) -> float:
    story.message(seconds)
    return (story.last(AcknowledgementFact).promised_at - at(seconds)) / 1_000_000


#: The standard policy promises 1 h and 2 h of margin, whatever is the longer of target and queue.
CASES = {
    "nobody was answered": ([], 3 * HOUR),
    "two waits say nothing yet": ([(5 * HOUR, "mei"), (5 * HOUR, "tom")], 3 * HOUR),
    "short waits change nothing": ([(600, "mei"), (900, "tom"), (1200, "mei")], 3 * HOUR),
    "the longest of one person": ([(HOUR, "mei"), (2 * HOUR, "mei"), (5 * HOUR, "mei")], 7 * HOUR),
    "twice the median of several": ([(HOUR, "mei"), (2 * HOUR, "tom"), (9 * HOUR, "mei")], 6 * HOUR),
    "the longest of several, where that is less": ([(3 * HOUR, "mei"), (3 * HOUR, "tom"), (4 * HOUR, "mei")], 6 * HOUR),
}


@pytest.mark.parametrize("case", CASES)
def test_a_promise_takes_the_queue_into_account(case: str, rules: Rules) -> None:
    waits, seconds = CASES[case]
    assert promised_after(day(rules, waits)) == seconds


def test_what_was_answered_more_than_an_hour_ago_does_not_count(rules: Rules) -> None:
    story = day(rules, [(5 * HOUR, "mei")] * 3, until=NOW - HOUR)
    assert promised_after(story) == 3 * HOUR


def test_another_channel_has_its_own_queue(rules: Rules) -> None:
    story = day(rules, [(5 * HOUR, "mei")] * 3)
    story.channel = "sms"
    assert promised_after(story) == 3 * HOUR


def test_waits_are_counted_in_working_time() -> None:
    """Mails of Monday 16:00 (second 7 h), answered on Tuesday at noon: 5 working hours, less than the target of 9."""
    noon = 27 * HOUR
    story = day(rules_module.load(), [(20 * HOUR, "mei")] * 4, until=noon)
    # 9 h and 2 of margin: 6 on Tuesday, 5 on Wednesday until 14:00
    assert promised_after(story, noon) == 26 * HOUR


def test_history_says_nothing_of_the_queue(rules: Rules, tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    for number in range(4):
        story.message(number * 10)
        story.reply(5 * HOUR + number, number=number + 1)
    assert story.worker.state(queue_key("email", "support")) is None


def test_a_record_comes_to_the_same_promise_after_any_crash(rules: Rules) -> None:
    """What a batch wrote before a crash, it writes again to the byte (`facts` compares), wherever it was cut off."""
    story = day(rules, [(HOUR, "mei"), (2 * HOUR, "tom"), (5 * HOUR, "mei"), (5 * HOUR, "tom")])
    promised_after(story)
    log, whole = story.worker.log, story.worker.facts()
    for crash_after in range(0, 60, 3):
        worker = MemoryWorker(TicketsProcessor(rules))
        worker.log = log
        try:
            worker.run([len(log)], crash_after=crash_after)
        except Crashed:
            worker.run([2, 1, 3])
        assert worker.facts() == whole


def another(story: Story, number: int) -> Story:
    other = Story(story.worker.processor.rules, channel="email", customer_id=f"email:d{number}@example.org")
    other.worker = story.worker
    return other


def test_answers_of_the_same_batch_push_out_none_that_it_reads(rules: Rules) -> None:
    """A state that is ahead after a crash holds a hundred later answers, and still those that stood before the record."""
    story = day(rules, [(5 * HOUR, "mei")] * 3)
    others = [another(story, number) for number in range(MOST_ANSWERS)]
    for other in others:
        other.message(NOW - 60)
    assert promised_after(story) == 7 * HOUR
    for other in others:
        other.reply(NOW + 60)
    assert_same_after_crash(story.worker)


def test_a_later_hour_takes_no_answer_from_a_record_before_it(rules: Rules) -> None:
    story = day(rules, [(5 * HOUR, "mei")] * 3)
    other = another(story, 0)
    other.message(NOW)
    begun = len(story.worker.log)
    story.worker.offset_step = 2000  # the answers are older than any batch that holds what follows
    assert promised_after(story, NOW + HOUR / 2) == 7 * HOUR
    other.reply(NOW + 2 * HOUR)
    assert_same_after_crash(story.worker, begun)


def assert_same_after_crash(done: MemoryWorker, begun: int = 0) -> None:
    worker = MemoryWorker(done.processor)
    worker.log = done.log
    worker.run([begun], batches=1 if begun else 0)
    kept, outputs = {**worker.store}, [*worker.outputs]
    worker.run([len(done.log)], batches=1)
    ahead = {key: value for key, value in worker.store.items() if key[:1] == b"q"}
    worker.store, worker.committed = {**kept, **ahead}, begun  # it died when queues were durable, and no customer
    worker.run([1] * len(done.log))
    assert len(worker.outputs) > len(outputs)
    assert worker.facts() == done.facts()


def test_waits_are_compared_with_those_of_the_same_calendar_only() -> None:
    """Those of a policy for all hours say nothing of working time."""
    shipped = rules_module.load()
    policies = shipped.policies
    always = replace(policies.policies[-2], calendar=None, when={"tier": frozenset(("vip",))})
    rules = replace(shipped, policies=replace(policies, policies=(always, policies.policies[-1]), _remembered={}))
    story = day(rules, [(20 * HOUR, "mei")] * 4, until=27 * HOUR, tier="vip")
    # 9 h and 2 of margin, from Tuesday noon
    assert promised_after(story, 27 * HOUR) == 26 * HOUR


def test_a_queue_keeps_no_more_than_it_needs(rules: Rules) -> None:
    story = day(rules, [(HOUR, "mei")] * (MOST_ANSWERS + 20))
    queue = story.worker.state(queue_key("email", "support"))
    # of the last twenty, which a record of the same batch may have to read without, every second
    assert queue is not None and len(queue.answers) == MOST_ANSWERS + 10


def test_a_mail_says_how_soon_most_are_answered_at_present() -> None:
    """Only what ten answers of the last hour say, while we are there for so long, and nothing longer than the promise."""
    noon, said = 27 * HOUR, "most messages are answered within"
    waits = [(20 * MINUTE, "mei")] * 10 + [(50 * MINUTE, "tom")] * 2
    cases = {
        "measured": (noon, noon, waits, f"{said} 20 minutes"),
        "four of five": (noon, noon, [*waits, (50 * MINUTE, "tom")], f"{said} 1 hour"),
        "too few": (noon, noon, waits[:9], ""),
        "long ago": (noon, noon + 2 * HOUR, waits, ""),
        "we close before": (noon + 5.8 * HOUR, noon + 5.8 * HOUR, waits, ""),
        "nobody works": (noon + 6.1 * HOUR, noon + 6.2 * HOUR, waits, ""),
    }
    wrong = {}
    for name, (until, asked, given, words) in cases.items():
        story = day(rules_module.load(), given, until=until)
        story.message(asked)
        text = story.last(Outbound).text
        if (words not in text) if words else (said in text):
            wrong[name] = text
    assert not wrong

"""The webhooks sink between a real Kafka and real HTTP servers that verify, fail, hang, and go away."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas import codec
from schemas.facts import ContactFact, TicketFact, WebhookDelivered
from schemas.identity import customer_tag
from schemas.settings import SinkSettings
from schemas.topics import CONTACT_FACTS, DELIVERIES, TICKET_FACTS, Topic
from sinks.webhooks.retry_decision import Answer
from sinks.webhooks.sender import Sender
from sinks.webhooks.signing import delivery_id
from sinks.webhooks.subscriptions import Subscription
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import Log, Processes
from tests.support.sinks.examples import example
from tests.support.timeouts import eventually
from tests.support.webhook_receiver import SECRET, Heard, Receiver, Say, subscribe

FACTS_DLQ = Topic("facts.dlq", "")
stack = pytest.mark.stack


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_a_host_that_leads_to_a_private_address_is_not_connected_to(host: str) -> None:
    """Whatever a name meant when the file was read: what counts is the address at the time of the connection."""
    with Receiver() as receiver:
        url = f"http://{host}:{receiver.port}/"
        answer = asyncio.run(_post(Subscription("x", url, ("a" * 16,), frozenset({TicketFact})), SinkSettings()))
        assert answer.status is None and "public address" in answer.detail
        assert receiver.connections == 0
        allowed = asyncio.run(
            _post(Subscription("x", receiver.url, (SECRET,), frozenset()), SinkSettings(webhook_allow_private=True))
        )
        assert (allowed.status, receiver.connections) == (200, 1)


async def _post(subscription: Subscription, settings: SinkSettings) -> Answer:
    sender = Sender(subscription, settings)
    try:
        return await sender.post(b"{}", "d", "ping")
    finally:
        await sender.close()


def ticket(customer: int, version: int, **fields: Any) -> TicketFact:
    tag = customer_tag(f"email:c{customer}@example.org")
    return example(TicketFact, version, customer_tag=tag, ticket_id=f"{tag}-1", channel="email", **fields)


def logged(log: Log) -> list[WebhookDelivered]:
    """Returns the delivery log as it is in Kafka."""
    found = (codec.decode(record.value) for record in log.read(DELIVERIES))
    return [fact for fact in found if isinstance(fact, WebhookDelivered)]


def orders(heard: list[Heard]) -> dict[str, list[int]]:
    """Ticket → the versions that were taken, in the order in which they were first taken."""
    found = defaultdict(list)
    for each in heard:
        found[each.body["id"]].append(each.body["version"])
    return dict(found)


class SinkAndReceivers:
    """The sink of one test, with receivers that listen until it ends."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes, self.folder, self.receivers = processes, folder, []  # type: ignore[var-annotated]
        self.metrics_port = free_port()

    def receiver(self, answers: Callable[[dict[str, Any]], Say] = lambda body: Say(), port: int = 0) -> Receiver:
        self.receivers.append(Receiver(answers, port))
        return self.receivers[-1]

    def env(self, subscriptions: str) -> dict[str, Any]:
        return {"webhooks_file": subscriptions, "webhook_allow_private": True}

    def start(self, subscriptions: str, **settings: Any) -> Any:
        """The sink; `webhooks_file` first, then what a test wants otherwise."""
        ours = {"sink_instance": "0", "metrics_port": self.metrics_port}  # a static member is back at once
        usual = {"webhook_timeout_seconds": 60, "webhook_breaker_seconds": 0.3}
        return self.processes.start("webhooks", **(self.env(subscriptions) | ours | usual | settings))

    def metric(self, name: str, **labels: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False, timeout=60).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(name) and all(w in line for w in wanted)]
        return sum(float(line.split()[-1]) for line in lines)


@pytest.fixture
def sinks(processes: Processes, tmp_path: Path) -> Iterator[SinkAndReceivers]:
    sinks = SinkAndReceivers(processes, tmp_path)
    yield sinks
    for receiver in sinks.receivers:
        receiver.stop()


def ended(process: Any) -> int:
    process.send_signal(signal.SIGTERM)
    return int(process.wait(60))


@stack
def test_each_fact_arrives_signed_once_and_in_order_whatever_fails_and_every_attempt_is_a_row(
    log: Log, sinks: SinkAndReceivers, rows: Any, cli: Any, deployment: Any
) -> None:
    failing: set[str] = set()

    def sometimes(body: dict[str, Any]) -> Say:
        key = f"{body['id']} {body['version']}"
        if body["version"] % 3 == 0 and key not in failing:
            failing.add(key)
            return Say(503, text="not now")
        return Say(204, {"Content-Length": "0"}, text="")

    receiver = sinks.receiver(sometimes)
    only_mail = sinks.receiver()
    mail_only = {"url": only_mail.url, "facts": ["contact_fact"], "channels": ["email"]}
    file = subscribe(sinks.folder, help_desk=receiver, mail_only=mail_only)
    log.write([ticket(customer, version) for version in range(6) for customer in range(5)], partition=1)
    contacts = [example(ContactFact, number, channel=("sms", "email")[number % 2]) for number in range(6)]
    log.write(contacts, partition=2)
    sink = sinks.start(file, webhook_breaker_failures=100)
    eventually(lambda: len(receiver.taken()) == 36 and len(only_mail.taken()) == 3, "all facts")

    tickets = [each for each in receiver.taken() if each.kind == "ticket_fact"]
    assert orders(tickets) == {ticket(customer, 0).ticket_id: list(range(6)) for customer in range(5)}
    assert {each.body["data"]["channel"] for each in only_mail.taken()} == {"email"}
    assert receiver.forged == only_mail.forged == []
    topic = log.settings.topic(TICKET_FACTS)
    assert {each.delivery for each in tickets} == {delivery_id("help-desk", topic, 1, offset) for offset in range(30)}

    attempts = eventually(
        lambda: len(found := logged(log)) == len(receiver.heard) + 3 and found, "the log of all attempts"
    )
    assert len({(fact.delivery_id, fact.at) for fact in attempts}) == len(attempts)
    assert sum(fact.outcome == "retried" for fact in attempts) == len(failing) > 0
    retried = next(fact for fact in attempts if fact.outcome == "retried")
    assert (retried.status, retried.detail, retried.attempt, retried.subscription) == (503, "not now", 1, "help-desk")
    assert sinks.metric("deskstream_webhook_deliveries_total", subscription="help-desk", outcome="delivered") == 36
    assert sinks.metric("deskstream_webhook_seconds_count", subscription="mail-only") == 3

    in_clickhouse = sinks.processes.start("clickhouse")
    eventually(lambda: rows("SELECT count() FROM webhook_deliveries FINAL") == [(len(attempts),)], "rows of the table")
    assert ended(in_clickhouse) == 0
    env = deployment.env | {"DESKSTREAM_WEBHOOKS_FILE": file, "DESKSTREAM_WEBHOOK_ALLOW_PRIVATE": "true"}
    asked = cli(env, "query", "SELECT outcome, count() FROM webhook_deliveries GROUP BY 1 ORDER BY 1", "-f", "csv")
    assert asked.stdout.splitlines()[1:] == [f'"delivered",{36 + 3}', f'"retried",{len(failing)}']

    eventually(lambda: states(cli(env, "webhooks", "list").stdout)["mail-only"] == ("closed", 0), "all is committed")
    pong = cli(env, "webhooks", "test", "mail-only")
    assert (pong.returncode, only_mail.heard[-1].kind, only_mail.heard[-1].body["type"]) == (0, "ping", "ping")
    assert re.match(r"HTTP 200 after \d+ ms: ok\n", pong.stdout)
    assert cli(env, "webhooks", "test", "nobody").returncode == 2
    assert ended(sink) == 0, sinks.processes.output(sink)
    assert "secret" not in sinks.processes.output(sink)


def states(listed: str) -> dict[str, tuple[str, int]]:
    """Name → state and lag, from what `webhooks list` prints."""
    lines = [line.replace("│", "").split() for line in listed.splitlines()[2:]]
    return {name: (state, int(next(word for word in rest if word.isdigit()))) for name, state, *rest in lines}


@stack
def test_a_sink_that_is_killed_loses_nothing_and_what_it_repeats_has_the_id_it_had(
    log: Log, sinks: SinkAndReceivers
) -> None:
    receiver = sinks.receiver(lambda body: Say(seconds=0.005))
    file = subscribe(sinks.folder, desk={"url": receiver.url, "facts": ["ticket_fact"]})
    log.write([ticket(customer, version) for version in range(20) for customer in range(20)], partition=0)
    for enough in (80, 200):
        sink = sinks.start(file)
        eventually(lambda enough=enough: len(receiver.taken()) >= enough, f"{enough} facts")
        sink.kill()
        sink.wait()
    sink = sinks.start(file)
    eventually(lambda: len(receiver.taken()) == 400, "all facts")
    assert orders(receiver.taken()) == {ticket(customer, 0).ticket_id: list(range(20)) for customer in range(20)}
    assert len({(each.body["id"], each.body["version"]) for each in receiver.heard}) == 400
    assert len({each.delivery for each in receiver.heard}) == 400
    assert 1 < receiver.most_open <= 16 + 16, "those of the killed one and those of the next"
    assert ended(sink) == 0, sinks.processes.output(sink)
    heard = len(receiver.heard)
    idle = sinks.start(file)
    log.write([ticket(99, 0)], partition=0)
    eventually(lambda: len(receiver.heard) == heard + 1, "only the new one: everything before was committed")
    assert ended(idle) == 0


@stack
def test_a_receiver_that_hangs_is_dead_or_gone_holds_up_nobody_else_and_loses_nothing(
    log: Log, sinks: SinkAndReceivers
) -> None:
    sick = threading.Event()
    sick.set()
    quick, hanging = sinks.receiver(), sinks.receiver(lambda body: Say(seconds=1.5) if sick.is_set() else Say())
    gone = sinks.receiver(lambda body: Say(410, text="moved away"))
    port = free_port()
    urls = {"quick": quick.url, "hanging": hanging.url, "gone": gone.url, "dead": f"http://127.0.0.1:{port}/in"}
    file = subscribe(sinks.folder, **{name: {"url": url, "facts": ["ticket_fact"]} for name, url in urls.items()})
    log.write([ticket(customer, 0) for customer in range(50)], partition=3)
    sink = sinks.start(file, webhook_breaker_failures=3, webhook_timeout_seconds=1)
    eventually(lambda: len(quick.taken()) == 50, "all facts at the one that works")
    state = "deskstream_webhook_breaker_state"
    eventually(lambda: sinks.metric(state, subscription="dead") == 2, "its breaker open")
    eventually(lambda: sinks.metric(state, subscription="gone") == 3, "it is switched off")
    eventually(lambda: sinks.metric(state, subscription="hanging") >= 1, "its breaker open")
    assert sinks.metric(state, subscription="quick") == 0
    assert len(gone.heard) <= 16, "those that were on their way"

    log.write([ticket(100, 0)], partition=3)
    eventually(lambda: len(quick.taken()) == 51, "a new fact")
    listed = states(sinks.processes.run("webhooks", "list", **sinks.env(file)).stdout)
    assert listed["gone"] == ("off", 51)
    assert listed["dead"] in (("open", 51), ("half_open", 51))
    assert log.dead_letters(FACTS_DLQ) == []

    alive = sinks.receiver(port=port)
    sick.clear()
    eventually(lambda: len(alive.taken()) == 51 and len(hanging.taken()) == 51, "everything, once they are back")
    eventually(lambda: sinks.metric(state, subscription="dead") == 0, "its breaker closed")
    heard = len(gone.heard)
    log.write([ticket(101, 0)], partition=3)
    eventually(lambda: len(alive.taken()) == 52, "the newest")
    assert len(gone.heard) == heard, "it is left alone"
    output = sinks.processes.output(sink)
    assert '"subscription_switched_off"' in output and "moved away" in output
    assert ended(sink) == 0, output

    gone.answers = lambda body: Say()
    assert log.dead_letters(FACTS_DLQ) == []
    sink = sinks.start(file)
    eventually(lambda: len(gone.taken()) == 52, "all of them, after a restart")
    assert ended(sink) == 0


@stack
def test_what_is_refused_is_a_dead_letter_and_can_be_replayed_to_that_receiver_alone(
    log: Log, sinks: SinkAndReceivers, cli: Any, deployment: Any
) -> None:
    elsewhere, other = sinks.receiver(), sinks.receiver()
    answers = {
        0: Say(400, text="bad version"),
        1: Say(302, {"Location": elsewhere.url}),
        2: Say(500, text="always"),
        3: Say(429, {"Retry-After": "1"}),
    }
    picky = sinks.receiver(lambda body: answers.get(body["version"], Say()))
    file = subscribe(sinks.folder, picky=picky, other=other)
    log.write([ticket(version, version) for version in range(5)], partition=0)
    log.write_raw([(CONTACT_FACTS, b"K", b"\xc3\x01not a record")])
    sink = sinks.start(file, webhook_retry_seconds=2)
    eventually(lambda: len(log.dead_letters(FACTS_DLQ)) == 6, "six dead letters")
    assert ended(sink) == 0
    dead_letters = {story["error"]: story for story, _ in log.dead_letters(FACTS_DLQ)}
    reasons = sorted((story["reason"], story["producer"].split()[-1]) for story in dead_letters.values())
    assert ("refused", "picky") in reasons and ("redirected", "picky") in reasons
    assert [story["stage"] for story in dead_letters.values()] == ["webhooks"] * len(dead_letters)
    assert "NotTaken: picky: HTTP 400: bad version" in dead_letters
    assert elsewhere.heard == [], "a redirection is not followed"
    assert len(other.taken()) == 5

    outcomes = defaultdict(list)
    for fact in logged(log):
        if fact.subscription == "picky":
            outcomes[fact.version].append(fact.outcome)
    assert [outcomes[version] for version in (0, 1, 4)] == [["dead_lettered"], ["dead_lettered"], ["delivered"]]
    assert outcomes[2][-1] == outcomes[3][-1] == "dead_lettered" and set(outcomes[2][:-1]) == {"retried"}
    limited = [each.at for each in picky.heard if each.status == 429]
    assert all(later - earlier >= 0.95 for earlier, later in pairwise(limited[:-1]))

    before = {each.body["version"]: each.delivery for each in picky.heard}
    answers.clear()
    env = deployment.env | {"DESKSTREAM_WEBHOOKS_FILE": file, "DESKSTREAM_WEBHOOK_ALLOW_PRIVATE": "true"}
    shown = cli(env, "dlq", "replay", "--all")
    assert shown.stderr.startswith("0 replayed") and "python -m sinks webhooks replay picky" in shown.stderr
    done = cli(env, "webhooks", "replay", "picky")
    assert (done.returncode, done.stderr.splitlines()[0]) == (3, "4 replayed, 1 left"), done.stderr
    taken = {each.body["version"]: each.delivery for each in picky.taken()}
    assert taken == before, "each with the id that it had"
    assert len(other.taken()) == 5, "nobody else hears of it"
    assert cli(env, "webhooks", "replay", "picky").stderr.startswith("0 replayed, 1 left\n")


@stack
def test_an_open_breaker_with_nothing_left_to_try_reads_on_for_its_probe(log: Log, sinks: SinkAndReceivers) -> None:
    receiver = sinks.receiver(lambda body: Say(500))
    file = subscribe(sinks.folder, desk={"url": receiver.url, "facts": ["ticket_fact"]})
    sink = sinks.start(file, webhook_retry_seconds=0.001, webhook_breaker_failures=1)
    log.write([ticket(1, 1)])
    eventually(lambda: len(log.dead_letters(FACTS_DLQ)) == 1, "its dead letter, and with it nothing is left")
    log.write([ticket(1, 2)])
    eventually(lambda: receiver.heard[-1].body["version"] == 2, "the next one is the probe")
    receiver.answers = lambda body: Say()
    eventually(lambda: [each.body["version"] for each in receiver.taken()] == [2], "and is taken when that is possible")
    assert len(log.dead_letters(FACTS_DLQ)) == 1, "a receiver that fails is not the fault of the fact"
    assert ended(sink) == 0, sinks.processes.output(sink)


@stack
def test_a_subscription_that_starts_now_hears_nothing_old_even_after_a_restart(
    log: Log, sinks: SinkAndReceivers, cli: Any, deployment: Any
) -> None:
    receiver = sinks.receiver()
    file = subscribe(sinks.folder, late={"url": receiver.url, "facts": ["ticket_fact"], "start": "now"})
    log.write([ticket(customer, 0) for customer in range(4)], partition=0)
    sink = sinks.start(file)
    env = deployment.env | {"DESKSTREAM_WEBHOOKS_FILE": file, "DESKSTREAM_WEBHOOK_ALLOW_PRIVATE": "true"}

    def listed() -> tuple[str, int]:
        return states(cli(env, "webhooks", "list").stdout)["late"]

    eventually(lambda: listed() == ("closed", 0), "its beginning is committed")
    sink.kill()
    sink.wait()
    log.write([ticket(7, 0)], partition=0)
    sink = sinks.start(file)
    eventually(lambda: receiver.taken(), "the first fact after its beginning")
    assert [each.body["id"] for each in receiver.heard] == [ticket(7, 0).ticket_id]
    assert ended(sink) == 0


@stack
def test_a_changed_file_takes_effect_without_a_restart_and_a_wrong_one_changes_nothing(
    log: Log, sinks: SinkAndReceivers
) -> None:
    one, two = sinks.receiver(), sinks.receiver()
    tickets = {"facts": ["ticket_fact"]}
    file = subscribe(sinks.folder, one={"url": one.url} | tickets)
    sink = sinks.start(file)
    log.write([ticket(1, 1)])
    eventually(lambda: one.taken(), "the first fact")

    subscribe(sinks.folder, one={"url": one.url} | tickets, two={"url": two.url} | tickets)
    eventually(lambda: two.taken(), "the new subscription hears all of it")
    log.write([ticket(1, 2)])
    eventually(lambda: len(one.taken()) == len(two.taken()) == 2, "both hear what comes")

    subscribe(sinks.folder, one={"url": one.url, "facts": ["tickets"]})  # no such fact
    eventually(lambda: "subscriptions_refused" in sinks.processes.output(sink), "the refusal")
    assert "'tickets' is not a fact" in sinks.processes.output(sink)
    log.write([ticket(1, 3)])
    eventually(lambda: len(one.taken()) == len(two.taken()) == 3, "both go on")

    subscribe(sinks.folder, two={"url": one.url} | tickets)  # one is gone, two goes elsewhere from where it stands

    def in_force() -> str:
        return [line for line in sinks.processes.output(sink).splitlines() if "names" in line][-1]

    eventually(lambda: "one" not in in_force(), "the new file is in force")
    log.write([ticket(1, 4)])
    eventually(lambda: len(one.taken()) == 4, "what comes goes there, once")
    assert [each.body["version"] for each in one.taken()] == [1, 2, 3, 4]
    assert len(two.taken()) == 3
    assert ended(sink) == 0, sinks.processes.output(sink)

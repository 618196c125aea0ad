"""The delivery sink against a real SMTP server that writes a maildir: each message once, in order, whatever happens."""

import asyncio
import signal
import threading
import time
from collections import Counter

import pytest

from schemas import codec
from schemas.facts import DeliveryFact
from schemas.process import Health
from schemas.topics import OUTBOUND, Topic
from sinks.delivery import sink
from sinks.delivery.adapter import Adapters
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import delivery_facts, ended
from tests.support.sinks.examples import mail_to
from tests.support.sinks.smtp_server import Maildir
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack
OUTBOUND_DLQ = Topic("outbound.dlq", "")


@pytest.fixture
def smtp(tmp_path):
    server = Maildir(tmp_path / "maildir").start()
    yield server
    server.stop()


def test_messages_are_delivered_once_and_every_outcome_is_a_fact(log, processes, smtp, tmp_path):
    log.write([mail_to(1), mail_to(2, subject="お問い合わせ", text="ありがとうございます。\n")], partition=2)
    log.write([mail_to(3, channel="sms", address="+15550100")], partition=1)
    worker = processes.start("delivery", smtp_port=smtp.port)
    facts = eventually(lambda: len(found := delivery_facts(log)) == 3 and found, "three delivery facts")
    assert smtp.ids() == ["O1", "O2"]
    assert {mail["Subject"] for mail in smtp.mails()} == {"S 1", "お問い合わせ"}
    assert (tmp_path / "outbox" / "sms.jsonl").read_text().count("\n") == 1
    by_id = {fact.outbound_id: (partition, fact) for partition, fact in facts}
    partition, fact = by_id["O1"]
    assert partition == 2, "the partition of the outbound record"
    assert isinstance(fact, DeliveryFact)
    assert (fact.outcome, fact.attempts, fact.channel, fact.kind) == ("delivered", 1, "email", "acknowledgement")
    assert (fact.version, fact.partition, fact.detail) == (0, 2, "accepted")
    log.write([mail_to(1), mail_to(2), mail_to(4)], partition=2)  # a worker that replays writes its output again
    eventually(lambda: len(delivery_facts(log)) == 4, "the new one")
    assert ended(worker) == 0, processes.output(worker)
    assert smtp.ids() == ["O1", "O2", "O4"]


def test_a_restart_or_a_kill_sends_nothing_twice(log, processes, smtp):
    log.write([mail_to(number) for number in range(300)], partition=None)
    worker = processes.start("delivery", smtp_port=smtp.port, sink_instance="one")
    eventually(lambda: len(smtp.mails()) >= 100, "a hundred mails")
    worker.send_signal(signal.SIGSTOP)  # between two steps: nothing in flight may be counted twice
    worker.kill()
    worker.wait()
    answered = {fact.outbound_id for _, fact in delivery_facts(log)}
    on_their_way = len(smtp.mails()) - len(answered)
    worker = processes.start("delivery", smtp_port=smtp.port, sink_instance="one")
    eventually(lambda: len({fact.outbound_id for _, fact in delivery_facts(log)}) == 300, "all three hundred")
    assert ended(worker) == 0, processes.output(worker)
    counted = Counter(smtp.ids())
    assert set(counted) == {f"O{number}" for number in range(300)}
    assert not {outbound_id for outbound_id, times in counted.items() if times > 1} & answered
    assert sum(counted.values()) - 300 <= on_their_way, "only what the kill caught between SMTP and the fact"
    worker = processes.start("delivery", smtp_port=smtp.port, sink_instance="one")
    log.write([mail_to(number) for number in range(300)] + [mail_to(1000)], partition=None)
    eventually(lambda: "O1000" in smtp.ids(), "the new one")
    assert ended(worker) == 0
    assert sum(Counter(smtp.ids()).values()) == sum(counted.values()) + 1


def test_a_temporary_refusal_is_tried_again_and_holds_up_nobody_else(log, processes, smtp):
    smtp.answers["c1@example.org"] = ["451 greylisted", "452 try later"]
    smtp.held["c1@example.org"] = lambda: len(smtp.ids()) >= 30  # everybody else first, if this one lets them
    log.write([mail_to(1), mail_to(2, customer=1), *[mail_to(number) for number in range(10, 40)]], partition=0)
    worker = processes.start("delivery", smtp_port=smtp.port)
    facts = eventually(lambda: len(found := delivery_facts(log)) == 32 and found, "all of them")
    by_id = {fact.outbound_id: fact for _, fact in facts}
    assert by_id["O1"].attempts == 3
    assert [fact.outbound_id for _, fact in facts][-2:] == ["O1", "O2"], "the customer's order is kept"
    assert ended(worker) == 0
    assert log.dead_letters(OUTBOUND_DLQ) == []


def test_a_permanent_refusal_bounces_and_can_be_replayed(log, processes, smtp, settings):
    smtp.answers["c1@example.org"] = ["550 no such mailbox"]
    log.write([mail_to(1), mail_to(2), mail_to(3, address="not an address")], partition=0)
    worker = processes.start("delivery", smtp_port=smtp.port)
    concluded = eventually(lambda: len(found := delivery_facts(log)) == 3 and found, "three facts")
    facts = {fact.outbound_id: fact for _, fact in concluded}
    assert {name: fact.outcome for name, fact in facts.items()} == {"O1": "bounced", "O2": "delivered", "O3": "refused"}
    assert facts["O1"].detail == "550 no such mailbox"
    dead_letters = {codec.decode(value).outbound_id: story for story, value in log.dead_letters(OUTBOUND_DLQ)}
    assert {name: story["reason"] for name, story in dead_letters.items()} == {
        "O1": "smtp_permanent",
        "O3": "bad_address",
    }
    assert dead_letters["O1"]["replay-topic"] == settings.topic(OUTBOUND)
    log.write([mail_to(1)], partition=0)  # written again by a worker: it is known to have bounced
    done = processes.run("dlq", "replay", "--all", "--reason", "smtp_permanent")
    assert done.stderr.splitlines() == ["1 replayed"], done.stderr
    eventually(lambda: smtp.ids() == ["O1", "O2"], "the mail, now that the mailbox exists")
    outcomes = eventually(lambda: len(f := delivery_facts(log)) == 4 and f, "its second fact")
    assert (outcomes[-1][1].outcome, outcomes[-1][1].version) == ("delivered", 4), "a higher version than the bounce"
    assert smtp.tried["c1@example.org"] == 2
    assert ended(worker) == 0


def test_a_recipient_who_is_refused_for_too_long_bounces(log, processes, smtp):
    smtp.answers["c1@example.org"] = ["451 later"] * 50
    log.write([mail_to(1)], partition=0)
    worker = processes.start("delivery", smtp_port=smtp.port, delivery_retry_seconds=2)
    ((_, fact),) = eventually(lambda: delivery_facts(log), "the fact")
    assert (fact.outcome, fact.detail) == ("bounced", "451 later")
    assert fact.attempts >= 2
    ((story, _),) = log.dead_letters(OUTBOUND_DLQ)
    assert story["reason"] == "retries_exhausted"
    assert ended(worker) == 0


def test_nothing_is_lost_while_the_smtp_server_is_away(log, processes, tmp_path):
    server = Maildir(tmp_path / "maildir")
    log.write([mail_to(number) for number in range(50)], partition=None)
    worker = processes.start("delivery", smtp_port=server.port)
    eventually(lambda: "channel_away" in processes.output(worker), "the first attempt")
    assert delivery_facts(log) == []
    server.start()
    eventually(lambda: len(delivery_facts(log)) == 50, "all fifty, after it came")
    server.stop()
    log.write([mail_to(number) for number in range(50, 80)], partition=None)
    eventually(lambda: processes.output(worker).count("channel_away") > 1, "that it went away")
    server.start()
    eventually(lambda: len(delivery_facts(log)) == 80, "the others, after it came back")
    assert ended(worker) == 0, processes.output(worker)
    server.stop()
    assert server.ids() == sorted(f"O{number}" for number in range(80))
    assert {fact.attempts for _, fact in delivery_facts(log)} == {1}, "an absent server is not the message's fault"


def test_one_slow_recipient_holds_up_nobody_else(log, processes, smtp):
    everybody_else = threading.Event()
    smtp.held["c1@example.org"] = everybody_else.is_set
    log.write([mail_to(1), *[mail_to(number) for number in range(2, 100)]], partition=0)
    worker = processes.start("delivery", smtp_port=smtp.port, delivery_in_flight=4)
    eventually(lambda: len(smtp.mails()) == 98, "the other ninety-eight")
    assert "O1" not in smtp.ids()
    everybody_else.set()
    eventually(lambda: "O1" in smtp.ids(), "the slow one")
    assert ended(worker) == 0
    assert smtp.connections <= 8, "connections are used again"


def test_what_is_not_an_outbound_message_is_a_dead_letter(log, processes, smtp):
    good = codec.encode(mail_to(2))
    values = [good[:-3], b"\xc3\x01" + b"\x07" * 8, codec.encode(deliveries_example()), good]
    log.write_raw([(OUTBOUND, b"K", value) for value in values])
    worker = processes.start("delivery", smtp_port=smtp.port)
    eventually(lambda: smtp.ids() == ["O2"], "its neighbour")
    dead_letters = eventually(lambda: len(found := log.dead_letters(OUTBOUND_DLQ)) == 3 and found, "three dead letters")
    assert [story["reason"] for story, _ in dead_letters] == ["broken_body", "unknown_fingerprint", "not_outbound"]
    assert ended(worker) == 0


def deliveries_example():
    return DeliveryFact(
        customer_tag="ABCDEFGHIJKL", version=1, partition=0, at=1, outbound_id="x", ticket_id="t", channel="email",
        kind="acknowledgement", outcome="delivered",
    )  # fmt: skip


def test_without_an_outbox_other_channels_are_dead_lettered(log, processes, smtp):
    log.write([mail_to(1, channel="sms", address="+15550100")], partition=0)
    worker = processes.start("delivery", smtp_port=smtp.port, outbox_dir="")
    ((_, fact),) = eventually(lambda: delivery_facts(log), "the fact")
    ((story, _),) = log.dead_letters(OUTBOUND_DLQ)
    assert (fact.outcome, fact.attempts, story["reason"]) == ("refused", 0, "no_adapter")
    assert ended(worker) == 0


def test_sigterm_ends_it_within_the_drain_time_although_messages_wait(log, processes):
    log.write([mail_to(number) for number in range(20)], partition=None)
    worker = processes.start("delivery", smtp_port=free_port(), sink_drain_seconds=1)
    eventually(lambda: "channel_away" in processes.output(worker), "the first attempt")
    before = time.monotonic()
    assert ended(worker) == 0, processes.output(worker)
    assert time.monotonic() - before < 8
    assert delivery_facts(log) == []


class Broken:
    """An adapter with a defect that some messages find."""

    def __init__(self):
        self.taken = []

    async def deliver(self, message, earlier=None):
        if "defect" in message.text:
            raise ValueError("nobody thought of this")
        self.taken.append(message.outbound_id)
        return "taken"

    async def close(self):
        pass


def test_a_message_that_breaks_its_adapter_is_a_dead_letter_and_its_neighbours_go_out(log, settings):
    log.write([mail_to(1), mail_to(2, text="a defect"), mail_to(3), mail_to(4, customer=2)], partition=0)
    adapter = Broken()

    async def run():
        delivery = sink.DeliverySink(settings, Adapters({"email": adapter}), Health())
        running = asyncio.create_task(delivery.run())
        await asyncio.to_thread(eventually, lambda: len(delivery_facts(log)) == 4, "four facts")
        delivery.stop()
        await running

    asyncio.run(run())
    outcomes = {fact.outbound_id: (fact.outcome, fact.detail) for _, fact in delivery_facts(log)}
    assert outcomes["O2"] == ("refused", "ValueError: nobody thought of this")
    assert sorted(adapter.taken) == ["O1", "O3", "O4"], "also the same customer's next one"
    ((story, _),) = log.dead_letters(OUTBOUND_DLQ)
    assert story["reason"] == "defect"
    assert "in deliver" in story["traceback"], "the line of the defect"

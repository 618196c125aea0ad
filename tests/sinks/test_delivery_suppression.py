"""A bounce through the whole delivery sink: the address is suppressed, by every sink and after every restart, until it is released."""

import pytest

from schemas import codec, identity
from schemas.facts import MailReport, SuppressionFact
from schemas.settings import SinkSettings
from schemas.topics import SUPPRESSIONS, Topic
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


def bounce(message, **fields):
    told = {
        "customer_tag": message.customer_tag, "version": 9, "partition": 0, "at": SinkSettings().pipeline_clock.now(),
        "event_id": f"R {message.outbound_id}", "ticket_id": message.ticket_id, "message_id": message.message_id,
        "recipients": [message.address], "status": "failed", "error_code": "5.1.1",
        "proof": identity.report_proof(message.message_id),
    }  # fmt: skip
    return MailReport(**told | fields)


def test_a_bounced_address_gets_nothing_until_it_is_released(log, processes, smtp, deployment, cli):
    log.write([mail_to(1), mail_to(2)])
    worker = processes.start("delivery", smtp_port=smtp.port)
    eventually(lambda: smtp.ids() == ["O1", "O2"], "two mails")
    forged = bounce(mail_to(2), message_id=mail_to(1).message_id, event_id="forged")
    log.write(
        [forged, bounce(mail_to(1)), bounce(mail_to(1)), mail_to(3, customer=1, kind="reply"), mail_to(4, customer=2)]
    )
    eventually(lambda: len(delivery_facts(log)) == 4, "the outcomes of four")
    facts = {fact.outbound_id: fact for _, fact in delivery_facts(log)}
    assert (facts["O3"].outcome, facts["O3"].attempts, facts["O4"].outcome) == ("refused", 0, "delivered")
    assert facts["O3"].detail.startswith(
        "the address is suppressed: hard_bounce 5.1.1; `python -m sinks delivery release "
    )
    (known,) = [codec.decode(record.value) for record in log.read(SUPPRESSIONS)]
    assert isinstance(known, SuppressionFact)
    assert (known.state, known.reason, "example" in str(known)) == ("permanent", "hard_bounce", False)
    assert ended(worker) == 0, processes.output(worker)

    worker = processes.start("delivery", smtp_port=smtp.port)
    log.write([mail_to(5, customer=1), mail_to(6, customer=2)])  # an acknowledgement: nobody wrote it
    eventually(lambda: len(delivery_facts(log)) == 6, "the outcomes of six")
    assert smtp.ids() == ["O1", "O2", "O4", "O6"]
    ((story, _),) = log.dead_letters(OUTBOUND_DLQ)
    assert (story["reason"], codec.decode(log.dead_letters(OUTBOUND_DLQ)[0][1]).outbound_id) == ("suppressed", "O3")

    shown = cli(deployment.env, "delivery", "suppressed").stdout
    assert shown.startswith(f"{known.address_key}  permanent  hard_bounce  5.1.1  since "), shown
    assert shown.endswith("(1 suppressed)\n")
    assert cli(deployment.env, "delivery", "release", "c2@example.org").returncode == 2, "who is not suppressed"
    done = cli(deployment.env, "delivery", "release", "C1@example.org")
    assert done.stderr.startswith(f"{known.address_key} is released"), done.stderr
    assert cli(deployment.env, "delivery", "suppressed", "c1@example.org").stdout.startswith(
        f"{known.address_key}  released"
    )
    assert cli(deployment.env, "dlq", "replay", "--all", "--reason", "suppressed").stderr == "1 replayed\n"
    eventually(lambda: "O3" in smtp.ids(), "the reply, which the running sink lets through now")
    assert ended(worker) == 0, processes.output(worker)


def test_the_view_shows_what_is_suppressed_now(insert, ask, settings):
    now = settings.pipeline_clock.now()
    day = 86_400_000_000

    def fact(key, state, **fields):
        return SuppressionFact(**{"customer_tag": "T", "version": now, "partition": 0, "at": now, "address_key": key, "state": state, "ticket_id": "T-1"} | fields)  # fmt: skip

    insert(
        fact("A", "permanent", reason="hard_bounce", error_code="5.1.1", since=now),
        fact("B", "temporary", reason="soft_bounces", since=now, until=now + day),
        fact("C", "temporary", reason="soft_bounces", since=now - 9 * day, until=now - day),
        fact("D", "released", version=now + 1),
        fact("D", "permanent", reason="complaint"),
        fact("E", "watched", bounces=2),
        fact("F", "watched", bounces=1, unsubscribed=True),
    )
    rows = ask("SELECT address_key, state, reason FROM suppressed_addresses ORDER BY address_key")
    assert [tuple(row.values()) for row in rows] == [
        ("A", "permanent", "hard_bounce"),
        ("B", "temporary", "soft_bounces"),
        ("F", "watched", "unsubscribed"),
    ]

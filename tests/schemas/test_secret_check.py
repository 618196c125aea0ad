"""All processes of a deployment make names with the same secrets: who has others does not start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.publisher import Publisher
from schemas import admin, codec, identity, secret_check
from schemas.errors import ConfigurationError, Unavailable
from schemas.events import MessageReceived
from schemas.facts import TicketFact
from schemas.published import SecretsRegistered
from schemas.secret_check import UNKEYED, InForce, in_force, require_same
from schemas.settings import ProducerSettings, Settings, SinkSettings
from schemas.topics import TICKET_FACTS
from tests.conftest import ROOT, Deployment
from tests.support.secrets import FIRST, SECOND, secrets
from tests.support.sinks.deployment import Log

T = TypeVar("T")
ONE, TWO = identity.fingerprint(FIRST), identity.fingerprint(SECOND)


# -- what the log says --------------------------------------------------------------------------------------------


def test_of_two_first_records_the_first_counts() -> None:
    log = [SecretsRegistered(tags=ONE, replaces=""), SecretsRegistered(tags=TWO, replaces="")]
    assert in_force(log) == InForce(ONE)


def test_a_record_that_replaces_what_is_in_force_counts() -> None:
    log = [SecretsRegistered(tags=UNKEYED, replaces=""), SecretsRegistered(tags=ONE, replaces=UNKEYED, tokens=TWO)]
    assert in_force(log) == InForce(ONE, TWO)


_FINGERPRINTS = st.sampled_from(["", UNKEYED, ONE, TWO])


@given(st.lists(st.builds(SecretsRegistered, tags=_FINGERPRINTS.filter(bool), replaces=_FINGERPRINTS)))
def test_whoever_reads_more_of_the_log_never_disagrees_with_a_loser(log: list[SecretsRegistered]) -> None:
    """A record that did not count when it was written changes nothing for anybody."""
    for number, record in enumerate(log):
        before = in_force(log[:number])
        if record.replaces != before.tags:
            assert in_force(log[: number + 1]) == before


@pytest.mark.parametrize(
    ("tags", "tokens", "registered", "where"),
    [
        ("", "", InForce(), ""),
        (FIRST, "", InForce(), ""),
        (FIRST, "", InForce(ONE, ONE), ""),
        (f"{FIRST},{SECOND}", "", InForce(ONE, TWO), ""),
        (FIRST, SECOND, InForce(ONE, TWO), ""),
        (FIRST, f"{SECOND},{FIRST}", InForce(ONE, ONE), ""),
        ("", "", InForce(UNKEYED), ""),
        (SECOND, "", InForce(ONE, ONE), "DESKSTREAM_TAG_SECRETS"),
        ("", "", InForce(ONE, ONE), "DESKSTREAM_TAG_SECRETS"),
        (FIRST, "", InForce(UNKEYED), "DESKSTREAM_TAG_SECRETS"),
        (FIRST, SECOND, InForce(ONE, ONE), "DESKSTREAM_TOKEN_SECRETS"),
        (f"{SECOND},{FIRST}", "", InForce(ONE, ONE), "DESKSTREAM_TAG_SECRETS"),
    ],
)
def test_a_process_must_have_what_is_in_force(tags: str, tokens: str, registered: InForce, where: str) -> None:
    settings = Settings(tag_secrets=tags, token_secrets=tokens)
    if not where:
        require_same(settings, registered)
        return
    with pytest.raises(ConfigurationError) as refused:
        require_same(settings, registered)
    assert refused.value.where == where
    assert FIRST not in str(refused.value)
    assert SECOND not in str(refused.value)


# -- on a real broker ---------------------------------------------------------------------------------------------


def run(deployment: Deployment, module: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | deployment.env | {f"DESKSTREAM_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.stack
def test_two_that_create_with_different_secrets_do_not_both_win(deployment: Deployment) -> None:
    both = [deployment.settings(Settings, tag_secrets=secret) for secret in (FIRST, SECOND)]

    def register(settings: Settings) -> bool:
        with suppress(ConfigurationError):
            secret_check.register(settings)
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(register, both)) == [False, True]
    assert secret_check.read(both[0]).tags in (ONE, TWO)


@pytest.mark.stack
def test_a_worker_and_a_producer_with_another_secret_do_not_start(deployment: Deployment) -> None:
    """The attack on a deployment: half of it has another secret, and every customer becomes two."""
    assert run(deployment, "schemas.admin", "create", tag_secrets=FIRST).returncode == 0
    worker = run(deployment, "stream_processors", tag_secrets=SECOND)
    assert worker.returncode == 2
    assert "DESKSTREAM_TAG_SECRETS" in worker.stderr
    with (
        Publisher(deployment.settings(ProducerSettings, tag_secrets="")) as publisher,
        pytest.raises(ConfigurationError),
    ):
        publisher.connect()
    with Publisher(deployment.settings(ProducerSettings, tag_secrets=FIRST)) as publisher:
        publisher.connect()


@pytest.mark.stack
def test_a_deployment_with_contacts_moves_to_keyed_tags(deployment: Deployment) -> None:
    """The upgrade: the secret is set, nothing starts before `rekey`, and the open ticket is there after it."""
    log, ann = Log(deployment.settings(SinkSettings)), "email:ann@example.org"
    with Publisher(deployment.settings(ProducerSettings)) as publisher:
        publisher.publish(_message(ann))
    waiting = run(deployment, "stream_processors", "rekey", tag_secrets=FIRST)
    assert (waiting.returncode, "create" in waiting.stderr) == (2, True)
    with _worker(deployment):
        _await(lambda: _tickets(log))
    for settings in ({"tag_secrets": FIRST}, {"tag_secrets": SECOND}):
        created = run(deployment, "schemas.admin", "create", **settings)
        assert (created.returncode, "without a secret" in created.stderr) == (2, True)
    with _worker(deployment):
        running = run(deployment, "stream_processors", "rekey", tag_secrets=FIRST)
        assert (running.returncode, "still read" in running.stderr) == (3, True), running.stderr
    moved = _await(lambda: _moved(deployment))
    assert moved.startswith("1 customers move")
    assert "already" in run(deployment, "stream_processors", "rekey", tag_secrets=FIRST).stdout
    with secrets(FIRST):
        keyed = identity.customer_tag(ann)
    with _worker(deployment, tag_secrets=FIRST):
        _await(lambda: any(fact.customer_tag == keyed for fact in _tickets(log)))
    [ticket] = {fact.ticket_id for fact in _tickets(log)}
    assert not ticket.startswith(keyed)


def _moved(deployment: Deployment) -> str:
    """Rekeys; '' while the broker still counts the stopped worker as a member."""
    done = run(deployment, "stream_processors", "rekey", tag_secrets=FIRST)
    assert done.returncode == 0 or "still read" in done.stderr, done.stderr
    return done.stdout


def _tickets(log: Log) -> list[TicketFact]:
    facts = [codec.decode(record.value) for record in log.read(TICKET_FACTS)]
    return [fact for fact in facts if isinstance(fact, TicketFact)]


def _await(look: Callable[[], T], seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@contextmanager
def _worker(deployment: Deployment, **settings: str) -> Iterator[None]:
    env = os.environ | deployment.env | {f"DESKSTREAM_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen([sys.executable, "-m", "stream_processors"], cwd=ROOT, env=env)
    try:
        group = deployment.settings(Settings).group("").rstrip("-")
        _await(lambda: _has_members(deployment, group))
        yield
    finally:
        process.terminate()
        assert process.wait(60) in (0, -signal.SIGTERM)  # the latter while it starts


def _has_members(deployment: Deployment, group: str) -> bool:
    try:
        admin.require_idle(deployment.settings(Settings), group, f"{deployment.namespace}contact-events")
    except Unavailable as error:
        return "still read" in str(error)
    return False


def _message(customer: str) -> MessageReceived:
    with secrets():
        tag = identity.customer_tag(customer)
    now = time.time_ns() // 1000
    about = {"customer_tag": tag, "customer_id": customer, "address": "ann@example.org"}
    return MessageReceived(event_id="1", occurred_at=now, received_at=now, channel="email", **about)

"""Every door, through the same cases, as its sender sees it: a real process, real signatures, a real Kafka."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from producers.door import Door, doors
from tests.conftest import Deployment
from tests.own_kafka import own_kafka
from tests.producers.door_case import OLD_SECRET, PUBLIC_URL, SECRET, WRONG_SECRET, Case, Knock, cases
from tests.producers.log_reader import EVENTS, PRESENCE, events, eventually, letters
from tests.producers.test_http import Server, serving

pytestmark = pytest.mark.stack

DOORS: dict[str, Door] = {door.name: door for door in doors()}
CASES = cases()
OUTAGE_SECONDS = 30.0


@contextmanager
def all_doors(deployment: Deployment, **env: str) -> Iterator[Server]:
    secrets = {f"DESKSTREAM_{door.secrets.upper()}": f"{SECRET}, {OLD_SECRET}" for door in DOORS.values()}
    environment = {"DESKSTREAM_PUBLIC_URL": PUBLIC_URL} | secrets | env
    with serving(deployment, await_ready=True, **environment) as server:
        yield server


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with all_doors(deployment) as server:
        yield server


def knock(server: Server, case: Case, body: bytes, *, secret: str = SECRET, at: float | None = None) -> httpx.Response:
    return send(server, case, case.sign(body, secret, time.time() if at is None else at))


def send(server: Server, case: Case, request: Knock) -> httpx.Response:
    query = f"?{request.query}" if request.query else ""
    return server.client.post(DOORS[case.door].path + query, content=request.body, headers=dict(request.headers))


def published(deployment: Deployment) -> list[str]:
    """The event ids in Kafka, on both topics that doors write to."""
    return [event.event_id for topic in (EVENTS, PRESENCE) for event in events(deployment, topic)]


def balance(server: Server) -> tuple[float, float, float, float]:
    """received, published, duplicates, dead-lettered; the first is the sum of the others, whatever happens."""
    received, done, again, dead = (
        sum(server.counted(name).values()) for name in ("received", "published", "duplicate", "dead_lettered")
    )
    assert received == done + again + dead
    return received, done, again, dead


def test_every_door_has_a_sender_in_the_tests() -> None:
    assert sorted(CASES) == sorted(DOORS)


def test_what_is_answered_as_received_is_in_kafka_signed_with_the_new_secret_or_the_old(
    deployment: Deployment, server: Server
) -> None:
    for case in CASES.values():
        for number, secret in ((1, SECRET), (2, OLD_SECRET)):
            answer = knock(server, case, case.body(number), secret=secret)
            assert answer.is_success, (case.door, answer.status_code, answer.text)
    expected = 2 * sum(case.events for case in CASES.values())
    found = Counter(published(deployment))
    assert len(found) == found.total() == expected
    assert balance(server) == (expected, expected, 0, 0)


def test_the_same_delivery_again_is_a_duplicate_and_is_answered_as_received(
    deployment: Deployment, server: Server
) -> None:
    for case in CASES.values():
        body = case.body(1)
        first, again = knock(server, case, body), knock(server, case, body)
        assert first.is_success and again.is_success, case.door
    expected = sum(case.events for case in CASES.values())
    assert len(published(deployment)) == expected
    assert balance(server) == (2 * expected, expected, expected, 0)


def test_deliveries_that_come_in_the_wrong_order_are_all_taken(deployment: Deployment, server: Server) -> None:
    for case in CASES.values():
        for number in (3, 1, 2):
            assert knock(server, case, case.body(number)).is_success, case.door
    found = Counter(published(deployment))
    assert len(found) == found.total() == 3 * sum(case.events for case in CASES.values())


def test_who_cannot_prove_who_they_are_is_turned_away_and_nothing_is_taken(
    deployment: Deployment, server: Server
) -> None:
    turned_away = 0
    for case in CASES.values():
        body = case.body(1)
        wrong = [knock(server, case, body, secret=WRONG_SECRET)]
        right = case.sign(body, SECRET, time.time())
        only_type = {name: value for name, value in right.headers.items() if name.lower() == "content-type"}
        wrong.append(send(server, case, Knock(body, only_type, right.query)))
        wrong.append(send(server, case, Knock(body + b" ", right.headers, right.query)))
        if case.timestamped:
            wrong.append(knock(server, case, body, at=time.time() - 400))
        assert [answer.status_code for answer in wrong] == [401] * len(wrong), case.door
        turned_away += len(wrong)
    assert not published(deployment) and not letters(deployment)
    assert sum(server.counted("refused").values()) == turned_away
    assert balance(server) == (0, 0, 0, 0)


def test_a_body_over_the_limit_is_refused_before_it_is_read(deployment: Deployment, server: Server) -> None:
    for case in CASES.values():
        answer = knock(server, case, b"x" * (DOORS[case.door].max_bytes + 1))
        assert answer.status_code == 413, case.door
    assert not published(deployment) and not letters(deployment)


def test_a_genuine_delivery_that_is_no_event_is_a_dead_letter_with_its_bytes_or_is_refused(
    deployment: Deployment, server: Server
) -> None:
    kept = []
    for case in CASES.values():
        answer = knock(server, case, case.malformed)
        if DOORS[case.door].keep:
            assert answer.is_success, (case.door, answer.text)
            kept.append((case.malformed, case.door))
        else:
            assert answer.status_code in (400, 422), (case.door, answer.text)
    found = [(letter.raw, letter.headers["producer"]) for letter in letters(deployment)]
    assert sorted(found) == sorted(kept)
    assert balance(server) == (len(kept), 0, 0, len(kept))


def test_while_kafka_is_silent_nobody_is_told_received_and_afterwards_nothing_is_missing(tmp_path: Path) -> None:
    """Senders try again as real ones do: until they are told that it was received."""
    told: dict[str, list[float]] = {name: [] for name in CASES}
    with own_kafka(tmp_path) as kafka, all_doors(kafka.deployment, DESKSTREAM_PUBLISH_TIMEOUT_SECONDS="5") as server:
        resumed = [0.0]

        def persist(case: Case) -> None:
            body = case.body(1)
            with httpx.Client(base_url=server.client.base_url, timeout=60, trust_env=False) as client:
                while True:
                    request = case.sign(body, SECRET, time.time())
                    query = f"?{request.query}" if request.query else ""
                    path = DOORS[case.door].path + query
                    answer = client.post(path, content=request.body, headers=dict(request.headers))
                    if answer.is_success:
                        told[case.door].append(time.monotonic())
                        return
                    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1, answer.text
                    time.sleep(1.0)  # the sender's own pause

        with kafka.silenced():
            senders = [threading.Thread(target=persist, args=(case,)) for case in CASES.values()]
            for sender in senders:
                sender.start()
            until = time.monotonic() + OUTAGE_SECONDS
            while time.monotonic() < until:
                assert not any(told.values())
                time.sleep(0.5)
            resumed[0] = time.monotonic()
        for sender in senders:
            sender.join(60)
        assert all(len(moments) == 1 and moments[0] >= resumed[0] for moments in told.values())
        assert len(set(published(kafka.deployment))) == sum(case.events for case in CASES.values())
        balance(server)


def test_what_a_killed_process_had_received_and_not_published_is_taken_when_it_is_sent_again(tmp_path: Path) -> None:
    with own_kafka(tmp_path) as kafka:
        with all_doors(kafka.deployment) as server, kafka.silenced():
            hanging = [threading.Thread(target=_ignore_errors, args=(server, case)) for case in CASES.values()]
            for each in hanging:
                each.start()
            eventually(lambda: all(each.is_alive() for each in hanging))
            server.process.kill()
            server.process.wait()
            for each in hanging:
                each.join(30)
        with all_doors(kafka.deployment) as server:
            for case in CASES.values():
                assert knock(server, case, case.body(1)).is_success, case.door
            assert len(set(published(kafka.deployment))) == sum(case.events for case in CASES.values())
            balance(server)


def _ignore_errors(server: Server, case: Case) -> None:
    request = case.sign(case.body(1), SECRET, time.time())
    query = f"?{request.query}" if request.query else ""
    url = f"{server.client.base_url}{DOORS[case.door].path}{query}"
    try:
        httpx.post(url, content=request.body, headers=dict(request.headers), timeout=60, trust_env=False)
    except httpx.HTTPError:
        return

"""Dead letters of producers, through their channel again: nothing lost to a mistake of ours, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from producers.channels import form, generic
from producers.endpoint import WebhookEndpoint
from producers.imports.formats import history
from producers.intake import Intake
from producers.mail import event as email
from producers.publisher import Outcome, Publisher
from producers.replay.engine import Fate, ReplayResult, replay
from producers.security import device
from producers.sources import mail_intake as mail
from producers.sources.http.server import create_app
from producers.sources.mail_intake import mail_intake
from schemas import codec, signature
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter import reader
from schemas.errors import Refused
from schemas.events import Event, MessageReceived
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.endpoint_case import PUBLIC_URL, SECRET, cases
from tests.support.producers.log_reader import EVENTS, PRESENCE, dead_letters, records
from tests.support.producers.replay_case import (
    ENDPOINTS,
    FORM,
    KEPT,
    MAIL,
    NOW,
    OUR_SECRETS,
    REPLY,
    TYPED_ON_A_KIOSK,
    delivered,
)
from tests.support.producers.signing import KEYS_FILE, header

Run = Callable[..., tuple[int, str, str]]


class Broken:
    """Our mistake in every channel, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch.context()
        patch = self._patch.__enter__()
        for place, name in (
            (WebhookEndpoint, "take"),
            (form, "normalise"),
            (mail, "message_received"),
            (generic, "build"),
        ):
            patch.setattr(place, name, self.fail)

    def fail(self, *_: Any, **__: Any) -> Any:
        return {}["a field that was always there"]

    def mend(self) -> None:
        self._patch.__exit__(None, None, None)


@pytest.fixture
def settings(deployment: Deployment) -> ProducerSettings:
    return deployment.settings(
        ProducerSettings,
        public_url=PUBLIC_URL,
        attachments_url="",
        keys_file=KEYS_FILE,
        **dict.fromkeys(OUR_SECRETS, SECRET),
    )


@pytest.fixture
def publisher(settings: ProducerSettings) -> Iterator[Publisher]:
    with Publisher(settings) as publisher:
        publisher.connect()
        yield publisher


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`python -m producers replay ...` in this process: exit code, standard output, standard error."""
    from producers import __main__ as command
    from producers.sources import process

    monkeypatch.setattr(process, "configure_logging", lambda settings: None)  # it would outlive this test

    def call(*arguments: str) -> tuple[int, str, str]:
        for name, value in deployment.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["producers", "replay", *arguments])
        capsys.readouterr()
        with capture_logs(), pytest.raises(SystemExit) as ended:
            command.app()
        written = capsys.readouterr()
        return int(str(ended.value.code or 0)), written.out, written.err

    return call


def post_everything(settings: ProducerSettings, publisher: Publisher) -> Mapping[str, int]:
    """One delivery to every endpoint, the form in two ways and the signed endpoint; each one's status."""
    now = int(time.time())
    token = f"Bearer {device.device_token(device.DeviceToken('dublin-1', 'k7q2m4x9aa', now, now + 60), [SECRET])}"
    as_json = {"content-type": "application/json"}
    raw = json.dumps(REPLY).encode()

    async def main() -> Mapping[str, int]:
        transport = httpx.ASGITransport(create_app(settings, publisher))
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, timeout=60) as client:
            told = {}
            for case in cases().values():
                sent = case.sign(case.body(1), SECRET, time.time())
                url = ENDPOINTS[case.endpoint].path + (f"?{sent.query}" if sent.query else "")
                told[case.endpoint] = await client.post(url, content=sent.body, headers=dict(sent.headers))
            told["kiosk with a token"] = await client.post(
                "/v1/kiosk", content=TYPED_ON_A_KIOSK, headers=as_json | {"authorization": token}
            )
            told["form"] = await client.post("/v1/form", data=FORM)
            parts = {name: (None, value) for name, value in FORM.items()} | {"submission_id": (None, "f-2")}
            told["form in parts"] = await client.post("/v1/form", files=parts)
            signed = as_json | {signature.HEADER: header("/v1/events", raw, SECRET, time.time())}
            told["generic"] = await client.post("/v1/events", content=raw, headers=signed)
            return {name: answer.status_code for name, answer in told.items()}

    return asyncio.run(main())


def take_mail_and_history(settings: ProducerSettings, publisher: Publisher) -> list[Outcome]:
    mail = mail_intake(publisher, settings, None, source="imap:support")
    old = Intake(publisher, history.CHANNEL, history.event, source="import:old.jsonl", imported=True)
    line = json.dumps(REPLY | {"id": "h1", "occurred_at": "2025-11-03T09:12:00Z"}).encode()
    futures = [mail.take(MAIL % 1, origin="imap://support/1"), old.take(line, origin="old.jsonl:1")]
    return [publisher.wait(future).outcome for future in futures]


def log_of(deployment: Deployment) -> list[tuple[Event, dict[str, bytes]]]:
    """Every event in Kafka, with the headers of its record."""
    found = records(deployment, EVENTS) + records(deployment, PRESENCE)
    return [(codec.decode(record.value), dict(record.headers)) for record in found]


def replay_by_name(run: Run, names: list[str]) -> None:
    """Replays presence and roster, which are taken for the present unless they are named, each once."""
    assert len(names) == 2
    for name in names:
        assert run(name)[::2] == (0, "1 dead letter: 1 accepted (1 event), 0 duplicate, 0 refused again\n")
        assert run(name)[2].splitlines()[0] == f"{name}: this dead letter was replayed before"


@pytest.mark.stack
def test_what_every_channel_lost_to_a_mistake_of_ours_comes_back_once_with_its_own_id_and_time(
    deployment: Deployment,
    settings: ProducerSettings,
    publisher: Publisher,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Broken(monkeypatch)
    began = settings.pipeline_clock.now()
    answers = post_everything(settings, publisher)
    assert {name: code for name, code in answers.items() if code not in (200, 202)} == {}
    assert take_mail_and_history(settings, publisher) == [Outcome.DEAD_LETTERED] * 2
    ended = settings.pipeline_clock.now()
    count = len(answers) + 2
    assert [dead_letter.headers["reason"] for dead_letter in dead_letters(deployment)] == ["defect"] * count
    assert log_of(deployment) == []

    code, shown, said = run("--all")  # nothing is mended yet
    assert (code, shown.count("refused again: defect: KeyError")) == (2, count)
    assert said.strip() == f"{count} dead letters: 0 accepted (0 events), 0 duplicate, {count} refused again"
    assert len(dead_letters(deployment)) == count and log_of(deployment) == []

    broken.mend()
    code, shown, said = run("--all", "--dry-run")
    assert (code, shown.count("accepted: "), shown.count("refused again: outdated")) == (2, count - 2, 2)
    assert said.startswith(f"dry run, nothing was changed; {count} dead letters: {count - 2} accepted")
    assert log_of(deployment) == []

    code, shown, said = run("--all", "--source", "social-meta")
    assert (code, said.strip()) == (0, "1 dead letter: 1 accepted (3 events), 0 duplicate, 0 refused again")
    code, shown, said = run("--all", "--reason", "defect", "--error", "always there", "--since", "1h")
    assert (code, said.startswith(f"{count - 1} dead letters: {count - 3} accepted")) == (2, True)
    replay_by_name(run, re.findall(r"\S+(?= +│ agents-(?:presence|roster))", shown))

    came = log_of(deployment)
    assert set(Counter(event.event_id for event, _ in came).values()) == {1}
    assert all(began <= event.received_at <= ended for event, _ in came)
    assert all(headers["replay-of"].startswith(deployment.namespace.encode()) for _, headers in came)
    mail = next(event for event, _ in came if event.channel == "email")
    assert (mail.source, mail.imported, mail.event_id) == (
        "imap:support", False, email.mail_event_id("<1@example.org>", "ann@example.org"),
    )  # fmt: skip
    old = next(event for event, _ in came if event.imported)
    assert (old.source, old.occurred_at) == ("import:old.jsonl", 1_762_161_120_000_000)
    said = [event for event, _ in came if isinstance(event, MessageReceived)]
    assert said and all(ended < int(event.fields["replayed_at"]) for event in said)  # an answer is promised from then
    places = [event.fields["place"] for event, _ in came if event.channel == "in_person"]  # type: ignore[attr-defined]
    assert sorted(places) == ["Dublin, ground floor", "dublin-1"]

    # What their senders send again, after all, is the same events.
    post_everything(settings, publisher)
    take_mail_and_history(settings, publisher)
    assert {event.event_id for event, _ in log_of(deployment)} == {event.event_id for event, _ in came}

    before = len(records(deployment, EVENTS))
    assert run("--all")[::2] == (0, "0 dead letters: 0 accepted (0 events), 0 duplicate, 0 refused again\n")
    assert len(records(deployment, EVENTS)) == before


@pytest.mark.stack
def test_of_a_batch_only_what_is_not_in_kafka_yet_is_published(
    deployment: Deployment, publisher: Publisher, run: Run
) -> None:
    case = cases()["social-meta"]
    endpoint = ENDPOINTS[case.endpoint]
    body = case.body(1).replace(b"2002", b"5123456789010")  # which looks like a card number, and must stay who it is
    kept = endpoint.input_context(delivered(case, case.sign(body, SECRET, time.time())), NOW, "http:here")
    first, *_ = endpoint.take(body, kept)
    publisher.publish(first)
    publisher.dead_letter(
        body, Refused("bad_fields", "a part of it"), channel="social", producer=endpoint.name, given=kept
    )
    code, shown, said = run("--all")
    assert (code, said.strip()) == (0, "1 dead letter: 1 accepted (2 events), 0 duplicate, 0 refused again")
    assert "accepted: 2 events, 1 known already" in shown
    who = [getattr(event, "customer_id", "") for event, _ in log_of(deployment)]
    assert sum(each.endswith(":5123456789010") for each in who) == 2
    assert set(Counter(event.event_id for event, _ in log_of(deployment)).values()) == {1}


@pytest.mark.stack
def test_what_becomes_too_large_on_its_way_is_a_new_dead_letter_in_place_of_the_old_one(
    deployment: Deployment, settings: ProducerSettings
) -> None:
    class Verbose:
        def __call__(self, event: Event) -> Event:
            return msgspec.structs.replace(event, text="x" * 5_000_000)  # type: ignore[call-arg]

        async def later(self, event: Event) -> Event:
            return self(event)

    told: list[ReplayResult] = []
    with Publisher(settings, enrich=Verbose()) as publisher:
        publisher.dead_letter(MAIL % 1, Refused("defect"), channel="email", producer="email", given=KEPT)
        replay(asyncio.run(reader.dead_letters(settings)), publisher, settings, told.append)
    assert [(each.fate, each.detail) for each in told] == [(Fate.REFUSED, "too_large: it is a new dead letter now")]
    [left] = asyncio.run(reader.dead_letters(settings))
    assert (left.reason, left.value, dead_letter_headers.input_context(left.headers)) == ("too_large", MAIL % 1, KEPT)
    assert log_of(deployment) == []


#: Kills itself when its second five hundred are in Kafka, and not yet marked.
DIES = """
import os, signal, sys
from producers.publisher import Publisher

mark, calls = Publisher.mark_replayed, []

def mark_or_die(self, dead_letters):
    calls.append(dead_letters)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    mark(self, dead_letters)

Publisher.mark_replayed = mark_or_die
sys.argv = ["producers", "replay", "--all"]
from producers.__main__ import app
app()
"""


@pytest.mark.stack
def test_a_replay_that_is_killed_in_the_middle_goes_on_and_publishes_nothing_twice(
    deployment: Deployment, publisher: Publisher, run: Run
) -> None:
    count = 1_200
    told = [
        publisher.submit_dead_letter(
            MAIL % number, Refused("defect"), channel="email", producer="email", given=KEPT, origin="here"
        )
        for number in range(count)
    ]
    for future in told:
        publisher.wait(future)
    killed = subprocess.run(
        [sys.executable, "-c", DIES], env=os.environ | deployment.env, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(log_of(deployment)) == 1_000
    code, shown, said = run("--all")
    assert (code, said.strip()) == (0, "700 dead letters: 200 accepted (200 events), 500 duplicate, 0 refused again")
    assert shown.count("duplicate: known already") == 500
    assert set(Counter(event.event_id for event, _ in log_of(deployment)).values()) == {1}
    assert len(log_of(deployment)) == count
    assert run("--all")[2].startswith("0 dead letters")


@pytest.mark.stack
def test_what_makes_no_sense_is_one_line(run: Run) -> None:
    for arguments, says in (
        ((), "name dead letters, or say --all"),
        (("contact-events.dlq:0:1", "--all"), "name dead letters, or say --all"),
        (("contact-events.dlq:0:99",), "there is no dead letter at "),
        (("facts.dlq:0:1",), "the dead letters of producers lie in contact-events.dlq (python -m sinks dlq replay "),
        (("--all", "--topic", "facts.dlq"), "the dead letters of producers lie in contact-events.dlq"),
        (("--all", "--topic", "ticket-facts"), "is no dead-letter topic"),
        (("--all", "--since", "yesterday"), "--since: 'yesterday' is no time"),
    ):
        code, shown, said = run(*arguments)
        assert (code, shown) == (2, "")
        (line,) = said.strip().splitlines()
        assert says in line

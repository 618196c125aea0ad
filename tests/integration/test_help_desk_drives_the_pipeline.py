"""A help desk that is there already: it hears of contacts by webhook, answers through the agents' API, and is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas import codec
from schemas.facts import Outbound
from schemas.topics import OUTBOUND
from tests.conftest import Deployment
from tests.support.producers.endpoint_case import SECRET
from tests.support.producers.log_reader import free_port, logged, producer, records
from tests.support.producers.signing import KEYS_FILE, signed_json
from tests.support.timeouts import eventually
from tests.support.webhook_receiver import Receiver, subscribe

pytestmark = pytest.mark.stack


@contextmanager
def process(deployment: Deployment, log: Path, *arguments: str, **env: str) -> Iterator[None]:
    """One of our processes, ready; drained at the end."""
    port = free_port()
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=os.environ | deployment.env | {"DESKSTREAM_METRICS_PORT": str(port)} | env,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: _ready(port) or child.poll() is not None)
        assert child.poll() is None, log.read_text()
        yield
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0, log.read_text()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def heard(desk: Receiver, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The data of the facts of this kind that the help desk took, in order."""
    return [each.body["data"] for each in desk.taken() if each.kind == kind and wanted(each.body["data"])]


def post(client: httpx.Client, resource: str, body: dict[str, Any]) -> httpx.Response:
    raw = json.dumps(body).encode()
    signed = signed_json(f"/v1/agents/{resource}", raw, SECRET, time.time())
    return client.post(f"/v1/agents/{resource}", content=raw, headers=dict(signed.headers))


def to_customer(deployment: Deployment, kind: str) -> list[Outbound]:
    found = [codec.decode(record.value) for record in records(deployment, OUTBOUND.name)]
    return [message for message in found if isinstance(message, Outbound) and message.kind == kind]


def test_a_help_desk_drives_the_pipeline_by_webhooks_and_the_agents_api(deployment: Deployment, tmp_path: Path) -> None:
    with Receiver() as desk:
        wanted = {"url": desk.url, "facts": ["contact_fact", "ticket_fact", "tag_fact", "outbound"]}
        hooks = {
            "DESKSTREAM_WEBHOOKS_FILE": subscribe(tmp_path, desk=wanted),
            "DESKSTREAM_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        http = {"DESKSTREAM_HTTP_PORT": "0", "DESKSTREAM_KEYS_FILE": str(KEYS_FILE)}
        with (
            producer(deployment, "http", **http) as server,
            process(deployment, tmp_path / "worker.log", "stream_processors"),
            process(deployment, tmp_path / "webhooks.log", "sinks", "webhooks", **hooks),
            httpx.Client(base_url=logged(server, r'"url": "(http[^"]+)"')[1], timeout=60, trust_env=False) as client,
        ):
            form = {"name": "Ann", "email": "ann@example.org", "message": "My parcel never came. Where is it?"}
            eventually(lambda: client.post("/v1/form", data=form).status_code == 202)

            [contact] = eventually(lambda: heard(desk, "contact_fact", lambda data: data["direction"] == "in"))
            assert (contact["text"], contact["opened_ticket"]) == (form["message"], True)
            ticket = contact["ticket_id"]
            [acknowledged] = eventually(lambda: heard(desk, "outbound", lambda data: True))
            assert (acknowledged["kind"], acknowledged["address"]) == ("acknowledgement", "ann@example.org")

            about = {"ticket_id": ticket, "agent_id": "mei"}
            reply = about | {"id": "desk-1", "text": "It arrives tomorrow; here is the label."}
            assert [post(client, "replies", reply).status_code for _ in range(2)] == [200, 200], (
                "sent twice, as desks do"
            )
            [answer] = eventually(lambda: to_customer(deployment, "reply"))
            assert (answer.ticket_id, answer.address) == (ticket, "ann@example.org")
            assert reply["text"] in answer.text

            responded = eventually(
                lambda: heard(desk, "ticket_fact", lambda data: data["first_response_seconds"] is not None)
            )
            assert responded[0]["ticket_id"] == ticket
            assert responded[0]["first_response_seconds"] > 0
            assert responded[0]["public_replies"] == 1

            assert post(client, "tags", about | {"id": "desk-2", "add": ["delivery.lost_parcel"]}).status_code == 200
            assert post(client, "notes", about | {"id": "desk-3", "text": "Called the carrier."}).status_code == 200
            assert post(client, "status", about | {"id": "desk-4", "status": "solved"}).status_code == 200
            eventually(lambda: heard(desk, "tag_fact", lambda data: data["tag"] == "delivery.lost_parcel"))
            [solved, *_] = eventually(lambda: heard(desk, "ticket_fact", lambda data: data["status"] == "solved"))
            assert (solved["ticket_id"], solved["internal_notes"]) == (ticket, 1)
            assert "delivery.lost_parcel" in solved["tags"]
        assert len(to_customer(deployment, "reply")) == 1
        versions = [data["version"] for data in heard(desk, "ticket_fact", lambda data: True)]
        assert versions == sorted(versions), "a ticket's facts come in its order"
        assert desk.forged == []

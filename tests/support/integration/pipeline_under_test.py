"""Drives a running pipeline from outside: as a customer, as a help desk, and as an analyst."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiokafka.partitioner import murmur2
from clickhouse_connect.driver.client import Client

from deploy.local.mailbox import messages
from deploy.local.pipeline import LOCAL_KEY, Pipeline
from producers.security import keys
from schemas.events import MessageReceived
from schemas.identity import canonical_customer_id, customer_tag, event_id
from schemas.signature import HEADER, RequestHead, sign_request
from stream_processors.rules.ruleset import SHIPPED

JSON = {"Content-Type": "application/json"}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class PipelineUnderTest:
    """The running pipeline: contacts in, mails and rows out."""

    pipeline: Pipeline
    client: Client
    read: dict[Path, EmailMessage] = field(default_factory=dict)

    def drop(self, raw: bytes, name: str = "") -> None:
        """Put a mail into the watched folder, in one piece."""
        inbox = self.pipeline.places.inbox
        part = inbox / f".{uuid.uuid4().hex}"
        part.write_bytes(raw)
        part.rename(inbox / f"{name or uuid.uuid4().hex}.eml")

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(self.pipeline.http_url + path, data=body, headers=dict(headers))
        try:
            with OPENER.open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def run(self, module: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One of our command lines, with the deployment's environment."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**self.pipeline.env, "PATH": "/usr/bin:/bin", "COLUMNS": "2000"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def answers(self, address: str) -> list[EmailMessage]:
        """Every mail that this customer has received."""
        for path in messages(self.pipeline.places.maildir):
            if path not in self.read:
                message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
                assert isinstance(message, EmailMessage)
                self.read[path] = message
        return [message for message in self.read.values() if address in str(message["To"])]

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        return list(self.client.query(sql, parameters=values).named_results())

    def ticket_of(self, address: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM tickets FINAL WHERE customer_id = {id:String}", id=f"email:{address}")


def asking_at_once(directory: Path) -> Path:
    """The shipped rules, but customers are asked how it was as soon as their ticket is solved."""
    shutil.copytree(SHIPPED, directory)
    surveys = directory / "surveys.yaml"
    surveys.write_text(surveys.read_text("utf-8").replace("after_minutes: 10", "after_minutes: 0"), "utf-8")
    return directory


def ready(metrics: str) -> bool:
    try:
        with OPENER.open(metrics.replace("/metrics", "/readyz"), timeout=30) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def mail(address: str, subject: str, text: str, message_id: str = "", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = f"A Customer <{address}>"
    message["To"] = "support@support.example"
    message["Subject"] = subject
    message["Message-ID"] = message_id or f"<{uuid.uuid4().hex}@example.org>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def someone() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.org"


def body_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def history(address: str, text: str, message_id: str) -> str:
    return json.dumps(
        {
            "type": "message_received",
            "id": message_id,
            "occurred_at": "2025-11-03T09:12:00+09:00",
            "channel": "email",
            "customer_id": f"email:{address}",
            "address": address,
            "subject": "返品について",
            "text": text,
            "message_id": message_id,
        }
    )


def send(pipeline: PipelineUnderTest, **body: object) -> None:
    """One signed event, from a help desk."""
    raw = json.dumps(body).encode()
    status, answer = pipeline.post("/v1/events", raw, {**JSON, **signed(pipeline, "/v1/events", raw)})
    assert status == 202, answer


def signed(pipeline: PipelineUnderTest, target: str, raw: bytes, *, secret: str = "") -> dict[str, str]:
    """The signature of the deployment's own key, or of a guess at its secret."""
    key = keys.read(pipeline.pipeline.places.keys).keys[LOCAL_KEY]
    head = RequestHead("POST", target)
    return {HEADER: sign_request(key.id, secret or key.secrets[0], head, raw, int(time.time()))}


def partition_of(customer_id: str, partitions: int) -> int:
    return (murmur2(customer_tag(customer_id).encode()) & 0x7FFFFFFF) % partitions


def survey_page(url: str, **fields: str) -> str:
    """GET, or POST when there are fields."""
    data = urllib.parse.urlencode(fields).encode() if fields else None
    with OPENER.open(url, data=data, timeout=60) as answer:
        return str(answer.read().decode())


def token_in(page: str) -> str:
    found = re.search(r'name="page" value="([^"]+)"', page)
    assert found, page
    return found[1]


def dead_letters(pipeline: PipelineUnderTest) -> str:
    done = pipeline.run("sinks", "dlq", "list", "--limit", "500")
    assert done.returncode == 0, done.stderr
    return done.stdout


def message(address: str) -> MessageReceived:
    customer = canonical_customer_id("email", address)
    now = time.time_ns() // 1000
    return MessageReceived(
        event_id=event_id("test", address),
        occurred_at=now,
        received_at=now,
        channel="email",
        customer_tag=customer_tag(customer),
        customer_id=customer,
        address=address,
        subject="Where is my order?",
        text="Where is my order?",
        message_id=f"<{uuid.uuid4().hex}@customers.example>",
    )

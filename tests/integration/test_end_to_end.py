"""The whole pipeline as people run it: every process started, contacts in by mail, form and import, answers out.

One pipeline serves all tests of this file; each test uses customers of its own.
"""

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer

from deploy.local import balance
from deploy.local.mailbox import messages
from deploy.local.pipeline import Pipeline, Plan, settings_of
from deploy.local.process import free_ports
from schemas import admin, codec
from schemas.events import MessageReceived, RoutingUpdate
from schemas.identity import canonical_customer_id, customer_tag, event_id, subject_token
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, ROUTING
from sinks.clickhouse.connection import connect
from stream_processors.rules.ruleset import SHIPPED
from tests.conftest import Endpoints, run_sql
from tests.support.timeouts import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(480)]

PROMISED_SECONDS, ATTEMPTS = 2.0, 20
JSON = {"Content-Type": "application/json"}
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Desk:
    """The running pipeline, as a customer and an analyst meet it."""

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
            with _OPENER.open(request, timeout=60) as answer:
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


@pytest.fixture(scope="module")
def desk(stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    name = f"e{uuid.uuid4().hex[:8]}"
    http_port, smtp_port = free_ports(2)
    environ = {
        "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DESKSTREAM_CLICKHOUSE_URL": stack.clickhouse_url,
        "DESKSTREAM_NAMESPACE": f"{name}-",
        "DESKSTREAM_CLICKHOUSE_DATABASE": name,
        "DESKSTREAM_HTTP_PORT": str(http_port),
        "DESKSTREAM_SMTP_PORT": str(smtp_port),
    }
    environ["DESKSTREAM_CONFIG_DIR"] = str(asking_at_once(tmp_path_factory.mktemp("rules") / "config"))
    pipeline = Pipeline(Plan(tmp_path_factory.mktemp("desk"), environ=environ))
    with pipeline:
        desk = Desk(pipeline, connect(pipeline.settings()))
        eventually(lambda: all(_ready(address) for address in pipeline.metrics.values()))
        desk.drop(mail("warm@example.org", "Warm up", "Where is my order?"))
        eventually(lambda: desk.answers("warm@example.org") and desk.ticket_of("warm@example.org"))
        yield desk
    admin.delete_topics(settings_of(Settings, pipeline.env))
    run_sql(stack.clickhouse_url, f"DROP DATABASE IF EXISTS {name}")


def asking_at_once(directory: Path) -> Path:
    """The shipped rules, but customers are asked how it was as soon as their ticket is solved."""
    shutil.copytree(SHIPPED, directory)
    surveys = directory / "surveys.yaml"
    surveys.write_text(surveys.read_text("utf-8").replace("after_minutes: 10", "after_minutes: 0"), "utf-8")
    return directory


def _ready(metrics: str) -> bool:
    try:
        with _OPENER.open(metrics.replace("/metrics", "/readyz"), timeout=30) as answer:
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


def timed(contact: Callable[[str], None], seen: Callable[[str], Any]) -> str:
    """Contact us until it once took no longer than promised: the machine may be busy with other tests."""
    best = float("inf")
    for _ in range(ATTEMPTS):
        address = someone()
        began = time.monotonic()
        contact(address)
        eventually(lambda address=address: seen(address))
        best = min(best, time.monotonic() - began)
        if best <= PROMISED_SECONDS:
            return address
    pytest.fail(f"the fastest of {ATTEMPTS} took {best:.1f} s")


LANGUAGES = {
    "en": ("Where is my parcel?", "I ordered a kettle last week and it has not arrived. Where is my order 10023?"),
    "zh-Hans": ("我的包裹在哪里", "我上周订购了一个水壶，到现在还没有收到，请问我的订单到哪里了？"),
    "zh-Hant": ("我的包裹在哪裡", "我上週訂購了一個水壺，到現在還沒有收到，請問我的訂單到哪裡了？"),
    "ja": ("荷物が届きません", "先週ケトルを注文しましたが、まだ届いていません。いつ届きますか？"),
}
#: Characters that only this language's acknowledgement has.
WRITTEN_IN = {"en": "Thank", "zh-Hans": "您", "zh-Hant": "您", "ja": "ます"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_dropped_mail_is_acknowledged_in_its_language_within_two_seconds(desk: Desk, language: str) -> None:
    subject, text = LANGUAGES[language]
    ids: dict[str, str] = {}

    def contact(address: str) -> None:
        ids[address] = f"<{uuid.uuid4().hex}@customers.example>"
        desk.drop(mail(address, subject, text, ids[address]))

    address = timed(contact, lambda address: desk.answers(address) and desk.ticket_of(address))
    [answer], [ticket] = desk.answers(address), desk.ticket_of(address)
    assert answer["In-Reply-To"] == ids[address]
    assert ids[address] in answer["References"]
    assert subject in answer["Subject"]
    assert subject_token(ticket["ticket_id"]) in answer["Subject"]
    assert answer["Auto-Submitted"] == "auto-replied"
    assert WRITTEN_IN[language] in body_of(answer)
    assert ticket["language"] == language
    assert ticket["tags"]
    eventually(lambda: desk.ticket_of(address)[0]["acknowledged_at"], "that the ticket says so")
    [decision] = eventually(
        lambda: desk.rows("SELECT * FROM acknowledgements FINAL WHERE ticket_id = {id:String}", id=ticket["ticket_id"])
    )
    assert (decision["outcome"], decision["locale"]) == ("sent", language)
    clocks = eventually(
        lambda: desk.rows(
            "SELECT DISTINCT clock FROM clocks FINAL WHERE ticket_id = {id:String}", id=ticket["ticket_id"]
        )
    )
    assert {"acknowledgement", "first_response"} <= {row["clock"] for row in clocks}
    [contact_row] = eventually(
        lambda: desk.rows(
            "SELECT * FROM contacts FINAL WHERE ticket_id = {id:String} AND kind = 'message_received'",
            id=ticket["ticket_id"],
        )
    )
    assert contact_row["opened_ticket"]
    delivery = eventually(
        lambda: desk.rows("SELECT * FROM deliveries FINAL WHERE ticket_id = {id:String}", id=ticket["ticket_id"])
    )
    assert [row["outcome"] for row in delivery] == ["delivered"]


def test_a_posted_form_is_acknowledged_within_two_seconds(desk: Desk) -> None:
    def contact(address: str) -> None:
        values = {"name": "Ann", "email": address, "subject": "退款", "message": "我想申请退款，请问多久能到账？"}
        status, _ = desk.post(
            "/v1/form", urllib.parse.urlencode(values).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert status == 202

    address = timed(contact, lambda address: desk.answers(address) and desk.ticket_of(address))
    [answer], [ticket] = desk.answers(address), desk.ticket_of(address)
    assert ticket["channel"] == "form"
    assert ticket["language"] == "zh-Hans"
    assert "您" in body_of(answer)
    assert ticket["ticket_id"] in str(answer["Reply-To"])


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


def test_live_json_lines_are_acknowledged_within_two_seconds_of_the_import(desk: Desk, tmp_path: Path) -> None:
    ids: dict[str, str] = {}

    def contact(address: str) -> None:
        ids[address] = f"<{uuid.uuid4().hex}@customers.example>"
        line = json.loads(history(address, "サイズが合わないので返品したいです。どうすればいいですか？", ids[address]))
        line["occurred_at"] = datetime.now(UTC).isoformat()
        path = tmp_path / "live.jsonl"
        path.write_text(json.dumps(line) + "\n")
        done = desk.run("producers", "import", str(path), "--live")
        assert done.returncode == 0, done.stderr

    def seen(address: str) -> Any:
        return desk.answers(address) and desk.ticket_of(address)

    for _ in range(ATTEMPTS):
        address = someone()
        contact(address)  # an import is a process of its own: what counts is the time after it is done
        began = time.monotonic()
        eventually(lambda address=address: seen(address))
        if time.monotonic() - began <= PROMISED_SECONDS:
            break
    else:
        pytest.fail("never within two seconds")
    [answer], [ticket] = desk.answers(address), desk.ticket_of(address)
    assert answer["In-Reply-To"] == ids[address]
    assert ticket["language"] == "ja"
    assert not ticket["imported"]


def test_imported_history_becomes_rows_and_is_not_answered(desk: Desk, tmp_path: Path) -> None:
    old, new = someone(), someone()
    path = tmp_path / "history.jsonl"
    path.write_text(history(old, "返品したいです。", f"<{uuid.uuid4().hex}@customers.example>") + "\n")
    assert desk.run("producers", "import", str(path)).returncode == 0
    [ticket] = eventually(lambda: desk.ticket_of(old))
    assert ticket["imported"]
    assert ticket["created_at"].isoformat() == "2025-11-03T00:12:00+00:00"
    desk.drop(mail(new, "Hello", "Where is my order?"))  # taken later, so the import has had its turn
    eventually(lambda: desk.answers(new))
    assert desk.answers(old) == []
    decisions = desk.rows(
        "SELECT outcome FROM acknowledgements FINAL WHERE ticket_id = {id:String}", id=ticket["ticket_id"]
    )
    assert all(row["outcome"] == "suppressed" for row in decisions)


def test_an_answer_to_the_acknowledgement_joins_its_ticket_and_is_not_acknowledged_again(desk: Desk) -> None:
    address = someone()
    desk.drop(mail(address, "My parcel", "Where is my order 10023?"))
    [answer] = eventually(lambda: desk.answers(address))
    desk.drop(
        mail(
            address,
            f"Re: {answer['Subject']}",
            "It was ordered on Monday, by the way.",
            In_Reply_To=str(answer["Message-ID"]),
            References=f"{answer['References']} {answer['Message-ID']}",
        )
    )
    [ticket] = eventually(lambda: [row for row in desk.ticket_of(address) if row["customer_messages"] == 2])
    assert ticket["episode"] == 1
    assert len(desk.answers(address)) == 1


def test_a_machine_is_not_answered_and_the_reason_is_kept(desk: Desk) -> None:
    address = someone()
    desk.drop(mail(address, "Out of office", "I am away until Monday.", Auto_Submitted="auto-replied"))
    [ticket] = eventually(lambda: desk.ticket_of(address))
    [decision] = eventually(
        lambda: desk.rows("SELECT * FROM acknowledgements FINAL WHERE ticket_id = {id:String}", id=ticket["ticket_id"])
    )
    assert decision["outcome"] == "suppressed"
    assert decision["reason"] == "auto_submitted"
    assert desk.answers(address) == []


# -- customers who turn out to be one -----------------------------------------------------------------------------


def send(desk: Desk, **body: object) -> None:
    """One signed event, from a help desk."""
    from schemas.signature import HEADER, sign

    raw = json.dumps(body).encode()
    secret = desk.pipeline.env["DESKSTREAM_WEBHOOK_SECRETS"].split(",")[0]
    status, answer = desk.post("/v1/events", raw, {**JSON, HEADER: sign(secret, raw, int(time.time()))})
    assert status == 202, answer


def test_the_ticket_of_a_merged_customer_is_answered_and_solved_under_its_old_id(desk: Desk) -> None:
    """Through the real log, across two partitions: what names the old id reaches the ticket where it is now."""
    partitions = settings_of(Settings, desk.pipeline.env).partitions
    address = someone()
    number = next(
        each for each in range(99) if place(f"ext:{address}{each}", partitions) != place(f"email:{address}", partitions)
    )
    into = f"ext:{address}{number}"
    desk.drop(mail(address, "My parcel", "Where is my order 10023?"))
    [before] = eventually(lambda: desk.ticket_of(address))
    send(
        desk,
        type="customers_merged",
        id=address,
        from_customer_id=f"email:{address}",
        into_customer_id=into,
        agent_id="mei",
    )

    def ticket(**wanted: object) -> dict[str, Any] | None:
        rows = desk.rows("SELECT * FROM tickets FINAL WHERE ticket_id = {id:String}", id=before["ticket_id"])
        return next((row for row in rows if all(row[name] == value for name, value in wanted.items())), None)

    moved = eventually(lambda: ticket(customer_id=into))
    assert moved["customer_tag"] == customer_tag(into)
    assert (moved["created_at"], moved["subject"]) == (before["created_at"], "My parcel")
    send(desk, type="reply", id=f"{address}r", ticket_id=before["ticket_id"], agent_id="mei", text="It comes today.")
    eventually(lambda: any("It comes today." in body_of(answer) for answer in desk.answers(address)))
    desk.drop(mail(address, f"Re: {subject_token(before['ticket_id'])}", "It did not come."))
    eventually(lambda: ticket(customer_messages=2))
    send(desk, type="status", id=f"{address}s", ticket_id=before["ticket_id"], agent_id="mei", status="solved")
    eventually(lambda: ticket(status="solved", public_replies=1))
    desk.drop(mail(address, "Another thing", "Do you sell blue ones?"))
    eventually(lambda: len(desk.rows("SELECT 1 FROM tickets FINAL WHERE customer_id = {id:String}", id=into)) == 2)
    assert desk.ticket_of(address) == []


def place(customer_id: str, partitions: int) -> int:
    return (murmur2(customer_tag(customer_id).encode()) & 0x7FFFFFFF) % partitions


# -- how it was ---------------------------------------------------------------------------------------------------


def survey_page(url: str, **fields: str) -> str:
    """GET, or POST when there are fields."""
    data = urllib.parse.urlencode(fields).encode() if fields else None
    with _OPENER.open(url, data=data, timeout=60) as answer:
        return str(answer.read().decode())


def token_in(page: str) -> str:
    found = re.search(r'name="page" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_a_solved_ticket_is_asked_about_and_a_low_score_becomes_a_task_of_its_team(desk: Desk) -> None:
    """solve → tick → invitation → GET votes nothing → POST votes → facts, thanks, a task in the queue → done by a note."""
    address = someone()
    desk.drop(mail(address, "My parcel", "Where is my parcel? It never arrived."))
    [ticket] = eventually(lambda: desk.ticket_of(address))
    name = ticket["ticket_id"]

    def of(table: str) -> list[dict[str, Any]]:
        return desk.rows(f"SELECT * FROM {table} FINAL WHERE ticket_id = {{id:String}} ORDER BY at", id=name)

    def mails(words: str) -> list[EmailMessage]:
        return [answer for answer in desk.answers(address) if words in str(answer["Subject"])]

    send(desk, type="reply", id=f"{address}r", ticket_id=name, agent_id="mei", text="It comes today.")
    send(desk, type="status", id=f"{address}s", ticket_id=name, agent_id="mei", status="solved")
    [invitation] = eventually(lambda: mails("How was our help?"))
    assert invitation["Auto-Submitted"] == "auto-generated"
    [url] = re.findall(r"http://\S+/s/\S+", body_of(invitation))
    [asked] = eventually(lambda: of("survey_invitations"))
    assert (asked["outcome"], asked["agent_id"], asked["episode"]) == ("sent", "mei", 1)

    page, opened = survey_page(url), time.monotonic()
    survey_page(url, csat="5")  # without the page: a scanner's vote
    [scanned] = eventually(lambda: of("surveys"))
    assert (scanned["scanner"], scanned["csat"], scanned["thanked"]) == (True, 5, "scanner")
    eventually(
        lambda: time.monotonic() - opened > 2.1
    )  # what tells a person from a machine is the time that a page was read
    survey_page(url, page=token_in(page), csat="1", ces="2", comment="Nobody called me back.")
    _, voted = eventually(lambda: len(rows := of("surveys")) == 2 and rows)
    assert (voted["csat"], voted["first_csat"], voted["ces"], voted["scanner"]) == (1, 1, 2, False)
    assert (voted["agent_id"], voted["comment"], voted["thanked"]) == ("mei", "Nobody called me back.", "sent")

    [thanks] = eventually(lambda: mails("We want to make this right"))
    assert body_of(thanks).startswith("Hello A Customer,")
    [task] = eventually(lambda: desk.rows("SELECT * FROM follow_ups_open WHERE ticket_id = {id:String}", id=name))
    assert (task["status"], task["team"], task["solved_by"]) == ("open", of("tickets")[0]["team"], "mei")
    assert task["comments"] == "Nobody called me back."
    settings = settings_of(Settings, desk.pipeline.env)
    queued = [codec.decode(value) for _, value, _ in balance.records(settings, ROUTING)]
    last = [each for each in queued if isinstance(each, RoutingUpdate) and each.ticket_id == name][-1]
    assert (last.action, last.team) == ("queue", task["team"])

    send(desk, type="note", id=f"{address}n", ticket_id=name, agent_id="tom", text="Called her, sent a new one.")
    [done] = eventually(lambda: [row for row in of("follow_ups") if row["status"] == "done"])
    assert (done["done_by"], done["csat"]) == ("tom", 1)
    assert len(mails("How was our help?")) == 1
    [resolution] = eventually(lambda: of("resolutions"))
    assert (resolution["fcr"], resolution["public_answers"], resolution["agent_id"]) == (None, 1, "mei")


# -- bad input ----------------------------------------------------------------------------------------------------


def dead_letters(desk: Desk) -> str:
    done = desk.run("sinks", "dlq", "list", "--limit", "500")
    assert done.returncode == 0, done.stderr
    return done.stdout


BAD_MAIL = {
    "undecodable": (b"\x00\x01\x02 this was never a mail \xff\xfe" * 30, "undecodable_mime"),
    "empty": (b"", "empty"),
    "thirty-megabytes": (mail("big@example.org", "Big", "Big\n") + b"x" * 30_000_000, "too_large"),
}


@pytest.mark.parametrize("name", BAD_MAIL)
def test_a_mail_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_served(desk: Desk, name: str) -> None:
    raw, reason = BAD_MAIL[name]
    before, after = someone(), someone()
    unique = f"{name}-{uuid.uuid4().hex[:6]}"
    desk.drop(mail(before, "Before", "Where is my order?"))
    desk.drop(raw, unique)
    desk.drop(mail(after, "After", "Where is my order?"))
    eventually(lambda: desk.answers(before) and desk.answers(after))
    [line] = eventually(lambda: [line for line in dead_letters(desk).splitlines() if unique in line])
    assert reason in line


def test_a_mail_with_a_wrong_charset_is_read_as_well_as_it_can_be(desk: Desk) -> None:
    address = someone()
    raw = (
        f"From: {address}\r\nTo: support@support.example\r\nSubject: Bestellung\r\nMessage-ID: <{uuid.uuid4().hex}@x.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=klingon-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode() + "My parcel für Köln has not arrived. Where is my order?\r\n".encode()
    desk.drop(raw)
    eventually(lambda: desk.answers(address))
    [row] = eventually(
        lambda: desk.rows("SELECT text FROM contacts FINAL WHERE author = {id:String}", id=f"email:{address}")
    )
    assert "Köln" in row["text"]


def test_a_mail_without_text_is_still_a_contact(desk: Desk) -> None:
    address = someone()
    desk.drop(mail(address, "Where is my order 10023?", ""))
    eventually(lambda: desk.answers(address))
    [ticket] = eventually(lambda: desk.ticket_of(address))
    assert ticket["subject"] == "Where is my order 10023?"


@pytest.mark.parametrize(
    ("body", "signed", "status", "reason"),
    [
        (b"{nonsense", True, 400, "bad_json"),
        (b'{"type": "message_received"}', False, 401, "bad_signature"),
        (b'{"type": "telepathy_received"}', True, 422, "unknown_type"),
    ],
    ids=["bad json", "bad signature", "unknown type"],
)
def test_a_bad_request_is_refused_where_somebody_reads_it(
    desk: Desk, body: bytes, signed: bool, status: int, reason: str
) -> None:
    from schemas.signature import HEADER, sign

    secret = desk.pipeline.env["DESKSTREAM_WEBHOOK_SECRETS"] if signed else "guessed"
    got, answer = desk.post("/v1/events", body, {**JSON, HEADER: sign(secret, body, int(time.time()))})
    assert (got, answer["reason"]) == (status, reason)


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


def test_broken_records_in_the_log_are_dead_letters_and_their_neighbours_are_served(desk: Desk) -> None:
    """All in one partition: a good record before, two broken ones, a good one behind; then the replay."""
    settings = settings_of(Settings, desk.pipeline.env)
    topic = settings.topic(CONTACT_EVENTS)
    before, after, cut = someone(), someone(), someone()
    whole = codec.encode(message(cut))
    broken = {"broken_body": whole[: len(whole) // 2], "unknown_fingerprint": b"\xc3\x01" + bytes(8) + whole[10:]}
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    values = [codec.encode(message(before)), *broken.values(), b"no record of ours", codec.encode(message(after))]
    for value in values:
        producer.send(topic, value=value, key=b"test", partition=0).get(30)
    producer.close()
    eventually(lambda: desk.answers(before) and desk.answers(after))
    places = {}
    for reason in (*broken, "not_single_object"):
        [line] = eventually(
            lambda reason=reason: [line for line in dead_letters(desk).splitlines() if f" {reason} " in line]
        )
        places[reason] = line.split()[0]
        shown = desk.run("sinks", "dlq", "show", places[reason])
        assert shown.returncode == 0
        assert f"{topic}/0/" in shown.stdout
    replayed = desk.run("sinks", "dlq", "replay", places["broken_body"])
    assert replayed.returncode == 0, replayed.stderr
    assert "1 replayed" in replayed.stdout + replayed.stderr

    def again() -> bool:
        """It is still broken: a new dead letter, at a new place, and the old one is done with."""
        found = [line.split()[0] for line in dead_letters(desk).splitlines() if "broken_body" in line]
        return len(found) == 1 and found[0] != places["broken_body"]

    eventually(again)


def test_every_process_says_that_it_lives(desk: Desk) -> None:
    for name, address in desk.pipeline.metrics.items():
        with _OPENER.open(address.replace("/metrics", "/livez"), timeout=60) as answer:
            assert answer.status == 200, name
    assert all(process.restarts == 0 for process in desk.pipeline.processes())

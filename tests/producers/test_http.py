"""The HTTP producer as a client sees it: a real process, a real Kafka."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from schemas import signature
from schemas.events import AgentReplied, MessageReceived
from tests.conftest import Deployment
from tests.support.producers.endpoint_case import OLD_SECRET, SECRET
from tests.support.producers.log_reader import dead_letters, events, free_port, logged, producer, records
from tests.support.producers.signing import KEYS_FILE, header
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack

CONTACT = {"name": "Ann Lee", "email": "ann@example.org", "message": "Where is my parcel?"}
REPLY = {"type": "reply", "id": "r1", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Here it is"}


class Server:
    def __init__(self, process: subprocess.Popen[bytes], url: str, metrics: str) -> None:
        self.process, self.metrics_url = process, metrics
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def post_event(
        self, body: object, *, secret: str = "new", at: float | None = None, **headers: str
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        secret = {"new": SECRET, "old": OLD_SECRET}.get(secret, secret)
        signed = {signature.HEADER: header("/v1/events", raw, secret, at or time.time())}
        return self.client.post("/v1/events", content=raw, headers=signed | headers)

    def counted(self, metric: str) -> dict[str, float]:
        """The counter's samples: labels → value."""
        lines = httpx.get(self.metrics_url + "/metrics", trust_env=False, timeout=60).text.splitlines()
        pattern = re.compile(rf"deskstream_contacts_{metric}_total\{{(.*)\}} (.*)")
        return {match[1]: float(match[2]) for line in lines if (match := pattern.match(line)) and float(match[2])}

    def ready(self) -> bool:
        return httpx.get(self.metrics_url + "/readyz", trust_env=False, timeout=60).status_code == 200


@contextmanager
def serving(deployment: Deployment, *, process: str = "http", await_ready: bool = True, **env: str) -> Iterator[Server]:
    port = free_port()
    ours = {"DESKSTREAM_HTTP_PORT": "0", "DESKSTREAM_METRICS_PORT": str(port), "DESKSTREAM_KEYS_FILE": str(KEYS_FILE)}
    ours |= {"DESKSTREAM_FORM_SUBMISSIONS_PER_MINUTE": "100000"}  # all tests have one address
    with producer(deployment, process, **ours | env) as running:
        url = logged(running, r'"url": "(http[^"]+)"')[1]
        server = Server(running, url, f"http://127.0.0.1:{port}")
        if await_ready:
            eventually(server.ready)
        yield server


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with serving(deployment) as server:
        yield server


def test_the_form_is_in_kafka_when_202_is_answered(deployment: Deployment, server: Server) -> None:
    as_form = server.client.post("/v1/form", data=CONTACT)
    as_json = server.client.post("/v1/form", json=CONTACT | {"order_number": 7, "message": "Another one"})
    as_parts = server.client.post("/v1/form", files={name: (None, value) for name, value in CONTACT.items()})
    assert [answer.status_code for answer in (as_form, as_json, as_parts)] == [202, 202, 202]
    made = events(deployment)
    assert [event.text for event in made] == ["Where is my parcel?", "Another one"]
    assert [type(event) for event in made] == [MessageReceived, MessageReceived]
    assert as_form.json() == {
        "event_id": made[0].event_id,
        "duplicate": False,
        "customer_tag": made[0].customer_tag,
        "ticket_hint": f"{made[0].customer_tag}-*",
    }
    assert as_parts.json()["duplicate"] is True  # the same words within ten minutes
    assert as_form.text.endswith("}\n"), "a terminal's prompt comes on a line of its own"


def test_a_form_is_read_in_any_escaping_and_charset(deployment: Deployment, server: Server) -> None:
    form = "application/x-www-form-urlencoded"
    bodies = [
        ("email=ann@example.org&message=荷物が届きません&name=Zoë".encode(), form),  # as `curl -d` sends it
        (b"email=ann@example.org&message=%93%FA%96%7B%8C%EA%82%C5%82%B7", f"{form}; charset=Shift_JIS"),
        (b"email=ann@example.org&message=%E4%BD%A0%E5%A5%BD+%2B1", form),
        ("email=ann@example.org&message=Größe".encode("latin-1"), form),  # and says nothing of it
        (b"email=ann@example.org&message=%ff%fe%00x", form),
    ]
    answers = [server.client.post("/v1/form", content=body, headers={"content-type": kind}) for body, kind in bodies]
    assert [answer.status_code for answer in answers] == [202] * len(bodies)
    made = events(deployment)
    assert [event.text for event in made[:4]] == ["荷物が届きません", "日本語です", "你好 +1", "Größe"]
    assert made[0].customer_name == "Zoë"


def test_each_customer_behind_our_proxies_has_a_share(deployment: Deployment) -> None:
    share = {"DESKSTREAM_ENDPOINT_BURST_REQUESTS": "1", "DESKSTREAM_ENDPOINT_REQUESTS_PER_SECOND": "0.01"}

    def statuses(server: Server, *forwarded: str) -> list[int]:
        return [
            server.client.post("/v1/form", data=CONTACT, headers={"x-forwarded-for": address}).status_code
            for address in forwarded
        ]

    with serving(deployment, **share, DESKSTREAM_TRUSTED_PROXIES="127.0.0.0/8") as server:
        assert statuses(server, "203.0.113.1", "203.0.113.2", "203.0.113.1", "9.9.9.9, 203.0.113.2") == [
            202, 202, 429, 429,
        ]  # fmt: skip
        assert statuses(server, "2001:db8::1", "2001:db8::2") == [202, 429]  # one household
    with serving(deployment, **share, DESKSTREAM_TRUSTED_PROXIES="") as server:
        assert statuses(server, "203.0.113.1", "203.0.113.2") == [202, 429]


def test_202_means_in_kafka_and_a_retry_is_a_duplicate(deployment: Deployment, server: Server) -> None:
    first, again = server.post_event(REPLY), server.post_event(REPLY, secret="old")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["event_id"] == again.json()["event_id"]
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
    assert first.json()["ticket_hint"] == "ABCDEFGHIJKL-1"
    [made] = events(deployment)
    assert isinstance(made, AgentReplied)
    assert server.counted("received") == {'channel="none"': 2.0}
    assert server.counted("published") == {'channel="none"': 1.0}
    assert server.counted("duplicate") == {'channel="none"': 1.0}


def test_a_wrong_request_is_answered_and_counted_as_refused(deployment: Deployment, server: Server) -> None:
    client = server.client
    answers = {
        "bad fields of a form": client.post("/v1/form", data=CONTACT | {"email": "nowhere", "age": "9"}),
        "form as a picture": client.post("/v1/form", content=b"x", headers={"content-type": "image/png"}),
        "form as bad json": client.post("/v1/form", content=b"{", headers={"content-type": "application/json"}),
        "form as bad parts": client.post("/v1/form", content=b"x", headers={"content-type": "multipart/form-data"}),
        "form too large": client.post("/v1/form", data=CONTACT | {"message": "x" * 300_000}),
        "form with a file": client.post("/v1/form", data=CONTACT, files={"name": ("a.txt", b"x")}),
        "no signature": client.post("/v1/events", json=REPLY),
        "bad signature": server.post_event(REPLY, secret="guess"),
        "old signature": server.post_event(REPLY, at=time.time() - 400),
        "bad json": server.post_event(b"{"),
        "unknown type": server.post_event({"type": "tick", "id": 1}),
        "bad fields": server.post_event(REPLY | {"ticket_id": "7"}),
        "too large": server.post_event(b"x" * 4_100_000),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "bad fields of a form": 422,
        "form as a picture": 415,
        "form as bad json": 400,
        "form as bad parts": 400,
        "form too large": 413,
        "form with a file": 400,
        "no signature": 401,
        "bad signature": 401,
        "old signature": 401,
        "bad json": 400,
        "unknown type": 422,
        "bad fields": 422,
        "too large": 413,
    }
    problems = {problem["field"]: problem["problem"] for problem in answers["bad fields of a form"].json()["problems"]}
    assert problems["email"] == "'nowhere' is not an e-mail address such as ann@example.org"
    assert set(problems) == {"email", "age"}
    assert "message_received" in answers["unknown type"].json()["detail"]
    assert sum(server.counted("refused").values()) == len(answers)
    assert server.counted("received") == {}
    assert events(deployment) == dead_letters(deployment) == []


def test_the_honeypot_is_thanked_and_dropped(deployment: Deployment, server: Server) -> None:
    assert server.client.post("/v1/form", data=CONTACT | {"website": "http://spam.example"}).status_code == 202
    assert server.counted("refused") == {'channel="form",reason="honeypot"': 1.0}
    assert events(deployment) == []


def test_a_body_that_claims_no_length_is_cut_off_at_the_limit(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    assert (
        server.client.post("/v1/form", content=endless(), headers={"content-type": "application/json"}).status_code
        == 413
    )


def test_people_can_use_the_page(deployment: Deployment, server: Server) -> None:
    page = server.client.get("/")
    hidden = re.search(r'name="submission_id" value="([0-9a-f]+)"', page.text)
    assert page.status_code == 200 and hidden
    assert all(f'<label for="{name}"' in page.text for name in ("name", "email", "subject", "order_number", "message"))
    html = {"accept": "text/html"}
    wrong = server.client.post("/v1/form", data=CONTACT | {"email": "<b>", "submission_id": hidden[1]}, headers=html)
    assert wrong.status_code == 422
    assert 'value="&lt;b&gt;"' in wrong.text and 'aria-invalid="true"' in wrong.text and 'role="alert"' in wrong.text
    assert hidden[1] in wrong.text  # correcting it is still the same submission
    thanks = server.client.post("/v1/form", data=CONTACT | {"submission_id": hidden[1]}, headers=html)
    assert thanks.status_code == 202
    assert events(deployment)[0].customer_tag in thanks.text


def test_the_language_chosen_on_the_page_wins_over_the_browser(server: Server) -> None:
    chinese = {"accept": "text/html", "accept-language": "zh-TW"}
    for asked, shown in (("?lang=ja", "ja"), ("", "zh-Hant"), ("?lang=xx", "zh-Hant")):
        assert f'<html lang="{shown}">' in server.client.get(f"/{asked}", headers=chinese).text
        answer = server.client.post(f"/v1/form{asked}", data={"message": "x"}, headers=chinese)
        assert answer.status_code == 422 and f'<html lang="{shown}">' in answer.text


def test_the_api_describes_itself_with_an_example_of_every_type(server: Server) -> None:
    described = server.client.get("/openapi.json").json()
    body = described["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert {name: server.post_event(example["value"]).status_code for name, example in body["examples"].items()} == (
        dict.fromkeys(body["examples"], 202)
    )
    form = described["paths"]["/v1/form"]["post"]["requestBody"]["content"]["application/json"]
    assert server.client.post("/v1/form", json=form["example"]).status_code == 202
    assert server.client.get("/docs").status_code == 200
    assert server.client.get("/nowhere").status_code == 404
    assert server.client.get("/v1/form").status_code == 405


def test_without_kafka_it_is_503_with_retry_after(
    deployment: Deployment,
) -> None:
    closed = {"DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with serving(deployment, await_ready=False, **closed) as server:
        answers = [server.client.post("/v1/form", data=CONTACT), server.post_event(REPLY)]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        assert not server.ready()
        assert httpx.get(server.metrics_url + "/livez", trust_env=False, timeout=60).status_code == 200
        assert server.counted("received") == server.counted("published") == {}
        assert server.counted("refused") == {
            'channel="form",reason="unavailable"': 1.0,
            'channel="generic",reason="unavailable"': 1.0,
        }


def test_without_a_secret_only_the_signed_endpoint_is_off(deployment: Deployment) -> None:
    with serving(deployment, DESKSTREAM_KEYS_FILE="") as server:
        assert server.post_event(REPLY).status_code == 403
        assert server.client.post("/v1/form", data=CONTACT).status_code == 202


def test_sigterm_answers_what_is_under_way_and_exits_0(deployment: Deployment) -> None:
    with serving(deployment) as server:
        assert server.client.post("/v1/form", data=CONTACT).status_code == 202
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    assert len(records(deployment, "contact-events")) == 1


def test_a_port_in_use_is_one_line_and_exit_code_2(deployment: Deployment) -> None:
    with serving(deployment, await_ready=False) as server:
        port = str(server.client.base_url.port)
        with producer(deployment, "http", DESKSTREAM_HTTP_PORT=port) as second:
            logged(second, rf"deskstream: DESKSTREAM_HTTP_PORT: cannot listen on 127.0.0.1:{port}: ")
            assert second.wait(60) == 2


def test_a_sender_above_its_share_is_asked_to_wait(deployment: Deployment) -> None:
    share = {"DESKSTREAM_ENDPOINT_BURST_REQUESTS": "2", "DESKSTREAM_ENDPOINT_REQUESTS_PER_SECOND": "0.01"}
    with serving(deployment, await_ready=True, **share) as server:
        answers = [server.client.post("/v1/form", data=CONTACT | {"message": f"Number {n}"}) for n in range(2)]
        answers += [server.client.post("/v1/form", data=CONTACT), server.post_event(REPLY)]
        assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
        assert all(1 <= int(answer.headers["retry-after"]) <= 100 for answer in answers[2:])
        assert server.counted("refused") == {
            'channel="form",reason="rate_limited"': 1.0,
            'channel="generic",reason="rate_limited"': 1.0,
        }
        assert len(events(deployment)) == 2

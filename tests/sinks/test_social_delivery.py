"""Answers on social networks, against a small server that answers as they do."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings
from sinks.delivery.adapter import ServiceUnavailable, TryLater, Undeliverable, adapters
from sinks.delivery.channels import social
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import delivery_facts, ended
from tests.support.sinks.examples import outbound
from tests.support.timeouts import eventually


class Network:
    """Takes messages. `answers` are given first: a status and a body, or 'lost'."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.tokens: set[str] = set()
        self.answers: list[Any] = []
        network = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                network.tokens.add(self.headers["Authorization"])
                answer = network.answers.pop(0) if network.answers else (200, {"id": f"m{len(network.taken)}"})
                if answer == "lost":
                    network.taken.append((self.path, said))
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                status, body = answer
                if status < 300:
                    network.taken.append((self.path, said))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.server.shutdown()
    network.server.server_close()


def settings(network: Network, **more: Any) -> SinkSettings:
    given = {
        "social_meta_token": "meta-secret", "social_meta_url": f"{network.url}/v23.0", "social_x_token": "x-secret",
        "social_x_url": f"{network.url}/2", "social_timeout_seconds": 30.0,
    }  # fmt: skip
    return SinkSettings(**given | more)


def message(address: str = "meta:2002", thread_id: str = "messenger:1001:2002", **fields: Any) -> Any:
    given = {"channel": "social", "address": address, "thread_id": thread_id, "text": "It is on its way."}
    return outbound(**given | {"message_id": ""} | fields)


def send(network: Network, *messages: Any, **more: Any) -> list[str]:
    """What each attempt ended in, on one connection."""

    async def run() -> list[str]:
        adapter = social.connect(settings(network, **more))
        assert adapter is not None
        said = []
        try:
            for each in messages:
                try:
                    said.append(await adapter.deliver(each))
                except ServiceUnavailable:
                    said.append("away")
                except TryLater:
                    said.append("later")
        finally:
            await adapter.close()
        return said

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "thread", "path", "said"),
    [
        ("meta:2002", "messenger:1001:2002", "/v23.0/1001/messages",
         {"recipient": {"id": "2002"}, "messaging_type": "RESPONSE", "message": {"text": "It is on its way."}}),
        ("meta:2002", "instagram:1784:2002", "/v23.0/1784/messages",
         {"recipient": {"id": "2002"}, "messaging_type": "RESPONSE", "message": {"text": "It is on its way."}}),
        ("meta:2003", "facebook:1001_7", "/v23.0/1001_7/comments", {"message": "It is on its way."}),
        ("meta:comment-9", "instagram:555", "/v23.0/555/comments", {"message": "It is on its way."}),
        ("x:2002", "x:dm:1001-2002", "/2/dm_conversations/with/2002/messages", {"text": "It is on its way."}),
        ("x:2002", "x:777", "/2/tweets", {"text": "It is on its way.", "reply": {"in_reply_to_tweet_id": "777"}}),
    ],
)  # fmt: skip
def test_what_was_asked_in_private_is_answered_in_private_and_in_public_below_the_post(
    network: Network, address: str, thread: str, path: str, said: dict[str, Any]
) -> None:
    assert send(network, message(address, thread)) == ["m0"]
    assert network.taken == [(path, said)]
    assert network.tokens == {"Bearer meta-secret" if address.startswith("meta") else "Bearer x-secret"}


@pytest.mark.parametrize(
    ("address", "thread", "asked", "path", "said"),
    [
        ("meta:2003", "facebook:1001_7", "7_8", "/v23.0/7_8/comments", {"message": "It is on its way."}),
        ("meta:2004", "instagram:555", "178", "/v23.0/178/replies", {"message": "It is on its way."}),
        ("x:2002", "x:777", "888", "/2/tweets",
         {"text": "It is on its way.", "reply": {"in_reply_to_tweet_id": "888"}}),
        ("meta:2004", "instagram:555", "../me", "/v23.0/555/comments", {"message": "It is on its way."}),
        ("meta:2004", "instagram:555", "<m@example.org>", "/v23.0/555/comments", {"message": "It is on its way."}),
        ("meta:2002", "messenger:1001:2002", "178", "/v23.0/1001/messages",  # what is private stays private
         {"recipient": {"id": "2002"}, "messaging_type": "RESPONSE", "message": {"text": "It is on its way."}}),
    ],
)  # fmt: skip
def test_a_public_answer_stands_below_the_very_comment_that_asked(
    network: Network, address: str, thread: str, asked: str, path: str, said: dict[str, Any]
) -> None:
    send(network, message(address, thread, headers={"In-Reply-To": asked}))
    assert network.taken == [(path, said)]


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("Hello", 5),
        ("Größe ж א ع", 11),
        ("日本語", 6),
        ("1 € → ✓", 10),  # currency, arrow and tick are two each
        ("…", 2),
        ("https://a.io 好", 26),  # a link is 23, however short
        ("a.io", 23),
        ("see example.org/help请", 29),
        ("https://example.org/" + "x" * 80, 100),
        ("3.50", 4),
    ],
)
def test_x_counts_characters_in_its_own_way(text: str, weight: int) -> None:
    assert social._weight(text) == weight


def test_a_post_of_signs_that_count_double_is_split_before_x_refuses_it(network: Network) -> None:
    send(network, message("x:2002", "x:777", text="€ → ✓ … " * 40))
    assert [said["text"][:5] for _, said in network.taken] == ["(1/2)", "(2/2)"]
    assert all(social._weight(said["text"]) <= 280 for _, said in network.taken)


@pytest.mark.parametrize(
    ("address", "thread", "reason"),
    [
        ("email:ann@example.org", "messenger:1:2", "bad_address"),
        ("meta:", "messenger:1:2", "bad_address"),
        ("meta:../me", "messenger:1:2", "bad_address"),
        ("x:2", "x:../7", "bad_address"),
        ("meta:2", "", "bad_address"),
        ("x:2", "x", "bad_thread"),
        ("meta:2", "messenger:1:2:3", "bad_thread"),
    ],
)
def test_what_can_go_nowhere_is_not_even_tried(network: Network, address: str, thread: str, reason: str) -> None:
    with pytest.raises(Undeliverable) as refused:
        send(network, message(address, thread))
    assert (refused.value.outcome, refused.value.reason, network.tokens) == ("refused", reason, set())


def test_after_24_hours_meta_takes_no_answer_and_the_refusal_says_what_to_do(network: Network) -> None:
    network.answers = [
        (400, {"error": {"code": 10, "error_subcode": 2018278, "message": "sent outside of allowed window"}})
    ]
    with pytest.raises(Undeliverable, match=r"more than 24 hours ago.*answer another way") as refused:
        send(network, message())
    assert (refused.value.outcome, refused.value.reason) == ("refused", "outside_window")


META, X = message(), message("x:2002", "x:777")


@pytest.mark.parametrize(
    ("to", "status", "body", "outcome"),
    [
        (META, 400, {"error": {"code": 551, "message": "this person is not available"}}, "bounced social_permanent"),
        (META, 400, {"error": {"code": 100, "message": "no matching user"}}, "bounced social_permanent"),
        (META, 400, {"error": {"code": 190, "message": "token expired"}}, "away"),
        (META, 400, {"error": {"code": 613, "message": "too many calls"}}, "away"),
        (META, 400, {"error": {"code": 7777, "is_transient": True}}, "later"),
        (META, 500, {"error": {"code": 2, "message": "please retry"}}, "later"),
        (META, 400, b"<html>", "bounced social_permanent"),
        (META, 400, {"error": "x"}, "bounced social_permanent"),
        (META, 503, b"", "away"),
        (X, 401, {"title": "Unauthorized"}, "away"),
        (X, 429, {"title": "Too Many Requests"}, "away"),
        (X, 500, b"", "away"),
        (X, 403, {"detail": "You are not permitted to message this person"}, "bounced social_permanent"),
        (X, 403, {"detail": "You are not allowed to create a Tweet with duplicate content."}, "there already"),
        (X, 400, {"detail": "the post is gone"}, "bounced social_permanent"),
        (X, 404, [], "bounced social_permanent"),
    ],
)
def test_what_an_answer_means(network: Network, to: Any, status: int, body: Any, outcome: str) -> None:
    network.answers = [(status, body)]
    try:
        [said] = send(network, to)
    except Undeliverable as refused:
        said = f"{refused.outcome} {refused.reason}"
        assert str(status) in str(refused)
    assert said == outcome


def test_an_answer_that_is_lost_is_not_sent_again_by_itself(network: Network) -> None:
    network.answers = ["lost"]
    with pytest.raises(Undeliverable, match="look before sending it again") as lost:
        send(network, message())
    assert (lost.value.outcome, lost.value.reason, len(network.taken)) == ("bounced", "answer_lost", 1)


def test_a_network_that_is_not_there_is_away(network: Network) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert send(network, message(), social_meta_url=url) == ["away"]


def test_long_texts_go_in_parts_and_a_part_that_was_taken_is_not_sent_again(network: Network) -> None:
    network.answers = [(200, {"data": {"id": "p0"}}), (503, b"")]
    japanese = message("x:2002", "x:777", text="荷物がまだ届いていません。" * 15)  # 195 wide characters: 390 of X's 280
    assert send(network, japanese, japanese) == ["away", "p0 m1"]
    texts = [said["text"] for _, said in network.taken]
    assert [text[:5] for text in texts] == ["(1/2)", "(2/2)"]
    assert "".join(text[6:] for text in texts) == japanese.text


def test_without_a_token_answers_go_where_they_went(network: Network, tmp_path: Path) -> None:
    assert "social" not in adapters(SinkSettings()).channels
    only_meta = {"social_x_token": "", "outbox_dir": tmp_path}
    assert send(network, message("x:2002", "x:777"), message(), **only_meta) == ["social.jsonl", "m0"]
    with pytest.raises(ConfigurationError) as refused:
        social.connect(settings(network, social_x_url="api.example"))
    assert refused.value.where == "DESKSTREAM_SOCIAL_X_URL"


@pytest.mark.stack
def test_the_sink_answers_once_and_a_refusal_is_a_fact(log: Any, processes: Any, network: Network) -> None:
    network.answers = [(200, {"message_id": "m0"}), (400, {"error": {"code": 10, "error_subcode": 2018278}})]
    first, second = (message(outbound_id=each, customer_tag="AAAAAAAAAAAA") for each in ("A", "B"))
    log.write([first, first, second], partition=1)
    worker = processes.start("delivery", social_meta_token="secret", social_meta_url=network.url)
    facts = eventually(lambda: len(found := delivery_facts(log)) == 2 and found, "both facts")
    assert ended(worker) == 0, processes.output(worker)
    assert [fact.outcome for _, fact in facts] == ["delivered", "refused"]
    assert facts[1][1].detail.startswith("outside_window") or "24 hours" in facts[1][1].detail
    assert len(network.taken) == 1

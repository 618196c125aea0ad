"""What the head of a request proves, or does not, is decided before its body is read: real sockets, a server in this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from producers.endpoint import WebhookEndpoint, endpoints
from producers.publisher import Publisher
from producers.sources.connections import Connections
from producers.sources.http.connections import bounded_protocol
from producers.sources.http.server import create_app
from schemas.settings import ProducerSettings
from tests.support.producers.strangers import Socket, together

SIGNED = [endpoint for endpoint in endpoints() if endpoint.proof]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    secrets: dict[str, Any] = {endpoint.secrets: "s3cret" for endpoint in endpoints()}
    settings = ProducerSettings(**secrets, kafka_bootstrap_servers="127.0.0.1:1")
    app = create_app(settings, Publisher(settings))
    protocol = bounded_protocol(Connections("http", "none", 1_000, 1_000))
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def head(endpoint: WebhookEndpoint, size: int, media_type: str = "") -> bytes:
    kind = media_type or endpoint.media_types[0]
    return (
        f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n".encode()
    )


async def told(stranger: Socket) -> bytes:
    async with asyncio.timeout(60):
        answer = await stranger.reader.readuntil(b"\r\n\r\n")
        return answer + await stranger.reader.readuntil(b"\n")


@pytest.mark.parametrize("endpoint", SIGNED, ids=lambda endpoint: endpoint.name)
def test_a_delivery_without_its_proof_is_answered_before_its_body(port: int, endpoint: WebhookEndpoint) -> None:
    async def attack() -> tuple[bytes, bool]:
        async with together(port, 1) as (stranger,):
            await stranger.send(head(endpoint, endpoint.max_bytes))
            answer = await told(stranger)
            return answer, await stranger.ended()

    answer, ended = asyncio.run(attack())
    assert answer.startswith(b"HTTP/1.1 401 ") and b"missing_signature" in answer
    assert ended, "the body that never comes holds the connection no longer"


@pytest.mark.parametrize("endpoint", SIGNED, ids=lambda endpoint: endpoint.name)
def test_a_body_of_another_type_is_answered_before_it_comes(port: int, endpoint: WebhookEndpoint) -> None:
    async def attack() -> bytes:
        async with together(port, 1) as (stranger,):
            request = head(endpoint, endpoint.max_bytes, "text/plain")
            await stranger.send(request[:-2] + f"{endpoint.proof}: something\r\n\r\n".encode())
            return await told(stranger)

    assert asyncio.run(attack()).startswith(b"HTTP/1.1 415 ")


def test_every_endpoint_of_a_platform_names_its_proof() -> None:
    assert [endpoint.name for endpoint in endpoints() if not endpoint.proof and not endpoint.scope] == []


def test_a_short_body_that_comes_after_its_answer_keeps_the_connection(port: int) -> None:
    async def scenario() -> list[bytes]:
        async with together(port, 1) as (client,):
            answers = []
            for _ in range(3):
                await client.send(head(SIGNED[0], 5))
                answers.append(await told(client))
                await client.send(b"[1,2]")
            return answers

    assert all(answer.startswith(b"HTTP/1.1 401 ") for answer in asyncio.run(scenario()))

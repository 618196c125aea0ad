"""The SMTP listener while strangers try to use it up: a real process, real sockets, the memory of the server."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import Deployment
from tests.support.producers.balance import Metrics
from tests.support.producers.certificate import self_signed
from tests.support.producers.log_reader import events, free_port, logged, producer
from tests.support.producers.strangers import HONEST, STRANGER, Socket, rss_bytes, together
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack

OURS, THEIRS = "support@support.example", "ann@example.org"
MEGABYTE = 1_000_000
BEGIN = b"EHLO x\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<support@support.example>\r\nDATA\r\n"


@dataclass(frozen=True)
class Server:
    port: int
    metrics: Metrics
    process: psutil.Process

    def sessions(self) -> int:
        return int(self.metrics.counted("listener_connections").get('listener="smtp"', 0))

    def held(self) -> int:
        return int(self.metrics.counted("listener_bytes").get('listener="smtp"', 0))

    def send(self, address: str = HONEST, body: bytes = b"Hello", number: int = 1) -> int:
        """Send a mail from an address; the code of the last answer."""
        client = smtplib.SMTP(timeout=60, source_address=(address, 0))
        code, _ = client.connect("127.0.0.1", self.port)
        if code != 220:
            return code
        try:
            client.ehlo("x")
            client.mail(THEIRS)
            client.rcpt(OURS)
            return client.data(f"From: {THEIRS}\r\nMessage-ID: <{number}@x>\r\n\r\n".encode() + body + b"\r\n")[0]
        finally:
            client.close()


@contextmanager
def serving(deployment: Deployment, **env: str) -> Iterator[Server]:
    metrics = Metrics(free_port())
    ours = {"DESKSTREAM_SMTP_LISTEN_PORT": "0", "DESKSTREAM_METRICS_PORT": str(metrics.port)}
    with producer(deployment, "smtp", **ours | env) as running:
        port = int(logged(running, r'"port": (\d+)')[1])
        eventually(metrics.ready)
        yield Server(port, metrics, psutil.Process(running.pid))


@pytest.fixture
def server(deployment: Deployment) -> Iterator[Server]:
    with serving(deployment) as server:
        yield server


def test_idle_sessions_of_a_stranger_leave_room_for_the_others(server: Server) -> None:
    """100 idle sessions locked the listener for 10 minutes."""

    async def attack() -> None:
        async with together(server.port, 150):
            eventually(lambda: server.sessions() >= 20, "the flood")
            assert server.sessions() <= 30
            assert await asyncio.to_thread(server.send, HONEST) == 250
            sent_from_the_same = lambda: server.send(STRANGER, number=2) == 250  # noqa: E731
            await asyncio.to_thread(eventually, sent_from_the_same, "a place of one that rests")

    asyncio.run(attack())
    refused = server.metrics.refused()
    assert refused["too_many_of_address"] > 100 and refused["displaced"] >= 1


def test_sessions_of_many_strangers_make_room_as_well(server: Server) -> None:
    async def attack() -> None:
        async with (
            together(server.port, 40, "127.0.1.1"),
            together(server.port, 40, "127.0.1.2"),
            together(server.port, 40, "127.0.1.3"),
            together(server.port, 40, "127.0.1.4"),
        ):
            assert server.sessions() <= 78
            assert await asyncio.to_thread(server.send, HONEST) == 250

    asyncio.run(attack())


def test_who_only_says_noop_makes_room_and_is_sent_away(server: Server) -> None:
    async def attack() -> list[bytes]:
        async with together(server.port, 5) as strangers:
            await asyncio.gather(*(each.send(b"EHLO x\r\n" + b"NOOP\r\n" * 5_000) for each in strangers))
            return [await each.answer() for each in strangers]

    for answer in asyncio.run(attack()):
        assert answer.count(b"250 OK") < 300
        assert b"421 4.7.0 too many commands without a mail" in answer
    assert server.metrics.refused()["too_many_commands"] == 5


def test_recipients_without_end_end_the_session(server: Server) -> None:
    async def attack() -> bytes:
        async with together(server.port, 1) as (stranger,):
            recipients = b"".join(b"RCPT TO:<a%d@support.example>\r\n" % number for number in range(5_000))
            await stranger.send(b"EHLO x\r\nMAIL FROM:<ann@example.org>\r\n" + recipients)
            return await stranger.answer()

    answer = asyncio.run(attack())
    assert b"452 4.5.3" in answer and b"421 4.7.0 too many commands" in answer and answer.count(b"\r\n") < 320


def test_no_mail_within_the_first_minute_ends_the_session(deployment: Deployment) -> None:
    with serving(deployment, DESKSTREAM_SMTP_LISTEN_BEGIN_SECONDS="2") as server:

        async def attack() -> list[bytes]:
            async with together(server.port, 3) as strangers:
                silent, chatty, long_line = strangers
                await chatty.send(b"EHLO x\r\n")
                await long_line.send(b"EHLO " + b"x" * 50_000)

                async def chats() -> None:
                    while await chatty.send(b"NOOP\r\n"):  # noqa: ASYNC110
                        await asyncio.sleep(0.2)

                chatting = asyncio.create_task(chats())
                said = await asyncio.gather(*(each.answer() for each in (silent, chatty, long_line)))
                chatting.cancel()
                return said

        assert all(b"421 4.4.2" in answer for answer in asyncio.run(attack()))
        assert server.metrics.refused()["too_slow"] == 3
        eventually(lambda: not server.sessions(), "that the places are free")


def test_a_handshake_that_never_ends_gives_its_place_back(deployment: Deployment, tmp_path: Path) -> None:
    """Who said STARTTLS and hung up held a place for good: asyncio tells of it nobody but its own TLS layer."""
    certificate = self_signed(tmp_path / "certificate.pem", serial=1)
    tls = {"DESKSTREAM_SMTP_TLS_CERT": str(certificate), "DESKSTREAM_SMTP_LISTEN_BEGIN_SECONDS": "5"}
    with serving(deployment, **tls) as server:

        async def begin(stranger: Socket) -> None:
            await stranger.send(b"EHLO x\r\nSTARTTLS\r\n")
            await stranger.reader.readuntil(b"220 Ready")

        async def attack() -> None:
            async with together(server.port, 20) as strangers:
                await asyncio.gather(*(begin(each) for each in strangers))
            await asyncio.to_thread(eventually, lambda: not server.sessions(), "the places of those that hung up")
            async with together(server.port, 20) as strangers:
                await asyncio.gather(*(begin(each) for each in strangers))
                assert all(await asyncio.gather(*(each.ended() for each in strangers)))

        asyncio.run(attack())
        eventually(lambda: not server.sessions(), "the places of those that stayed")
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client._host = "localhost"  # type: ignore[attr-defined]
            client.starttls(context=ssl.create_default_context(cafile=str(certificate)))
            assert client.sendmail(THEIRS, [OURS], b"From: ann@example.org\r\n\r\nHi\r\n") == {}


def test_large_mails_of_one_address_take_a_share_and_no_more(server: Server) -> None:
    """30 unfinished mails of 24 MB would take 720 MB; of blank lines, many times that."""
    before = rss_bytes(server.process.pid)

    async def attack() -> int:
        async with together(server.port, 30) as strangers:
            most = 0
            for line in (b"\r\n" * 500_000, b"x" * 998 + b"\r\n" * 1_000):
                await asyncio.gather(*(each.send(BEGIN) for each in strangers))
                for _ in range(24 if len(line) > MEGABYTE / 2 else 8):
                    await asyncio.gather(*(each.send(line, 2) for each in strangers))
                most = max(most, rss_bytes(server.process.pid) - before)
                assert server.held() <= 33 * MEGABYTE
            assert await asyncio.to_thread(server.send, HONEST) == 250
            return most

    assert asyncio.run(attack()) < 150 * MEGABYTE
    eventually(lambda: not server.held(), "that all bytes are given back")
    assert server.metrics.refused()["too_many_bytes"] >= 20


def test_who_is_sent_away_reads_421_and_may_come_again(deployment: Deployment) -> None:
    small = {"DESKSTREAM_SMTP_LISTEN_BYTES_PER_ADDRESS": "1000000", "DESKSTREAM_MAX_BODY_BYTES": "1000000"}
    with serving(deployment, **small) as server:

        async def attack() -> bytes:
            async with together(server.port, 2) as (first, second):
                await first.send(BEGIN + b"x" * 900_000)
                eventually(lambda: server.held() >= 500_000, "the first")
                await second.send(BEGIN + b"x\r\n" * 300_000)
                return await second.answer()

        assert b"421 4.7.0 too much mail from your address at once" in asyncio.run(attack())
        assert server.send(STRANGER, b"x\r\n" * 200_000) == 250
        assert len(events(deployment)) == 1


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"Hello\r\n", "Hello"),
        (b"..\r\n...two\r\n", ".\n..two"),
        (b"one\r\n..\r\ntwo\n.\nthree\r\n", "one\n.\ntwo\n.\nthree"),
    ],
)
def test_dots_and_ends_of_lines_come_through(
    server: Server, deployment: Deployment, sent: bytes, received: str
) -> None:
    async def send() -> bytes:
        async with together(server.port, 1) as (client,):
            head = b"From: ann@example.org\r\nSubject: dots\r\n\r\n"
            await client.send(BEGIN + head + sent + b".\r\nQUIT\r\n")
            return await client.answer()

    assert b"250 2.0.0 taken" in asyncio.run(send())
    assert [event.text for event in events(deployment)] == [received]


def test_an_empty_mail_and_one_without_a_break_are_answered(server: Server) -> None:
    async def send() -> bytes:
        async with together(server.port, 1) as (client,):
            await client.send(BEGIN + b".\r\n" + BEGIN[8:] + b"x" * 1_100_000 + b"\r\n.\r\nNOOP\r\nQUIT\r\n")
            return await client.answer()

    answer = asyncio.run(send())
    assert b"250 2.0.0" in answer and b"500 Line too long" in answer and b"221 Bye" in answer

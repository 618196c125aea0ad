"""Live chat as a visitor's browser sees it: a real process, a real Kafka, a real WebSocket client.

What every channel has to stand (Kafka silent, a kill, forgeries, ...) is in `test_conformance.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from schemas.events import (
    AgentReplied,
    ChatEnded,
    MessageReceived,
    StatusChanged,
    SurveyAnswered,
    TranscriptRequested,
    TypingChanged,
)
from schemas.topics import CHAT_SIGNALS, OUTBOUND
from tests.conftest import Deployment
from tests.support.producers.chat_visitor import ANN, FORM, TAG, ChatServer, PipelineWriter, chatting
from tests.support.producers.log_reader import events
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack

SCRIPT = Path(__file__).parents[2] / "producers" / "sources" / "chat" / "widget.js"


@pytest.fixture
def desk(deployment: Deployment) -> Iterator[PipelineWriter]:
    desk = PipelineWriter(deployment)
    desk.present()
    yield desk
    desk.close()


@pytest.fixture
def server(deployment: Deployment, desk: PipelineWriter) -> Iterator[ChatServer]:
    with chatting(deployment) as server:
        yield server


def messages(deployment: Deployment) -> list[MessageReceived]:
    return [event for event in events(deployment) if isinstance(event, MessageReceived)]


def test_a_whole_conversation(deployment: Deployment, server: ChatServer, desk: PipelineWriter) -> None:
    with server.visitor() as visitor:
        welcome = visitor.start()
        thread = welcome["conversation"]
        [first] = messages(deployment)  # acknowledged: so it is in Kafka
        assert (first.channel, first.thread_id, first.customer_id) == ("chat", thread, ANN)
        assert (first.text, first.customer_name, first.order_number) == ("Where is my parcel?", "Ann", "A-17")
        assert (first.language, first.time_zone) == ("en", "Europe/London")
        assert first.fields == {"line": "l1", "visitor": "visitor-0123456789", "page_url": "https://shop.example/cart"}

        visitor.line("l2", "My card is 4111 1111 1111 1111")
        assert messages(deployment)[1].text == "My card is **** **** **** 1111"

        number = desk.say(thread, "Thank you, Ann.", "acknowledgement")
        assert visitor.receive("said") | {"at": 0} == {
            "type": "said", "number": number, "author": "desk", "text": "Thank you, Ann.", "at": 0,
        }  # fmt: skip
        desk.say(thread, "It is on its way.")
        assert visitor.receive("said")["author"] == "agent"
        assert visitor.receive("state")["phase"] == "answered"

        visitor.send("typing", on=True)
        typed = eventually(lambda: events(deployment, CHAT_SIGNALS.name))
        assert [(each.thread_id, each.on) for each in typed] == [(thread, True)]
        desk.event(TypingChanged, TAG, thread_id=thread, on=True, agent_id="mei")
        assert visitor.receive("typing")

        visitor.send("transcript")
        assert visitor.receive("state")["transcript"] is True
        visitor.send("end")
        assert visitor.receive("ended")["outcome"] == "closed"
        visitor.send("survey", csat=4, comment="Quick")
        assert visitor.receive("done", what="survey")
        with pytest.raises(TimeoutError):
            visitor.receive("said", seconds=0.1)  # nothing came twice
    ended, request, vote = events(deployment)[2:]
    assert isinstance(ended, ChatEnded) and isinstance(request, TranscriptRequested)
    assert (ended.outcome, ended.lines, ended.thread_id) == ("closed", 4, thread)
    assert (request.address, request.transcript.count("\n")) == ("ann@example.org", 3)
    assert isinstance(vote, SurveyAnswered)
    assert (vote.csat, vote.comment, vote.ticket_id) == (4, "Quick", f"{TAG}-1")
    assert server.balance() == (5, 5, 0, 0)
    assert server.counted("chat_ended") == {"closed": 1.0}


def test_what_is_sent_again_is_acknowledged_again_and_taken_once(
    deployment: Deployment, server: ChatServer, desk: PipelineWriter
) -> None:
    with server.visitor() as visitor:
        token = visitor.start()["token"]
        visitor.line("l3", "three")
        visitor.line("l2", "two")  # the client's order of ids does not matter
        visitor.line("l3", "three")
    with server.visitor() as visitor:  # its welcome was lost: the form again
        assert visitor.start()["token"] == token
    with server.visitor() as visitor:
        visitor.send("resume", token=token)
        assert visitor.receive("welcome")["resumed"] is True
        visitor.line("l2", "two")
    assert [message.text for message in messages(deployment)] == ["Where is my parcel?", "three", "two"]
    assert server.balance() == (6, 3, 3, 0)


def test_a_returning_visitor_gets_exactly_the_missed_lines(server: ChatServer, desk: PipelineWriter) -> None:
    with server.visitor() as visitor:
        welcome = visitor.start()
        desk.say(welcome["conversation"], "one", "acknowledgement")
        seen = visitor.receive("said")["number"]
        with server.visitor() as second:  # on another device or in another tab: the first is told to stop
            second.send("resume", token=welcome["token"], after=seen)
            assert second.receive("state")["phase"] == "queued"
            assert visitor.closed() == 4001
            assert [frame["type"] for frame in second.seen] == ["offer", "welcome", "state"]
    two = desk.say(welcome["conversation"], "two")
    three = desk.say(welcome["conversation"], "three")
    desk.say("another conversation", "four", ticket="OTHER-1")
    with server.visitor() as visitor:
        visitor.send("resume", token=welcome["token"], after=seen)
        visitor.receive("state", phase="answered")
        said = [(frame["number"], frame["text"]) for frame in visitor.seen if frame["type"] == "said"]
        if len(said) < 2:  # the log was read a moment later: then they come by themselves
            said.append(tuple(visitor.receive("said")[name] for name in ("number", "text")))
        assert said == [(two, "two"), (three, "three")]
        visitor.send("resume", token="x" + welcome["token"])
        assert visitor.receive("problem")["reason"] == "bad_token"


def test_chat_is_offered_while_there_is_capacity(
    deployment: Deployment, server: ChatServer, desk: PipelineWriter
) -> None:
    with server.visitor() as first, server.visitor() as second, server.visitor() as third:
        first.start()
        second.start(conversation="conversation-of-the-second")
        third.send("start", **FORM | {"conversation": "conversation-of-the-third"})
        assert third.receive("offer") == {"type": "offer", "available": False, "reason": "busy"}
        assert third.receive("problem", reason="not_offered")["line"] == "l1"
        third.send("leave", message="m1", text="Call me", email="nowhere")
        assert set(third.receive("problem", reason="bad_fields")["fields"]) == {"email"}
        third.send("leave", message="m1", text="Call me", email="tom@example.org")
        assert third.receive("done") == {"type": "done", "what": "leave", "message": "m1"}
        assert [(message.channel, message.text) for message in messages(deployment)][2] == ("form", "Call me")
        eventually(lambda: server.on_offer() == (1, 0))
        desk.present(capacity=3)
        eventually(lambda: server.offered()["available"])
        eventually(lambda: server.on_offer() == (1, 1))
    assert server.balance() == (3, 3, 0, 0)
    assert server.counted("contacts_refused") == {"chat,not_offered": 1.0, "form,bad_fields": 1.0}


def test_outside_business_hours_chat_is_not_offered(deployment: Deployment, desk: PipelineWriter) -> None:
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(time.gmtime().tm_wday + 3) % 7]
    hours = {"DESKSTREAM_CHAT_HOURS": f"{day} 09:00-18:00"}
    with chatting(deployment, await_offer=False, **hours, DESKSTREAM_CHAT_MAX_PER_ADDRESS="1") as server:
        with server.visitor() as visitor:
            offer = visitor.seen[0]
            assert (offer["available"], offer["reason"]) == (False, "closed")
            assert offer["opens_at"] > time.time() * 1000
            eventually(lambda: server.on_offer() == (0, 0))
            with pytest.raises(InvalidStatus) as refused, server.visitor():
                pass
            assert refused.value.response.status_code == 429
        for origin in ("https://evil.example", None):
            with pytest.raises(InvalidStatus) as refused, server.visitor(origin=origin):
                pass
            assert refused.value.response.status_code == 403
        assert server.counted("contacts_refused") == {"chat,too_many_of_address": 1.0, "chat,bad_origin": 2.0}


@pytest.fixture
def strict(deployment: Deployment, desk: PipelineWriter) -> Iterator[ChatServer]:
    """Gives a connection its first frames, and practically none later, however slowly they come."""
    with chatting(deployment, DESKSTREAM_CHAT_FRAMES_PER_SECOND="0.001") as server:
        yield server


def test_a_refused_frame_has_its_reason_and_is_counted(deployment: Deployment, strict: ChatServer) -> None:
    server = strict
    with server.visitor() as visitor:
        for message in ("{", '{"type": "nonsense"}', b'{"type": "ping"}'):
            visitor.socket.send(message)
            assert visitor.receive("problem")["reason"] == "bad_frame"
        visitor.send("line", line="l1", text="x")
        assert visitor.receive("problem")["reason"] == "not_started"
        visitor.send("start", **FORM | {"email": "nowhere", "text": ""})
        assert set(visitor.receive("problem")["fields"]) == {"email", "text"}
        visitor.start()
        visitor.send("line", line="l2", text="x" * 4001)
        assert visitor.receive("problem")["reason"] == "too_long"
        visitor.send("line", line="l2", text="x" * 40_000)
        assert visitor.closed() == 1009
    with server.visitor() as visitor:
        visitor.socket.protocol.send_text(b'{"type": "line", "line": "l2", "text": "\xe9t\xe9"}')  # Latin-1
        visitor.socket.socket.sendall(b"".join(visitor.socket.protocol.data_to_send()))
        assert visitor.closed() == 1007
    with server.visitor() as visitor:
        with suppress(ConnectionClosed):  # a slow client sees the goodbye before it has said it all
            for _ in range(300):  # more than the server has read by then
                visitor.send("ping")
        assert visitor.closed() == 1008
        assert any(frame.get("reason") == "rate_limited" for frame in visitor.seen)
    refused = eventually(lambda: (found := server.counted("contacts_refused")).get("chat,struck_out") and found)
    limited = refused.pop("chat,rate_limited")
    assert refused == {
        "chat,bad_frame": 3.0,
        "chat,not_started": 1.0,
        "chat,bad_fields": 1.0,
        "chat,too_long": 1.0,
        "chat,too_large": 1.0,
        "chat,bad_encoding": 1.0,
        "chat,struck_out": 1.0,
    }
    assert limited == 20
    assert len(messages(deployment)) == 1
    assert server.balance() == (1, 1, 0, 0)


def test_acknowledgement_answer_and_end_reach_the_open_socket(
    deployment: Deployment, server: ChatServer, desk: PipelineWriter
) -> None:
    with workers(deployment), server.visitor() as visitor:
        thread = visitor.start()["conversation"]
        assert "Ann" in visitor.receive("said", author="desk")["text"]
        desk.event(AgentReplied, TAG, ticket_id="", thread_ref=thread, agent_id="mei", text="It is on its way.")
        assert visitor.receive("said", author="agent")["text"] == "It is on its way."
        desk.event(StatusChanged, TAG, ticket_id="", thread_ref=thread, agent_id="mei", status="solved")
        assert visitor.receive("ended")["outcome"] == "closed"
        visitor.send("transcript")
        assert visitor.receive("done", what="transcript")
        mails = eventually(lambda: [each for each in events(deployment, OUTBOUND.name) if each.kind == "transcript"])
        assert [(mail.channel, mail.address) for mail in mails] == [("email", "ann@example.org")]
        assert mails[0].text.endswith("> It is on its way.\n")


@contextmanager
def workers(deployment: Deployment) -> Iterator[None]:
    """The real stream processors."""
    env = {**os.environ, **deployment.env, "DESKSTREAM_LOG_LEVEL": "error"}
    worker = subprocess.Popen([sys.executable, "-m", "stream_processors"], env=env)
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(60)
        finally:
            worker.kill()


def test_a_visitor_who_does_not_come_back_has_abandoned(deployment: Deployment, desk: PipelineWriter) -> None:
    with chatting(deployment, DESKSTREAM_CHAT_GRACE_SECONDS="0.2") as server:
        with server.visitor() as visitor:
            thread = visitor.start()["conversation"]
        [ended] = eventually(lambda: [event for event in events(deployment) if isinstance(event, ChatEnded)])
        assert (ended.outcome, ended.thread_id, ended.lines) == ("abandoned", thread, 1)
        eventually(lambda: server.counted("contacts_published") == {"chat": 2.0}, "that it is counted")
        assert server.balance() == (2, 2, 0, 0)


def test_the_pages_are_served(server: ChatServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        assert client.get("/asyncapi.json").json()["asyncapi"] == "3.0.0"
        widget = client.get("/widget.js")
        assert (widget.content, widget.headers["content-type"]) == (
            SCRIPT.read_bytes(),
            "text/javascript; charset=utf-8",
        )
        assert "/widget.js" in client.get("/").text
        assert client.get("/nowhere").status_code == 404


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to read JavaScript")
def test_the_widget_is_sound_javascript() -> None:
    subprocess.run(["node", "--check", SCRIPT], check=True)


def test_a_process_takes_over_from_a_killed_one(deployment: Deployment, desk: PipelineWriter) -> None:
    with chatting(deployment) as server, server.visitor() as visitor:
        welcome = visitor.start()
        seen = desk.say(welcome["conversation"], "It is on its way.")
        assert visitor.receive("said")["number"] == seen
        server.process.kill()
        server.process.wait()
    later = desk.say(welcome["conversation"], "Are you there?")
    with chatting(deployment) as server, server.visitor() as visitor:
        visitor.send("resume", token=welcome["token"], after=seen)
        assert visitor.receive("welcome")["resumed"] is True
        assert visitor.receive("said")["number"] == later
        assert visitor.receive("state")["phase"] == "answered"
        visitor.line("l1", FORM["text"])
        visitor.send("end")
        assert visitor.receive("ended")["outcome"] == "closed"
        [ended] = [event for event in events(deployment) if isinstance(event, ChatEnded)]
        assert (ended.outcome, ended.lines) == ("closed", 3)
        assert server.balance() == (2, 1, 1, 0)

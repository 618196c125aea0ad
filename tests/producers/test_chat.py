"""Live chat as a visitor's browser sees it: a real process, a real Kafka, a real WebSocket client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.events import MessageReceived
from tests.conftest import Deployment
from tests.producers.chat_visitor import ANN, ChatServer, Desk, chatting
from tests.producers.log_reader import events

pytestmark = pytest.mark.stack


@pytest.fixture
def desk(deployment: Deployment) -> Iterator[Desk]:
    desk = Desk(deployment)
    desk.present()
    yield desk
    desk.close()


@pytest.fixture
def server(deployment: Deployment, desk: Desk) -> Iterator[ChatServer]:
    with chatting(deployment) as server:
        yield server


def messages(deployment: Deployment) -> list[MessageReceived]:
    return [event for event in events(deployment) if isinstance(event, MessageReceived)]


def test_a_line_is_in_kafka_when_it_is_acknowledged(deployment: Deployment, server: ChatServer, desk: Desk) -> None:
    with server.visitor() as visitor:
        welcome = visitor.start()
        [first] = messages(deployment)
        assert (first.channel, first.thread_id, first.customer_id) == ("chat", welcome["conversation"], ANN)
        assert (first.text, first.customer_name, first.order_number) == ("Where is my parcel?", "Ann", "A-17")
        assert (first.language, first.time_zone) == ("en", "Europe/London")
        assert first.fields == {"line": "l1", "visitor": "visitor-0123456789", "page_url": "https://shop.example/cart"}
        visitor.line("l2", "My card is 4111 1111 1111 1111")
        assert [message.text for message in messages(deployment)][1:] == ["My card is **** **** **** 1111"]
        first_number = desk.say(welcome["conversation"], "Thank you, Ann.", "acknowledgement")
        assert visitor.receive("said")["number"] == first_number
        desk.say(welcome["conversation"], "It is on its way.")
        assert visitor.receive("said")["author"] == "agent"
        assert visitor.receive("state", phase="answered")
    assert server.balance() == (2, 2, 0, 0)

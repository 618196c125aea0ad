"""WhatsApp: free text within 24 hours of the customer's last message, a template after that, or a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.delivery import whatsapp
from sinks.delivery.adapter import Undeliverable
from tests.sinks.test_sms import message, send
from tests.support.sinks.sms_service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


HX = "HX" + "1" * 32
LONG_AGO, FOR_EVER = 1, 2**62


def late(**fields: Any) -> Any:
    about = {"address": "whatsapp:+819012345678", "window_ends_at": LONG_AGO, "template": HX, "kind": "reply"}
    return message(**about | {"template_variables": {"1": "Dear Ann", "2": "{text}"}} | fields)


def test_within_the_window_the_text_goes_as_it_stands(service: Service) -> None:
    send(service, late(window_ends_at=FOR_EVER, text="two\nlines"))
    [taken] = service.taken
    assert taken["Body"] == "two\nlines" and "ContentSid" not in taken


def test_after_the_window_the_template_goes_with_its_variables(service: Service) -> None:
    send(service, late(text="It is\n\ton     its way.", sender="+4930123457"))
    [taken] = service.taken
    assert "Body" not in taken and taken["ContentSid"] == HX and taken["From"] == "whatsapp:+4930123457"
    assert json.loads(taken["ContentVariables"]) == {"1": "Dear Ann", "2": "It is on its way."}


def test_without_a_template_the_refusal_says_so(service: Service) -> None:
    with pytest.raises(Undeliverable, match="24 hours") as refused:
        send(service, late(template="", template_variables={}))
    assert (refused.value.outcome, refused.value.reason) == ("refused", "whatsapp_window")
    assert service.taken == []


@given(text=st.text(min_size=1, max_size=4000).filter(str.strip), name=st.text(max_size=300))
def test_variables_are_one_line_and_hold_every_word(text: str, name: str) -> None:
    given_ = late(text=text, template_variables={"1": name, "2": "{text}", "3": ""})
    parts = [json.loads(each) for each in whatsapp.contents(given_, 1_600, 10)]
    for part in parts:
        for value in part.values():
            assert value and value == " ".join(value.split()) and len(value) <= 1_024
    said = " ".join(re.sub(r"^\(\d+/\d+\) ", "", part["2"]) if len(parts) > 1 else part["2"] for part in parts)
    assert "".join(said.split()) == "".join(text.split())


def test_a_lost_answer_about_a_template_is_looked_up() -> None:
    variables = json.dumps({"1": "Dear Ann", "2": "It is on its way."})
    assert whatsapp.says("Dear Ann,\nwe write again: It is on its way.\nBye", variables)
    assert not whatsapp.says("Dear Ann, we write again: It was on its way.", variables)

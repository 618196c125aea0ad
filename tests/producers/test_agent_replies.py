"""What an answer has beside its text, as the API takes it: HTML that is made safe, files, copies and quotes that are checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.channels import agents, generic, replies
from producers.text import privacy
from producers.text.fields import FieldProblems
from schemas.codec import decode, encode
from schemas.errors import Refused
from schemas.events import AgentReplied, Attachment, QuotedMessage
from schemas.safe_html import clean, to_text
from sinks.delivery.mail import copies
from tests.support.producers.endpoints_agents import TICKET
from tests.support.sinks.examples import outbound

NOW = 1_772_409_600_000_000
TAG = TICKET.partition("-")[0]
HELD = f"file:///var/attachments/{TAG}/{'0b' * 32}"
BODY = {"id": "r-1", "ticket_id": TICKET, "agent_id": "mei"}


def reply(**fields: Any) -> AgentReplied:
    [made] = agents.normalise(json.dumps(BODY | fields).encode(), "replies", now=NOW)
    assert isinstance(made, AgentReplied)
    assert decode(encode(made)) == made
    return made


def problems(**fields: Any) -> dict[str, str]:
    with pytest.raises(FieldProblems) as caught:
        reply(**fields)
    return caught.value.fields


def test_everything_of_an_answer_is_in_its_event() -> None:
    made = reply(
        html="<p>Here is <b>the label</b>.</p><img src='cid:1' alt='the box'>",
        attachments=[{"reference": HELD, "name": "box.png", "media_type": "image/PNG", "size_bytes": 7}],
        cc=["bob@example.org", "bob@example.org"],
        bcc=["audit@shop.example"],
        quoted=[{"author": "Ann\r\nLee", "at": "2026-03-02T10:00:00+09:00", "text": "Where is it?"}, {"text": "Hello"}],
        agent_name="Mei",
    )
    assert made.text == "Here is the label.\n\n[the box]"
    assert made.html == '<p>Here is <b>the label</b>.</p><img src="cid:1" alt="the box">'
    assert made.attachments == [Attachment(name="box.png", media_type="image/png", size_bytes=7, reference=HELD)]
    assert (made.cc, made.bcc, made.agent_name) == (["bob@example.org"], ["audit@shop.example"], "Mei")
    assert made.quoted == [
        QuotedMessage(author="Ann Lee", at=1_772_413_200_000_000, text="Where is it?"),
        QuotedMessage(text="Hello"),
    ]


def test_an_answer_of_text_alone_is_as_it_was() -> None:
    made = reply(text="Here it is.")
    assert (made.text, made.html, made.attachments, made.cc, made.bcc, made.quoted) == (
        "Here it is.",
        "",
        [],
        [],
        [],
        [],
    )
    generic_body = BODY | {"text": "Here it is.", "type": "agent_replied"}
    assert generic.normalise(json.dumps(generic_body).encode(), now=NOW) == made


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "text"),
        ({"html": ""}, "text"),
        ({"html": "<script>alert(1)</script>"}, "text"),
        ({"html": "<p> </p>"}, "html"),
        ({"html": 7}, "html"),
        ({"html": "x" * 100_001}, "html"),
        ({"html": "<p>x</p>", "text": "x"}, "text"),
        ({"html": "<img src=cid:1>"}, "html"),
        ({"text": "x", "cc": "bob@example.org"}, "cc"),
        ({"text": "x", "cc": ["Bob <bob@example.org>"]}, "cc"),
        ({"text": "x", "cc": ["bob@example.org\r\nBcc: eve@example.org"]}, "cc"),
        ({"text": "x", "bcc": ["a@b, c@d"]}, "bcc"),
        ({"text": "x", "cc": [f"c{number}@example.org" for number in range(15)], "bcc": [f"b{number}@example.org" for number in range(6)]}, "cc"),
        ({"text": "x", "cc": ["bob@example.org"], "public": False}, "cc"),
        ({"text": "x", "bcc": ["bob@example.org"], "public": False}, "bcc"),
        ({"text": "x", "attachments": [{"name": "x.pdf"}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": "file:///etc/passwd"}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": HELD.replace(TAG, "ZZZZZZZZZZZZ")}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": HELD.replace(TAG, f"quarantine/{TAG}")}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": HELD.replace("/var", "/var/..")}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": HELD, "path": "x"}]}, "attachments"),
        ({"text": "x", "attachments": [{"reference": HELD}] * 21}, "attachments"),
        ({"text": "x", "attachments": {"reference": HELD}}, "attachments"),
        ({"text": "x", "quoted": [{"author": "Ann"}]}, "quoted"),
        ({"text": "x", "quoted": [{"text": "x", "at": "yesterday"}]}, "quoted"),
        ({"text": "x", "quoted": [{"text": "x", "bcc": "eve@example.org"}]}, "quoted"),
        ({"text": "x", "quoted": [{"text": "x" * 21_000}] * 2}, "quoted"),
        ({"text": "x", "quoted": ["x"]}, "quoted"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_named(fields: dict[str, Any], named: str) -> None:
    assert list(problems(**fields)) == [named]


def test_an_attachment_belongs_to_the_customer_whose_conversation_is_named() -> None:
    about = {"thread_ref": "c-3", "customer_id": "chat:visitor-5", "text": "x", "id": "r-2", "agent_id": "mei"}
    body = about | {"attachments": [{"reference": HELD}]}
    with pytest.raises(FieldProblems, match="no file of this customer"):
        agents.normalise(json.dumps(body).encode(), "replies", now=NOW)


def test_a_card_number_is_masked_in_html_and_text_alike() -> None:
    for html in ("<p>Your card 4111 1111 1111 1111</p>", "<p>Your card 4111 <b>1111</b> 1111 1111</p>"):
        made = reply(html=html)
        assert "1111 1111 1111" not in made.html.replace("<b>", "").replace("</b>", "")
        assert privacy.mask(made.text) == made.text
        assert to_text(made.html) == made.text


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["<p>", "<b>", "</b>", "4111", " ", "1111", "<br>", "x", "\n", "<td>", "-"]), max_size=30
    ).map("".join)
)
@example("<p>41<b>11111111111111</b></p>")
@example("<p>a</p>" * 10_000)
def test_html_and_text_of_an_answer_say_the_same(markup: str) -> None:
    try:
        made = reply(html=markup)
    except FieldProblems:
        return
    assert clean(made.html) == made.html
    assert to_text(made.html).split() == made.text.split()
    assert privacy.mask(made.text) == made.text


addresses = st.lists(
    st.sampled_from(
        [
            "a",
            "@",
            ".",
            "..",
            "x.org",
            "ü",
            "例え",
            "-",
            "\u200b",
            " ",
            "'",
            "+",
            "bücher",
            "\ud800",
            "🙂",
            "xn--",
            "_",
            "b" * 70,
        ]
    ),
    max_size=8,
).map("".join)


@given(addresses | st.emails())
def test_what_is_taken_as_a_copy_can_be_sent(address: str) -> None:
    try:
        made = reply(text="x", cc=[address])
    except (FieldProblems, Refused):
        return
    assert len(copies(outbound(address="nobody@example.org", cc=made.cc))) == 1


def test_a_reference_names_one_customer_of_the_store() -> None:
    assert replies.tag_in(f"s3://bucket/prefix/{TAG}/{'a' * 64}") == TAG
    for wrong in (
        f"{TAG}/../x/{'a' * 64}",
        f"x/quarantine/{TAG}/{'a' * 64}",
        f"{TAG}/{'A' * 64}",
        f"{TAG}/{'a' * 63}",
        f"{TAG}/{'a' * 64}\n",
        "",
    ):
        assert replies.tag_in(wrong) == ""

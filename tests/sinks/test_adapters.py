"""The adapter of each channel, and the delivery history."""

import ast
import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings
from sinks.delivery import adapter
from sinks.delivery.adapter import Undeliverable, adapters
from sinks.delivery.channels.outbox import Outbox
from sinks.delivery.history import DeliveryHistory
from tests.support.sinks.examples import outbound


def module(name, *channels):
    return SimpleNamespace(__name__=name, CHANNELS=channels, connect=lambda settings: name)


def test_mail_and_forms_go_by_mail_and_everything_else_to_the_outbox():
    found = adapters(SinkSettings())
    assert found.channels == ["*", "chat", "email", "form"]
    assert type(found.of("form")).__name__ == "Email"
    assert found.of("form") is found.of("email")
    assert type(found.of("sms")).__name__ == "Outbox"


@pytest.mark.parametrize(
    ("second", "complaint"),
    [(module("b", "sms"), "b: sms already belongs to a"), (module("b"), "b: it declares no CHANNELS")],
)
def test_two_adapters_never_share_a_channel(second, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        adapters(SinkSettings(), [module("a", "sms"), second])


def test_a_channel_that_nobody_serves_is_refused_with_its_reason():
    with pytest.raises(Undeliverable) as refused:
        adapters(SinkSettings(), [module("a", "sms")]).of("fax")
    assert (refused.value.outcome, refused.value.reason) == ("refused", "no_adapter")


def test_a_sender_that_is_no_address_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="DESKSTREAM_MAIL_FROM"):
        adapters(SinkSettings(mail_from="support"))


def test_the_outbox_appends_one_json_line_per_message(tmp_path):
    box = Outbox(tmp_path / "out")

    async def send():
        await asyncio.gather(
            *(box.deliver(outbound(outbound_id=f"o{n}", channel="sms", text="田中\n")) for n in range(20))
        )

    asyncio.run(send())
    lines = [json.loads(line) for line in (tmp_path / "out" / "sms.jsonl").read_text().splitlines()]
    assert sorted(line["outbound_id"] for line in lines) == sorted(f"o{n}" for n in range(20))
    assert {line["text"] for line in lines} == {"田中\n"}


@pytest.mark.parametrize(("folder", "channel"), [(False, "sms"), (True, "../../etc"), (True, ""), (True, "SMS/x")])
def test_without_an_outbox_or_with_a_strange_channel_there_is_no_adapter(tmp_path, folder, channel):
    with pytest.raises(Undeliverable, match="no adapter"):
        asyncio.run(Outbox(tmp_path if folder else None).deliver(outbound(channel=channel)))
    assert list(tmp_path.iterdir()) == []


def test_whatever_became_of_a_message_it_is_not_tried_again_unless_a_person_asks():
    history = DeliveryHistory(limit=10)
    history.add("sent", "delivered")
    history.add("no", "bounced")
    assert [history.done(i, is_replay=False) for i in ("sent", "no", "new")] == [True, True, False]
    assert [history.done(i, is_replay=True) for i in ("sent", "no", "new")] == [True, False, False]


def test_delivered_is_final_and_the_oldest_is_forgotten_first():
    history = DeliveryHistory(limit=2)
    history.add("a", "delivered")
    history.add("a", "bounced")
    assert history.done("a", is_replay=True)
    history.add("b", "delivered")
    history.add("a", "delivered")
    history.add("c", "delivered")
    assert (history.done("a", is_replay=False), history.done("b", is_replay=False)) == (True, False)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["delivered", "bounced", "refused"])), max_size=40),
    st.integers(1, 6),
)
def test_the_history_is_bounded_and_holds_the_newest(facts, limit):
    history = DeliveryHistory(limit)
    for outbound_id, outcome in facts:
        history.add(outbound_id, outcome)
    newest = list(dict.fromkeys(outbound_id for outbound_id, _ in reversed(facts)))[:limit]
    assert len(history) == len(newest)
    assert all(history.done(outbound_id, is_replay=False) for outbound_id in newest)


def test_a_bounce_is_never_a_defect_of_ours_and_every_defect_occurs():
    found = set()
    for path in sorted(Path(adapter.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Undeliverable":
                outcome, reason, *_ = node.args
                found.add((ast.literal_eval(outcome), ast.literal_eval(reason)))
    kinds = {(outcome, reason): Undeliverable(outcome, reason, "").dead_letter_kind for outcome, reason in found}
    assert {kind for (outcome, _), kind in kinds.items() if outcome == "bounced"} == {"refused"}
    assert {reason for (_, reason), kind in kinds.items() if kind == "defect"} == set(adapter.DEFECT_REASONS)

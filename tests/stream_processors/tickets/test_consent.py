"""consent: what STOP, START and HELP do, to what is sent afterwards and to what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.facts import AcknowledgementFact, ContactFact, DeliveryFact, Outbound
from schemas.identity import customer_tag, event_id
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.state import MOST_OPTED_OUT, Customer, customer_key
from tests.support.tickets.story import Story
from tests.support.tickets.town import ANN, BOB, Town, first

NUMBER = "+819012345678"
WHATSAPP = f"whatsapp:{NUMBER}"


@pytest.fixture
def sms(tell: Callable[..., Story]) -> Story:
    return tell(channel="sms", customer_id=f"tel:{NUMBER}")


def wish(story: Story, seconds: float, what: str, keyword: str = "", **changes: Any) -> events.Event:
    fields = {"customer_id": story.customer_id, "address": NUMBER, "wish": what, "keyword": keyword or what.upper()}
    return story.tell(events.ConsentChanged(**story.base(seconds) | fields | changes))


def outbounds(story: Story) -> list[tuple[str, str]]:
    return [(each.kind, each.address) for each in story.all(Outbound)]


def outcomes(story: Story) -> list[tuple[str, str]]:
    return [(fact.outcome, fact.reason) for fact in story.all(AcknowledgementFact)]


def refusals(story: Story) -> list[tuple[str, str, str]]:
    return [(fact.kind, fact.outcome, fact.detail) for fact in story.all(DeliveryFact)]


# -- STOP -----------------------------------------------------------------------------------------------------------


def test_stop_is_confirmed_once_in_the_customers_language(sms: Story, rules: Rules) -> None:
    event = wish(sms, 0, "stop", "配信停止", language="ja")
    wish(sms, 5, "stop", "STOP")
    [outbound] = sms.all(Outbound)
    assert (outbound.kind, outbound.channel, outbound.address, outbound.locale) == ("opt_out", "sms", NUMBER, "ja")
    assert outbound.text == "配信を停止しました。今後こちらへは送信しません。再開はSTARTと返信してください。"
    assert (outbound.outbound_id, outbound.ticket_id) == (event_id("notice", event.event_id), "")
    assert sms.customer.opted_out == (NUMBER,)
    assert sms.customer.tickets == ()


def test_a_wish_is_on_the_customers_timeline_and_opens_no_ticket(sms: Story) -> None:
    wish(sms, 0, "stop", "退订")
    [fact] = sms.all(ContactFact)
    assert (fact.kind, fact.direction, fact.text, fact.detail) == ("consent_changed", "in", "退订", "stop")
    assert (fact.ticket_id, fact.opened_ticket) == ("", False)


def test_after_stop_nothing_is_acknowledged_and_the_reason_is_recorded(sms: Story) -> None:
    wish(sms, 0, "stop")
    sms.message(10)
    assert outcomes(sms) == [("suppressed", "opted_out")]
    assert outbounds(sms) == [("opt_out", NUMBER)]
    assert sms.total("suppressed") == 1
    assert sms.clock_rows("acknowledgement") == ["1 activate @10", "1 cancel @10 after 0"]


def test_a_missed_call_of_that_number_is_not_answered_by_sms_either(sms: Story) -> None:
    wish(sms, 0, "stop")
    sms.call(10, "missed", channel="phone", address=NUMBER)
    assert outcomes(sms) == [("suppressed", "opted_out")]


def test_an_agents_answer_is_recorded_and_not_delivered(sms: Story) -> None:
    sms.message(0)
    wish(sms, 10, "stop")
    reply = sms.reply(20, "It is on its way.")
    assert outbounds(sms) == [("acknowledgement", NUMBER), ("opt_out", NUMBER)]
    assert refusals(sms) == [("reply", "refused", "opted_out")]
    assert sms.all(DeliveryFact)[0].outbound_id == event_id("reply", reply.event_id)
    assert sms.all(DeliveryFact)[0].ticket_id == sms.ticket_id()
    assert [fact.text for fact in sms.contact_facts() if fact.kind == "agent_replied"] == ["It is on its way."]
    assert (sms.ticket().counts.public_replies, sms.ticket().status) == (1, "pending")


def test_another_address_of_the_same_customer_is_still_answered(sms: Story) -> None:
    wish(sms, 0, "stop")
    sms.message(10, address=WHATSAPP)
    sms.message(20, channel="email", address="ann@example.org")
    assert outcomes(sms) == [("sent", ""), ("sent", "")]


def test_a_stop_of_a_mail_address_is_obeyed_and_confirmed_to_nobody(story: Story) -> None:
    fields = {"customer_id": story.customer_id, "address": "Ann@Example.org", "wish": "stop"}
    story.tell(events.ConsentChanged(**story.base(0) | fields))
    story.message(10)
    assert outcomes(story) == [("suppressed", "opted_out")]
    assert story.all(Outbound) == []


@pytest.mark.parametrize("changes", [{"answered": True}, {"imported": True}])
def test_what_the_service_has_confirmed_and_history_is_obeyed_without_a_word(
    sms: Story, changes: dict[str, Any]
) -> None:
    wish(sms, 0, "stop", **changes)
    wish(sms, 5, "help", **changes)
    assert sms.customer.opted_out == (NUMBER,)
    assert sms.all(Outbound) == []


# -- START ----------------------------------------------------------------------------------------------------------


def test_start_lifts_it_and_is_confirmed_once(sms: Story) -> None:
    wish(sms, 0, "stop")
    wish(sms, 10, "start")
    wish(sms, 20, "start")
    sms.message(30)
    assert outbounds(sms) == [("opt_out", NUMBER), ("opt_in", NUMBER), ("acknowledgement", NUMBER)]
    assert sms.customer.opted_out == ()


def test_start_without_a_stop_is_nothing(sms: Story) -> None:
    wish(sms, 0, "start")
    assert (sms.all(Outbound), sms.customer.opted_out, sms.customer.tickets) == ([], (), ())


def test_a_stop_after_a_start_is_confirmed_again(sms: Story) -> None:
    for number, what in enumerate(("stop", "start", "stop")):
        wish(sms, number, what)
    assert [kind for kind, _ in outbounds(sms)] == ["opt_out", "opt_in", "opt_out"]


@pytest.mark.parametrize("word", ["YES", "yes!", " Yes. ", "ＹＥＳ"])
def test_yes_to_a_question_of_ours_is_an_answer(sms: Story, word: str) -> None:
    sms.message(0)
    sms.reply(10, "Shall we send another one?")
    wish(sms, 20, "start", word)
    assert [fact.kind for fact in sms.contact_facts()] == ["message_received", "agent_replied", "message_received"]
    assert sms.contact_facts()[-1].text == word
    assert (sms.ticket().counts.customer_messages, sms.ticket().status) == (2, "open")


def test_yes_after_a_stop_lifts_it_and_is_no_answer(sms: Story) -> None:
    sms.message(0)
    wish(sms, 10, "stop")
    wish(sms, 20, "start", "YES")
    assert (sms.customer.opted_out, sms.ticket().counts.customer_messages) == ((), 1)


def test_start_and_a_yes_without_an_open_conversation_are_no_answers(sms: Story) -> None:
    sms.message(0)
    wish(sms, 5, "start", "START")
    sms.solve(10)
    wish(sms, 20, "start", "YES")
    assert sms.ticket().counts.customer_messages == 1


# -- HELP -----------------------------------------------------------------------------------------------------------


def test_help_says_who_we_are_every_time_also_after_a_stop(sms: Story) -> None:
    wish(sms, 0, "help", language="en")
    wish(sms, 10, "stop", language="en")
    wish(sms, 20, "help", language="en")
    assert [kind for kind, _ in outbounds(sms)] == ["help", "opt_out", "help"]
    assert "support@support.example" in sms.all(Outbound)[0].text
    assert sms.all(Outbound)[0].text == sms.all(Outbound)[2].text
    assert sms.customer.opted_out == (NUMBER,)


def test_help_on_whatsapp_is_answered_there(sms: Story) -> None:
    wish(sms, 0, "help", address=WHATSAPP)
    assert outbounds(sms) == [("help", WHATSAPP)]


def test_a_machine_that_says_help_for_ever_is_told_ten_times_in_ten_minutes(sms: Story) -> None:
    for number in range(14):
        wish(sms, number * 10, "help")
    assert outbounds(sms) == [("help", NUMBER)] * 10
    assert refusals(sms) == [("help", "refused", "rate_cap")] * 4


def test_a_help_that_many_automatic_hops_led_to_is_not_answered(sms: Story) -> None:
    wish(sms, 0, "help", causation_depth=3)
    assert (sms.all(Outbound), refusals(sms)) == ([], [("help", "refused", "causation_depth")])


# -- what is remembered ---------------------------------------------------------------------------------------------


def test_the_same_wish_delivered_twice_is_one(sms: Story) -> None:
    event = wish(sms, 0, "help")
    sms.tell(event)
    assert outbounds(sms) == [("help", NUMBER)]


def test_an_erasure_forgets_the_number_and_not_that_it_wants_nothing(sms: Story) -> None:
    wish(sms, 0, "stop")
    for seconds in (10, 15):
        sms.tell(events.ErasureRequested(**sms.base(seconds, channel="")))
    assert NUMBER not in str(sms.customer)
    sms.message(20)
    assert outcomes(sms) == [("suppressed", "opted_out")]
    wish(sms, 30, "start")
    assert sms.customer.opted_out == ()


def test_states_from_before_there_were_opt_outs_are_read(sms: Story) -> None:
    wish(sms, 0, "stop")
    codec, key = StateCodec({b"c": Customer}), customer_key(customer_tag(f"tel:{NUMBER}"))
    stored = codec.dump(key, sms.customer)
    body = msgspec.msgpack.encode(sms.customer)
    assert stored.endswith(body)
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(body)[: _index("opted_out")])
    read = codec.load(key, stored[: -len(body)] + older)
    assert read == msgspec.structs.replace(sms.customer, opted_out=())
    assert codec.load(key, stored).opted_out == (NUMBER,)


def _index(name: str) -> int:
    return Customer.__struct_fields__.index(name)


@given(st.lists(st.tuples(st.sampled_from(["in", "out"]), st.sampled_from(["+1", "+2", "A@x", "a@X "])), max_size=30))
def test_an_address_wants_what_it_wanted_last_whatever_its_case(said: list[tuple[str, str]]) -> None:
    customer, expected = Customer(), {}
    for what, address in said:
        customer = customer.opt_out(address) if what == "out" else customer.opt_in(address)
        expected[address.strip().lower()] = what == "out"
    for known in (customer, customer.forgotten(), customer.forgotten().forgotten()):
        assert {address: known.wants_nothing_at(address) for address in expected} == expected


def test_the_memory_is_bounded() -> None:
    customer = Customer()
    for number in range(MOST_OPTED_OUT + 5):
        customer = customer.opt_out(f"+{number}")
    assert len(customer.opted_out) == MOST_OPTED_OUT
    assert customer.wants_nothing_at(f"+{MOST_OPTED_OUT + 4}")


# -- who it belongs to ----------------------------------------------------------------------------------------------


def stop(town: Town, seconds: float, who: str) -> None:
    fields = {"customer_id": who, "address": who.partition(":")[2], "wish": "stop", "channel": "sms"}
    town.tell(events.ConsentChanged(**town.base(seconds, customer_tag(who)) | fields))
    town.settle()


def test_who_goes_up_in_another_customer_takes_their_stop_along(town: Town) -> None:
    stop(town, 0, BOB)
    town.merge(10, BOB, ANN)
    town.settle()
    town.message(20, BOB, channel="sms")
    town.settle()
    assert town.customer(ANN).opted_out == ("+15550100",)
    assert [(fact.outcome, fact.reason) for fact in town.facts(AcknowledgementFact)] == [("suppressed", "opted_out")]


def test_a_stop_that_came_while_two_were_one_holds_when_they_are_two_again(town: Town) -> None:
    town.message(0, BOB, channel="sms", address="+15550100")
    town.settle()
    town.merge(10, BOB, ANN)
    town.settle()
    stop(town, 20, BOB)
    town.split(30, ANN, BOB, first(BOB))
    town.settle()
    town.reply(40, first(BOB))
    town.settle()
    assert town.customer(BOB).opted_out == ("+15550100",)
    assert [(fact.kind, fact.detail) for fact in town.facts(DeliveryFact)] == [("reply", "opted_out")]
    assert [each.kind for each in town.facts(Outbound)] == ["acknowledgement", "opt_out"]

"""The rules of assignment, one by one, on small stories with the answer worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import Refused
from schemas.events import Assigned, NoteAdded, Tick
from stream_processors.runtime.processor import Position

A, B, C, D = (f"AAAABBBBCCC{suffix}-1" for suffix in "ABCD")


def given(assigned: list[Any]) -> list[tuple[str, str]]:
    return [(record.ticket_id, record.agent_id) for record in assigned]


def test_a_ticket_goes_to_an_agent_with_room_at_once(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))
    update = story.update("queue", A)
    (assigned,) = router.fold(update)
    assert (assigned.ticket_id, assigned.agent_id, assigned.team) == (A, "mei", "support")
    assert (assigned.queued_at, assigned.occurred_at) == (update.eligible_at, update.occurred_at)
    assert (assigned.customer_tag, assigned.channel, assigned.reason) == ("AAAABBBBCCCA", "email", "least_open")
    assert assigned.causation_depth == update.causation_depth + 1


def test_the_assignment_is_keyed_by_the_customer(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))
    outcome = router.processor.process(story.update("queue", A), Position(0, 1), router)
    assert [output.key for output in outcome.outputs if isinstance(output.record, Assigned)] == ["AAAABBBBCCCA"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"channel": "email"}, {"channel": "social"}),
        ({"channel": "social"}, {"channel": "sms"}),
        ({"channel": "sms"}, {"channel": "chat"}),
        ({"channel": "form", "priority": "urgent"}, {"channel": "phone", "priority": "low"}),
        ({"channel": "email", "priority": "normal"}, {"channel": "email", "priority": "high"}),
        ({"channel": "email", "priority": "low"}, {"channel": "email"}),
        ({"channel": "email", "eligible_at": 2_000_000}, {"channel": "email", "eligible_at": 1_000_000}),
        ({"channel": "email", "language": "en"}, {"channel": "email", "language": "ja", "priority": "urgent"}),
    ],
)
def test_the_second_to_come_is_served_first(router: Any, story: Any, first: Any, second: Any) -> None:
    router.fold(story.update("queue", A, **first))
    router.fold(story.update("queue", B, **second))
    assert given(router.fold(story.presence("mei"))) == [(B, "mei"), (A, "mei")]


def test_a_chat_slot_is_not_an_email_slot(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"chat": 1, "default": 1}))
    for ticket, channel in ((A, "email"), (B, "email"), (C, "chat")):
        router.fold(story.update("queue", ticket, channel))
    assert router.waiting() == [B]


def test_an_agent_without_a_stated_capacity_takes_nothing(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"chat": 3}))
    assert router.fold(story.update("queue", A, "email")) == []


def test_the_fewest_open_then_the_longest_idle_gets_the_next(router: Any, story: Any) -> None:
    for agent in ("ann", "bob", "cai"):
        router.fold(story.presence(agent, capacity={"default": 9}))
    order = [given(router.fold(story.update("queue", f"AAAABBBBCCCA-{n}")))[0][1] for n in range(1, 4)]
    assert order == ["ann", "bob", "cai"]
    router.fold(story.update("done", "AAAABBBBCCCA-3"))
    router.fold(story.update("done", "AAAABBBBCCCA-2"))
    assert given(router.fold(story.update("queue", D))) == [(D, "bob")], (
        "bob and cai hold none; bob's last is longer ago"
    )


def test_the_previous_agent_gets_the_customer_again_only_with_room(router: Any, story: Any) -> None:
    router.fold(story.presence("ann"))
    router.fold(story.presence("bob", capacity={"default": 1}))
    router.fold(story.update("busy", C, agent_id="ann"))
    (assigned,) = router.fold(story.update("queue", A, preferred_agent="bob"))
    assert (assigned.agent_id, assigned.reason) == ("bob", "previous_agent")
    assert given(router.fold(story.update("queue", B, preferred_agent="bob"))) == [(B, "ann")]


def test_a_ticket_waits_for_somebody_on_shift_who_speaks_its_language(router: Any, story: Any) -> None:
    router.fold(story.presence("tom", languages=["en"]))
    router.fold(story.presence("yui", languages=["en", "ja"], capacity={"default": 1}))
    assert given(router.fold(story.update("queue", A, language="ja"))) == [(A, "yui")]
    assert router.fold(story.update("queue", B, language="ja")) == [], "yui is full, tom does not speak it"
    assert given(router.fold(story.update("done", A))) == [(B, "yui")]


def test_anybody_answers_a_language_that_nobody_on_shift_has(router: Any, story: Any) -> None:
    router.fold(story.presence("tom", languages=["en"], capacity={"default": 3}))
    router.fold(story.presence("yui", "away", languages=["ja"]))
    assert router.fold(story.update("queue", A, language="ja")) == [], "yui will be back"
    assert given(router.fold(story.presence("yui", "offline"))) == [(A, "tom")]


def test_chinese_covers_both_scripts(router: Any, story: Any) -> None:
    router.fold(story.presence("tom", languages=["en"]))
    router.fold(story.presence("wei", languages=["zh"]))
    assert given(router.fold(story.update("queue", A, language="zh-Hant"))) == [(A, "wei")]


def test_skills_are_asked_for_while_somebody_on_shift_has_them(router: Any, story: Any) -> None:
    router.fold(story.presence("tom"))
    router.fold(story.presence("zoe", skills=["refunds"], capacity={"default": 1}))
    assert given(router.fold(story.update("queue", A, skills=["refunds"]))) == [(A, "zoe")]
    assert router.fold(story.update("queue", B, skills=["refunds"])) == []
    assert given(router.fold(story.update("queue", C, skills=["lasers"]))) == [(C, "tom")]


def test_what_waits_on_the_customer_takes_no_room(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    router.fold(story.update("queue", A))
    router.fold(story.update("queue", B))
    assert given(router.fold(story.update("idle", A, agent_id="mei"))) == [(B, "mei")]
    router.fold(story.update("busy", A, agent_id="mei"))  # the customer answered: above capacity, and that is right
    router.fold(story.update("done", B))
    assert router.fold(story.update("queue", C)) == []
    assert given(router.fold(story.update("done", A))) == [(C, "mei")]


def test_a_manual_assignment_may_exceed_the_capacity_and_leaves_the_queue(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    router.fold(story.update("queue", A))
    router.fold(story.update("queue", B))
    router.fold(story.update("busy", B, agent_id="mei"))
    assert router.waiting() == []
    assert router.fold(story.update("done", A)) == []


def test_a_manual_assignment_to_somebody_else_frees_the_first(router: Any, story: Any) -> None:
    router.fold(story.presence("ann", capacity={"default": 1}))
    router.fold(story.update("queue", A))
    router.fold(story.update("queue", B))
    assert given(router.fold(story.update("busy", A, agent_id="bob"))) == [(B, "ann")]


def test_who_goes_offline_gives_back_and_others_take_over_in_the_old_order(router: Any, story: Any) -> None:
    router.fold(story.presence("ann"))
    queued = story.update("queue", A)
    router.fold(queued)
    router.fold(story.presence("bob", capacity={"default": 1}))
    assert given(router.fold(story.update("queue", B))) == [(B, "bob")]
    router.fold(story.update("queue", C))
    router.fold(story.update("queue", D))
    records = router.fold(story.presence("ann", "offline"))
    assert given(records) == [(A, ""), (C, "")]
    assert {record.reason for record in records} == {"agent_offline"}
    (again,) = router.fold(story.update("done", B))
    assert (again.ticket_id, again.agent_id) == (A, "bob")
    assert again.queued_at == queued.eligible_at, "a ticket given back keeps its place"


def test_who_is_away_keeps_what_they_hold_and_gets_no_more(router: Any, story: Any) -> None:
    router.fold(story.presence("mei"))
    router.fold(story.update("queue", A))
    assert router.fold(story.presence("mei", "away")) == []
    assert router.fold(story.update("queue", B)) == []
    assert given(router.fold(story.presence("mei", "online"))) == [(B, "mei")]


def test_a_presence_keeps_what_it_leaves_out(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"chat": 1}, languages=["ja"]))
    router.fold(story.presence("mei", "away", capacity={}))
    router.fold(story.presence("mei", "online", capacity={}))
    assert given(router.fold(story.update("queue", A, "chat", language="ja"))) == [(A, "mei")]


def test_saying_something_twice_changes_nothing(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    for action in ("queue", "queue", "busy", "busy"):
        router.fold(story.update(action, A, agent_id="mei" if action == "busy" else ""))
    router.fold(story.update("queue", B))
    router.fold(story.update("queue", B))
    router.fold(story.update("done", D))
    router.fold(story.update("idle", D))
    assert given(router.fold(story.update("done", A))) == [(B, "mei")]
    assert router.fold(story.update("done", A)) == []
    assert router.waiting() == []


def test_a_raised_priority_moves_a_ticket_forward(router: Any, story: Any) -> None:
    router.fold(story.update("queue", A))
    first = story.update("queue", B)
    router.fold(first)
    router.fold(story.update("queue", B, priority="urgent"))
    records = router.fold(story.presence("mei"))
    assert given(records) == [(B, "mei"), (A, "mei")]
    assert records[0].queued_at == first.eligible_at


def test_an_update_that_a_worker_wrote_again_after_a_crash_is_dropped(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    router.fold(story.update("queue", A, partition=3, version=100))
    router.fold(story.update("idle", A, partition=3, version=105))
    assert router.fold(story.update("queue", A, partition=3, version=100)) == [], "it has been answered since"
    assert given(router.fold(story.update("queue", B, partition=2, version=7))) == [(B, "mei")]


def test_several_updates_of_one_record_all_count_but_only_once(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    router.fold(story.update("busy", A, agent_id="bob", partition=0, version=8))
    let_go = story.update("idle", A, partition=0, version=9)
    again = story.update("queue", A, partition=0, version=9)
    assert router.fold(let_go) == []
    assert given(router.fold(again)) == [(A, "mei")]
    assert [record for event in (let_go, again) for record in router.fold(event)] == []
    assert router.states[b"tsupport"].agents["mei"].open == {"email": 1}


def test_a_team_that_nobody_configured_is_a_team_of_its_own(router: Any, new_story: Any) -> None:
    router.fold(new_story("support").presence("mei"))
    assert router.fold(new_story("somewhere").update("queue", A)) == []
    assert given(router.fold(new_story("somewhere").presence("kim"))) == [(A, "kim")]


def test_teams_whose_names_begin_alike_do_not_share_a_queue(router: Any, new_story: Any) -> None:
    router.fold(new_story("pay").update("queue", A))
    assert router.fold(new_story("payments").presence("mei")) == []


def test_an_agent_known_by_a_manual_assignment_only_is_forgotten_with_it(router: Any, story: Any) -> None:
    router.fold(story.update("busy", A, agent_id="guest"))
    assert "guest" in router.states[b"tsupport"].agents
    router.fold(story.update("done", A))
    assert router.states[b"tsupport"].agents == {}


def test_nothing_is_left_of_a_ticket_that_is_done(router: Any, story: Any) -> None:
    router.fold(story.presence("mei", capacity={"default": 1}))
    for ticket in (A, B):
        router.fold(story.update("queue", ticket))
    for ticket in (A, B):
        router.fold(story.update("done", ticket))
    assert {key[:1] for key in router.keys} == {b"t", b"j"}


def test_what_does_not_belong_here_is_refused_with_its_reason(router: Any, story: Any) -> None:
    note = NoteAdded(event_id="n", occurred_at=1, received_at=1, customer_tag="X", ticket_id=A, agent_id="a", text="")
    for event, reason in (
        (note, "unexpected_event"),
        (story.update("dance", A), "unknown_action"),
        (story.update("busy", A), "busy_without_agent"),
        (story.presence("mei", "asleep"), "unknown_presence"),
    ):
        with pytest.raises(Refused) as refused:
            router.fold(event)
        assert refused.value.reason == reason
    assert router.states == {}


def test_a_tick_changes_nothing(router: Any) -> None:
    assert router.fold(Tick(event_id="t", occurred_at=1, received_at=1, customer_tag="")) == []
    assert router.states == {}


def test_a_fold_reads_no_more_when_tens_of_thousands_wait(router: Any, story: Any) -> None:
    router.fold(story.presence("yui", capacity={"default": 1}, languages=["ja"]))
    router.fold(story.presence("tom", "away", languages=["en"]))
    for number in range(20_000):
        router.fold(story.update("queue", f"AAAABBBBCCCA-{number}", language="en"))
    router.reads = 0
    assert given(router.fold(story.update("queue", B, language="ja"))) == [(B, "yui")]
    assert router.fold(story.update("queue", C, language="ja")) == []
    assert len(router.fold(story.presence("tom", capacity={"default": 10}))) == 10
    assert router.reads < 60


def test_a_speaker_must_take_the_channel_to_keep_a_ticket(router: Any, story: Any) -> None:
    router.fold(story.presence("bob", languages=["ja"], capacity={"chat": 2}))
    router.fold(story.presence("ann", languages=["en"], capacity={"default": 1}))
    [assigned] = router.fold(story.update("queue", A, channel="email", language="ja"))
    assert assigned.agent_id == "ann"

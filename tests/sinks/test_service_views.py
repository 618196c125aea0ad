"""The views of service: surveys, first contact resolution, calls and chats, repeats and rates, against figures by hand."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.local.desk_summary import read_desk
from schemas import facts
from schemas.clock import MICROS
from tests.support.sinks.deployment import Ask
from tests.support.sinks.examples import example

pytestmark = pytest.mark.stack
HOUR, DAY = 3600 * MICROS, 86_400 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
TAG = "ABCDEFGHIJKL"


def base(version: int, at: int = MIDNIGHT, tag: str = TAG) -> dict[str, Any]:
    return {"customer_tag": tag, "version": version, "partition": 0, "at": at}


def resolution(number: int, fcr: bool | None, reason: str = "", **fields: Any) -> facts.ResolutionFact:
    base_of = base(number) | {"ticket_id": f"{TAG}-{number}", "episode": 1, "solved_at": MIDNIGHT}
    base_of |= {"decide_at": MIDNIGHT + 7 * DAY, "channel": "email", "team": "support", "public_answers": 1}
    return facts.ResolutionFact(**base_of | {"fcr": fcr, "reason": reason} | fields)


def test_first_contact_resolution_is_a_share_of_what_is_decided(insert: Any, ask: Ask) -> None:
    insert(
        resolution(1, True),
        resolution(2, True),
        resolution(3, False, "reopened"),
        resolution(4, False, "several_answers", public_answers=2),
        resolution(5, None, decide_at=4_000_000_000 * MICROS),
        resolution(5, None, version=1, decide_at=4_000_000_000 * MICROS),  # an older version of the same
        resolution(6, None, channel="chat", decide_at=4_000_000_000 * MICROS),
        resolution(7, None, channel="form", imported=True),  # history that nothing has falsified
        resolution(8, None, channel="form", imported=True, public_answers=0),
    )
    rows = {row["channel"]: row for row in ask("SELECT * FROM first_contact_resolution")}
    email = rows["email"]
    assert (email["solved"], email["decided"], email["kept"], email["undecided"]) == (5, 4, 2, 1)
    assert email["fcr_share"] == 0.5
    assert (email["lost_reopened"], email["lost_several_answers"], email["lost_no_answer"]) == (1, 1, 0)
    assert rows["chat"]["fcr_share"] is None
    assert rows["form"]["fcr_share"] == 0.5


def answer(number: int, of: int, csat: int | None = None, **fields: Any) -> facts.SurveyFact:
    values = base(10 * of + number, MIDNIGHT + number * HOUR)
    values |= {"ticket_id": f"{TAG}-{of}", "survey_id": f"s{of}", "answer": number, "csat": csat, "episode": 1}
    return facts.SurveyFact(**values | {"channel": "email", "team": "support", "agent_id": "mei"} | fields)


def test_the_last_answer_of_a_person_stands_beside_the_first(insert: Any, ask: Ask) -> None:
    insert(
        answer(1, 1, 1, first_csat=1, comment="Slow"),
        answer(2, 1, 1, first_csat=1, went_wrong="It was late."),
        answer(3, 1, 4, ces=6, first_csat=1, first_ces=6, comment="All good now"),
        answer(4, 1, 2, first_csat=1, scanner=True),
        answer(1, 2, 5, scanner=True),
        answer(1, 3, None, ces=3, first_ces=3),
    )
    one, three = ask("SELECT * FROM surveys_last ORDER BY ticket_id")
    assert (one["csat"], one["first_csat"], one["ces"], one["first_ces"], one["answers"]) == (4, 1, 6, 6, 3)
    assert (one["comment"], one["went_wrong"], one["agent_id"]) == ("All good now", "It was late.", "mei")
    assert (three["csat"], three["first_csat"], three["ces"], three["first_ces"]) == (None, None, 3, 3)
    [email] = ask("SELECT * FROM csat_by_channel")
    assert (email["surveys_answered"], email["csat_answers"], email["csat_average"]) == (2, 1, 4.0)


def test_an_episode_that_was_answered_in_the_chat_and_by_mail_counts_once_wherever_it_is_counted(
    insert: Any, ask: Ask
) -> None:
    chat = {"survey_id": "chat-1", "channel": "chat"}
    insert(
        answer(1, 1, 2, **chat),
        answer(2, 1, 5, ces=6),  # the mail's link, later: it is the last word, and the mail's
        answer(3, 1, None, comment="Thank you"),  # words alone take no score back
        answer(4, 1, 3, **chat, episode=2),  # reopened, and asked again
        answer(1, 2, 1, **chat, episode=0),  # history without episodes: as many as there are surveys
        answer(2, 2, 4, **chat | {"survey_id": "chat-2"}, episode=0),
    )
    by_channel = {row["channel"]: row for row in ask("SELECT * FROM csat_by_channel")}
    email, chats = by_channel["email"], by_channel["chat"]
    assert (email["surveys_answered"], email["csat_answers"], email["csat_5"], email["ces_average"]) == (1, 1, 1, 6.0)
    assert (email["ces_worst"], email["ces_6"], email["ces_7"], chats["ces_worst"]) == (6, 1, 0, None)
    assert (chats["surveys_answered"], chats["csat_answers"], chats["csat_average"]) == (3, 3, 8 / 3)
    [last] = ask("SELECT count(csat) AS answers, avg(csat) AS mean FROM surveys_last")
    assert (last["answers"], last["mean"]) == (4, 13 / 4)


def invitation(number: int, outcome: str, reason: str = "", **fields: Any) -> facts.InvitationFact:
    values = base(number) | {"ticket_id": f"{TAG}-{number}", "episode": 1, "survey_id": f"s{number}"}
    values |= {"outcome": outcome, "reason": reason, "channel": "email", "team": "support"}
    return facts.InvitationFact(**values | fields)


def test_the_response_rate_is_of_those_who_were_invited(insert: Any, ask: Ask) -> None:
    insert(
        *(invitation(number, "sent") for number in (1, 2, 3, 4)),
        invitation(5, "withheld", "cap"),
        invitation(6, "withheld", "cap"),
        invitation(7, "withheld", "already_answered"),
        invitation(8, "withheld", "no_secret", channel="sms"),
        answer(1, 1, 5),
        answer(2, 1, 4),
        answer(1, 2, 1, scanner=True),
        answer(1, 7, 5),
    )
    email, sms = ask("SELECT * FROM survey_response")
    assert (email["episodes"], email["invited"], email["withheld"]) == (7, 4, 3)
    assert (email["invited_and_answered"], email["answered_uninvited"], email["response_rate"]) == (1, 1, 0.25)
    assert dict(zip(*email["withheld_reasons"], strict=True)) == {"already_answered": 1, "cap": 2}
    assert (sms["invited"], sms["response_rate"]) == (0, None)


def follow_up(version: int, number: int, status: str, **fields: Any) -> facts.FollowUpFact:
    values = base(version) | {"ticket_id": f"{TAG}-{number}", "episode": 1, "survey_id": f"s{number}"}
    values |= {
        "status": status,
        "opened_at": MIDNIGHT + number * HOUR,
        "csat": 1,
        "team": "support",
        "solved_by": "mei",
    }
    return facts.FollowUpFact(**values | fields)


def test_open_follow_ups_show_all_that_was_said(insert: Any, ask: Ask) -> None:
    insert(
        follow_up(1, 2, "open"),
        follow_up(2, 1, "open"),
        follow_up(3, 1, "assigned", agent_id="tom"),
        follow_up(4, 3, "open"),
        follow_up(5, 3, "done", done_by="tom"),
        answer(1, 1, 1, comment="Bad"),
        answer(2, 1, 1, went_wrong="It was late."),
    )
    first, second = ask("SELECT * FROM follow_ups_open")
    assert (first["ticket_id"], first["status"], first["agent_id"]) == (f"{TAG}-1", "assigned", "tom")
    assert first["comments"] == "Bad\nIt was late."
    assert (second["ticket_id"], second["status"], second["comments"]) == (f"{TAG}-2", "open", "")


def conversation(version: int, outcome: str, wait: float, handle: float | None = None, **fields: Any) -> Any:
    values = base(version, MIDNIGHT + HOUR) | {"event_id": f"c{version}", "kind": "call", "outcome": outcome}
    values |= {"channel": "phone", "team": "support", "wait_seconds": wait, "handle_seconds": handle}
    return facts.ConversationFact(**values | fields)


def test_speed_of_answer_handle_time_and_abandonment(insert: Any, ask: Ask) -> None:
    insert(
        conversation(1, "answered", 10.0, 100.0),
        conversation(2, "answered", 20.0, 300.0),
        conversation(3, "answered", 60.0, 200.0),
        conversation(4, "abandoned", 90.0),
        conversation(5, "voicemail", 30.0),
        conversation(6, "answered", 5.0, 50.0, imported=True),
        conversation(7, "answered", 15.0, None, channel="chat", kind="chat"),
        conversation(8, "timed_out", 900.0, None, channel="sms"),
        conversation(9, "answered", 40.0, 80.0, at=MIDNIGHT + DAY),
    )
    chat, phone, other, next_day = ask("SELECT * FROM service_times ORDER BY day, channel")
    assert (phone["offered"], phone["answered"], phone["abandoned"], phone["otherwise"]) == (5, 3, 1, 1)
    assert (phone["asa_seconds"], phone["answer_seconds_median"], phone["answer_seconds_longest"]) == (30.0, 20.0, 60.0)
    assert (phone["aht_seconds"], phone["handle_seconds_median"], phone["handle_seconds_longest"]) == (200, 200, 300)
    assert (phone["abandonment_rate"], phone["abandoned_after_seconds_average"]) == (0.25, 90.0)
    assert (phone["abandoned_after_seconds_median"], phone["abandoned_after_seconds_longest"]) == (90.0, 90.0)
    assert chat["abandoned_after_seconds_longest"] is None
    assert (chat["asa_seconds"], chat["aht_seconds"], chat["handle_seconds_longest"]) == (15.0, None, None)
    assert (other["asa_seconds"], other["abandonment_rate"], other["answer_seconds_median"]) == (None, None, None)
    assert str(next_day["day"]) == "2026-03-03"


def test_repeat_contacts_by_reason(insert: Any, ask: Ask) -> None:
    def repeat(version: int, tag: str, hours: float, customer: str = TAG) -> facts.RepeatFact:
        return facts.RepeatFact(
            **base(version, tag=customer),
            event_id=f"e{version}",
            tag=tag,
            ticket_id=f"{customer}-2",
            previous_at=MIDNIGHT,
            seconds=hours * 3600,
            quadrant="eliminate",
        )

    insert(repeat(1, "late", 2.0), repeat(2, "late", 4.0), repeat(3, "late", 12.0, "B" * 12), repeat(4, "card", 1.0))
    late, card = ask("SELECT * FROM repeat_contacts")
    assert (late["tag"], late["repeat_contacts"], late["customers"], late["quadrant"]) == ("late", 3, 2, "eliminate")
    assert (late["hours_between_average"], late["hours_between_median"], late["hours_between_shortest"]) == (
        6.0,
        4.0,
        2.0,
    )
    assert card["repeat_contacts"] == 1


def contact(version: int, kind: str, hours: float, customer: str = TAG, **fields: Any) -> facts.ContactFact:
    at = MIDNIGHT + round(hours * HOUR)
    values = base(version, at, customer) | {"event_id": f"k{version}", "kind": kind, "direction": "in"}
    return facts.ContactFact(**values | {"received_at": at} | fields)


def test_contacts_per_100_orders(insert: Any, ask: Ask) -> None:
    insert(
        *(contact(number, "order_placed", 1) for number in range(1, 9)),
        contact(10, "message_received", 2, opened_ticket=True),
        contact(11, "message_received", 3),
        contact(12, "call_ended", 4, opened_ticket=True),
        contact(13, "agent_replied", 5),
        contact(14, "message_received", 5, imported=True),
        contact(15, "message_received", 30, opened_ticket=True),
    )
    first, second = ask("SELECT * FROM contact_rate")
    assert (first["contacts_received"], first["tickets_created"], first["orders"]) == (3, 2, 8)
    assert (first["contacts_per_100_orders"], first["tickets_per_100_orders"]) == (37.5, 25.0)
    assert (second["contacts_received"], second["contacts_per_100_orders"]) == (1, None)


def test_self_service_deflects_those_who_contact_nobody_for_a_day(insert: Any, ask: Ask) -> None:
    ann, bob, cat, dan, eve = ("A" * 12, "B" * 12, "C" * 12, "D" * 12, "E" * 12)
    insert(
        contact(1, "article_viewed", 1, ann),  # never contacts us: deflected
        contact(2, "article_viewed", 1, bob),
        contact(3, "message_received", 24.9, bob),  # 23.9 hours later: not deflected
        contact(4, "bot_answered", 1, cat, detail="resolved"),
        contact(5, "message_received", 25.0, cat),  # 24 hours later exactly: deflected
        contact(6, "message_received", 0.5, dan),
        contact(7, "article_viewed", 1, dan),  # contacted us before, not after: deflected
        contact(8, "article_viewed", 47, eve),  # her 24 hours are not over by the newest contact, at hour 48
        contact(9, "order_placed", 48, ann),
    )
    first, second = ask("SELECT * FROM self_service")
    assert (first["customers"], first["contacted_us"], first["deflected"], first["undecided"]) == (4, 1, 3, 0)
    assert (first["deflection_share"], first["said_solved"]) == (0.75, 1)
    assert (second["customers"], second["undecided"], second["deflection_share"]) == (1, 1, None)


def test_what_each_agent_did_and_holds(insert: Any, ask: Ask) -> None:
    """mei on Monday: two tickets, an answer, a note, a solve, calls of 100 and 300 s and one chat of unknown length."""

    def handed(version: int, ticket: int, agent: str, at: int = MIDNIGHT + HOUR) -> facts.AssignmentFact:
        name = f"{TAG}-{ticket}"
        return facts.AssignmentFact(
            **base(version, at), event_id=f"a{version}", ticket_id=name, team="support", agent_id=agent
        )

    def held(version: int, agent: str, status: str, waiting_since: int | None, **fields: Any) -> facts.TicketFact:
        named = {"ticket_id": f"{TAG}-{version}", "status": status, "assignee_id": agent, "imported": False}
        return example(facts.TicketFact, **base(version) | named | {"waiting_since": waiting_since} | fields)

    insert(
        *(handed(1, 1, "mei"), handed(2, 2, "mei"), handed(3, 3, ""), handed(4, 9, "mei")),
        handed(5, 2, "tom", MIDNIGHT + DAY),
        contact(10, "agent_replied", 2, author="mei", public=True),
        contact(11, "agent_replied", 3, author="mei", public=False),
        contact(12, "agent_replied", 3, author="mei", public=True, imported=True),
        contact(13, "message_received", 3, author="mei"),
        resolution(1, True, agent_id="mei"),
        resolution(2, None, agent_id="mei", imported=True),
        conversation(1, "answered", 10.0, 100.0, agent_id="mei"),
        conversation(2, "answered", 10.0, 300.0, agent_id="mei"),
        conversation(3, "answered", 10.0, None, agent_id="mei", kind="chat"),
        conversation(4, "abandoned", 10.0),
        held(1, "mei", "open", MIDNIGHT + HOUR),
        held(2, "mei", "pending", None),
        held(3, "mei", "solved", None),
        held(9, "mei", "open", MIDNIGHT, imported=True),
    )
    mei, tom = ask("SELECT * FROM agent_workload")
    assert (str(mei["day"]), mei["agent_id"]) == ("2026-03-02", "mei")
    assert (mei["assigned"], mei["answers"], mei["notes"], mei["solved"], mei["conversations"]) == (2, 1, 1, 1, 3)
    assert (mei["handle_seconds_sum"], mei["handle_seconds_average"]) == (400, 200)
    assert (mei["handle_seconds_median"], mei["handle_seconds_longest"]) == (300, 300)
    assert (mei["open_now"], mei["waiting_now"]) == (2, 1)
    assert str(mei["waiting_since"]).startswith("2026-03-02 01:00:00")
    assert (str(tom["day"]), tom["agent_id"], tom["assigned"], tom["open_now"]) == ("2026-03-03", "tom", 1, 0)
    assert (tom["handle_seconds_sum"], tom["handle_seconds_average"], tom["waiting_since"]) == (None, None, None)


def test_reopened_and_transferred_tickets(insert: Any, ask: Ask) -> None:
    def ticket(number: int, solved: bool = True, **fields: Any) -> facts.TicketFact:
        values = base(number) | {"ticket_id": f"{TAG}-{number}", "episode": 1, "channel": "email", "status": "open"}
        values |= {"priority": "normal", "team": "support", "first_solved_at": MIDNIGHT if solved else None}
        return facts.TicketFact(**values | fields)

    insert(
        ticket(1),
        ticket(2, reopens=2),
        ticket(3, transfers=1),
        ticket(4, transfers=2, solved=False),
        ticket(5, channel="chat", solved=False),
        ticket(6, imported=True, reopens=1),
    )
    chat, email = ask("SELECT * FROM ticket_rates")
    assert (email["tickets"], email["ever_solved"], email["ever_reopened"]) == (4, 3, 1)
    assert email["reopen_rate"] == pytest.approx(1 / 3)
    assert (email["transfers_per_ticket"], email["transfers_most"], email["ever_transferred"]) == (0.75, 2, 2)
    assert chat["reopen_rate"] is None


def test_the_live_view_has_the_first_response_of_half_and_of_nine_tenths_of_what_was_answered(
    insert: Any, clickhouse: Any
) -> None:
    assert read_desk(clickhouse, MIDNIGHT).first_response is None
    answered = [60.0 * number for number in range(1, 11)]

    def one(number: int, seconds: float | None, imported: bool = False) -> facts.TicketFact:
        changes = {"ticket_id": f"{TAG}-{number}", "first_response_seconds": seconds, "imported": imported}
        return example(facts.TicketFact, number, **changes)  # type: ignore[no-any-return]

    another_help_desks = one(12, 9e6, imported=True)
    insert(*(one(number, seconds) for number, seconds in enumerate(answered, 1)), one(11, None), another_help_desks)
    assert read_desk(clickhouse, MIDNIGHT).first_response == (360.0, 600.0)


def test_in_the_live_view_late_is_who_still_waits_not_who_has_given_up(insert: Any, clickhouse: Any) -> None:
    def row(ticket: int, sequence: int, transition: str, seconds: int) -> facts.ClockFact:
        moment = MIDNIGHT + seconds * MICROS
        fields = {"ticket_id": f"{TAG}-{ticket}", "episode": 1, "clock": "answer", "instance": 1, "policy": "live"}
        times = {"detected_at": moment, "due_at": MIDNIGHT + 120 * MICROS, "target_seconds": 120.0}
        return facts.ClockFact(
            **base(sequence, moment) | fields | times, policy_version="1", transition=transition, sequence=sequence
        )

    insert(
        *(row(ticket, 1, "activate", 0) for ticket in (1, 2, 3)),
        *(row(ticket, 2, "breach", 120) for ticket in (1, 2, 3)),
        row(2, 3, "fulfil", 200),
        row(3, 3, "cancel", 300),  # they left
    )
    answer = read_desk(clickhouse, MIDNIGHT + HOUR).clocks["answer"]
    assert (answer.late, answer.breached, answer.running, answer.met) == (1, 3, 0, 0)

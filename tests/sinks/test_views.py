"""The views of tickets, tags and surveys over a handful of facts, against numbers computed by hand."""

import pytest

from schemas import facts
from schemas.clock import MICROS
from tests.support.sinks.examples import NOW, example

pytestmark = pytest.mark.stack
HOUR = 3600 * MICROS
MIDNIGHT = 1_772_409_600 * MICROS  # Monday 2026-03-02T00:00:00Z
TICKET = "ABCDEFGHIJKL-1"


def test_tags_are_ranked_by_tickets_and_corrected_ones_do_not_count(insert, ask):
    def ticket(number, **fields):
        return example(facts.TicketFact, number, ticket_id=f"ABCDEFGHIJKL-{number}", created_at=NOW, **fields)

    def tag(number, name, version=1, **fields):
        return example(
            facts.TagFact,
            version,
            ticket_id=f"ABCDEFGHIJKL-{number}",
            tag=name,
            quadrant="eliminate",
            origin="taxonomy",
            **fields,
        )

    insert(
        ticket(1, dissatisfied=True, csat=1, status="open"),
        ticket(2, dissatisfied=False, csat=4, status="solved"),
        ticket(3, dissatisfied=False, csat=None, status="solved"),
        tag(1, "payment.card_declined"),
        tag(2, "payment.card_declined"),
        tag(1, "delivery.carrier_delay"),
        tag(3, "account.locked"),
        tag(3, "account.locked", version=2, active=False),
    )
    ranked = ask(
        "SELECT tag, tickets, share_of_tickets, dissatisfied_tickets, unsolved_tickets, csat_average, csat_worst, csat_1, csat_4 FROM tag_ranking"
    )
    assert [row["tag"] for row in ranked] == ["payment.card_declined", "delivery.carrier_delay"]
    assert ranked[0] == {
        "tag": "payment.card_declined", "tickets": 2, "share_of_tickets": 2 / 3, "dissatisfied_tickets": 1,
        "unsolved_tickets": 1, "csat_average": 2.5, "csat_worst": 1, "csat_1": 1, "csat_4": 1,
    }  # fmt: skip


def test_suggestions_are_judged_by_what_people_did_with_the_tags(insert, ask):
    def suggestion(number, outcome):
        return example(
            facts.SuggestionFact, contact_id=f"c{number}", ticket_id=f"ABCDEFGHIJKL-{number}", tag="product.smell",
            outcome=outcome, confidence=0.9, language="en", model="m1", brand="",
        )  # fmt: skip

    def tag(number, **fields):
        return example(facts.TagFact, ticket_id=f"ABCDEFGHIJKL-{number}", tag="product.smell", brand="", **fields)

    insert(
        *(suggestion(number, outcome) for number, outcome in enumerate(("tagged", "tagged", "shown", "shown"), start=1)),
        tag(1, origin="suggester", active=True),
        tag(2, origin="suggester", active=False),
        tag(3, origin="agent", active=True),
        example(
            facts.ContactFact, event_id="e3", ticket_id="ABCDEFGHIJKL-3", kind="message_received", direction="in",
            text="it stinks", language="en",
        ),
    )  # fmt: skip
    [row] = ask("SELECT tagged, tagged_and_removed, shown, shown_and_taken FROM suggestion_quality")
    assert row == {"tagged": 2, "tagged_and_removed": 1, "shown": 2, "shown_and_taken": 1}
    [row] = ask("SELECT text, language, tag FROM corrected_texts")
    assert row == {"text": "it stinks", "language": "en", "tag": "product.smell"}


def test_csat_counts_the_last_answer_to_each_survey(insert, ask):
    def answer(survey, number, csat, ces=None, channel="email"):
        return example(
            facts.SurveyFact,
            number,
            survey_id=survey,
            ticket_id=f"ABCDEFGHIJKL-{survey[1]}",
            episode=1,
            answer=number,
            csat=csat,
            ces=ces,
            channel=channel,
            comment="",
            brand="acme",
            scanner=False,
        )

    insert(
        answer("s1", 1, 1),
        answer("s1", 2, 5),
        answer("s2", 1, 2, 6),
        answer("s3", 1, None, 3),
        answer("s4", 1, 4, channel="chat"),
    )
    chat, email = ask("SELECT * FROM csat_by_channel")
    assert (chat["csat_answers"], chat["csat_average"]) == (1, 4.0)
    assert (email["surveys_answered"], email["csat_answers"], email["csat_average"], email["csat_worst"]) == (
        3,
        2,
        3.5,
        2,
    )
    assert [email[f"csat_{score}"] for score in range(1, 6)] == [0, 1, 0, 0, 1]
    assert (email["csat_low_share"], email["ces_answers"], email["ces_average"]) == (0.5, 2, 4.5)


def test_ticket_metrics_are_minutes_and_undefined_where_nothing_happened_yet(insert, ask):
    blank = {"first_response_seconds": None, "first_resolution_seconds": None, "full_resolution_seconds": None}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, created_at=NOW, status="solved", public_replies=1, customer_messages=2,
                internal_notes=3, first_response_seconds=90.0, first_resolution_seconds=120.0, full_resolution_seconds=600.0),
        example(facts.TicketFact, 2, ticket_id="ABCDEFGHIJKL-2", created_at=NOW, status="open", public_replies=0, **blank),
    )  # fmt: skip
    one, two = ask("SELECT * FROM ticket_metrics ORDER BY ticket_id")
    assert one["first_reply_time_calendar_minutes"] == 1.5
    assert one["first_resolution_calendar_minutes"] == 2.0
    assert one["final_resolution_calendar_minutes"] == 10.0
    assert (one["is_one_touch_resolution"], one["total_comments"], one["count_public_comments"]) == (True, 6, 3)
    assert two["first_reply_time_calendar_minutes"] is None
    assert not two["is_one_touch_resolution"]


def test_from_the_first_assignment_to_the_last_solve_and_undefined_while_it_is_open(insert, ask):
    times = {"first_assigned_at": NOW + 2 * HOUR, "first_solved_at": NOW + HOUR, "last_solved_at": NOW + 5 * HOUR}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, status="solved", **times),  # assigned after it was reopened
        example(facts.TicketFact, 2, ticket_id="ABCDEFGHIJKL-2", status="open", **times),
    )
    column = "first_assignment_to_resolution_calendar_minutes"
    assert ask(f"SELECT {column} AS minutes FROM ticket_metrics ORDER BY ticket_id") == [
        {"minutes": 180.0},
        {"minutes": None},
    ]


def test_waits_and_work_are_columns_of_the_metrics_and_null_where_nothing_is_known(insert, ask):
    known = {
        "first_response_business_seconds": 60.0,
        "requester_wait_seconds": 600.0,
        "requester_wait_business_seconds": 300.0,
        "agent_wait_seconds": 120.0,
        "agent_wait_business_seconds": 0.0,
        "next_response_sum_seconds": 30.0,
        "reply_seconds": None,  # as rows have it from before it was measured
    }
    ticket = {"created_at": NOW, "first_response_seconds": 90.0}
    insert(
        example(facts.TicketFact, 1, ticket_id=TICKET, **ticket),
        example(facts.TicketFact, 1, ticket_id="ABCDEFGHIJKL-2", **ticket),
        example(facts.TicketClocks, 1, ticket_id=TICKET, created_at=NOW, **(known | {"requester_wait_seconds": 1.0})),
        example(facts.TicketClocks, 2, ticket_id=TICKET, created_at=NOW, **known),
    )
    one, two = ask("SELECT * FROM ticket_metrics ORDER BY ticket_id")
    assert one["first_reply_time_business_minutes"] == 1.0
    assert one["total_reply_time_calendar_minutes"] == 2.0  # 90 s + 30 s
    assert (one["requester_wait_time_in_calendar_minutes"], one["requester_wait_time_in_business_minutes"]) == (
        10.0,
        5.0,
    )
    assert (one["solve_time_in_calendar_minutes"], one["solve_time_in_business_minutes"]) == (12.0, 5.0)
    assert one["agent_wait_time_in_business_minutes"] == 0.0
    assert two["requester_wait_time_in_calendar_minutes"] is two["first_reply_time_business_minutes"] is None


def test_advice_on_wording_is_counted_by_team_group_and_kind(insert, ask):
    def answer(number, ticket, *advice, **fields):
        values = {
            "kind": "agent_replied",
            "public": True,
            "imported": False,
            "author": "mei",
            "language": "en",
            "brand": "",
        }
        return example(
            facts.ContactFact,
            number,
            at=NOW,
            event_id=f"e{number}",
            ticket_id=ticket,
            advice=[*advice],
            **(values | fields),
        )

    insert(
        example(facts.TicketFact, 1, ticket_id="A-1", created_at=NOW, team="returns"),
        example(facts.PresenceFact, 1, agent_id="mei", team="chat", at=NOW),
        example(facts.PresenceFact, 2, agent_id="mei", team="mail", at=NOW + 1),
        answer(1, "A-1", "negative", "negative", "vague"),
        answer(2, "A-1", "negative"),
        answer(3, "A-1"),
        answer(4, "A-1", "negative", imported=True),
        answer(5, "A-1", "negative", public=False),
    )
    columns = "team, agent_group, language, kind, advice, answers_with_advice, answers, share"
    assert [tuple(row.values()) for row in ask(f"SELECT {columns} FROM language_advice")] == [
        ("returns", "mail", "en", "negative", 3, 2, 3, 0.6667),
        ("returns", "mail", "en", "vague", 1, 1, 3, 0.3333),
    ]


def test_the_summary_of_an_empty_desk_is_one_row_of_zeroes(ask):
    (row,) = ask("SELECT * FROM ticket_summary")
    assert set(row.values()) == {0}


def test_every_view_can_be_read_when_there_is_nothing(clickhouse):
    from sinks.clickhouse.migrate import replace_views

    for name in replace_views(clickhouse):
        clickhouse.query(f"SELECT * FROM {name}")

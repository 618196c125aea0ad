"""The ledger of the SLA clocks, case by case. Targets: first response 3600 s, next response 1800 s, full resolution 28800 s."""

from __future__ import annotations

import pytest

from tests.support.tickets.ledger_case import ACK, FIRST, FULL, NEXT, Case, play
from tests.support.tickets.story import Story, at

CASES = [
    Case(
        "a message starts first response and full resolution",
        "0 message",
        {FIRST: ["1 activate @0"], FULL: ["1 activate @0"], NEXT: []},
        {"first_response_seconds": None, "next_due_at": at(3600)},  # min(3600, 28800)
    ),
    Case(
        "an answer within the target fulfils first response",
        "0 message; 1800 reply",
        {FIRST: ["1 activate @0", "1 fulfil @1800 after 1800"], NEXT: []},  # 1800 < 3600
        {"first_response_seconds": 1800.0, "clocks_breached": 0, "waiting_since": None},
    ),
    Case(
        "an answer a microsecond's neighbourhood before the deadline is in time",
        "0 message; 3599.999999 reply",
        {FIRST: ["1 activate @0", "1 fulfil @3600 after 3600"]},  # 3599.999999 < 3600, printed with 6 digits
        {"clocks_breached": 0},
    ),
    Case(
        "an answer at the deadline is late",
        "0 message; 3600 reply",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600", "1 fulfil @3600 after 3600"]},
        {"clocks_breached": 1, "first_response_seconds": 3600.0},
    ),
    Case(
        "a late answer finds the breach at the deadline, not at the answer",
        "0 message; 5000 reply",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600", "1 fulfil @5000 after 5000"]},
        {"clocks_breached": 1, "first_response_seconds": 5000.0},
    ),
    Case(
        "a tick at the deadline fires the breach",
        "0 message; 3600 tick",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600"]},
        {"clocks_breached": 1, "first_response_seconds": None, "next_due_at": at(28800)},
    ),
    Case(
        "a tick before the deadline does nothing",
        "0 message; 3599 tick",
        {FIRST: ["1 activate @0"]},
        {"clocks_breached": 0},
    ),
    Case(
        "a clock breaches once however often time passes",
        "0 message; 3600 tick; 3601 tick; 7200 more; 8000 tick",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600"]},
        {"clocks_breached": 1},
    ),
    Case(
        "any later event of the customer fires what is due, stamped with the deadline",
        "0 message; 4000 note",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600"]},
        {"clocks_breached": 1, "internal_notes": 1},
    ),
    Case(
        "two clocks that are due fire in the order of their deadlines",
        "0 message; 30000 tick",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600"], FULL: ["1 activate @0", "1 breach @28800 after 28800"]},
        {"clocks_breached": 2, "next_due_at": None},
    ),
    Case(
        "an answer from before the deadline that arrives after the breach withdraws it",
        "0 message; 3600 tick; 3000 reply",
        {
            FIRST: [
                "1 activate @0",
                "1 breach @3600 after 3600",
                "1 correct @3000 after 3000",  # 3000 < 3600
                "1 fulfil @3000 after 3000",
            ]
        },
        {"clocks_breached": 0, "first_response_seconds": 3000.0},
    ),
    Case(
        "an answer from the deadline itself that arrives after the breach does not withdraw it",
        "0 message; 3700 tick; 3600 reply",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600", "1 fulfil @3600 after 3600"]},
        {"clocks_breached": 1},
    ),
    Case(
        "an earlier answer that arrives later restates first response",
        "0 message; 2000 reply; 1000 reply",
        {
            FIRST: [
                "1 activate @0",
                "1 fulfil @2000 after 2000",
                "1 correct @1000 after 1000",
                "1 fulfil @1000 after 1000",
            ]
        },
        {"first_response_seconds": 1000.0, "public_replies": 2},
    ),
    Case(
        "an earlier answer restates even what had breached",
        "0 message; 4000 reply; 1000 reply",
        {
            FIRST: [
                "1 activate @0",
                "1 breach @3600 after 3600",
                "1 fulfil @4000 after 4000",
                "1 correct @1000 after 1000",
                "1 fulfil @1000 after 1000",
            ]
        },
        {"first_response_seconds": 1000.0, "clocks_breached": 0},
    ),
    Case(
        "a second answer changes nothing",
        "0 message; 1000 reply; 2000 reply",
        {FIRST: ["1 activate @0", "1 fulfil @1000 after 1000"], NEXT: []},
        {"first_response_seconds": 1000.0, "public_replies": 2},
    ),
    Case(
        "an internal note is no answer",
        "0 message; 1000 note",
        {FIRST: ["1 activate @0"]},
        {"first_response_seconds": None, "internal_notes": 1},
    ),
    Case(
        "a reply that is not public is no answer",
        "0 message; 1000 private",
        {FIRST: ["1 activate @0"]},
        {"first_response_seconds": None, "public_replies": 0, "internal_notes": 1},
    ),
    Case(
        "an assignment is no answer",
        "0 message; 60 assign",
        {FIRST: ["1 activate @0"]},
        {"first_response_seconds": None, "assignee_id": "mei", "status": "open"},
    ),
    Case(
        "before the first answer a second message starts no next response",
        "0 message; 600 more",
        {FIRST: ["1 activate @0"], NEXT: []},
        {"waiting_since": at(0), "customer_messages": 2},
    ),
    Case(
        "a message after an answer starts next response",
        "0 message; 1000 reply; 2000 more",
        {NEXT: ["1 activate @2000"]},
        {"next_due_at": at(3800), "waiting_since": at(2000), "status": "open"},  # 2000 + 1800
    ),
    Case(
        "next response runs from the oldest unanswered message",
        "0 message; 1000 reply; 2000 more; 2500 more; 3000 reply",
        {NEXT: ["1 activate @2000", "1 fulfil @3000 after 1000"]},  # 3000 - 2000, not 3000 - 2500
    ),
    Case(
        "each time that the customer waits again is an instance of its own",
        "0 message; 1000 reply; 2000 more; 3000 reply; 4000 more; 4600 reply",
        {NEXT: ["1 activate @2000", "1 fulfil @3000 after 1000", "2 activate @4000", "2 fulfil @4600 after 600"]},
    ),
    Case(
        "next response breaches at its own deadline",
        "0 message; 1000 reply; 2000 more; 4000 reply",
        {NEXT: ["1 activate @2000", "1 breach @3800 after 1800", "1 fulfil @4000 after 2000"]},  # 2000 + 1800 = 3800
        {"clocks_breached": 1},
    ),
    Case(
        "a late next answer from before its deadline withdraws the breach",
        "0 message; 1000 reply; 2000 more; 3800 tick; 3700 reply",
        {
            NEXT: [
                "1 activate @2000",
                "1 breach @3800 after 1800",
                "1 correct @3700 after 1700",
                "1 fulfil @3700 after 1700",
            ]
        },
        {"clocks_breached": 0},
    ),
    Case(
        "an answer does not answer what was written after it",
        "0 message; 1000 more; 500 reply",
        {FIRST: ["1 activate @0", "1 fulfil @500 after 500"], NEXT: ["1 activate @1000"]},
        {"waiting_since": at(1000), "status": "open", "next_due_at": at(2800)},  # 1000 + 1800
    ),
    Case(
        "a late answer to the older of two messages leaves the younger waiting",
        "0 message; 100 reply; 1000 more; 1600 more; 1300 reply",
        {NEXT: ["1 activate @1000", "1 fulfil @1300 after 300", "2 activate @1600"]},
        {"waiting_since": at(1600)},
    ),
    Case(
        "a message that arrives after an answer waits, even if it was written before it",
        "0 message; 1000 reply; 900 more",
        {NEXT: ["1 activate @900"]},  # the agent cannot have read it
        {"waiting_since": at(900), "next_due_at": at(2700)},  # 900 + 1800
    ),
    Case(
        "an older message that comes late moves the start of next response",
        "0 message; 1000 reply; 2000 more; 1500 more",
        {NEXT: ["1 activate @2000", "1 correct @1500 after 0"]},
        {"next_due_at": at(3300), "waiting_since": at(1500)},  # 1500 + 1800
    ),
    Case(
        "solving fulfils full resolution",
        "0 message; 1000 reply; 7200 solve",
        {FULL: ["1 activate @0", "1 fulfil @7200 after 7200"], FIRST: ["1 activate @0", "1 fulfil @1000 after 1000"]},
        {"full_resolution_seconds": 7200.0, "first_resolution_seconds": 7200.0, "status": "solved"},
    ),
    Case(
        "solving late breaches full resolution at its deadline",
        "0 message; 1000 reply; 30000 solve",
        {FULL: ["1 activate @0", "1 breach @28800 after 28800", "1 fulfil @30000 after 30000"]},
        {"clocks_breached": 1},
    ),
    Case(
        "a solve from before the deadline that arrives late withdraws the breach",
        "0 message; 1000 reply; 28800 tick; 28000 solve",
        {
            FULL: [
                "1 activate @0",
                "1 breach @28800 after 28800",
                "1 correct @28000 after 28000",
                "1 fulfil @28000 after 28000",
            ]
        },
        {"clocks_breached": 0},
    ),
    Case(
        "solving without an answer cancels first response, which stays undefined",
        "0 message; 1000 solve",
        {FIRST: ["1 activate @0", "1 cancel @1000 after 1000"]},
        {"first_response_seconds": None, "full_resolution_seconds": 1000.0},
    ),
    Case(
        "solving while the customer waits again cancels next response",
        "0 message; 1000 reply; 2000 more; 2600 solve",
        {NEXT: ["1 activate @2000", "1 cancel @2600 after 600"]},
        {"waiting_since": None},
    ),
    Case(
        "a solved ticket breaches nothing any more",
        "0 message; 1000 solve; 99999 tick",
        {FIRST: ["1 activate @0", "1 cancel @1000 after 1000"], FULL: ["1 activate @0", "1 fulfil @1000 after 1000"]},
        {"clocks_breached": 0, "next_due_at": None},
    ),
    Case(
        "the answer that comes with the solve, just behind it in the log, counts as first response",
        "0 message; 1000 solve; 1000 reply",
        {
            FIRST: [
                "1 activate @0",
                "1 cancel @1000 after 1000",
                "1 correct @1000 after 1000",
                "1 fulfil @1000 after 1000",
            ]
        },
        {"first_response_seconds": 1000.0, "status": "solved"},
    ),
    Case(
        "an answer long after a solve does not revive a clock into a breach",
        "0 message; 1000 solve; 5000 reply",
        {FIRST: ["1 activate @0", "1 cancel @1000 after 1000"]},
        {"first_response_seconds": 5000.0, "clocks_breached": 0},
    ),
    Case(
        "closing without a solve cancels every clock",
        "0 message; 1000 close",
        {FIRST: ["1 activate @0", "1 cancel @1000 after 1000"], FULL: ["1 activate @0", "1 cancel @1000 after 1000"]},
        {"status": "closed", "full_resolution_seconds": None, "clocks_breached": 0},
    ),
    Case(
        "closing after a solve leaves the ledger alone",
        "0 message; 1000 reply; 2000 solve; 3000 close",
        {FULL: ["1 activate @0", "1 fulfil @2000 after 2000"]},
        {"status": "closed", "full_resolution_seconds": 2000.0},
    ),
    Case(
        "reopening starts a new episode of full resolution and next response, not of first response",
        "0 message; 1000 reply; 2000 solve; 5000 more",
        {
            FIRST: ["1 activate @0", "1 fulfil @1000 after 1000"],
            FULL: ["1 activate @0", "1 fulfil @2000 after 2000", "2/1 activate @5000"],
            NEXT: ["2/1 activate @5000"],
        },
        {"episode": 2, "reopens": 1, "status": "open", "full_resolution_seconds": None, "next_due_at": at(6800)},
    ),
    Case(
        "full resolution after a reopening is counted from creation, its clock from the episode",
        "0 message; 1000 reply; 2000 solve; 5000 more; 5600 reply; 9000 solve",
        {
            FULL: [
                "1 activate @0",
                "1 fulfil @2000 after 2000",
                "2/1 activate @5000",
                "2/1 fulfil @9000 after 4000",  # 9000 - 5000
            ],
            NEXT: ["2/1 activate @5000", "2/1 fulfil @5600 after 600"],
        },
        {"first_resolution_seconds": 2000.0, "full_resolution_seconds": 9000.0},
    ),
    Case(
        "an instance number starts again with the episode",
        "0 message; 10 reply; 20 more; 30 reply; 40 solve; 50 more; 60 reply; 70 more",
        {
            NEXT: [
                "1 activate @20",
                "1 fulfil @30 after 10",
                "2/1 activate @50",
                "2/1 fulfil @60 after 10",
                "2/2 activate @70",
            ]
        },
    ),
    Case(
        "reopening a ticket that nobody answered starts next response, and the answer is its first",
        "0 message; 1000 solve; 2000 more; 2600 reply",
        {
            FIRST: ["1 activate @0", "1 cancel @1000 after 1000"],
            NEXT: ["2/1 activate @2000", "2/1 fulfil @2600 after 600"],
        },
        {"first_response_seconds": 2600.0, "episode": 2},
    ),
    Case(
        "thanks alone starts no clock",
        "0 message; 1000 reply; 2000 solve; 2500 thanks; 90000 tick",
        {FULL: ["1 activate @0", "1 fulfil @2000 after 2000"], NEXT: []},
        {"episode": 1, "status": "solved", "customer_messages": 2, "clocks_breached": 0},
    ),
    Case(
        "thanks on an unsolved ticket is a message like any other",
        "0 message; 1000 reply; 2500 thanks",
        {NEXT: ["1 activate @2500"]},
        {"status": "open"},
    ),
    Case(
        "an agent who takes a solved ticket up again starts full resolution, and nobody waits",
        "0 message; 1000 reply; 2000 solve; 3000 open",
        {FULL: ["1 activate @0", "1 fulfil @2000 after 2000", "2/1 activate @3000"], NEXT: []},
        {"episode": 2, "reopens": 1, "waiting_since": None},
    ),
    Case(
        "on hold and pending the clocks go on in calendar time",
        "0 message; 100 hold; 200 pending; 3600 tick",
        {FIRST: ["1 activate @0", "1 breach @3600 after 3600"]},
        {"status": "pending", "clocks_breached": 1},
    ),
    Case(
        "an urgent ticket has the targets of its policy",
        "0 urgent; 600 tick",
        {FIRST: ["1 activate @0", "1 breach @600 after 600"]},  # 10 min
        {"policy": "urgent"},
    ),
    Case(
        "a transfer moves no clock",
        "0 message; 60 transfer; 1000 reply",
        {FIRST: ["1 activate @0", "1 fulfil @1000 after 1000"]},
        {"team": "returns", "transfers": 1},
    ),
    Case(
        "an answer that its agent's slow clock dates before the ticket answers at once",
        "0 message; -5 reply",
        {FIRST: ["1 activate @0", "1 fulfil @0 after 0"]},
        {"first_response_seconds": 0.0, "status": "pending"},
    ),
    Case(
        "the acknowledgement is no answer and stops its own clock only",
        "0 message",
        {ACK: ["1 activate @0", "1 fulfil @0 after 0"], FIRST: ["1 activate @0"]},
        {"first_response_seconds": None},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_the_ledger_is(case: Case, story: Story) -> None:
    play(story, case.timeline)
    assert story.refused() == []
    for clock, rows in case.ledger.items():
        assert story.clock_rows(clock) == rows, clock
    fact = story.ticket_fact()
    assert {name: getattr(fact, name) for name in case.ticket} == case.ticket

"""What the fold says of clocks, conversations and windows, against SQL that reckons anew from what happened; both must agree on all of it."""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.clickhouse import ClickHouseServer
from schemas.clock import MICROS
from schemas.settings import SinkSettings
from sinks.clickhouse import connection, migrate
from stream_processors.rules.policies import CLOCKS
from tests.support.month.recount import Recount
from tests.support.month.rules import month_rules
from tests.support.month.shop import DAY, Shop

pytestmark = pytest.mark.stack
#: Friday 27 March 2026: British summer time begins on the Sunday after it, and Easter follows a week later.
FRIDAY = 1_774_569_600 * MICROS
MONTH_MEMORY_MB = 6000
COMPARED = (
    "clocks",
    "warnings",
    "measures",
    "shares",
    "resolutions",
    "repeats",
    "conversations",
    "service",
    "self_service",
    "windows",
    "backlog",
    "quantiles",
)


@pytest.fixture
def recounted(stack: Any) -> Iterator[Callable[..., Recount]]:
    """Plays a time and recomputes it, in a database of its own."""
    yield from _recounting(stack.clickhouse_url)


@pytest.fixture
def recounted_at_length(tmp_path: Path) -> Iterator[Callable[..., Recount]]:
    """The same in an engine of its own, with the memory for a month."""
    server = ClickHouseServer(tmp_path, memory=MONTH_MEMORY_MB)
    server.launch()
    server.wait()
    try:
        yield from _recounting(server.url)
    finally:
        server.stop()


def _recounting(url: str) -> Iterator[Callable[..., Recount]]:
    settings = SinkSettings(
        clickhouse_url=url, clickhouse_database=f"t{uuid.uuid4().hex[:8]}", clickhouse_timeout_seconds=1200
    )
    connection.create_database(settings)
    client = connection.connect(settings)
    migrate.migrate(client)
    migrate.replace_views(client)

    def recount(say: Callable[[str], None] = lambda text: None, **how: int) -> Recount:
        rules = month_rules()
        recounted = Recount(client, rules, how["start"], how["start"] + how["days"] * DAY)
        shop = Shop(rules, recounted.hears, recounted.saw, **how)
        gc.disable()
        try:
            shop.play(say)
        finally:
            gc.enable()
        # Who takes up a ticket that the desk has let go is refused, and nobody else; what is refused did not happen.
        assert [each for each in shop.refused if not each.endswith("or it ended long ago")] == []
        assert len(shop.refused) < shop.published.total() / 1000
        recounted.recompute(say)
        return recounted

    yield recount
    client.command(f"DROP DATABASE {settings.clickhouse_database}")
    client.close()


def test_sql_over_what_happened_agrees_with_every_clock_and_every_window_of_nine_days(recounted):
    recount = recounted(start=FRIDAY, days=9, contacts=110)
    for name in COMPARED:
        assert recount.differences(name) == [], name
    came_to = {
        (each["clock"], each["outcome"], each["late"]): each["times"]
        for each in recount.ask(
            "SELECT clock, outcome, breached_at > 0 AS late, count() AS times FROM our_clocks GROUP BY ALL"
        )
    }
    for clock in CLOCKS:  # it was not for want of cases: each was met, and but for the acknowledgement missed
        assert came_to[clock, "fulfil", 0] > 20, clock
        assert clock == "acknowledgement" or came_to[clock, "fulfil", 1] > 20, clock
    assert {late for (clock, outcome, late) in came_to if outcome == "running"} == {0, 1}
    assert came_to["acknowledgement", "cancel", 0] > 5
    assert recount.count("our_windows") > 50_000
    became = {
        (each["fcr"], each["reason"])
        for each in recount.ask(
            "SELECT fcr, reason, count() AS times FROM our_resolutions GROUP BY ALL HAVING times > 1"
        )
    }
    lost = {"several_answers", "reopened", "contacted_again"}
    assert became >= {(None, ""), (1, ""), *((0, reason) for reason in lost)}
    assert recount.count("our_warnings") > 3000
    assert recount.count("our_repeats") > 80
    handed_over = recount.ask(
        "SELECT ticket, clock FROM our_shares WHERE agent != '' GROUP BY ticket, clock HAVING uniq(agent) > 1"
    )
    assert len(handed_over) > 200
    happened = {
        each["figure"]: each["total"]
        for each in recount.ask("SELECT figure, sum(value) AS total FROM our_windows WHERE size = '7d' GROUP BY figure")
    }
    least = {"tickets_reopened": 100, "answers": 200, "abandoned": 40, "handled": 200, "deflected": 30}
    assert {name: happened.get(name, 0) for name, times in least.items() if happened.get(name, 0) < times} == {}
    of_a_kind = {
        (each["kind"], each["outcome"]): each["times"]
        for each in recount.ask("SELECT kind, outcome, count() AS times FROM our_conversations GROUP BY ALL")
    }
    calls = {("call", outcome) for outcome in ("answered", "abandoned", "missed", "voicemail")}
    assert {each for each, times in of_a_kind.items() if times > 15} == calls | {
        ("chat", outcome) for outcome in ("answered", "abandoned", "timed_out")
    }
    assert recount.ask("SELECT * FROM wished WHERE wish = 'stop' AND acknowledged = 'sent'") == []
    for says, rows in SEEN.items():
        assert recount.ask(f"SELECT count() AS times FROM {rows}")[0]["times"] > 0, says


#: What is rare, and must be among it.
SEEN = {
    "a call-back of which we hear when it is taken, and again when it is over": "steps WHERE kind = 'spoken' AND said = 'told'",
    "a call-back of which we hear when it is over": "steps WHERE kind = 'spoken' AND said = '' AND channel = 'voicemail'",
    "a call that ends on a ticket that was solved meanwhile": "steps WHERE kind = 'spoken' AND status = 'solved'",
    "a customer who calls again about what is open": "steps WHERE kind = 'call' AND n > 1 AND outcome = 'answered'",
    "who calls gets a next response": "instances JOIN steps ON steps.ticket = instances.ticket AND steps.n = stop_n "
    "WHERE clock = 'next_response' AND kind = 'spoken'",
    "a clock that breached while they spoke": "our_clocks AS c JOIN steps AS s ON s.ticket = c.ticket "
    "WHERE clock = 'requester_wait' AND kind = 'spoken' AND breached_at > s.since AND breached_at < s.at",
    "a second chat of a ticket": "our_clocks WHERE clock = 'answer' AND instance > 1",
    "... that nobody answered": "talks JOIN steps USING (ticket, n) WHERE talks.kind = 'chat' AND talks.outcome = 'timed_out' AND replied > 0",
    "a mail after the chat": "counted JOIN steps USING (ticket, n) WHERE channel = 'chat' AND goes_on = '' AND steps.kind = 'replied'",
    "a person who was handed over by the bot": "our_clocks JOIN steps USING (ticket) WHERE clock = 'answer' AND channel = 'bot' AND n = 1",
    "who wants no messages, and is not told that we heard": "wished WHERE wish = 'stop' AND acknowledged = 'suppressed'",
    "what happens to a ticket after a merge": "steps WHERE customer != splitByChar('-', ticket)[1]",
    "a reason that a person found when it was solved": "solved_about AS found JOIN solves USING (ticket, episode) WHERE found.since > seq",
    "... which shows that another was not solved": "falsified JOIN steps USING (seq) WHERE steps.kind = 'tagged' AND why = 'contacted_again'",
    "a repeat that only a merge shows": "repeated AS again JOIN reasons AS now ON now.ticket = again.ticket AND now.n = again.n "
    "AND now.reason = again.reason JOIN reasons AS before ON before.reason = again.reason AND before.at = again.previous "
    "WHERE before.customer != now.customer",
}


def test_the_comparison_sees_one_microsecond_and_one_missing_row(recounted):
    recount = recounted(start=FRIDAY, days=1, contacts=60)
    recount.change("ALTER TABLE our_clocks UPDATE stopped = stopped + 1 WHERE clock = 'first_response' AND stopped > 0")
    assert {each["clock"] for each in recount.differences("clocks")} == {"first_response"}
    recount.change("ALTER TABLE our_shares UPDATE micros = micros - 1 WHERE agent != '' AND clock = 'agent_work'")
    assert {(each["clock"], each["agent"] != "") for each in recount.differences("shares")} == {("agent_work", True)}
    recount.change("ALTER TABLE our_warnings DELETE WHERE threshold = 75")
    assert {each["threshold"] for each in recount.differences("warnings")} == {75}
    recount.change("ALTER TABLE our_resolutions UPDATE fcr = 1 WHERE reason = 'several_answers'")
    assert {each["their_reason"] for each in recount.differences("resolutions")} == {"several_answers"}
    recount.change("ALTER TABLE talks UPDATE wait = wait + 1 WHERE kind = 'chat' AND outcome = 'abandoned'")
    assert {(each["our_told_by"], each["our_outcome"]) for each in recount.differences("conversations")} == {
        ("chat", "abandoned")
    }
    assert {each["channel"] for each in recount.differences("service")} == {"chat"}
    recount.change("ALTER TABLE raw_events DELETE WHERE kind = 'bot' AND outcome = 'helped'")
    assert any(each["our_said_solved"] < each["their_said_solved"] for each in recount.differences("self_service"))
    recount.change("ALTER TABLE our_windows DELETE WHERE figure = 'tickets_created' AND size = '24h'")
    assert {(each["figure"], each["size"]) for each in recount.differences("windows")} == {("tickets_created", "24h")}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_sql_over_what_happened_agrees_with_every_clock_and_every_window_of_a_month(recounted_at_length):
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    recount = recounted_at_length(say, start=FRIDAY - 11 * DAY, days=30, contacts=3250)
    differences = {}
    for name in COMPARED:
        differences[name] = recount.differences(name)
        say(f"{name}: {recount.count('our_' + name):,} rows, {len(differences[name])} differ")
    assert not any(differences.values()), differences
    assert recount.count("opened") >= 100_000

"""Reads the present state of the help desk from ClickHouse: contacts, tickets, clocks, tags, scores, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clickhouse_connect.driver.client import Client

__all__ = ["ChannelCounts", "ClockCounts", "DeskSummary", "TagCount", "TeamLoad", "read_desk"]

#: A running clock with less than this share of its target left is at risk.
AT_RISK_SHARE = 0.2
CONTACT_KINDS = ("message_received", "call_ended")

Rows = Callable[..., Iterable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """Contacts of a channel, and the tickets that they opened."""

    contacts: int = 0
    tickets: int = 0


@dataclass(frozen=True, slots=True)
class TeamLoad:
    """Tickets and agents of a team.

    waiting  open tickets without an agent
    held     open tickets with an agent
    online   agents on shift now, of the `agents` seen so far
    """

    waiting: int = 0
    held: int = 0
    online: int = 0
    agents: int = 0


@dataclass(frozen=True, slots=True)
class ClockCounts:
    """Instances of one SLA clock, by state.

    at_risk  running with less than a fifth of the target left
    late     breached and still running
    """

    running: int = 0
    at_risk: int = 0
    late: int = 0
    breached: int = 0
    met: int = 0


@dataclass(frozen=True, slots=True)
class TagCount:
    """Tickets with a why-tag."""

    tag: str
    tickets: int
    valence: str = ""
    quadrant: str = ""


@dataclass(frozen=True, slots=True)
class DeskSummary:
    """The present state of the help desk, as ClickHouse has it."""

    channels: Mapping[str, ChannelCounts] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    teams: Mapping[str, TeamLoad] = field(default_factory=dict)
    acknowledged: int = 0
    suppressed: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    brands: Mapping[str, int] = field(default_factory=dict)
    tagged: int = 0
    tags: Sequence[TagCount] = ()
    clocks: Mapping[str, ClockCounts] = field(default_factory=dict)
    csat_answers: int = 0
    csat_mean: float | None = None
    csat_low: int = 0
    #: Median and 90th percentile in seconds; None before the first ticket has an answer.
    first_response: tuple[float, float] | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def contacts(self) -> int:
        """Contacts of all channels."""
        return sum(channel.contacts for channel in self.channels.values())

    @property
    def tickets(self) -> int:
        """Tickets of all statuses."""
        return sum(self.statuses.values())

    @property
    def solved(self) -> int:
        """Tickets that are solved or closed."""
        return sum(count for status, count in self.statuses.items() if status in ("solved", "closed"))


def read_desk(client: Client, now: int) -> DeskSummary:
    """Reads the whole summary; `now` (pipeline micros) decides which clocks are at risk.

    Raises:
        ClickHouseError: a table is missing, or the server does not answer.
    """

    def rows(sql: str, **values: Any) -> Iterable[Sequence[Any]]:
        return client.query(sql, parameters=values or None).result_rows

    summary = _with_tickets(DeskSummary(channels=_channels(rows), clocks=_clocks(rows, now), tags=_tags(rows)), rows)
    return _with_scores(_with_acknowledgements(replace(summary, rows=_table_rows(rows)), rows), rows)


def _channels(rows: Rows) -> dict[str, ChannelCounts]:
    return {
        str(channel): ChannelCounts(int(contacts), int(opened))
        for channel, contacts, opened in rows(
            "SELECT channel, count(), countIf(opened_ticket) FROM contacts FINAL "
            "WHERE has({kinds:Array(String)}, kind) GROUP BY channel",
            kinds=list(CONTACT_KINDS),
        )
    }


def _with_tickets(summary: DeskSummary, rows: Rows) -> DeskSummary:
    """Adds statuses, languages, brands, teams, tagged tickets and first response times."""
    statuses: dict[str, int] = {}
    teams: dict[str, TeamLoad] = {}
    languages: dict[str, int] = {}
    brands: dict[str, int] = {}
    tagged = 0
    for team, status, language, brand, waiting, count, with_tags in rows(
        "SELECT team, status, language, brand, assignee_id = '' AS waiting, count(), countIf(notEmpty(tags)) "
        "FROM tickets FINAL GROUP BY team, status, language, brand, waiting"
    ):
        statuses[status] = statuses.get(status, 0) + count
        languages[language] = languages.get(language, 0) + count
        brands[brand] = brands.get(brand, 0) + count
        tagged += with_tags
        if status in ("new", "open"):
            load = teams.get(team, TeamLoad())
            teams[team] = replace(
                load, waiting=load.waiting + count * bool(waiting), held=load.held + count * (not waiting)
            )
    [(answered, median, ninetieth)] = rows(
        "SELECT count(), quantileExact(0.5)(first_response_seconds), quantileExact(0.9)(first_response_seconds) "
        "FROM tickets FINAL WHERE first_response_seconds IS NOT NULL AND NOT imported"
    )
    first_response = (float(median), float(ninetieth)) if answered else None
    return replace(
        summary,
        statuses=statuses,
        teams=teams,
        languages=languages,
        brands=brands,
        tagged=tagged,
        first_response=first_response,
    )


def _with_acknowledgements(summary: DeskSummary, rows: Rows) -> DeskSummary:
    outcomes = {
        (str(outcome), str(reason)): int(count)
        for outcome, reason, count in rows(
            "SELECT outcome, reason, count() FROM acknowledgements FINAL GROUP BY outcome, reason"
        )
    }
    return replace(
        summary,
        acknowledged=sum(count for (outcome, _), count in outcomes.items() if outcome == "sent"),
        suppressed={reason: count for (outcome, reason), count in outcomes.items() if outcome == "suppressed"},
    )


def _clocks(rows: Rows, now: int) -> dict[str, ClockCounts]:
    return {
        str(clock): ClockCounts(*map(int, counts))
        for clock, *counts in rows(
            "SELECT clock, countIf(state = 'active'), "
            "countIf(state = 'active' AND due_at < fromUnixTimestamp64Micro({now:Int64}) "
            "+ toIntervalSecond(toUInt32(ifNull(target_seconds, 0) * {share:Float64}))), "
            "countIf(state = 'breached' AND is_running), countIf(is_breached), countIf(state = 'met') "
            "FROM sla_status GROUP BY clock",
            now=now,
            share=AT_RISK_SHARE,
        )
    }


def _tags(rows: Rows) -> list[TagCount]:
    return [
        TagCount(str(tag), int(tickets), str(valence), str(quadrant))
        for tag, tickets, valence, quadrant in rows(
            "SELECT tag, count(), any(valence), any(quadrant) FROM tags FINAL WHERE active "
            "GROUP BY tag ORDER BY count() DESC, tag LIMIT 30"
        )
    ]


def _with_scores(summary: DeskSummary, rows: Rows) -> DeskSummary:
    [(answers, mean, low)] = rows("SELECT count(csat), avgOrNull(csat), countIf(csat <= 2) FROM surveys_last")
    return replace(
        summary, csat_answers=int(answers), csat_mean=None if mean is None else float(mean), csat_low=int(low)
    )


def _table_rows(rows: Rows) -> dict[str, int]:
    return {
        str(table): int(count)
        for table, count in rows(
            "SELECT table, sum(rows) FROM system.parts WHERE active AND database = currentDatabase() "
            "AND table != 'schema_migrations' GROUP BY table ORDER BY table"
        )
    }

"""The command `python -m sinks why TICKET`: why a ticket is with its team and its agent, who else was there, what was ahead.

It tells what facts say: by what the team was chosen (`team_rule`), each assignment with its reason, and the presence of the
team's agents at the moment of the last one, or now while the ticket waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client

from schemas.clock import MICROS, from_micros
from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings, load
from schemas.terminal import plain, say
from sinks.clickhouse import connection

__all__ = ["lines", "why"]

Row = Mapping[str, Any]
#: Agents that are named; of more, their number is said.
MOST_AGENTS = 20
#: A moment after all others, as micros: 2149-01-01.
_EVER = 5_648_745_600 * MICROS
_TICKET = """
SELECT ticket_id, channel, status, priority, language, tier, team, team_rule, assignee_id, tags, brand,
    toUnixTimestamp64Micro(ifNull(waiting_since, created_at)) AS waits_since
FROM tickets FINAL WHERE ticket_id = {ticket:String}
"""
_ASSIGNMENTS = """
SELECT toUnixTimestamp64Micro(at) AS at_micros, team, agent_id, reason, wait_seconds FROM assignments FINAL
WHERE ticket_id = {ticket:String} ORDER BY at, version
"""
_PRESENT = """
SELECT agent_id, argMax(status, since) AS status, argMax(busy, since) AS busy FROM presences FINAL
WHERE team = {team:String} AND since <= fromUnixTimestamp64Micro({at:Int64}) GROUP BY agent_id ORDER BY agent_id
"""
_MEANWHILE = """
SELECT uniqExact(ticket_id) AS tickets FROM assignments FINAL
WHERE team = {team:String} AND agent_id != '' AND ticket_id != {ticket:String}
    AND at <= fromUnixTimestamp64Micro({at:Int64}) AND at > fromUnixTimestamp64Micro({since:Int64})
"""
_AHEAD = """
SELECT count() AS tickets FROM tickets FINAL
WHERE team = {team:String} AND assignee_id = '' AND status IN ('new', 'open') AND ticket_id != {ticket:String}
    AND (ifNull(waiting_since, created_at), ticket_id) < (fromUnixTimestamp64Micro({since:Int64}), {ticket:String})
"""
_TEAM = {
    "owner": "it owns the tags",
    "fallback": "it is the fallback, for nobody owns the tags",
    "language": "the owner of the tags does not answer in this language",
    "hours": "the team that was chosen first was closed",
    "transfer": "somebody transferred it there",
    "overflow": "it waited too long elsewhere",
    "": "that was not recorded then",
}
_REASONS = {
    "previous_agent": "had the customer last",
    "least_open": "had the fewest tickets of those who suit it",
    "taken": "took it",
    "by_hand": "was given it by somebody",
    "given_back": "somebody gave it back to the queue",
    "agent_offline": "its agent went offline",
    "overflow": "it waited too long and went to this team",
}


def why(
    ticket: Annotated[str, typer.Argument(help="the ticket's id, such as ABCDEFGHIJKL-1", show_default=False)],
) -> None:
    """Says why a ticket is with its team and its agent: the rule, the assignments, who else was there, what was ahead.

    Example: python -m sinks why ABCDEFGHIJKL-1
    """
    client = connection.connect(load(SinkSettings))
    for line in lines(client, ticket.strip().upper()):
        say(plain(line))


def lines(client: Client, name: str) -> list[str]:
    """Returns the explanation of a ticket, a line each.

    Raises:
        ConfigurationError: there is no such ticket, or the views are not there.
        Unavailable: ClickHouse does not answer.
    """
    with connection.reading_views():
        found = _rows(client, _TICKET, ticket=name)
        if not found:
            fix = 'python -m sinks query "SELECT ticket_id FROM tickets_current LIMIT 10" shows some'
            raise ConfigurationError(f"there is no ticket {name!r}", where="TICKET", fix=fix)
        return _explained(client, found[0], _rows(client, _ASSIGNMENTS, ticket=name))


def _explained(client: Client, ticket: Row, assignments: Sequence[Row]) -> list[str]:
    facts = [ticket[name] for name in ("channel", "language", "tier", "brand", "priority", "status") if ticket[name]]
    told = [f"{ticket['ticket_id']}: {', '.join(facts)}; tags {', '.join(ticket['tags']) or 'none'}"]
    told.append(f"team   {ticket['team'] or 'none yet'}: {_why_team(ticket['team_rule'])}")
    last = assignments[-1] if assignments else None
    if ticket["assignee_id"]:
        told.append(f"agent  {ticket['assignee_id']}: {_why_agent(client, ticket, last)}")
    elif ticket["status"] in ("new", "open"):
        told.append(f"agent  none: it waits since {_time(ticket['waits_since'])}, {_ahead(client, ticket)}")
    else:
        told.append(f"agent  none: it is {ticket['status']}")
    told += _others(client, ticket, last)
    told += [
        f"  {_time(each['at_micros'])}  {each['team']}  {each['agent_id'] or '-'}  {each['reason']}"
        for each in assignments
    ]
    return told


def _why_team(rule: str) -> str:
    kind, _, name = rule.partition(":")
    return f"the rule {name!r} of teams.yaml chose it" if kind == "rule" else _TEAM.get(rule, rule)


def _why_agent(client: Client, ticket: Row, last: Row | None) -> str:
    if last is None or last["agent_id"] != ticket["assignee_id"]:
        return "they answered it, or took the call"
    said = f"{_REASONS.get(last['reason'], last['reason'] or 'it was transferred to them')}, {_time(last['at_micros'])}"
    if last["wait_seconds"] is None:
        return said
    since = last["at_micros"] - round(last["wait_seconds"] * MICROS)
    asked = {"team": last["team"], "ticket": ticket["ticket_id"], "at": last["at_micros"], "since": since}
    count = _rows(client, _MEANWHILE, **asked)[0]["tickets"]
    return f"{said}, after {last['wait_seconds']:,.0f} s in the queue, in which {count:,} others of the team were given out"


def _ahead(client: Client, ticket: Row) -> str:
    asked = {"team": ticket["team"], "ticket": ticket["ticket_id"], "since": ticket["waits_since"]}
    count = _rows(client, _AHEAD, **asked)[0]["tickets"]
    return f"{count:,} of the team wait longer"


def _others(client: Client, ticket: Row, last: Row | None) -> list[str]:
    """Returns who else of the team was there when it was assigned last, or is there now, and why it is not theirs."""
    held = ticket["assignee_id"] and last is not None and last["agent_id"] == ticket["assignee_id"]
    at = last["at_micros"] if held and last is not None else _EVER
    present = [
        row for row in _rows(client, _PRESENT, team=ticket["team"], at=at) if row["agent_id"] != ticket["assignee_id"]
    ]
    if not present:
        return ["others nobody else of the team had reported"]
    shown = [f"{row['agent_id']} ({_state(row)})" for row in present[:MOST_AGENTS]]
    more = [f"{len(present) - MOST_AGENTS} more"] if len(present) > MOST_AGENTS else []
    return [f"others {'at that moment' if held else 'now'}: {', '.join(shown + more)}"]


def _state(row: Row) -> str:
    if row["status"] != "online":
        return str(row["status"])
    return "online, with tickets" if row["busy"] else "online, free"


def _time(micros: int) -> str:
    return f"{from_micros(micros):%Y-%m-%d %H:%M:%S}"


def _rows(client: Client, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.query(sql, parameters=parameters, settings={"readonly": 2})
    return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

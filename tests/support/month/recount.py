"""A simulated time in ClickHouse, twice: as the facts say, and as SQL recomputes it from what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas import codec
from schemas.clock import MICROS
from schemas.facts import (
    ClockFact,
    ClockShare,
    ContactFact,
    ConversationFact,
    Fact,
    PaneBucketFact,
    PaneFact,
    RepeatFact,
    ResolutionFact,
    TicketClocks,
)
from sinks.clickhouse import migrate
from sinks.clickhouse.avro_file import shapes
from sinks.clickhouse.inserter import SETTINGS
from stream_processors.rules.ruleset import Rules
from tests.support.month.raw import Raw

__all__ = ["Recount"]

SQL = Path(__file__).parent / "sql"
_END = re.compile(r";[ \t]*(?:\n|$)")
#: Kinds of facts that are compared → what identifies one; of each only the newest is worth writing.
_COMPARED: dict[type, tuple[str, ...]] = {
    ClockFact: ("ticket_id", "episode", "clock", "instance", "transition", "sequence"),
    TicketClocks: ("ticket_id",),
    ClockShare: ("ticket_id", "episode", "clock", "team", "agent_id"),
    ResolutionFact: ("ticket_id", "episode"),
    RepeatFact: ("event_id", "tag"),
    ConversationFact: ("event_id",),
    ContactFact: ("event_id",),
    PaneFact: ("partition", "part", "start", "channel", "team", "priority", "policy"),
    PaneBucketFact: ("partition", "part", "start", "channel", "team", "priority", "policy", "measure", "bucket"),
}
#: Of contacts, those that self-service is reckoned from.
_CONTACTS = frozenset(("message_received", "call_ended", "article_viewed", "bot_answered"))
_WRITTEN_AT = 50_000
#: A month takes its time, and beyond so much memory its disk.
_PATIENT = {
    "max_execution_time": 1200,
    "max_bytes_before_external_group_by": 1_000_000_000,
    "max_bytes_before_external_sort": 1_000_000_000,
}
_MINUTE = 60 * MICROS
_MARGIN_MINUTES = 2 * 1440


class Recount:
    """The tables of one database. `hears` and `saw` are what a `Shop` tells; then `recompute`, then `differences`."""

    def __init__(self, client: Any, rules: Rules, start: int, end: int) -> None:
        self._client, self._rules = client, rules
        self._facts: dict[type, dict[tuple[Any, ...], bytes]] = {kind: {} for kind in _COMPARED}
        self._raw: list[Raw] = []
        first = start // _MINUTE - _MARGIN_MINUTES
        self._values = {
            "end": str(end),
            "first_minute": str(first),
            "number_of_minutes": str(end // _MINUTE + _MARGIN_MINUTES - first),
            "measures": "\n".join(map(_measure, _measures())),
            "windows": "\nUNION ALL\n".join(map(_window, migrate.WINDOWS)),
            "backlogs": _every_size("backlog"),
            "quantiles": _every_size("quantiles"),
            "at_risk": str(list(rules.policies.policies[0].at_risk)),
            "resolution": str(rules.surveys.resolution_micros),
            "repeat": str(rules.taxonomy.repeat_micros),
        }
        self._run("1_raw.sql")
        self._fill_policies()

    def hears(self, fact: Fact) -> None:
        """Keep a fact, if it is one of those that are compared."""
        names = _COMPARED.get(type(fact))
        if names is None or (isinstance(fact, ContactFact) and fact.kind not in _CONTACTS):
            return
        known = self._facts[type(fact)]
        known[tuple(getattr(fact, name) for name in names)] = codec.encode(fact)
        if len(known) >= _WRITTEN_AT:
            self._write(type(fact))

    def saw(self, row: Raw) -> None:
        self._raw.append(row)
        if len(self._raw) >= _WRITTEN_AT:
            self._write_raw()

    def recompute(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Write what is left, and let ClickHouse reckon."""
        for kind in _COMPARED:
            self._write(kind)
        self._write_raw()
        for path in sorted(SQL.glob("[2-9]*.sql")):
            say(path.name)
            self._run(path.name)

    def ask(self, sql: str) -> list[dict[str, Any]]:
        answer = self._client.query(sql, settings=_PATIENT)
        return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

    def change(self, sql: str) -> None:
        """Spoil something, and wait until it is spoilt."""
        self._client.command(sql, settings={"mutations_sync": 2})

    def count(self, table: str) -> int:
        return int(self.ask(f"SELECT count() AS rows FROM {table}")[0]["rows"])

    def differences(self, name: str, most: int = 20) -> list[dict[str, Any]]:
        """Rows of `our_{name}` and `their_{name}` that are not the same, or have no counterpart."""
        columns = [each["name"] for each in self.ask(f"DESCRIBE TABLE our_{name}")]
        keys = [each for each in columns if each in _KEYS]
        values = [each for each in columns if each not in _KEYS]
        shown = ", ".join(f"ours.{each} AS our_{each}, theirs.{each} AS their_{each}" for each in values)
        differs = " OR ".join(f"ours.{each} IS DISTINCT FROM theirs.{each}" for each in values)
        return self.ask(f"""
            SELECT {", ".join(keys)}, ours.known AS ours_known, theirs.known AS theirs_known, {shown}
            FROM (SELECT *, 1 AS known FROM our_{name}) AS ours
            FULL OUTER JOIN (SELECT *, 1 AS known FROM their_{name}) AS theirs USING ({", ".join(keys)})
            WHERE ours.known != theirs.known OR {differs}
            ORDER BY ALL LIMIT {most}""")

    def _fill_policies(self) -> None:
        policies, targets = [], []
        for place, policy in enumerate(self._rules.policies.policies):
            conditions = [sorted(policy.when.get(name, ())) for name in ("channel", "priority", "tier")]
            assert set(policy.when) <= {"channel", "priority", "tier"}, f"{policy.name} asks for more than the SQL does"
            policies.append((place, policy.name, *conditions, policy.calendar.name if policy.calendar else ""))
            assert policy.at_risk == self._rules.policies.policies[0].at_risk, "the SQL warns all alike"
            targets += [(policy.name, clock, round(target * MICROS)) for clock, target in policy.targets.items()]
        self._client.insert("policies", policies)
        self._client.insert("targets", targets)
        tags = self._rules.taxonomy.tags.values()
        self._client.insert("bad_news", [(tag.slug,) for tag in tags if tag.valence != "good"])

    def _write(self, kind: type) -> None:
        values = list(self._facts[kind].values())
        self._facts[kind].clear()
        if values:
            shape = shapes()[codec.header(kind)]
            self._client.raw_insert(shape.table.name, shape.columns, shape.file(values), settings=SETTINGS, fmt="Avro")

    def _write_raw(self) -> None:
        if self._raw:
            self._client.insert("raw_events", self._raw, column_names=list(Raw._fields))
        self._raw = []

    def _run(self, name: str) -> None:
        text = (SQL / name).read_text()
        for key, value in self._values.items():
            text = text.replace(f"{{{key}}}", value)
        for statement in _END.split(text):
            if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
                self._client.command(statement, settings=_PATIENT)


_KEYS = frozenset(
    ("ticket", "clock", "episode", "instance", "measure", "size", "start_of", "channel", "team", "priority")
) | {"policy_of", "figure", "threshold", "agent", "tag", "again_at", "event", "day"}


def _measures() -> list[str]:
    """Names of all measures of a `TicketClocks` that have seconds and working seconds."""
    fields = TicketClocks.__struct_fields__
    return [name.removesuffix("_business_seconds") for name in fields if name.endswith("_business_seconds")]


def _measure(name: str) -> str:
    states = ("requester_wait", "agent_wait", "agent_work", "on_hold", "new", "open", "unassigned")
    value = f"{name}_seconds"
    if name in states:
        value = f"nullIf({value}, 0)"
    return f"    ('{name}', {value}, {name}_business_seconds),"


def _window(size: str) -> str:
    """Every figure of the view of one size of window: whole numbers; seconds as micros."""
    names = [name for name in PaneFact.__struct_fields__ if name not in _NOT_COMPARED]
    exact = ", ".join(f"('{name}', toInt64({_column(name)}))" for name in names)
    return f"SELECT '{size}' AS size, window_start, channel, team, priority, policy, [{exact}] AS figures FROM windows_{size}"


def _column(name: str) -> str:
    if not name.endswith(("_seconds_sum", "_seconds_max")):
        return name
    return f"round(ifNull({name.replace('_seconds_max', '_seconds_longest')}, 0) * 1000000)"


#: What identifies a pane, what is compared elsewhere, and what is not recomputed: the shop imports no history.
_NOT_COMPARED = frozenset(
    (
        *Fact.__struct_fields__,
        "part",
        "start",
        "channel",
        "team",
        "priority",
        "policy",
        "brand",
        "backlog_created_change",
    )
) | {"csat_answers_imported", "csat_sum_imported"}


def _every_size(view: str) -> str:
    return "\nUNION ALL\n".join(f"SELECT '{size}' AS size, * FROM {view}_{size}" for size in migrate.WINDOWS)

"""Brings the tables and views of a database to what this build expects: `python -m sinks migrate`.

Migrations are `migrations/NNNN_name.sql`. They are applied in order, each once, and recorded with a checksum in
`schema_migrations`. ClickHouse without Keeper has no lock, and two processes may migrate at once. Every statement
therefore does nothing the second time (`IF NOT EXISTS`); a migration that both recorded is one row after the merge.
Views have no history: they are replaced whenever this runs.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import ConfigurationError, Unavailable
from sinks.clickhouse.connection import Kind, code_of, kind_of, server_message

HERE = Path(__file__).parent
#: The view that holds a setting.
COST_VIEW = "cost_of_work"
MIGRATIONS, VIEWS = HERE / "migrations", HERE / "views"
#: A view file with `{window}` in its name makes a view for each: what `{window}` and `{interval}` stand for in it.
WINDOWS = {"5m": "5 MINUTE", "1h": "1 HOUR", "24h": "24 HOUR", "7d": "7 DAY"}
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_END = re.compile(r";[ \t]*(?:\n|$)")
_REGISTER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       String,
    checksum   String,
    applied_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree ORDER BY name
"""
#: Errors when another process replaces the same view at this moment: TABLE_ALREADY_EXISTS, UNKNOWN_TABLE, ABORTED, DEADLOCK_AVOIDED.
_RACES = frozenset({57, 60, 236, 473})


@dataclass(frozen=True, slots=True)
class Migration:
    """Holds one migration file."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The checksum of its text, whatever its line ends are."""
        return hashlib.sha256("\n".join(self.sql.splitlines()).encode()).hexdigest()[:32]

    def statements(self) -> Iterator[str]:
        """Yields the statements; each ends with a semicolon at the end of a line."""
        for part in _END.split(self.sql):
            if any(line.strip() and not line.lstrip().startswith("--") for line in part.splitlines()):
                yield part.strip()

    def reads(self) -> set[str]:
        """Returns the tables and views that its statements read."""
        return set(_READ.findall(_COMMENT.sub("", self.sql)))


def read(folder: Path = MIGRATIONS) -> list[Migration]:
    """Returns every migration of this build, in order.

    Raises:
        ConfigurationError: a file is not named NNNN_name.sql, or two have the same number.
    """
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if not match:
            raise ConfigurationError("a migration is named NNNN_name.sql", where=path.name)
        if match[1] in found:
            raise ConfigurationError(f"number {match[1]} is taken by {found[match[1]].name}", where=path.name)
        found[match[1]] = Migration(path.name, path.read_text("utf-8"))
    return list(found.values())


def migrate(client: Client, folder: Path = MIGRATIONS, *, say: Callable[[str], None] = lambda name: None) -> list[str]:
    """Applies missing migrations; returns their names. Calls `say` with each name before it is applied.

    Raises:
        ConfigurationError: an applied migration was edited, a new one sorts before an applied one, or one fails.
        Unavailable: ClickHouse does not answer.
    """
    wanted = read(folder)
    _run(client, _REGISTER, "schema_migrations")
    done = applied(client)
    missing = plan(wanted, done)
    for migration in missing:
        say(migration.name)
        for statement in migration.statements():
            _run(client, statement, migration.name)
        _run(
            client,
            f"INSERT INTO schema_migrations (name, checksum) SELECT '{migration.name}', '{migration.checksum}'",
            migration.name,
        )
    return [migration.name for migration in missing]


def applied(client: Client) -> dict[str, str]:
    """Returns the checksum, by name, of every migration that was applied to the database."""
    try:
        rows = client.query("SELECT name, checksum FROM schema_migrations FINAL ORDER BY name").result_rows
    except (ClickHouseError, OSError) as error:
        raise _translated(error, "schema_migrations") from error
    return {str(name): str(checksum) for name, checksum in rows}


def verify(client: Client, folder: Path = MIGRATIONS) -> int:
    """Checks that every migration of this build is applied, changing nothing; returns their number.

    Raises:
        ConfigurationError: some are not applied yet, or one was edited.
        Unavailable: ClickHouse does not answer.
    """
    wanted = read(folder)
    if missing := plan(wanted, applied(client)):
        raise ConfigurationError(
            f"{len(missing)} of {len(wanted)} migrations are not applied, the first is {missing[0].name}",
            fix="run `python -m sinks migrate`",
        )
    return len(wanted)


def plan(wanted: list[Migration], done: dict[str, str]) -> list[Migration]:
    """Returns the migrations to apply, in order. Ignores applied ones of a newer build.

    Raises:
        ConfigurationError: an applied migration was edited, or a new one sorts before an applied one.
    """
    missing = []
    for migration in wanted:
        checksum = done.get(migration.name)
        if checksum is None:
            missing.append(migration)
        elif checksum != migration.checksum:
            raise ConfigurationError(
                "it was edited after it had been applied",
                where=migration.name,
                fix="restore it and put the change into a new migration",
            )
    newest = max(done, default="")
    for migration in missing:
        if migration.name < newest:
            raise ConfigurationError(
                f"it is new but sorts before {newest}, which is applied", where=migration.name, fix="renumber it"
            )
    return missing


def views(folder: Path = VIEWS) -> list[Migration]:
    """Returns every view, after those that it reads, otherwise sorted by name; `name` is without `.sql`.

    A file with `{window}` in its name makes a view for each window.

    Raises:
        ConfigurationError: views read each other in a circle.
    """
    found = {view.name: view for path in sorted(folder.glob("*.sql")) for view in _views_of(path)}
    reads = {name: sorted(found.keys() & view.reads()) for name, view in found.items()}
    try:
        return [found[name] for name in TopologicalSorter(reads).static_order()]
    except CycleError as error:
        raise ConfigurationError(f"they read each other: {', '.join(error.args[1])}", where="views") from error


def _views_of(path: Path) -> Iterator[Migration]:
    text = path.read_text("utf-8")
    if "{window}" not in path.stem:
        yield Migration(path.stem, text)
        return
    for window, interval in WINDOWS.items():
        sql = text.replace("{window}", window).replace("{interval}", interval)
        yield Migration(path.stem.replace("{window}", window), sql)


def replace_views(client: Client, folder: Path = VIEWS, *, cost_per_hour: float | None = None) -> list[str]:
    """Creates or replaces every view, after those that it reads; returns their names.

    `cost_per_hour` is what an hour of work on contacts costs; None leaves it to `views/cost_of_work.sql`.
    """
    names = []
    for view in views(folder):
        for statement in view.statements():
            _run(client, statement, f"views/{view.name}", attempts=5)
        names.append(view.name)
    if cost_per_hour is not None:
        cost = f"CREATE OR REPLACE VIEW {COST_VIEW} AS SELECT toFloat64({cost_per_hour!r}) AS per_handled_hour"
        _run(client, cost, COST_VIEW, attempts=5)
    return names


def _run(client: Client, statement: str, where: str, attempts: int = 1) -> None:
    for attempt in range(1, attempts + 1):
        try:
            client.command(statement)
            return
        except (ClickHouseError, OSError) as error:
            if attempt == attempts or code_of(error) not in _RACES:
                raise _translated(error, where) from error
            time.sleep(0.05 * attempt)


def _translated(error: Exception, where: str) -> Exception:
    if kind_of(error) is Kind.RETRY:
        return Unavailable(f"ClickHouse does not answer: {server_message(error)}")
    return ConfigurationError(server_message(error), where=where)

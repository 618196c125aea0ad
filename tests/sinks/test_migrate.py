"""Migrations: in order, once, checksummed; what was edited after it was applied is refused."""

import threading

import pytest

from schemas.errors import ConfigurationError
from sinks.clickhouse import connection, migrate
from sinks.clickhouse.migrate import Migration, plan, read

FIRST = "CREATE TABLE IF NOT EXISTS one (a String) ENGINE = MergeTree ORDER BY a;\n"
SECOND = "-- a comment; with a semicolon\nALTER TABLE one ADD COLUMN IF NOT EXISTS b String;\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "migrations"
    made.mkdir()
    (made / "0001_one.sql").write_text(FIRST)
    (made / "0002_two.sql").write_text(SECOND)
    return made


def test_they_are_read_in_order(folder):
    assert [migration.name for migration in read(folder)] == ["0001_one.sql", "0002_two.sql"]


@pytest.mark.parametrize("name", ["1_one.sql", "0003-three.sql", "three.sql", "0003_Three.sql"])
def test_a_file_that_is_not_named_after_its_number_is_refused(folder, name):
    (folder / name).write_text(FIRST)
    with pytest.raises(ConfigurationError, match=r"a migration is named NNNN_name\.sql"):
        read(folder)


def test_a_number_that_is_taken_is_refused(folder):
    (folder / "0002_too.sql").write_text(FIRST)
    with pytest.raises(ConfigurationError, match=r"0002_two\.sql: number 0002 is taken by 0002_too\.sql"):
        read(folder)


def test_a_file_is_split_at_the_semicolons_that_end_a_line():
    assert list(Migration("x", FIRST + SECOND + "\n-- the end\n").statements()) == [
        "CREATE TABLE IF NOT EXISTS one (a String) ENGINE = MergeTree ORDER BY a",
        "-- a comment; with a semicolon\nALTER TABLE one ADD COLUMN IF NOT EXISTS b String",
    ]


def test_the_checksum_does_not_depend_on_how_lines_end():
    assert Migration("x", "a;\nb;\n").checksum == Migration("x", "a;\r\nb;\r\n").checksum
    assert Migration("x", "a;\nb;\n").checksum != Migration("x", "a;\nc;\n").checksum


def test_only_what_is_missing_is_planned(folder):
    wanted = read(folder)
    assert plan(wanted, {}) == wanted
    assert plan(wanted, {"0001_one.sql": wanted[0].checksum}) == wanted[1:]
    newer_build = {m.name: m.checksum for m in wanted} | {"0003_three.sql": "f"}
    assert plan(wanted, newer_build) == []


def test_an_edited_one_is_refused_with_its_name_and_what_to_do(folder):
    wanted = read(folder)
    with pytest.raises(ConfigurationError, match=r"0001_one\.sql: it was edited after .*new migration"):
        plan(wanted, {"0001_one.sql": "0" * 32})


def test_a_new_one_before_an_applied_one_is_refused(folder):
    wanted = read(folder)
    with pytest.raises(ConfigurationError, match=r"0001_one\.sql: it is new but sorts before 0002_two\.sql"):
        plan(wanted, {"0002_two.sql": wanted[1].checksum})


@pytest.mark.parametrize("migration", read(), ids=lambda migration: migration.name)
def test_every_statement_does_nothing_the_second_time(migration):
    """Two sinks may start at once, and one may die half-way."""
    for statement in migration.statements():
        code = " ".join(line for line in statement.splitlines() if not line.lstrip().startswith("--"))
        assert "IF NOT EXISTS" in code or "IF EXISTS" in code, statement


@pytest.mark.stack
def test_they_are_applied_once_and_remembered(settings, folder):
    client = connection.connect(settings)
    heard = []
    assert migrate.migrate(client, folder, say=heard.append) == ["0001_one.sql", "0002_two.sql"] == heard
    assert client.query(
        "SELECT name FROM system.columns WHERE table = 'one' AND database = currentDatabase()"
    ).result_rows
    assert migrate.migrate(client, folder) == []
    (folder / "0003_three.sql").write_text("CREATE TABLE IF NOT EXISTS three (a String) ENGINE = MergeTree ORDER BY a;")
    assert migrate.migrate(client, folder) == ["0003_three.sql"]
    assert list(migrate.applied(client)) == ["0001_one.sql", "0002_two.sql", "0003_three.sql"]
    (folder / "0001_one.sql").write_text(FIRST + "-- harmless?\n")
    with pytest.raises(ConfigurationError, match=r"0001_one\.sql: it was edited"):
        migrate.migrate(client, folder)


@pytest.mark.stack
def test_verifying_says_what_is_missing_and_changes_nothing(settings, folder):
    connection.create_database(settings)
    client = connection.connect(settings)
    with pytest.raises(ConfigurationError):  # there is not even the table that remembers
        migrate.verify(client, folder)
    migrate.migrate(client, folder)
    assert migrate.verify(client, folder) == 2
    (folder / "0003_three.sql").write_text(FIRST)
    with pytest.raises(ConfigurationError, match=r"1 of 3 migrations are not applied, the first is 0003_three\.sql"):
        migrate.verify(client, folder)
    assert list(migrate.applied(client)) == ["0001_one.sql", "0002_two.sql"]


def test_one_that_fails_is_named_and_is_not_remembered(settings, folder):
    client = connection.connect(settings)
    (folder / "0003_bad.sql").write_text("CREATE TABLE IF NOT EXISTS bad (a Strung) ENGINE = MergeTree ORDER BY a;")
    with pytest.raises(ConfigurationError, match=r"0003_bad\.sql: .*Strung"):
        migrate.migrate(client, folder)
    assert list(migrate.applied(client)) == ["0001_one.sql", "0002_two.sql"]


@pytest.mark.stack
def test_four_that_start_at_once_all_succeed(settings):
    failures = []

    def start():
        try:
            client = connection.connect(settings)
            migrate.migrate(client)
            migrate.replace_views(client)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    client = connection.connect(settings)
    assert list(migrate.applied(client)) == [migration.name for migration in read()]


def test_a_view_comes_after_those_that_it_reads_and_else_by_name(tmp_path):
    (tmp_path / "a_all.sql").write_text(
        "-- FROM d_no\nCREATE OR REPLACE VIEW a_all AS SELECT * FROM c_5m JOIN b_one USING x;\n"
    )
    (tmp_path / "b_one.sql").write_text("CREATE OR REPLACE VIEW b_one AS SELECT 1 AS x FROM some_table;\n")
    (tmp_path / "c_{window}.sql").write_text("CREATE OR REPLACE VIEW c_{window} AS SELECT 1 AS x FROM b_one;\n")
    (tmp_path / "d_no.sql").write_text("CREATE OR REPLACE VIEW d_no AS SELECT 1;\n")
    names = [view.name for view in migrate.views(tmp_path)]
    assert names.index("b_one") < names.index("c_5m") < names.index("a_all")
    assert sorted(names) == ["a_all", "b_one", "c_1h", "c_24h", "c_5m", "c_7d", "d_no"]


def test_views_that_read_each_other_are_refused(tmp_path):
    (tmp_path / "a.sql").write_text("CREATE OR REPLACE VIEW a AS SELECT * FROM b;\n")
    (tmp_path / "b.sql").write_text("CREATE OR REPLACE VIEW b AS SELECT * FROM a;\n")
    with pytest.raises(ConfigurationError, match="views: they read each other: "):
        migrate.views(tmp_path)

"""Asking ClickHouse from the command line: readable, read-only, one line when it fails."""

from datetime import UTC, datetime

import pytest

from sinks.clickhouse.query import cell, draw


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (0, "0"),
        (1.5, "1.5"),
        (2.0, "2"),
        (1 / 3, "0.333"),
        (float("nan"), "nan"),
        (True, "True"),
        (["a", None], "a, NULL"),
        (datetime(2026, 3, 2, 9, 5, tzinfo=UTC), "2026-03-02 09:05:00"),
        (datetime(2026, 3, 2, 9, 5, 0, 7, tzinfo=UTC), "2026-03-02 09:05:00.000007"),
        ("田中\x1b[31m", "田中·[31m"),
    ],
)
def test_a_value_is_shown_as_people_read_it(value, text):
    assert cell(value) == text


def test_a_table_has_its_names_and_numbers_to_the_right():
    lines = draw(["tag", "tickets"], [("payment.card_declined", 7), ("[bold]x", 1234)], width=60).splitlines()
    assert lines[0].split() == ["tag", "┃", "tickets"]
    assert lines[2].rstrip().endswith("│       7")
    assert "[bold]x" in lines[3], "text is never markup"


def test_one_wide_row_is_drawn_upright():
    names = [f"column_{n}" for n in range(20)]
    lines = draw(names, [list(range(20))], width=60).splitlines()
    assert len(lines) == 20
    assert lines[7].split() == ["column_7", "│", "7"]


def test_rows_that_are_too_wide_for_the_terminal_are_drawn_upright_one_under_the_other():
    names, rows = ["ticket_id", "a_long_name", "tags"], [("23PFR2PNWP6-1", 1, "x" * 20), ("B-1", 2, "")]
    # 13 + 11 + 20 characters and 3 between two columns; with the name broken at its underscores 5 instead of 11
    assert len(draw(names, rows, width=50).splitlines()) == 4
    assert [line.split() for line in draw(names, rows, width=44).splitlines()[:3]] == [
        ["┃", "a_", "┃"],
        ["ticket_", "┃", "long_", "┃"],
        ["id", "┃", "name", "┃", "tags"],
    ]
    assert [line.split() for line in draw(names, rows, width=43).splitlines()] == [
        ["ticket_id", "│", "23PFR2PNWP6-1"],
        ["a_long_name", "│", "1"],
        ["tags", "│", "x" * 20],
        [],
        ["ticket_id", "│", "B-1"],
        ["a_long_name", "│", "2"],
        ["tags", "│"],
    ]


def test_long_text_alone_does_not_turn_a_table_upright_but_goes_on_in_the_next_line():
    lines = draw(["tag", "text"], [("late", "x" * 70), ("late", "y")], width=60).splitlines()
    assert [len(line.split("│")[-1].strip()) for line in lines[2:]] == [53, 17, 1]


def test_a_pipe_takes_a_table_as_wide_as_it_is():
    names = [f"column_{n}" for n in range(40)]
    lines = draw(names, [list(range(40)), list(range(40))]).splitlines()
    assert len(lines) == 4 and lines[2].split()[::2] == [str(n) for n in range(40)]


@pytest.fixture
def ask(clickhouse, stack, cli):
    clickhouse.command(
        "INSERT INTO tags (ticket_id, tag, version) SELECT 'T-' || toString(number), 'late', 1 FROM numbers(3)"
    )
    env = {"DESKSTREAM_CLICKHOUSE_URL": stack.clickhouse_url, "DESKSTREAM_CLICKHOUSE_DATABASE": clickhouse.database}
    return lambda *arguments: cli(env, "query", *arguments)


@pytest.mark.stack
def test_the_answer_as_table_json_and_csv(ask):
    sql = "SELECT ticket_id, version FROM tags FINAL ORDER BY ticket_id"
    table = ask(sql)
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[2].split() == ["T-0", "│", "1"]
    assert table.stderr.strip() == "(3 rows)"
    assert ask(sql, "--limit", "2").stderr.strip() == "(3 rows, the first 2 are shown)"
    assert ask(sql + ";", "--format", "csv").stdout.splitlines() == [
        '"ticket_id","version"',
        *(f'"T-{n}",1' for n in range(3)),
    ]
    assert ask(sql, "-f", "json").stdout.splitlines()[0] == '{"ticket_id":"T-0","version":1}'


@pytest.mark.stack
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DROP TABLE tags", "READONLY"),
        ("INSERT INTO tags (tag) SELECT 'x'", "READONLY"),
        ("SELECT nope FROM tags", "Unknown expression identifier `nope`"),
        ("SELECT * FROM nowhere", "(UNKNOWN_TABLE) (SHOW TABLES lists what there is)"),
        (" ;", "the query is empty"),
        ("SELEC 1", "Syntax error"),
    ],
)
def test_a_query_that_fails_or_would_change_something_is_one_line(ask, sql, says):
    done = ask(sql)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert says in line
    assert ask("SELECT count() FROM tags", "-f", "csv").stdout.splitlines()[1] == "3"


def test_help_teaches_and_check_connects_to_nothing(tmp_path):
    import os
    import subprocess
    import sys

    from tests.support.sinks.deployment import ROOT

    def run(*arguments):
        env = os.environ | {
            "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "DESKSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1",
        }
        return subprocess.run(
            [sys.executable, "-m", "sinks", *arguments], cwd=ROOT, env=env, capture_output=True, text=True
        )

    page = run("--help")
    assert page.returncode == 0
    for word in ("clickhouse", "delivery", "migrate", "query", "dlq", "DESKSTREAM_CLICKHOUSE_URL", "Exit codes"):
        assert word in page.stdout
    for command in ("clickhouse", "delivery", "migrate"):
        checked = run(command, "--check")
        assert (checked.returncode, checked.stderr[:3]) == (0, "ok:")
    wrong = run("nonsense")
    assert wrong.returncode == 2
    assert "No such command" in wrong.stderr

"""The ClickHouse sink against real servers: nothing lost, nothing doubled, no neighbour harmed."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from schemas import codec, events, facts
from schemas.settings import SinkSettings
from schemas.topics import CLOCK_FACTS, CONTACT_FACTS, FACT_TOPICS, TAG_FACTS, TICKET_FACTS, Topic
from sinks.clickhouse import connection
from sinks.clickhouse.table import tables
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import ROOT
from tests.support.sinks.examples import example, sparse
from tests.support.timeouts import eventually

pytestmark = pytest.mark.stack
FACTS_DLQ = Topic("facts.dlq", "")
KEY = b"ABCDEFGHIJKL"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def drained(process):
    """Ask a sink to end, and wait for it."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_every_kind_of_fact_arrives_and_sigterm_drains(log, processes, rows):
    written = [make(record, number) for record in tables() for number, make in enumerate((sparse, example), 1)]
    log.write(written)
    sink = processes.start("clickhouse")
    for record, table in tables().items():
        expected = [tuple(table.row(fact).values()) for fact in written if type(fact) is record]
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} FINAL ORDER BY version"
        eventually(lambda sql=sql, expected=expected: rows(sql) == expected, f"{table.name} equal to its row view")
    assert drained(sink) == 0, processes.output(sink)
    late = example(facts.TagFact, 99, ticket_id="ABCDEFGHIJKL-99")
    log.write([late])
    sink = processes.start("clickhouse")
    eventually(lambda: rows("SELECT count() FROM tags WHERE version = 99") == [(1,)], "the fact written in between")
    assert rows("SELECT count() FROM tags") == [(3,)], "what was committed is not inserted again"
    assert drained(sink) == 0


def test_bad_records_become_dead_letters_and_their_neighbours_go_in(log, processes, rows, settings):
    good = [codec.encode(example(facts.ContactFact, number, event_id=f"e{number}")) for number in range(20)]
    head = good[0][:10]
    bad = {
        "unknown_fingerprint": b"\xc3\x01" + b"\x07" * 8 + good[0][10:],
        "not_single_object": b'{"hello": "world"}',
        "broken_body": good[5][:-4],
        "no_table": codec.encode(example(events.NoteAdded)),
    }
    values = [*good[:5], bad["broken_body"], *good[5:10], *bad.values(), head, *good[10:], b""]
    log.write_raw([(CONTACT_FACTS, KEY, value) for value in values])
    sink = processes.start("clickhouse")
    eventually(lambda: rows("SELECT count() FROM contacts FINAL") == [(20,)], "twenty contacts")
    dead_letters = eventually(lambda: len(found := log.dead_letters(FACTS_DLQ)) >= 7 and found, "seven dead letters")
    assert drained(sink) == 0
    assert rows("SELECT event_id FROM contacts ORDER BY version") == [(f"e{number}",) for number in range(20)]
    assert sorted(story["reason"] for story, _ in dead_letters) == sorted(
        [*bad, "broken_body", "broken_body", "not_single_object"]
    )
    by_origin = {story["origin"]: (story, value) for story, value in dead_letters}
    topic = settings.topic(CONTACT_FACTS)
    story, value = by_origin[f"{topic}/0/5"]
    assert value == bad["broken_body"]
    assert (story["stage"], story["replay-topic"]) == ("clickhouse", topic)
    assert story["error"].startswith("BrokenBody: ")
    assert "Traceback" in story["traceback"]


def test_a_decodable_record_that_clickhouse_refuses_is_found_among_its_neighbours(log, processes, rows):
    rows("SELECT 1")  # the tables are there
    settings = log.settings
    connection.connect(settings).command("ALTER TABLE tags ADD CONSTRAINT no_poison CHECK evidence != 'poison'")
    log.write(
        [example(facts.TagFact, n, tag=f"t{n}", evidence="poison" if n in (3, 40) else "fine") for n in range(64)]
    )
    sink = processes.start("clickhouse")
    eventually(lambda: rows("SELECT count() FROM tags FINAL") == [(62,)], "all but two")
    dead_letters = eventually(lambda: len(found := log.dead_letters(FACTS_DLQ)) >= 2 and found, "two dead letters")
    assert drained(sink) == 0
    assert [(story["reason"], codec.decode(value).tag) for story, value in dead_letters] == [
        ("refused_by_clickhouse", "t3"),
        ("refused_by_clickhouse", "t40"),
    ]
    assert "no_poison" in dead_letters[0][0]["error"]


def test_when_clickhouse_refuses_most_records_the_sink_stops_and_commits_nothing(log, processes, rows):
    rows("SELECT 1")
    client = connection.connect(log.settings)
    client.command("ALTER TABLE tags ADD CONSTRAINT broken CHECK version < 5")
    log.write([example(facts.TagFact, n, tag=f"t{n}") for n in range(30)])
    sink = processes.start("clickhouse")
    assert sink.wait(90) == 4, processes.output(sink)
    assert "ClickHouse refuses 25 of 30 rows" in processes.output(sink)
    assert log.dead_letters(FACTS_DLQ) == []
    client.command("ALTER TABLE tags DROP CONSTRAINT broken")
    sink = processes.start("clickhouse")
    eventually(lambda: rows("SELECT count() FROM tags FINAL") == [(30,)], "all thirty, once the table is repaired")
    assert drained(sink) == 0


def test_a_missing_table_stops_the_sink_with_one_line_and_no_dead_letters(log, processes, rows):
    rows("SELECT 1")
    connection.connect(log.settings).command("DROP TABLE tags")
    log.write([example(facts.TagFact, 1)])
    sink = processes.start("clickhouse", sink_migrate=False)
    assert sink.wait(90) == 2
    assert "ClickHouse cannot fill tags: Code: 60" in processes.output(sink)
    assert log.dead_letters(FACTS_DLQ) == []


@pytest.fixture
def own_clickhouse(tmp_path, settings, processes):
    """A ClickHouse of this test alone, which it may kill and start again: `(start, url)`."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    (tmp_path / "password").write_text("of-this-test")
    url = f"http://default:of-this-test@{address}"

    def start():
        command = [
            sys.executable,
            "-m",
            "deploy.local.clickhouse_front",
            "--data",
            str(tmp_path / "ch"),
            "--port",
            str(port),
            "--password-file",
            str(tmp_path / "password"),
        ]
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ.copy(), stdout=subprocess.DEVNULL)
        processes.started.append(server)

        def answers():
            try:
                return OPENER.open(f"http://{address}/ping", timeout=30).status == 200
            except OSError:
                return False

        eventually(answers, "the ClickHouse of this test")
        return server

    return start, url


def test_nothing_is_lost_while_clickhouse_is_away(log, processes, own_clickhouse, settings):
    start, url = own_clickhouse
    server = start()
    port = free_port()
    ours = SinkSettings(clickhouse_url=url, clickhouse_database=settings.clickhouse_database)
    sink = processes.start("clickhouse", clickhouse_url=url, metrics_port=port, sink_batch_rows=300)

    def probe(path):
        try:
            return OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=60).read().decode()
        except OSError:
            return ""

    def contacts():
        return connection.connect(ours).query("SELECT count(), uniqExact(event_id) FROM contacts").result_rows[0]

    def fact(number):
        return example(facts.ContactFact, number, event_id=f"e{number}", at=0)

    eventually(lambda: '"ready": true' in probe("/readyz"), "the sink ready")
    log.write([fact(number) for number in range(1000)])
    eventually(lambda: contacts() == (1000, 1000), "the first thousand")
    server.kill()
    server.wait()
    log.write([fact(number) for number in range(1000, 3000)])
    eventually(lambda: 'deskstream_sink_paused{sink="clickhouse"} 1.0' in probe("/metrics"), "the pause")
    eventually(lambda: "ClickHouse is away: Connection refused" in probe("/livez"), "its reason")
    assert sink.poll() is None
    start()
    eventually(lambda: contacts()[1] == 3000, "everything, after ClickHouse came back")
    eventually(lambda: 'deskstream_sink_paused{sink="clickhouse"} 0.0' in probe("/metrics"), "the end of the pause")
    assert drained(sink) == 0, processes.output(sink)
    assert connection.connect(ours).query("SELECT count() FROM contacts FINAL").result_rows == [(3000,)]


def test_a_sink_that_is_killed_again_and_again_loses_and_doubles_nothing(log, processes, rows):
    total = 6000
    made = [
        (topic, KEY, codec.encode(fact))
        for n in range(total // 3)
        for topic, fact in (
            (TICKET_FACTS, example(facts.TicketFact, n, ticket_id=f"ABCDEFGHIJKL-{n % 500}", created_at=0)),
            (CLOCK_FACTS, example(facts.ClockFact, n, sequence=n)),
            (TAG_FACTS, example(facts.TagFact, n, tag=f"t{n}")),
        )
    ]
    log.write_raw(made[: total // 2], partition=None)
    rows("SELECT 1")

    def seen():
        return rows("SELECT (SELECT count() FROM clocks) + (SELECT count() FROM tags)")[0][0]

    for kill in range(3):
        before = seen()
        sink = processes.start("clickhouse", sink_batch_rows=100, sink_instance="one")
        eventually(lambda before=before: seen() > before, f"progress before kill {kill}")
        sink.kill()
        sink.wait()
        log.write_raw(made[total // 2 + kill * total // 6 : total // 2 + (kill + 1) * total // 6], partition=None)
    sink = processes.start("clickhouse", sink_instance="one")
    eventually(lambda: rows("SELECT uniqExact(tag) FROM tags") == [(2000,)], "all tags")
    eventually(lambda: rows("SELECT uniqExact(sequence) FROM clocks") == [(2000,)], "all clocks")
    eventually(lambda: rows("SELECT max(version) FROM tickets") == [(1999,)], "all tickets")
    assert drained(sink) == 0, processes.output(sink)
    for table, keys in (("tags", 2000), ("clocks", 2000), ("tickets", 500)):
        assert rows(f"SELECT count() FROM {table} FINAL") == [(keys,)]
    assert rows("SELECT min(version), max(version), sum(version) FROM tickets FINAL") == [
        (1500, 1999, sum(range(1500, 2000)))
    ]
    assert log.dead_letters(FACTS_DLQ) == []


def test_two_sinks_share_the_partitions_and_one_that_leaves_hands_over(log, processes, rows):
    first, second = processes.start("clickhouse"), processes.start("clickhouse")

    def fact(n):
        return (TAG_FACTS, b"%d" % n, codec.encode(example(facts.TagFact, n, tag=f"t{n}")))

    rows("SELECT 1")
    log.write_raw([fact(n) for n in range(500)], partition=None)
    eventually(lambda: rows("SELECT uniqExact(tag) FROM tags") == [(500,)], "the first half")
    assert drained(first) == 0
    log.write_raw([fact(n) for n in range(500, 1000)], partition=None)
    eventually(lambda: rows("SELECT uniqExact(tag) FROM tags") == [(1000,)], "the second half")
    assert drained(second) == 0
    assert rows("SELECT count() FROM tags FINAL") == [(1000,)]


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"clickhouse_url": "http://127.0.0.1:1"}, 3, "ClickHouse at 127.0.0.1:1 does not answer: Connection refused"),
        ({"kafka_bootstrap_servers": "127.0.0.1:1"}, 3, "Kafka at 127.0.0.1:1 does not answer"),
        ({"namespace": "nobody-"}, 3, f"Kafka has no topic nobody-{sorted(t.name for t in FACT_TOPICS)[0]}"),
        ({"sink_batch_rows": 0}, 2, "DESKSTREAM_SINK_BATCH_ROWS"),
    ],
)
def test_what_it_cannot_start_without_is_one_line_and_an_exit_code(processes, changes, code, says):
    done = processes.run("clickhouse", **changes)
    assert done.returncode == code, done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("deskstream: "))
    assert says in line
    assert "Traceback" not in done.stderr

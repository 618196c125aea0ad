"""Dead letters: listed, shown, sent back once; through the command line, on a real broker."""

import json

import pytest

from schemas import codec, facts
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.record import DeadLetter, age
from schemas.record_key import name_of
from schemas.topics import CONTACT_EVENTS, FACT_TOPICS, TAG_FACTS, Topic
from sinks.dead_letters import reader
from sinks.dead_letters.reader import hexdump, preview
from tests.support.sinks.examples import NOW, example

FACTS_DLQ, EVENTS_DLQ = Topic("facts.dlq", ""), Topic("contact-events.dlq", "")


def story(**fields):
    values = {"reason": "broken_body", "error": "BrokenBody: x", "stage": "clickhouse", "origin": "t/0/1", "at": NOW}
    return dead_letter_headers.headers(**(values | fields))


def dead_letter(**headers):
    return DeadLetter("facts.dlq", 0, 7, b"K", b"v", dead_letter_headers.read(story(**headers)), 0)


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (8 * 86_400_000, "8d"), (-5, "0s")]
)
def test_an_age_is_one_number_and_a_unit(ms, text):
    assert age(ms) == text


def test_a_hexdump_has_offset_bytes_and_ascii():
    assert hexdump(b"\xc3\x01Hello, this is it!") == (
        "00000000  c3 01 48 65 6c 6c 6f 2c 20 74 68 69 73 20 69 73  ..Hello, this is\n"
        "00000010  20 69 74 21                                       it!"
    )
    assert hexdump(bytes(100), limit=16).endswith("... 84 bytes more")
    assert hexdump(b"") == "(empty)"


def test_a_preview_is_the_record_or_the_text_or_a_hexdump():
    record = example(facts.TagFact, tag="delivery.late")
    assert json.loads(preview(codec.encode(record)))["tag"] == "delivery.late"
    assert preview("田中 wrote\r\n".encode()) == "田中 wrote\r\n"
    assert preview(b"\xff\x00").splitlines()[1].startswith("00000000  ff 00")


@pytest.mark.parametrize(
    ("headers", "topic", "partition"),
    [
        ({"replay_topic": "n-tag-facts", "origin": "n-tag-facts/3/17"}, "n-tag-facts", 3),
        ({"replay_topic": "tag-facts", "origin": "n-tag-facts/3/17"}, "n-tag-facts", 3),
        ({"replay_topic": "n-contact-events", "origin": "maildir:/a/2/b"}, "n-contact-events", None),
        ({"replay_topic": "", "origin": "maildir:/a"}, "", None),
    ],
)
def test_a_dead_letter_goes_back_to_the_topic_and_partition_that_it_came_from(headers, topic, partition):

    from schemas.settings import SinkSettings

    settings = SinkSettings(namespace="n-")
    assert (reader.target(dead_letter(**headers), settings), reader.home(dead_letter(**headers), settings)) == (
        topic,
        partition,
    )


def write_three(log, settings):
    """Writes a fact that fits, one that does not decode and a mail to the dead-letter topics; returns the facts' bytes."""
    good, bad = codec.encode(example(facts.TagFact, 5)), b"\xc3\x01\xffbroken"
    tags = settings.topic(TAG_FACTS)
    log.write_raw([(FACTS_DLQ, b"K1", good)], partition=1, headers=story(origin=f"{tags}/2/17", replay_topic=tags))
    log.write_raw(
        [(FACTS_DLQ, b"K2", bad)], partition=1, headers=story(reason="unknown_fingerprint", replay_topic=tags)
    )
    raw = b"From: ann@example.org\r\n\r\n\xff\xfe"
    log.write_raw(
        [(EVENTS_DLQ, None, raw)],
        headers=story(reason="bad_mime", producer="mail", origin="maildir:in/1", traceback="Traceback:\n  line 1"),
    )
    return good, bad


@pytest.mark.stack
def test_dead_letters_are_listed_shown_and_replayed_once(log, cli, deployment, settings):
    def run(*arguments):
        return cli(deployment.env, *arguments)

    good, bad = write_three(log, settings)
    tags = settings.topic(TAG_FACTS)

    listed = run("dlq", "list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stderr.strip() == "3 dead letters"
    for place in (f"{settings.namespace}facts.dlq:1:0", f"{settings.namespace}facts.dlq:1:1", "contact-events.dlq:0:0"):
        assert place in listed.stdout
    assert "bad_mime" in listed.stdout
    for option in (("--reason", "bad_mime"), ("--source", "mail"), ("--source", "maildir:"), ("--error", "LINE 1")):
        only = run("dlq", "list", *option)
        assert only.stderr.strip() == "1 dead letter", option
        assert "facts.dlq" not in only.stdout
    assert run("dlq", "list", "--until", "1h").stderr.strip() == "0 dead letters"

    shown = run("dlq", "show", "facts.dlq:1:0")
    assert shown.returncode == 0, shown.stderr
    assert '"tag": "tag 5006' in shown.stdout
    assert f"origin        {tags}/2/17" in shown.stdout
    shown = run("dlq", "show", "contact-events.dlq:0:0")
    assert "Traceback:\n  line 1" in shown.stdout
    assert "00000000  46 72 6f 6d" in shown.stdout
    assert f"python -m producers replay {settings.namespace}contact-events.dlq:0:0" in shown.stdout

    replayed = run("dlq", "replay", "facts.dlq:1:0")
    assert (replayed.returncode, replayed.stderr.strip()) == (0, "1 replayed")
    (record,) = log.read(TAG_FACTS)
    assert (name_of(record.key), record.value, record.partition) == (b"K1", good, 2)
    assert dict(record.headers) == {"replay-of": f"{settings.namespace}facts.dlq:1:0".encode()}
    again = run("dlq", "replay", "facts.dlq:1:0")
    assert (again.returncode, again.stderr.splitlines()) == (
        0,
        [f"{settings.namespace}facts.dlq:1:0: this dead letter was replayed before", "0 replayed"],
    )
    planned = run("dlq", "replay", "--all", "--dry-run")
    assert planned.stderr.splitlines()[:2] == [
        f"{settings.namespace}facts.dlq:1:1: would go to {tags}",
        "1 would be replayed",
    ]

    rest = run("dlq", "replay", "--all")
    assert rest.returncode == 0
    assert rest.stderr.splitlines()[0] == "1 replayed"
    assert "raw input of mail" in rest.stderr
    assert [record.value for record in log.read(TAG_FACTS) if record.partition != 2] == [bad]
    assert log.read(CONTACT_EVENTS) == []
    assert run("dlq", "replay", "--all").stderr.splitlines()[0] == "0 replayed"
    left = run("dlq", "list")
    assert left.stderr.strip() == "1 dead letter"
    assert run("dlq", "list", "--all").stderr.strip() == "3 dead letters"


@pytest.mark.stack
def test_raw_bytes_come_out_as_they_went_in(log, processes):
    import subprocess
    import sys

    from tests.support.sinks.deployment import ROOT

    raw = bytes(range(256))
    log.write_raw([(EVENTS_DLQ, None, raw)], headers=story())
    command = [sys.executable, "-m", "sinks", "dlq", "raw", "contact-events.dlq:0:0"]
    import os

    assert subprocess.run(command, cwd=ROOT, env=os.environ | processes.env, capture_output=True).stdout == raw


@pytest.mark.stack
def test_a_record_that_was_repaired_goes_the_whole_way(log, processes, rows):
    """A fact that ClickHouse refused is dead-lettered, the table is repaired, the replay brings it in."""
    from sinks.clickhouse import connection
    from tests.support.timeouts import eventually

    rows("SELECT 1")
    client = connection.connect(log.settings)
    client.command("ALTER TABLE tags ADD CONSTRAINT short CHECK length(evidence) < 10")
    log.write(
        [example(facts.TagFact, 1, evidence="much too long"), example(facts.TagFact, 2, tag="other", evidence="fine")]
    )
    processes.start("clickhouse")
    eventually(lambda: log.dead_letters(FACTS_DLQ), "the dead letter")
    client.command("ALTER TABLE tags DROP CONSTRAINT short")
    assert processes.run("dlq", "replay", "--all", "--topic", "facts.dlq").stderr.strip() == "1 replayed"
    eventually(lambda: rows("SELECT count() FROM tags FINAL") == [(2,)], "both rows")


@pytest.mark.stack
def test_what_makes_no_sense_is_one_line(deployment, cli):
    for arguments, says in (
        (["show", "facts.dlq:0:99"], "there is no dead letter at facts.dlq:0:99"),
        (["show", "tag-facts:0:0"], "'tag-facts:0:0' is not a dead letter's place"),
        (["show", "facts.dlq"], "TOPIC:PARTITION:OFFSET"),
        (["replay"], "name dead letters, or say --all"),
        (["replay", "facts.dlq:0:1", "--all"], "name dead letters, or say --all"),
        (["list", "--topic", FACT_TOPICS[0].name], "is no dead-letter topic"),
    ):
        done = cli(deployment.env, "dlq", *arguments)
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        assert says in line

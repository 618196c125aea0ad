"""The import of history, through a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Deployment
from tests.support.producers.log_reader import dead_letters, events, free_port, logged, producer, records

pytestmark = pytest.mark.stack


def line(number: int, **more: object) -> str:
    body = {
        "type": "message_received",
        "id": f"m{number}",
        "occurred_at": f"2025-11-03T09:{number // 60 % 60:02}:{number % 60:02}Z",
        "channel": "email",
        "customer_id": f"email:ann{number % 7}@example.org",
        "text": f"Message {number}",
    }
    return json.dumps(body | more)


def run(deployment: Deployment, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "producers", "import", *arguments],
        env={**os.environ, **deployment.env, "COLUMNS": "200", **env},
        input=stdin,
        capture_output=True,
        timeout=120,
    )


def test_a_file_with_broken_lines_is_imported_around_them(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(
        "\n".join([line(1), "{broken", "", line(2), line(3, channel="fax"), '{"type": "tick"}', line(4), line(1)])
        + "\n"
    )
    done = run(deployment, str(path))
    assert done.returncode == 0, done.stderr.decode()
    assert sorted(event.text for event in events(deployment)) == ["Message 1", "Message 2", "Message 4"]
    assert all(event.imported and event.source == "import:history.jsonl" for event in events(deployment))
    told = {dead_letter.headers["origin"].rpartition(":")[2]: dead_letter for dead_letter in dead_letters(deployment)}
    assert {number: dead_letter.headers["reason"] for number, dead_letter in told.items()} == {
        "2": "bad_json",
        "5": "bad_fields",
        "6": "unknown_type",
    }
    assert told["2"].raw == b"{broken"
    assert "channel" in told["5"].headers["error"]
    summary = done.stdout.decode()
    rows = {row.strip(" │┃|").split("  ")[0].strip(): row.split()[-2] for row in summary.splitlines() if "│" in row}
    assert (rows["published"], rows["duplicate"], rows["dead lettered"], rows["taken"], rows["blank"]) == (
        "3",
        "1",
        "3",
        "7",
        "1",
    )


def test_a_second_import_makes_the_same_events(deployment: Deployment) -> None:
    lines = "\n".join(line(number) for number in range(30)).encode()
    assert [run(deployment, "-", stdin=lines).returncode for _ in range(2)] == [0, 0]
    found = [event.event_id for event in events(deployment)]
    assert (len(found), len(set(found))) == (60, 30)


def test_live_lines_are_no_history_and_from_line_skips_lines(deployment: Deployment) -> None:
    lines = "\n".join(line(number) for number in range(1, 6)).encode()
    assert run(deployment, "-", "--live", "--from-line", "4", stdin=lines).returncode == 0
    assert sorted(event.text for event in events(deployment)) == ["Message 4", "Message 5"]
    assert not any(event.imported for event in events(deployment))


def test_a_dry_run_says_what_is_wrong_and_publishes_nothing(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(f"{line(1)}\n{line(2, channel='fax')}\n")
    done = run(deployment, str(path), "--dry-run", DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "line 2: bad_fields: channel: 'fax' is not a channel" in done.stdout.decode()
    assert records(deployment, "contact-events") == []


def test_a_too_long_line_is_a_dead_letter_with_its_beginning(deployment: Deployment) -> None:
    lines = f"{line(1)}\n{line(2, text='y' * 50_000)}\n{line(3)}".encode()
    assert run(deployment, "-", stdin=lines, DESKSTREAM_MAX_BODY_BYTES="10000").returncode == 0
    assert len(events(deployment)) == 2
    [dead_letter] = dead_letters(deployment)
    assert (dead_letter.headers["reason"], dead_letter.raw[:8]) == ("too_large", b'{"type":')
    assert int(dead_letter.headers["truncated"]) > 50_000 > len(dead_letter.raw)


def test_sigterm_drains_says_where_to_go_on_and_exits_0(deployment: Deployment) -> None:
    with producer(deployment, "import", "-") as process:
        assert process.stdin is not None
        process.stdin.write("\n".join(line(number) for number in range(50)).encode() + b"\n")
        process.stdin.flush()
        logged(process, "connected")
        while len(records(deployment, "contact-events")) < 50:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # while the pipe stays open and silent
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert "go on with --from-line 51" in process.stdout.read().decode()


def test_a_missing_file_and_a_missing_kafka_are_one_line_each(deployment: Deployment, tmp_path: Path) -> None:
    missing = run(deployment, str(tmp_path / "none.jsonl"))
    assert (missing.returncode, missing.stderr.decode().splitlines()[-1]) == (
        2,
        f"deskstream: {tmp_path}/none.jsonl: cannot be read: No such file or directory",
    )
    away = run(deployment, "-", stdin=line(1).encode(), DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert away.returncode == 3
    assert "go on with --from-line 1" in away.stderr.decode().splitlines()[-1]

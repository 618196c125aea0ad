"""The command `import` through a real Kafka: every format, again, after a kill, without Kafka."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from producers.imports import cli, exports
from producers.imports.checkpoint import MOST_AGAIN, Checkpoint, Overlap
from producers.imports.cli import Command
from producers.imports.progress import progress
from producers.imports.report import Report
from producers.publisher import Publisher
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.process import Health
from schemas.settings import ProducerSettings
from stream_processors.rules import ruleset as rules_module
from stream_processors.tickets.processor import TicketsProcessor
from tests.conftest import Deployment
from tests.support.memory_worker import MemoryWorker
from tests.support.producers.log_reader import Counts, dead_letters, events, free_port, records
from tests.support.timeouts import eventually

EXAMPLES = Path(__file__).parents[1] / "examples" / "import"
Take = Callable[..., int]


def line(number: int, customers: int = 50, **more: Any) -> str:
    body = {
        "type": "message_received",
        "id": f"m{number}",
        "occurred_at": f"2025-11-{3 + number // 86_400:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "channel": "email",
        "customer_id": f"email:ann{number % customers}@example.org",
        "text": f"Message {number}",
    }
    return json.dumps(body | more)


@pytest.fixture
def take(deployment: Deployment) -> Take:
    """Runs the command in this process, with its counters; the exit code."""

    def run(path: Path | str, **options: Any) -> int:
        settings = deployment.settings(ProducerSettings, **options.pop("settings", {}))

        @contextmanager
        def process() -> Iterator[tuple[Publisher, Health, threading.Event]]:
            with Publisher(settings, linger_ms=20) as publisher:
                yield publisher, Health(), threading.Event()

        interval = sys.getswitchinterval()
        try:
            return Command(str(path), **options).run(settings, process)
        finally:
            sys.setswitchinterval(interval)

    return run


def copied(tmp_path: Path, name: str) -> Path:
    """An example in a folder where a state may be written."""
    place = tmp_path / name
    place.write_bytes((EXAMPLES / name).read_bytes())
    return place


@pytest.mark.stack
def test_an_export_is_published_by_time_with_every_refusal_reported(
    deployment: Deployment, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Counts.now()
    assert take(copied(tmp_path, "zendesk.jsonl"), report=tmp_path / "refused.jsonl") == 0
    assert Counts.now().since(before) == (22, 19, 0, 3)
    assert Counts.now().balanced
    by_partition: dict[int, list[int]] = {}
    for record, event in zip(records(deployment, "contact-events"), events(deployment), strict=True):
        by_partition.setdefault(record.partition, []).append(event.occurred_at)
    assert all(times == sorted(times) for times in by_partition.values())
    told = [json.loads(each) for each in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert [(each["record"], each["id"], each["reason"]) for each in told] == [
        (4, "", "bad_json"),
        (5, "504", "no_requester"),
        (6, "1202", "bad_time"),
    ]
    assert told[1]["detail"] == "ticket 504 does not say who asked"
    found = {dead_letter.headers["reason"]: dead_letter for dead_letter in dead_letters(deployment)}
    assert found["bad_json"].raw == b'{"id":506,"via":{"cha'
    assert json.loads(found["bad_time"].raw)["id"] == 1202
    assert found["no_requester"].headers["producer"] == "zendesk"
    assert found["no_requester"].headers["origin"] == "zendesk.jsonl:5"
    shown = capsys.readouterr().out
    assert "left out: deleted ticket" in shown
    assert "zendesk.jsonl record 5: no_requester: ticket 504 does not say who asked" in shown


@pytest.mark.stack
def test_a_second_start_publishes_nothing_again_only_duplicates(
    deployment: Deployment, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copied(tmp_path, "chatwoot.json")
    assert take(place) == 0
    capsys.readouterr()
    before = Counts.now()
    assert take(place) == 0
    assert Counts.now().since(before) == (0, 0, 0, 0)
    assert "Kafka has all of it already; --again publishes it once more" in capsys.readouterr().out
    assert take(place, again=True) == 0
    found = [event.event_id for event in events(deployment)]
    assert (len(found), len(set(found))) == (14, 7)


@pytest.mark.stack
def test_the_same_ticket_in_two_pages_of_an_export_is_one_ticket(
    deployment: Deployment, take: Take, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    ticket = json.loads((EXAMPLES / "zendesk.jsonl").open().readline())
    older = ticket | {"status": "open", "comments": ticket["comments"][:4], "audits": ticket["audits"][:2]}
    for name, page in (("1.json", older), ("2.json", ticket)):
        (folder / name).write_text(json.dumps({"tickets": [page]}))
    assert take(folder) == 0
    found = [event.event_id for event in events(deployment)]
    assert len(found) == len(set(found)) == 13


@pytest.mark.stack
def test_a_second_start_publishes_only_added_lines(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    place = tmp_path / "history.jsonl"
    place.write_text("".join(line(number) + "\n" for number in range(20)))
    assert take(place) == 0
    with place.open("a") as file:
        file.write(line(20) + "\n{broken\n" + line(21) + "\n")
    before = Counts.now()
    assert take(place, report=tmp_path / "refused.jsonl") == 0
    assert Counts.now().since(before) == (3, 2, 0, 1)
    assert json.loads((tmp_path / "refused.jsonl").read_text())["record"] == 22
    place.write_text(line(99) + "\n" * 5000)  # another file under the same name
    assert take(place) == 0
    assert {event.text for event in events(deployment)} == {f"Message {number}" for number in (*range(22), 99)}


@pytest.mark.stack
def test_lines_out_of_order_are_told_and_sorting_puts_them_right(
    deployment: Deployment, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "history.jsonl"
    place.write_text("".join(line(number, 2) + "\n" for number in reversed(range(10))))
    assert take(place) == 0
    assert "8 events are older than the one before of the same customer: --sort helps" in capsys.readouterr().out
    assert take(place, sort=True) == 0
    shown = capsys.readouterr().out
    assert "older than" not in shown
    found = [event for event in events(deployment) if event.customer_tag == events(deployment)[0].customer_tag]
    assert [event.occurred_at for event in found[5:]] == sorted(event.occurred_at for event in found[5:])


@pytest.mark.stack
def test_an_mbox_is_history_in_the_order_of_its_dates(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    mail = "From ann@example.org Mon Nov  3 09:00:00 2025\nFrom: ann@example.org\nDate: Mon, {day} Nov 2025 09:00:00 +0000\nMessage-ID: <{day}@x>\nSubject: S{day}\n\nHello\n\n"
    place = tmp_path / "archive.mbox"
    place.write_text(mail.format(day="10") + mail.format(day="03") + "From x Mon Nov  3 09:00:00 2025\nno mail\n\n")
    before = Counts.now()
    assert take(place) == 0
    assert Counts.now().since(before) == (3, 2, 0, 1)
    assert [(event.subject, event.imported) for event in events(deployment)] == [("S03", True), ("S10", True)]


@pytest.mark.stack
@pytest.mark.parametrize("sort", [False, True])
def test_a_killed_import_resumes_without_loss_or_duplicates(
    deployment: Deployment, take: Take, tmp_path: Path, sort: bool
) -> None:
    place, count = tmp_path / "history.jsonl", 3_000
    place.write_text("".join(line(number) + "\n" for number in range(count)))
    state = tmp_path / ".history.jsonl.import"
    arguments = ["import", str(place), *(["--sort"] if sort else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "producers", *arguments],
        env={**os.environ, **deployment.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(state.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    between = len(records(deployment, "contact-events"))
    before = Counts.now()
    assert take(place, sort=sort) == 0
    received, published, _, dead = Counts.now().since(before)
    assert received == published + dead
    assert 0 < between < count + MOST_AGAIN * 50
    log = events(deployment)
    assert {event.text for event in log} == {f"Message {number}" for number in range(count)}
    assert published < count  # it went on, and did not begin again
    once, twice = (MemoryWorker(TicketsProcessor(rules_module.load())) for _ in range(2))
    customer = log[0].customer_tag
    mine = [event for event in log if event.customer_tag == customer]
    twice.feed(mine)
    once.feed({event.event_id: event for event in mine}.values())
    assert len(twice.outputs) == len(once.outputs)


@pytest.mark.stack
def test_without_kafka_no_checkpoint_is_saved(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    lines, export = tmp_path / "history.jsonl", copied(tmp_path, "chatwoot.json")
    lines.write_text(line(1) + "\n")
    away = {"settings": {"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}"}}
    before = Counts.now()
    with pytest.raises(Unavailable, match="go on with --from-line 1"):
        take(lines, **away)
    with pytest.raises(Unavailable, match="the same command goes on"):
        take(export, **away)
    assert Counts.now().since(before) == (0, 0, 0, 0)
    assert (take(lines), take(export)) == (0, 0)
    assert len(events(deployment)) == 8


# -- without Kafka ------------------------------------------------------------------------------------------------


def dry(path: Path, **options: Any) -> int:
    def process() -> Any:
        raise AssertionError("a dry run needs no Kafka")

    return Command(str(path), dry_run=True, **options).run(ProducerSettings(), process)


def test_a_dry_run_reports_what_is_wrong_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copied(tmp_path, "zendesk.jsonl")
    assert dry(place, report=tmp_path / "refused.jsonl") == 2
    assert "nothing was published" in capsys.readouterr().out
    assert len((tmp_path / "refused.jsonl").read_text().splitlines()) == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["refused.jsonl", "zendesk.jsonl"]


def test_a_dry_run_leaves_no_file_open(tmp_path: Path) -> None:
    export = exports.Export(copied(tmp_path, "zendesk.jsonl"), "zendesk")
    report = exports.dry_run(export, ProducerSettings(), report_to=tmp_path / "refused.jsonl")
    assert report._file is not None
    assert (report._file.closed, report.finished) == (True, True)


def test_a_dry_run_of_a_good_export_exits_0(tmp_path: Path) -> None:
    assert dry(copied(tmp_path, "chatwoot.json")) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"format": "fax"}, "'fax' is not a format"),
        ({"format": "zendesk", "live": True}, "an export of zendesk is history"),
        ({"format": "zendesk", "from_line": 2}, "lines are counted in unsorted JSON lines only"),
        ({"time_zone": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone"),
        ({"report": Path("nowhere") / "there" / "r.jsonl"}, "cannot be written"),
        ({"tags": Path("nowhere.csv")}, "cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(tmp_path: Path, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        dry(copied(tmp_path, "zendesk.jsonl"), **options)


def test_nothing_to_import_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        dry(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="there is nothing to import"):
        dry(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ConfigurationError, match="there is nothing to import"):
        dry(tmp_path / "empty.jsonl", format="zendesk")


def test_tags_are_two_columns_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    place = tmp_path / "tags.csv"
    place.write_text("card, payment.card_declined\n\nlate,delivery.carrier_delay\n")
    assert cli.read_tags(place) == {"card": "payment.card_declined", "late": "delivery.carrier_delay"}
    place.write_text("card,payment.card_declined\nlate\n")
    with pytest.raises(ConfigurationError, match=r"tags\.csv:2"):
        cli.read_tags(place)


def test_a_state_is_of_one_import_only(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "s", {"format": "jsonl"}).save(line=5)
    loaded = Checkpoint(tmp_path / "s", {"format": "jsonl"}).load()
    assert loaded is not None
    assert loaded["line"] == 5
    assert Checkpoint(tmp_path / "s", {"format": "zendesk"}).load() is None
    (tmp_path / "s").write_text("{half")
    assert Checkpoint(tmp_path / "s", {"format": "jsonl"}).load() is None


def test_a_state_that_cannot_be_written_does_not_stop_the_import(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "missing" / "s", {})
    checkpoint.save(line=1)
    checkpoint.save(line=2)
    assert checkpoint.load() is None


def test_a_customers_unsaved_events_are_bounded() -> None:
    overlap = Overlap()
    asked = [overlap.submitted("A") for _ in range(MOST_AGAIN)]
    assert asked == [False] * (MOST_AGAIN - 1) + [True]
    for _ in range(MOST_AGAIN):
        overlap.settled("A")
    overlap.saved()
    assert not overlap.submitted("A")


def test_a_terminal_gets_a_bar_with_rate_and_remaining_time() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with progress("import", 100, lambda: 50, console=console) as advance:
        advance(50)
        eventually(lambda: (advance(0), "50%" in screen.getvalue())[1])
    assert "events/s" in screen.getvalue()
    assert "import" in screen.getvalue()


def test_the_report_counts_events_out_of_order_per_customer() -> None:
    report = Report()
    for tag, at in (("A", 5), ("B", 1), ("A", 4), ("A", 5), ("B", 2), ("A", 6)):
        report.told(tag, at)
    assert report.out_of_order == 1
    report.refuse("line", 3, "x", Refused("bad_json", "no"))
    assert report.problems == ["line 3: bad_json: no"]

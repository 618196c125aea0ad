"""A library's warning is written when it begins, and then counted: a broker that is away is no flood of lines."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from schemas.log_repeats import MOST_KINDS, RepeatsCounted

#: What the Kafka clients log again and again while no broker answers: their loggers and templates.
FLOOD = (
    ("aiokafka", logging.ERROR, "Unable connect to node with id %s: %s"),
    ("aiokafka", logging.ERROR, "Unable to update metadata from %s"),
    (
        "aiokafka.consumer.group_coordinator",
        logging.WARNING,
        "Heartbeat failed for group %s: coordinator (node %s) dead",
    ),
    ("kafka.net.manager", logging.WARNING, "%s: Connect attempt returned error %s. Disconnecting."),
)


class Logged:
    def __init__(self, window_seconds: float) -> None:
        self.stream = io.StringIO()
        self.handler = RepeatsCounted(self.stream, window_seconds)
        self.root = logging.Logger(f"root-{uuid4()}")
        self.root.addHandler(self.handler)

    def tell(self, message: object, *values: object, level: int = logging.WARNING, name: str = "kafka") -> None:
        self.root.handle(self.root.makeRecord(name, level, __file__, 1, message, values, None))

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def logged() -> Iterator[Logged]:
    logged = Logged(window_seconds=3600)
    yield logged
    logged.handler.close()


def test_an_outage_is_one_line_for_each_message_and_its_count(logged: Logged) -> None:
    for number in range(516 * 10):
        name, level, template = FLOOD[number % len(FLOOD)]
        values = (number, f"[Errno {number}] refused")[: template.count("%s")]
        logged.tell(template, *values, name=name, level=level)
    assert len(logged.lines) == len(FLOOD)
    logged.handler.close()
    counts = logged.lines[len(FLOOD) :]
    assert len(counts) == len(FLOOD)
    assert all(line.endswith("(this message came 1289 more times)") for line in counts)
    assert counts[0].startswith("Unable connect to node with id 5156: [Errno 5156] refused ")


def test_a_message_that_goes_on_is_written_once_in_a_window_and_one_that_ended_begins_anew() -> None:
    logged = Logged(window_seconds=0.2)
    began = time.monotonic()
    told = 0
    while time.monotonic() - began < 1.0:
        logged.tell("Unable connect to node with id %s", told)
        told += 1
        time.sleep(0.005)
    time.sleep(0.7)  # two windows: the last count, and one in which nothing came
    lines = logged.lines
    assert 3 <= len(lines) <= 7, lines
    assert 1 + sum(int(line.split("came ")[1].split()[0]) for line in lines[1:]) == told
    logged.tell("Unable connect to node with id %s", "again")
    assert logged.lines[len(lines) :] == ["Unable connect to node with id again"]
    logged.handler.close()


@pytest.mark.parametrize(
    "messages",
    [
        [("one library says this", "kafka"), ("one library says this", "aiokafka")],
        [("disk full", "a"), ("disk slow", "a")],
        [("%s", "a"), ("another text altogether", "a")],
    ],
)
def test_different_messages_are_all_written(logged: Logged, messages: list[tuple[str, str]]) -> None:
    for text, name in messages:
        logged.tell(text, *["a whole sentence as value"] if "%s" in text else [], name=name)
    assert len(logged.lines) == len(messages)


def test_a_template_that_says_nothing_is_known_by_its_text(logged: Logged) -> None:
    for value in ("connection reset by peer 12", "connection reset by peer 13", "certificate has expired"):
        logged.tell("%s: %s", 7, value)
    assert logged.lines == ["7: connection reset by peer 12", "7: certificate has expired"]


def test_what_is_no_warning_is_written_as_it_comes(logged: Logged) -> None:
    for _ in range(3):
        logged.tell("partitions assigned", level=logging.INFO)
    assert len(logged.lines) == 3


def test_a_level_is_another_message(logged: Logged) -> None:
    logged.tell("connection is lost", level=logging.WARNING)
    logged.tell("connection is lost", level=logging.ERROR)
    assert len(logged.lines) == 2


def test_messages_without_end_are_written_and_not_kept(logged: Logged) -> None:
    for number in range(MOST_KINDS + 50):
        logged.tell("unheard of: " + "".join(chr(ord("a") + int(digit)) for digit in str(number)))
    assert len(logged.lines) == MOST_KINDS + 50
    assert len(logged.handler._repeated) == MOST_KINDS


def test_arguments_that_do_not_fit_break_nothing(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        logged.tell("node %s of %s does not answer", 1)
        logged.tell(ValueError("not a text"))
    logged.handler.close()
    assert "Logging error" in capsys.readouterr().err
    assert [line for line in logged.lines if "not a text" in line][1:] == [
        "not a text (this message came 2 more times)"
    ]


def test_a_process_writes_its_counts_at_its_end() -> None:
    program = """
import logging
from schemas.process import configure_logging
from schemas.settings import Settings
configure_logging(Settings(log_format="json"))
for number in range(1000):
    logging.getLogger("aiokafka").error("Unable connect to node with id %s: %s", number, "refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    first, count = map(json.loads, done.stderr.splitlines())
    assert (first["logger"], first["level"], first["event"]) == (
        "aiokafka",
        "error",
        "Unable connect to node with id 0: refused",
    )
    assert count["event"] == "Unable connect to node with id 999: refused (this message came 999 more times)"


def test_a_client_that_warns_while_the_interpreter_ends_does_not_hold_it_up() -> None:
    script = """
import logging
from schemas.process import configure_logging
from schemas.settings import Settings
configure_logging(Settings(log_format="json"))
class Client:
    def __init__(self, log=logging.getLogger("aiokafka")):
        self.log = log
    def __del__(self):
        self.log.warning("Unclosed client")
client = Client()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Unclosed client" in done.stderr

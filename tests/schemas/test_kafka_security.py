"""TLS and passwords towards Kafka: what clients are given, and every kind of client at a broker that insists on both."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from deploy.local.child import free_ports
from deploy.local.kafka import KafkaServer
from schemas import admin
from schemas.errors import ConfigurationError, Unavailable
from schemas.kafka_security import security
from schemas.settings import ProducerSettings, Settings, SinkSettings, WorkerSettings, load
from tests.conftest import KAFKA, ROOT, Deployment
from tests.producers.certificate import self_signed

USER, PASSWORD = "deskstream", "correct horse"
SECURE = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SECURE://localhost:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://localhost:{secure}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={certificate}
"""


def given(**values: Any) -> dict[str, Any]:
    return security(load(Settings, **values))


def test_without_settings_a_client_is_given_nothing() -> None:
    assert given() == {}


def test_a_password_without_tls() -> None:
    assert given(kafka_security="SASL_PLAINTEXT", kafka_username="ann", kafka_password="s") == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ann",
        "sasl_plain_password": "s",
    }


def test_tls_checks_names_and_trusts_the_given_authorities_alone(tmp_path: Path) -> None:
    context = given(kafka_security="ssl", kafka_ca_file=self_signed(tmp_path / "ca.pem"))["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"kafka_security": "tls"}, "DESKSTREAM_KAFKA_SECURITY: must be one of plaintext, ssl"),
        ({"kafka_security": "sasl_ssl"}, "DESKSTREAM_KAFKA_USERNAME: sasl_ssl needs it"),
        ({"kafka_security": "sasl_ssl", "kafka_username": "ann"}, "DESKSTREAM_KAFKA_PASSWORD: sasl_ssl needs it"),
        ({"kafka_security": "ssl", "kafka_ca_file": "/no/such.pem"}, "DESKSTREAM_KAFKA_CA_FILE: cannot read"),
        ({"kafka_sasl_mechanism": "GSSAPI"}, "DESKSTREAM_KAFKA_SASL_MECHANISM: must be one of scram-sha-512"),
    ],
)
def test_what_is_missing_or_wrong_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        given(**values)
    assert named in str(caught.value)


def test_the_password_is_not_shown() -> None:
    assert PASSWORD not in repr(load(Settings, kafka_password=PASSWORD))


# -- a broker that insists ----------------------------------------------------------------------------------------


class SecureKafka(KafkaServer):
    """Has a second listener, with TLS and SCRAM; the first is the broker's own."""

    def _configure(self, controller_port: int) -> None:
        super()._configure(controller_port)
        self.certificate = self_signed(self.data_dir / "server.pem")
        self.secure = free_ports(1)[0]
        with self._properties.open("a") as properties:
            properties.write(
                SECURE.format(
                    port=self.port, controller=controller_port, secure=self.secure, certificate=self.certificate
                )
            )


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Topics at a broker that is reached by TLS and password only."""
    directory = tmp_path_factory.mktemp("secure")
    server = SecureKafka(directory)
    server.launch()
    try:
        server.wait()
        client = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
        client.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD.encode(), iterations=4096)]
        )
        client.close()
        name = uuid.uuid4().hex[:8]
        env = {
            KAFKA: f"localhost:{server.secure}",
            "DESKSTREAM_KAFKA_SECURITY": "sasl_ssl",
            "DESKSTREAM_KAFKA_CA_FILE": str(server.certificate),
            "DESKSTREAM_KAFKA_USERNAME": USER,
            "DESKSTREAM_KAFKA_PASSWORD": PASSWORD,
            "DESKSTREAM_NAMESPACE": f"t{name}-",
            "DESKSTREAM_STATE_DIR": str(directory / "state"),
        }
        deployment = Deployment(f"t{name}-", f"t{name}", env)
        eventually(lambda: bool(admin.create_topics(deployment.settings(Settings))) or True)
        yield deployment
    finally:
        server.stop()


def eventually(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if what():
                return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_wrong_password_is_not_let_in(secure: Deployment) -> None:
    with pytest.raises(Unavailable):
        admin.verify_topics(secure.settings(Settings, kafka_password="guess"))


def test_a_contact_goes_the_whole_way_by_tls_and_password(secure: Deployment) -> None:
    """kafka-python's and aiokafka's producers and consumers, Faust's own clients, the administration."""
    import asyncio

    from producers.channels import form
    from producers.publisher import Publisher
    from schemas.facts import Outbound
    from schemas.topics import OUTBOUND
    from sinks import kafka

    admin.verify_topics(secure.settings(Settings))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKSTREAM_")} | secure.env
    worker = subprocess.Popen([sys.executable, "-m", "stream_processors"], cwd=ROOT, env=environment)
    try:
        settings = secure.settings(ProducerSettings)
        values = {"email": "ann@example.org", "subject": "Card", "message": "My card was declined."}
        event = form.normalise(values, now=settings.pipeline_clock.now(), source="test")
        with Publisher(settings) as publisher:
            publisher.publish(event, raw=b"", producer="form", origin="test")

        async def first() -> bytes:
            sinks = secure.settings(SinkSettings)
            consumer, producer = kafka.consumer(sinks, "test"), kafka.producer(sinks)
            await kafka.start(sinks, consumer, producer)
            try:
                consumer.subscribe([sinks.topic(OUTBOUND)])
                async with asyncio.timeout(90):
                    return (await consumer.getone()).value
            finally:
                await consumer.stop()
                await producer.stop()

        from schemas import codec

        assert isinstance(codec.decode(asyncio.run(first())), Outbound)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def test_the_watchdog_asks_by_tls_and_password(secure: Deployment) -> None:
    from schemas.topics import CONTACT_EVENTS
    from stream_processors.watchdog import Watchdog

    class Behind:
        source = secure.settings(WorkerSettings).topic(CONTACT_EVENTS)
        progress_at = 0.0

        def assigned(self) -> list[int]:
            return [0, 1, 2, 3]

        def position(self, partition: int) -> int:
            return 0

    watchdog = Watchdog([Behind()], secure.settings(WorkerSettings), lambda why: None)
    assert watchdog._behind(Behind()) >= 0

"""TLS and passwords towards Kafka: what clients are given, and every kind of client at a broker that insists on both."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.kubernetes import access
from deploy.local.kafka import KafkaServer
from deploy.local.process import free_ports
from schemas import admin
from schemas.errors import ConfigurationError, TopicMismatch, Unavailable
from schemas.kafka_security import security
from schemas.settings import ProducerSettings, Settings, SinkSettings, WorkerSettings, load
from tests.conftest import KAFKA, ROOT, Deployment
from tests.support.producers.certificate import self_signed
from tests.support.timeouts import eventually

PASSWORD = "correct horse"
SECURE = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SECURE://localhost:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://localhost:{secure}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={certificate}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
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
        everybody = access.roles(load(Settings, namespace=""))
        client.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(role.user, ScramMechanism.SCRAM_SHA_512, PASSWORD.encode(), iterations=4096)
             for role in everybody]
        )  # fmt: skip
        admin.create_topics(load(Settings, namespace="", kafka_bootstrap_servers=server.bootstrap_servers))
        created = client.create_acls([acl for role in everybody for acl in acls(role)])
        assert not created["failed"]
        client.close()
        env = {
            KAFKA: f"localhost:{server.secure}",
            "DESKSTREAM_KAFKA_SECURITY": "sasl_ssl",
            "DESKSTREAM_KAFKA_CA_FILE": str(server.certificate),
            "DESKSTREAM_KAFKA_PASSWORD": PASSWORD,
            "DESKSTREAM_STATE_DIR": str(directory / "state"),
        }
        deployment = Deployment("", "", env)
        for role in everybody:  # the broker puts rights into force a moment after it has taken them
            settings = deployment.settings(Settings, kafka_username=role.user)
            eventually(lambda settings=settings: _sees_topics(settings), f"the rights of {role.user}")
        yield deployment
    finally:
        server.stop()


def _sees_topics(settings: Settings) -> bool:
    try:
        admin.verify_topics(settings)
    except TopicMismatch:
        return False
    return True


def acls(role: access.Role) -> Iterator[ACL]:
    """The rules of deploy/kubernetes/access.py, as Strimzi would put them into force."""
    for kind, name, pattern, operations in access.rules(role):
        resource = ResourcePattern(
            ResourceType[kind.upper()], name, ACLResourcePatternType["PREFIXED" if pattern == "prefix" else "LITERAL"]
        )
        for operation in operations:
            snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
            yield ACL(f"User:{role.user}", "*", ACLOperation[snake], ACLPermissionType.ALLOW, resource)


def test_a_wrong_password_is_not_let_in(secure: Deployment) -> None:
    with pytest.raises(Unavailable):
        admin.verify_topics(secure.settings(Settings, kafka_username="deskstream-setup", kafka_password="guess"))


def test_a_contact_goes_the_whole_way_by_tls_and_password(secure: Deployment) -> None:
    """kafka-python's and aiokafka's producers and consumers, Faust's own clients, the administration."""
    from producers.channels import form
    from producers.publisher import Publisher
    from schemas.facts import Outbound
    from schemas.topics import OUTBOUND
    from sinks import kafka

    admin.verify_topics(secure.settings(Settings, kafka_username="deskstream-setup"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESKSTREAM_")} | secure.env
    environment["DESKSTREAM_KAFKA_USERNAME"] = "deskstream-worker"
    worker = subprocess.Popen([sys.executable, "-m", "stream_processors"], cwd=ROOT, env=environment)
    try:
        settings = secure.settings(ProducerSettings, kafka_username="deskstream-producer")
        values = {"email": "ann@example.org", "subject": "Card", "message": "My card was declined."}
        event = form.normalise(values, now=settings.pipeline_clock.now(), source="test")
        with Publisher(settings) as publisher:
            publisher.publish(event, raw=b"", producer="form", origin="test")

        async def first() -> bytes:
            sinks = secure.settings(SinkSettings, kafka_username="deskstream-sink")
            consumer, producer = kafka.consumer(sinks, "test"), kafka.producer(sinks)
            await kafka.start(sinks, consumer, producer)
            try:
                consumer.subscribe([sinks.topic(OUTBOUND)])
                async with asyncio.timeout(180):
                    return (await consumer.getone()).value
            finally:
                await consumer.stop()
                await producer.stop()

        from schemas import codec

        assert isinstance(codec.decode(asyncio.run(first())), Outbound)
    finally:
        worker.terminate()
        assert worker.wait(60) == 0


def test_a_producer_replays_its_own_dead_letters_by_tls_and_password(secure: Deployment) -> None:
    from producers.publisher import Publisher
    from producers.replay.engine import Fate, ReplayResult, replay
    from schemas.dead_letter import reader
    from schemas.dead_letter.headers import InputContext
    from schemas.errors import Refused
    from schemas.topics import CONTACT_EVENTS, DEAD_LETTERS

    settings = secure.settings(ProducerSettings, kafka_username="deskstream-producer")
    mail, kept = b"From: ann@example.org\r\nMessage-ID: <1@example.org>\r\n\r\nHello", InputContext(received_at=1)
    topics = [topic for topic in DEAD_LETTERS if topic.name == CONTACT_EVENTS.dlq]
    done: list[ReplayResult] = []
    with Publisher(settings) as publisher:
        publisher.dead_letter(mail, Refused("defect"), channel="email", producer="email", given=kept)
        for _ in range(2):
            replay(asyncio.run(reader.dead_letters(settings, topics=topics)), publisher, settings, done.append)
    assert [each.fate for each in done] == [Fate.ACCEPTED]


def test_a_role_does_not_what_is_not_its_own(secure: Deployment) -> None:
    from aiokafka.errors import KafkaError

    from schemas.topics import TICKET_FACTS
    from sinks import kafka

    producer = secure.settings(SinkSettings, kafka_username="deskstream-producer")

    async def forged() -> None:
        client = kafka.producer(producer)
        await kafka.start(producer, client)
        try:
            await client.send_and_wait(producer.topic(TICKET_FACTS), b"x")
        finally:
            await client.stop()

    with pytest.raises(KafkaError):
        asyncio.run(forged())


def test_the_suggester_reads_and_appends_by_tls_and_password(secure: Deployment) -> None:
    from tests.support.tagging.suggesting import first_suggestion

    suggester = secure.settings(WorkerSettings, kafka_username="deskstream-suggester")
    others = secure.settings(WorkerSettings, kafka_username="deskstream-worker")
    admin.verify_topics(suggester)
    assert asyncio.run(asyncio.wait_for(first_suggestion(suggester, others), 120)).tag == "product.smell"


def test_the_watchdog_asks_by_tls_and_password(secure: Deployment) -> None:
    from schemas.topics import CONTACT_EVENTS
    from stream_processors.runtime.watchdog import Watchdog

    settings = secure.settings(WorkerSettings, kafka_username="deskstream-worker")
    watchdog = Watchdog([], settings, lambda why: None)
    assert set(watchdog.offsets(settings.topic(CONTACT_EVENTS), {0, 1, 2, 3})) == {0, 1, 2, 3}
    assert isinstance(watchdog._given(), dict)
    watchdog._forget_clients()


def test_a_watchdog_that_may_not_look_at_the_group_says_so(secure: Deployment) -> None:
    from kafka.errors import GroupAuthorizationFailedError

    from stream_processors.runtime.watchdog import Watchdog

    settings = secure.settings(WorkerSettings, kafka_username="deskstream-setup")  # it has no group
    watchdog = Watchdog([], settings, lambda why: None)
    with pytest.raises((Unavailable, GroupAuthorizationFailedError)):
        watchdog._given()
    watchdog._forget_clients()

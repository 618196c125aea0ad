"""A running pipeline for each file of tests that drives one from outside."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from deploy.local.pipeline import Pipeline, Plan, settings_of
from deploy.local.process import free_ports
from schemas import admin
from schemas.settings import Settings
from sinks.clickhouse.connection import connect
from tests.conftest import Endpoints, run_sql
from tests.support.integration.pipeline_under_test import PipelineUnderTest, asking_at_once, mail, ready
from tests.support.secrets import secrets
from tests.support.timeouts import eventually


@pytest.fixture(scope="module")
def pipeline(stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineUnderTest]:
    name = f"e{uuid.uuid4().hex[:8]}"
    http_port, smtp_port = free_ports(2)
    environ = {
        "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DESKSTREAM_CLICKHOUSE_URL": stack.clickhouse_url,
        "DESKSTREAM_NAMESPACE": f"{name}-",
        "DESKSTREAM_CLICKHOUSE_DATABASE": name,
        "DESKSTREAM_HTTP_PORT": str(http_port),
        "DESKSTREAM_SMTP_PORT": str(smtp_port),
        "DESKSTREAM_FORM_SUBMISSIONS_PER_MINUTE": "100000",  # all tests have one address
    }
    environ["DESKSTREAM_CONFIG_DIR"] = str(asking_at_once(tmp_path_factory.mktemp("rules") / "config"))
    with Pipeline(Plan(tmp_path_factory.mktemp("pipeline"), environ=environ)) as running:
        driven = PipelineUnderTest(running, connect(running.settings()))
        eventually(lambda: all(ready(address) for address in running.metrics.values()))
        driven.drop(mail("warm@example.org", "Warm up", "Where is my order?"))
        eventually(lambda: driven.answers("warm@example.org") and driven.ticket_of("warm@example.org"))
        with secrets(running.env["DESKSTREAM_TAG_SECRETS"], tokens=(running.env["DESKSTREAM_TOKEN_SECRETS"],)):
            yield driven
    admin.delete_topics(settings_of(Settings, running.env))
    run_sql(stack.clickhouse_url, f"DROP DATABASE IF EXISTS {name}")

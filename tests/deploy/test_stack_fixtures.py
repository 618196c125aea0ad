"""The fixtures that the other tests rely on."""

from __future__ import annotations

import pytest

from schemas import admin
from schemas.settings import Settings, SinkSettings
from tests.conftest import Deployment, Endpoints, run_sql

pytestmark = pytest.mark.stack


def test_the_stack_runs_a_clickhouse_engine(stack: Endpoints) -> None:
    assert run_sql(stack.clickhouse_url, "SELECT 1 + 1") == "2\n"


def test_a_deployment_has_every_declared_topic(deployment: Deployment) -> None:
    admin.verify_topics(deployment.settings(Settings))


def test_a_deployment_has_an_empty_database(deployment: Deployment) -> None:
    settings = deployment.settings(SinkSettings)
    assert settings.clickhouse_database == deployment.database
    tables = run_sql(
        settings.clickhouse_url, f"SELECT count() FROM system.tables WHERE database = '{deployment.database}'"
    )
    assert tables == "0\n"

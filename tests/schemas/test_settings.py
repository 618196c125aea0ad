"""Settings come from the environment, are refused in one line, and never show a secret."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from schemas import environment, topics
from schemas.clock import Clock
from schemas.errors import ConfigurationError
from schemas.settings import ProducerSettings, Settings, SinkSettings, WorkerSettings, describe, help_text, load
from schemas.settings_table import table

every_kind = pytest.mark.parametrize("kind", [Settings, ProducerSettings, WorkerSettings, SinkSettings])


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DESKSTREAM_"):
            monkeypatch.delenv(name)


@every_kind
def test_everything_has_a_default(kind: type[Settings]) -> None:
    assert load(kind).kafka_bootstrap_servers == "127.0.0.1:9092"


def test_variables_of_the_stack_and_of_the_tests_are_no_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (
        "DESKSTREAM_CACHE_DIR",
        "DESKSTREAM_MAVEN_URL",
        "DESKSTREAM_WORKER_NAME",
        "DESKSTREAM_TEST_PYTHON_IMAGE",
    ):
        monkeypatch.setenv(name, "something")
        assert name in environment.OTHERS
        assert environment.misspelt([name], {"DESKSTREAM_STATE_DIR", *environment.OTHERS}) == []
    load(WorkerSettings)
    assert capsys.readouterr().err == ""


def test_values_come_from_the_environment_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "DESKSTREAM_NAMESPACE": "blue-",
        "DESKSTREAM_METRICS_PORT": "9100",
        "DESKSTREAM_CLOCK": "origin=5,wall=7,speed=60",
        "DESKSTREAM_LOG_LEVEL": "DEBUG",
        "DESKSTREAM_STATE_DIR": "/data/state",
        "DESKSTREAM_DLQ_MAX_RATIO": "0.25",
        "DESKSTREAM_SOMETHING_ELSE": "of another process",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load(WorkerSettings)
    assert (settings.namespace, settings.metrics_port, settings.log_level) == ("blue-", 9100, "debug")
    assert settings.pipeline_clock == Clock(60.0, 5, 7)
    assert (settings.state_dir, settings.dlq_max_ratio) == (Path("/data/state"), 0.25)


def test_what_an_entry_point_gives_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESKSTREAM_HTTP_PORT", "1")
    assert load(ProducerSettings, http_port=2).http_port == 2


@pytest.mark.parametrize(
    ("environment", "burst"),
    [({"DOOR": "7"}, 7.0), ({"ENDPOINT": "8"}, 8.0), ({"DOOR": "7", "ENDPOINT": "8"}, 8.0), ({}, 1000.0)],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)
def test_a_setting_is_read_under_its_old_name_and_says_so(
    environment: dict[str, str], burst: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"DESKSTREAM_{name}_BURST_REQUESTS", value)
    assert load(ProducerSettings).endpoint_burst_requests == burst
    deprecated = (
        "DESKSTREAM_DOOR_BURST_REQUESTS is deprecated and works for one more release: "
        "set DESKSTREAM_ENDPOINT_BURST_REQUESTS\n"
    )
    assert capsys.readouterr().err == (deprecated if "DOOR" in environment else "")


def test_the_namespace_stands_before_every_topic_and_group() -> None:
    settings = load(Settings, namespace="blue-")
    assert settings.topic(topics.CONTACT_EVENTS) == "blue-contact-events"
    assert settings.group("clickhouse") == "blue-deskstream-clickhouse"


@pytest.mark.parametrize(
    ("kind", "variable", "value", "complaint"),
    [
        (Settings, "DESKSTREAM_METRICS_PORT", "http", "got 'http'"),
        (Settings, "DESKSTREAM_METRICS_PORT", "65536", "less than or equal to 65535"),
        (Settings, "DESKSTREAM_PARTITIONS", "0", "greater than or equal to 1"),
        (Settings, "DESKSTREAM_CLOCK", "fast", "is not a clock"),
        (Settings, "DESKSTREAM_LOG_LEVEL", "loud", "must be one of debug, info, warning, error (got 'loud')"),
        (Settings, "DESKSTREAM_LOG_FORMAT", "xml", "must be one of auto, console, json (got 'xml')"),
        (WorkerSettings, "DESKSTREAM_DLQ_MAX_RATIO", "1.5", "less than or equal to 1"),
        (WorkerSettings, "DESKSTREAM_WATCHDOG_SECONDS", "0", "greater than 0"),
        (SinkSettings, "DESKSTREAM_SMTP_STARTTLS", "perhaps", "got 'perhaps'"),
    ],
)
def test_a_bad_value_is_one_line_with_the_variable_and_what_was_wrong(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings], variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as raised:
        load(kind)
    text = str(raised.value)
    assert text.startswith(f"{variable}: ")
    assert complaint in text
    assert "\n" not in text


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load(Settings).namespace = "green-"  # type: ignore[misc]


@pytest.mark.parametrize("show", [repr, str, lambda settings: f"{settings}"])
@pytest.mark.parametrize(
    "settings",
    [
        SinkSettings(smtp_password=SecretStr("hunter2")),
        SinkSettings(clickhouse_url="https://analyst:hunter2@clickhouse.example:8443"),
        SinkSettings(clickhouse_url="https://analyst:p@ss-hunter2@clickhouse.example:8443"),
        ProducerSettings(webhook_secrets=SecretStr("hunter2,older-hunter2")),
    ],
    ids=["SMTP password", "password in a URL", "password with an @ in a URL", "webhook secrets"],
)
def test_a_secret_is_masked_whenever_settings_are_printed(settings: Settings, show: object) -> None:
    shown = show(settings)  # type: ignore[operator]
    assert "hunter2" not in shown
    assert "**********" in shown


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    assert "clickhouse_url='http://127.0.0.1:8123'" in repr(SinkSettings())


@every_kind
def test_every_setting_is_described_with_its_variable_default_and_meaning(kind: type[Settings]) -> None:
    described = {variable: (default, meaning) for variable, default, meaning in describe(kind)}
    assert len(described) == len(kind.model_fields)
    assert described["DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"][0] == "127.0.0.1:9092"
    assert [variable for variable, (_, meaning) in described.items() if not meaning] == []
    leaning = re.compile(r"\.\.\.|(its|their|that|these|this|those|it|they)\b")
    assert [variable for variable, (_, meaning) in described.items() if leaning.match(meaning)] == [], (
        "of the row before"
    )


@every_kind
def test_help_lists_every_setting_on_one_line_of_markdown_that_shows_it_as_it_is(kind: type[Settings]) -> None:
    lines = help_text(kind).splitlines()
    assert len(lines) == len(kind.model_fields) and all(line.startswith("- DESKSTREAM_") for line in lines)
    assert (
        "- DESKSTREAM_NAMESPACE: prefix of every topic and consumer group; lets deployments share a broker [empty]"
        in lines
    )
    assert not re.search(r"(?<!\\)\*", help_text(kind))
    assert help_text(kind, only="_KAFKA_").count("\n") == 5


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("DESKSTREAM_KAFKA_BOOTSTRAP_SERVER", "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"),
        ("DESKSTREAM_SURVEY_SECRET", "DESKSTREAM_SURVEY_SECRETS"),
        ("DESKSTREAM_METRIC_PORT", "DESKSTREAM_METRICS_PORT"),
    ],
)
def test_a_misspelt_variable_is_a_warning_with_the_closest_name(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "1")
    load(SinkSettings)
    assert capsys.readouterr().err == f"warning: {variable} is no setting and has no effect: did you mean {meant}?\n"


@pytest.mark.parametrize(
    "variable", ["DESKSTREAM_CHAT_HOURS", "DESKSTREAM_SOMETHING_ELSE", "DESKSTREAM_TEST_KUBECONFIG", "HTTP_PROXY"]
)
def test_a_variable_of_another_process_is_no_warning(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "mon-fri 09:00-18:00")
    load(SinkSettings)
    assert capsys.readouterr().err == ""


def test_the_page_of_settings_is_made_of_them() -> None:
    page = Path(__file__).parents[2] / "deploy" / "docs" / "settings.md"
    assert page.read_text("utf-8") == table()

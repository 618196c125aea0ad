"""The settings of every process, and their description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.clock import Clock
from schemas.topics import PARTITIONS, Topic

_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("auto", "console", "json")
_CHOICES = {
    "log_level": _LOG_LEVELS,
    "log_format": _LOG_FORMATS,
    "kafka_security": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "kafka_sasl_mechanism": ("scram-sha-512", "scram-sha-256", "plain"),
}
#: Whoever has seen tags could try all secrets that are shorter.
_SHORTEST_SECRET = 16
_URL_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^/\s]*@")


class Settings(BaseSettings):
    """Holds the settings that every process has."""

    model_config = SettingsConfigDict(env_prefix="DESKSTREAM_", frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port]")
    kafka_security: str = Field("plaintext", description="plaintext, ssl, sasl_plaintext or sasl_ssl")
    kafka_ca_file: Path | None = Field(None, description="authorities that Kafka's certificates are checked against")
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", description="SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
    kafka_username: str = Field("", description="Kafka user of sasl_plaintext and sasl_ssl")
    kafka_password: SecretStr = Field(SecretStr(""), description="password of the Kafka user")
    namespace: str = Field("", description="prefix of every topic and consumer group; lets deployments share a broker")
    tag_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that customer tags are keyed with, the same in every process; the first makes tags, the others made "
        "those of before (`python -m stream_processors rekey`). Empty: anybody can reckon tags",
    )
    token_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of the ticket tokens in mail, the first signs, the others still verify; empty: those of the tags",
    )
    clock: str = Field("", description="the pipeline clock; empty is the wall clock (see schemas/clock.py)")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of /metrics /livez /readyz; 0 switches them off")
    metrics_host: str = Field("127.0.0.1", description="address that the metrics port listens on")
    log_level: str = Field("info", description="debug, info, warning or error")
    log_format: str = Field("auto", description="json, console, or auto: console on a terminal, else json")
    partitions: int = Field(PARTITIONS, ge=1, description="partition count of every topic")
    replication_factor: int = Field(1, ge=1, description="replicas of every topic that we create")

    @field_validator("tag_secrets", "token_secrets")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if any(len(secret) < _SHORTEST_SECRET for secret in listed(value)):
            raise ValueError(
                f"each secret needs {_SHORTEST_SECRET} characters or more: `openssl rand -hex 24` makes one"
            )
        return value

    @field_validator("clock")
    @classmethod
    def _clock_parses(cls, value: str) -> str:
        Clock.parse(value)
        return value

    @field_validator("kafka_ca_file", mode="before")
    @classmethod
    def _empty_file_is_unset(cls, value: Any) -> Any:
        return value or None

    @field_validator(*_CHOICES, check_fields=True)
    @classmethod
    def _one_of(cls, value: str, info: ValidationInfo) -> str:
        allowed = _CHOICES[str(info.field_name)]
        if value.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value.lower()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yields what is printed: passwords in URLs are masked as pydantic masks its secrets."""
        for name, value in super().__repr_args__():
            yield name, _URL_PASSWORD.sub(r"\1**********@", value) if isinstance(value, str) else value

    @property
    def pipeline_clock(self) -> Clock:
        """Returns the clock that all processes of a deployment share."""
        return Clock.parse(self.clock)

    def topic(self, topic: Topic) -> str:
        """Returns the topic's name in this deployment."""
        return self.namespace + topic.name

    def group(self, name: str) -> str:
        """Returns the consumer group's name in this deployment."""
        return f"{self.namespace}deskstream-{name}"


def listed(secrets: SecretStr) -> tuple[str, ...]:
    """Returns the secrets of a setting that holds several, separated by commas."""
    return tuple(secret.strip() for secret in secrets.get_secret_value().split(",") if secret.strip())


def describe(kind: type[Settings]) -> list[tuple[str, str, str]]:
    """Returns `(variable, default, meaning)` of every setting."""
    return [
        (f"DESKSTREAM_{name.upper()}", str(field.default), field.description or "")
        for name, field in kind.model_fields.items()
    ]


def help_text(kind: type[Settings], *, only: str = "") -> str:
    """Returns the settings (`only` those whose variable contains this) as the Markdown list that `--help` shows."""
    lines = (
        f"- {name}: {meaning} [{default if default not in ('', 'None') else 'empty'}]"
        for name, default, meaning in describe(kind)
        if only in name
    )
    return "\n".join(lines).replace("*", r"\*")

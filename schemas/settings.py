"""One frozen settings object per process, read from `DESKSTREAM_*` environment variables by entry points only.

`describe(kind)` lists every variable with its default and meaning; `--help` shows them as `help_text(kind)`.
Secrets are masked whenever settings are printed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import environment
from schemas.clock import Clock
from schemas.errors import ConfigurationError
from schemas.topics import PARTITIONS, Topic

S = TypeVar("S", bound="Settings")
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("auto", "console", "json")
_CHOICES = {
    "log_level": _LOG_LEVELS,
    "log_format": _LOG_FORMATS,
    "kafka_security": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "kafka_sasl_mechanism": ("scram-sha-512", "scram-sha-256", "plain"),
}
#: Replaced names of settings, and the names that they have now. One more release reads the old names.
RENAMED = {
    "door_requests_per_second": "endpoint_requests_per_second",
    "door_burst_requests": "endpoint_burst_requests",
}
_URL_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^/\s]*@")


class Settings(BaseSettings):
    """Holds the settings that every process has."""

    model_config = SettingsConfigDict(env_prefix="DESKSTREAM_", frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port]")
    kafka_security: str = Field("plaintext", description="plaintext, ssl, sasl_plaintext or sasl_ssl")
    kafka_ca_file: Path | None = Field(None, description="authorities that Kafka's certificates are checked against")
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", description="SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
    kafka_username: str = Field("", description="user of sasl_plaintext and sasl_ssl")
    kafka_password: SecretStr = Field(SecretStr(""), description="its password")
    namespace: str = Field("", description="prefix of every topic and consumer group; lets deployments share a broker")
    clock: str = Field("", description="the pipeline clock; empty is the wall clock (see schemas/clock.py)")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of /metrics /livez /readyz; 0 switches them off")
    metrics_host: str = Field("127.0.0.1", description="address that the metrics port listens on")
    log_level: str = Field("info", description="debug, info, warning or error")
    log_format: str = Field("auto", description="json, console, or auto: console on a terminal, else json")
    partitions: int = Field(PARTITIONS, ge=1, description="partition count of every topic")
    replication_factor: int = Field(1, ge=1, description="replicas of every topic when they are created")

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


class ProducerSettings(Settings):
    """Holds the settings of `python -m producers`."""

    http_host: str = Field("127.0.0.1", description="address of the HTTP producer")
    http_port: int = Field(8080, ge=0, le=65535, description="port of the HTTP producer")
    webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of the signed endpoint, comma-separated; two may be valid while one is rotated out",
    )
    public_url: str = Field("", description="how the outside reaches the HTTP producer; some senders sign it")
    order_secrets: SecretStr = Field(
        SecretStr(""), description="secrets of the order webhooks (shop), two may be valid"
    )
    help_secrets: SecretStr = Field(
        SecretStr(""), description="secrets of the help centre and the bot, two may be valid"
    )
    kiosk_secrets: SecretStr = Field(
        SecretStr(""), description="secrets of kiosks and of the tokens that they are given, two may be valid"
    )
    survey_secrets: SecretStr = Field(
        SecretStr(""), description="secrets that survey links are signed with, the first signs, two may be valid"
    )
    survey_url: str = Field("http://127.0.0.1:8080", description="how customers reach the survey pages")
    agent_secrets: SecretStr = Field(
        SecretStr(""), description="secrets of /v1/agents/*, comma-separated; two may be valid while one is rotated out"
    )
    social_secrets: SecretStr = Field(
        SecretStr(""), description="app secrets of Facebook and Instagram, two may be valid while one is rotated out"
    )
    social_verify_tokens: SecretStr = Field(
        SecretStr(""),
        description="verify tokens of their subscription check: they travel in addresses, so no app secret",
    )
    social_x_secrets: SecretStr = Field(
        SecretStr(""), description="consumer secrets of X; the first answers its check, two may be valid"
    )
    sms_secrets: SecretStr = Field(
        SecretStr(""), description="auth tokens that SMS and WhatsApp webhooks are signed with, two may be valid"
    )
    phone_secrets: SecretStr = Field(
        SecretStr(""), description="auth tokens that telephone webhooks are signed with, two may be valid"
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="addresses and networks (10.0.0.0/8) of proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, comma-separated; otherwise all who come through a proxy have one share",
    )
    endpoint_requests_per_second: float = Field(200.0, gt=0, description="webhook requests of one address on average")
    endpoint_burst_requests: float = Field(1000.0, ge=1, description="... and at once")
    max_body_bytes: int = Field(25_000_000, ge=1, description="larger inputs are refused")
    mail_domain: str = Field("support.example", description="the domain of our own addresses and Message-IDs")
    publish_timeout_seconds: float = Field(
        30.0, gt=0, description="how long Kafka may take before a source is told to retry"
    )
    mask_file: Path | None = Field(
        None,
        description="secrets beside card numbers: a file of regular expressions, one a line; what they find, or their "
        "groups, is masked before Kafka",
    )
    phone_region: str = Field("", description="country (GB, JP, ...) of telephone numbers without one; empty for none")
    email_plus_is_same: bool = Field(False, description="ann+shop@example.org is the customer ann@example.org")
    gmail_dots_are_same: bool = Field(False, description="a.nn@gmail.com and ann@googlemail.com are ann@gmail.com")
    directory_url: SecretStr = Field(
        SecretStr(""),
        description="who customers are: a CSV file (path or file:///path), or http(s)://crm/...{customer_id} or {address}",
    )
    directory_token: SecretStr = Field(SecretStr(""), description="sent to that server as Authorization: Bearer")
    directory_timeout_seconds: float = Field(
        0.3, gt=0, le=10, description="a contact waits for its directory entry at most so long"
    )
    directory_cache_seconds: float = Field(300.0, ge=0, description="an answer of the directory is good for so long")
    attachments_url: str = Field(
        "", description="where attachments are stored: a folder, file:///path, s3://bucket/prefix; empty: only listed"
    )
    attachments_max_bytes: int = Field(20_000_000, ge=1, description="a larger attachment is listed and not stored")
    attachments_refused: str = Field(
        "application/x-msdownload,application/x-msdos-program,application/x-sh,*.exe,*.bat,*.cmd,*.com,*.scr,*.pif,"
        "*.js,*.jse,*.vbs,*.vbe,*.wsf,*.hta,*.lnk,*.msi,*.jar,*.ps1,*.reg",
        description="attachments listed and not stored: patterns of media types, or of names when without a slash",
    )
    imap_accounts: SecretStr = Field(
        SecretStr(""),
        description="mailboxes: imaps://user:password@host:993/INBOX,... or the path of a .yaml or .json file of them",
    )
    imap_poll_seconds: float = Field(30.0, gt=0, description="how often a server without IDLE is asked for new mail")
    imap_idle_seconds: float = Field(120.0, gt=0, le=1740, description="IDLE is begun anew after so long")
    imap_timeout_seconds: float = Field(60.0, gt=0, description="one IMAP command may take so long")
    imap_retry_seconds: float = Field(60.0, gt=0, description="longest pause before an IMAP server is tried again")
    imap_rescan_days: int = Field(
        7, ge=0, description="mail so recent is taken again, read or not, after a change of UIDVALIDITY"
    )
    imap_state_dir: Path | None = Field(
        Path(".data/imap"), description="how far each mailbox was read; empty: unread mail only is taken after a start"
    )
    imap_ca_file: Path | None = Field(None, description="certificates that IMAP servers are checked against")
    smtp_listen_host: str = Field("127.0.0.1", description="address of the SMTP and LMTP listener")
    smtp_listen_port: int = Field(8025, ge=0, le=65535, description="port of the SMTP and LMTP listener")
    smtp_listen_domains: str = Field(
        "", description="domains that mail is taken for, comma-separated; empty: DESKSTREAM_MAIL_DOMAIN"
    )
    smtp_listen_connections: int = Field(100, ge=1, description="more connections at once are told to come back")
    smtp_listen_seconds: float = Field(600.0, gt=0, description="a client may be silent for so long")
    smtp_tls_cert: Path | None = Field(None, description="certificate chain of the listener; switches STARTTLS on")
    smtp_tls_key: Path | None = Field(None, description="its private key; unset: it is in the same file")
    smtp_require_starttls: bool = Field(False, description="take no mail without STARTTLS")

    @field_validator("imap_state_dir", "imap_ca_file", "mask_file", "smtp_tls_cert", "smtp_tls_key", mode="before")
    @classmethod
    def _empty_path_is_unset(cls, value: Any) -> Any:
        return value or None


class ChatSettings(ProducerSettings):
    """Holds the settings of `python -m producers chat`. Durations are wall seconds."""

    chat_host: str = Field("127.0.0.1", description="address of the chat server")
    chat_port: int = Field(8090, ge=0, le=65535, description="port of the chat server")
    chat_instance: str = Field(
        "", description="name of this process, the pod's name on Kubernetes: a restarted one goes on with its own chats"
    )
    chat_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of the resume tokens, comma-separated; the first signs. Empty: no resuming after a restart",
    )
    chat_origins: str = Field(
        "",
        description="web pages that may embed chat, such as https://shop.example, comma-separated; empty: only ours; *",
    )
    chat_hours: str = Field("", description="when chat is offered: mon-fri 09:00-18:00, sat 10:00-14:00; empty: always")
    chat_time_zone: str = Field("UTC", description="time zone of these hours")
    chat_grace_seconds: float = Field(120.0, gt=0, description="a visitor may be away for so long")
    chat_idle_seconds: float = Field(900.0, gt=0, description="an answered chat ends when nobody writes for so long")
    chat_longest_seconds: float = Field(7_200.0, gt=0, description="a chat ends after so long; so far back it is read")
    chat_presence_seconds: float = Field(
        43_200.0, gt=0, description="how far back presences are read at the start: a shift, and a little more"
    )
    chat_max_connections: int = Field(5_000, ge=1, description="more connections are turned away")
    chat_max_per_address: int = Field(50, ge=1, description="... and more of one address")
    chat_starts_per_minute: float = Field(12.0, gt=0, description="conversations and messages begun by one address")
    chat_frames_per_second: float = Field(5.0, gt=0, description="frames of one connection on average")
    chat_frames_burst: float = Field(40.0, ge=1, description="... and at once")
    chat_frame_bytes: int = Field(32_768, ge=1_024, description="a longer frame closes the connection")
    chat_line_characters: int = Field(4_000, ge=1, le=20_000, description="a longer line is refused")
    chat_trusted_proxies: str = Field(
        "",
        description="addresses and networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed, comma-separated",
    )


class WorkerSettings(Settings):
    """Holds the settings of `python -m stream_processors`."""

    state_dir: Path = Field(Path(".data/state"), description="RocksDB state; one directory per worker")
    worker_id: str = Field("worker-0", description="static group membership; the pod's name on Kubernetes")
    config_dir: Path | None = Field(
        None, description="policies, taxonomy, templates, teams; default: those that ship with the package"
    )
    mail_domain: str = Field("support.example", description="the domain of our own addresses and Message-IDs")
    survey_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that survey links are signed with, as the survey pages have them; empty: nobody is asked",
    )
    survey_url: str = Field("http://127.0.0.1:8080", description="how customers reach the survey pages")
    rules_lead_seconds: float = Field(
        5.0,
        ge=3,
        description="changed rules take effect so long (wall time) after they were published, at every worker",
    )
    rules_watch_seconds: float = Field(
        2.0, gt=0, description="how often the directory of rules is looked at; a change must stand still for so long"
    )
    max_batch_records: int = Field(1000, ge=1, le=8192, description="records per partition batch")
    dlq_max_ratio: float = Field(
        0.5, gt=0, le=1, description="a larger share of failing records in one batch of 20 or more stops the worker"
    )
    dlq_max_run: int = Field(50, ge=1, description="so many failing records in a row stop the worker")
    watchdog_seconds: float = Field(
        60.0, gt=0, description="with a partition behind and not committed for so long the worker ends itself"
    )
    session_timeout_seconds: float = Field(10.0, gt=0, description="Kafka notices a dead worker after so long")


class SinkSettings(Settings):
    """Holds the settings of `python -m sinks`."""

    clickhouse_url: str = Field("http://127.0.0.1:8123", description="http(s)://[user[:password]@]host:port")
    clickhouse_database: str = Field("deskstream", description="database of all tables")
    sink_batch_rows: int = Field(50_000, ge=1, description="rows per insert at most")
    sink_batch_seconds: float = Field(0.4, gt=0, description="rows wait so long for an insert; under load longer")
    sink_instance: str = Field("", description="static group membership, the pod's name on Kubernetes; empty for none")
    sink_migrate: bool = Field(True, description="apply migrations and views when the ClickHouse sink starts")
    sink_drain_seconds: float = Field(10.0, gt=0, description="after SIGTERM, how long the last work may take")
    clickhouse_timeout_seconds: float = Field(60.0, gt=0, description="an insert or query may take so long")
    smtp_host: str = Field("127.0.0.1", description="where acknowledgements and replies are handed over")
    smtp_port: int = Field(2525, ge=1, le=65535, description="port of that SMTP server")
    smtp_starttls: bool = Field(False, description="require STARTTLS")
    smtp_username: str = Field("", description="SMTP user, empty for none")
    smtp_password: SecretStr = Field(SecretStr(""), description="SMTP password")
    smtp_connections: int = Field(8, ge=1, description="SMTP connections kept open at most")
    smtp_timeout_seconds: float = Field(30.0, gt=0, description="one SMTP command may take so long")
    mail_from: str = Field("support@support.example", description="sender of our mail")
    sms_account: str = Field(
        "", description="account id of the SMS service; empty: SMS go where channels without adapter go"
    )
    sms_token: SecretStr = Field(SecretStr(""), description="its auth token")
    sms_from: str = Field(
        "", description="number that SMS are sent from, E.164, or the id of a messaging service (MG...)"
    )
    sms_whatsapp_from: str = Field("", description="number that WhatsApp messages are sent from; empty: as SMS")
    sms_base_url: str = Field("https://api.twilio.com", description="where the SMS service answers")
    sms_status_url: str = Field(
        "", description="public address of /v1/sms/status, where the service reports deliveries; empty: no reports"
    )
    sms_timeout_seconds: float = Field(15.0, gt=0, description="one request to the SMS service may take so long")
    sms_characters: int = Field(1600, ge=70, description="a longer text goes in numbered parts of so many characters")
    sms_most_parts: int = Field(4, ge=1, le=9, description="... at most so many; what is left ends in an ellipsis")
    social_meta_token: SecretStr = Field(
        SecretStr(""),
        description="access token for Messenger, Instagram and page comments; empty: answers there go to the outbox",
    )
    social_meta_url: str = Field("https://graph.facebook.com/v23.0", description="where Meta answers, with the version")
    social_x_token: SecretStr = Field(
        SecretStr(""), description="user access token for X; empty: answers there go to the outbox"
    )
    social_x_url: str = Field("https://api.x.com/2", description="where X answers, with the version")
    social_timeout_seconds: float = Field(15.0, gt=0, description="one request to a social network may take so long")
    outbox_dir: Path | None = Field(
        None, description="channels without an adapter write JSON lines here; unset: dead-lettered"
    )
    delivery_in_flight: int = Field(32, ge=1, description="customers of one partition served at the same time")
    delivery_retry_seconds: float = Field(900.0, gt=0, description="a recipient may be refused temporarily for so long")
    delivery_memory_records: int = Field(
        250_000, ge=1, description="deliveries per partition remembered, so that nothing is sent twice"
    )
    webhooks_file: Path | None = Field(None, description="YAML file of the subscriptions of `webhooks`")
    webhook_timeout_seconds: float = Field(10.0, gt=0, description="a subscriber may take so long to answer")
    webhook_retry_seconds: float = Field(
        86_400.0, gt=0, description="a fact may be refused temporarily for so long, open breaker not counted"
    )
    webhook_in_flight: int = Field(16, ge=1, description="customers of one subscription served at the same time")
    webhook_breaker_failures: int = Field(10, ge=1, description="so many failures in a row open the breaker")
    webhook_breaker_seconds: float = Field(
        5.0, gt=0, description="how long it stays open the first time; doubled each time, up to 5 minutes"
    )
    webhook_allow_private: bool = Field(
        False, description="allow subscribers in private address ranges, and without TLS"
    )

    @field_validator("outbox_dir", "webhooks_file", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None


def load(kind: type[S], **overrides: Any) -> S:
    """Reads the settings from the environment; one clear line per problem.

    Raises:
        ConfigurationError: a variable is missing or malformed.
    """
    present = environment.variables(kind)
    renamed = {old: new for old, new in RENAMED.items() if new in kind.model_fields}
    values, lines = environment.under_old_names(present, renamed)
    for line in (*lines, *environment.misspelt(present, known_variables())):
        print(line, file=sys.stderr)
    try:
        return kind(**(values | overrides))
    except ValidationError as error:
        first = error.errors()[0]
        name = "DESKSTREAM_" + "_".join(str(part) for part in first["loc"]).upper()
        problem = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{problem} (got {first.get('input')!r})", where=name) from error


def known_variables() -> set[str]:
    """Returns the name of every variable that some process reads, replaced names included."""
    kinds = [Settings]
    for kind in kinds:
        kinds += kind.__subclasses__()
    names = {name for kind in kinds for name, _, _ in describe(kind)}
    return names | {environment.PREFIX + old.upper() for old in RENAMED} | environment.OTHERS


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

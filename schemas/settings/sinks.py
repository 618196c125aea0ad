"""The settings of sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator

from schemas.settings.base import Settings


class SinkSettings(Settings):
    """Holds the settings of `python -m sinks`."""

    clickhouse_url: str = Field("http://127.0.0.1:8123", description="http(s)://[user[:password]@]host:port")
    clickhouse_database: str = Field("deskstream", description="database of all tables")
    sink_batch_rows: int = Field(50_000, ge=1, description="rows per insert at most")
    sink_batch_seconds: float = Field(0.4, gt=0, description="seconds that rows wait for an insert; longer under load")
    sink_instance: str = Field("", description="static group membership, the pod's name on Kubernetes; empty for none")
    sink_migrate: bool = Field(True, description="apply migrations and views when the ClickHouse sink starts")
    sink_drain_seconds: float = Field(10.0, gt=0, description="after SIGTERM, how long the last work may take")
    clickhouse_timeout_seconds: float = Field(60.0, gt=0, description="seconds that an insert or a query may take")
    cost_per_handled_hour: float = Field(
        30.0,
        ge=0,
        le=1e9,
        description="what an hour costs in which a person works on contacts, in your currency; for value_irritant_matrix, from the "
        "next `python -m sinks migrate` or start of the ClickHouse sink on",
    )
    smtp_host: str = Field("127.0.0.1", description="SMTP server that acknowledgements and replies are handed over to")
    smtp_port: int = Field(2525, ge=1, le=65535, description="port of the SMTP server that mail is handed over to")
    smtp_starttls: bool = Field(False, description="require STARTTLS")
    smtp_ca_file: Path | None = Field(
        None,
        description="authorities that the outgoing SMTP server's certificate is checked against; unset: the system's",
    )
    smtp_username: str = Field("", description="SMTP user, empty for none")
    smtp_password: SecretStr = Field(SecretStr(""), description="SMTP password")
    smtp_oauth_file: Path | None = Field(
        None,
        description="YAML file that says how access tokens for the SMTP user are got, instead of a password: `token_url`, "
        "`client_id`, `client_secret_file`, ... (schemas/oauth.py); `auth` is `xoauth2` or `oauthbearer`",
    )
    smtp_connections: int = Field(8, ge=1, description="SMTP connections kept open at most")
    smtp_timeout_seconds: float = Field(30.0, gt=0, description="seconds that one SMTP command may take")
    smtp_answer_timeout_seconds: float = Field(
        120.0, gt=0, description="the answer to a whole mail may take so long; then nobody knows if it was taken"
    )
    mail_from: str = Field(
        "support@support.example",
        description="sender of our mail; what nobody wrote comes from the address of its ticket, where it is at the same domain",
    )
    dkim_keys: str = Field(
        "",
        description="keys that mail is signed with: `selector@domain=file.pem`, separated by commas; all of the sender's domain sign. "
        "Empty: mail is not signed here",
    )
    attachments_url: str = Field(
        "", description="where attachments are stored: a folder, file:///path, s3://bucket/prefix; empty: only listed"
    )
    mail_attachments_max_bytes: int = Field(
        18_000_000,
        ge=1,
        description="bytes of all files of one answer; as mail they are a third more, and many mailboxes take 25 MB",
    )
    sms_account: str = Field(
        "", description="account id of the SMS service; empty: SMS go where channels without adapter go"
    )
    sms_token: SecretStr = Field(SecretStr(""), description="auth token of the SMS service")
    sms_from: str = Field(
        "", description="number that SMS are sent from, E.164, or the id of a messaging service (MG...)"
    )
    sms_whatsapp_from: str = Field("", description="number that WhatsApp messages are sent from; empty: as SMS")
    sms_base_url: str = Field("https://api.twilio.com", description="where the SMS service answers")
    sms_status_url: str = Field(
        "", description="public address of /v1/sms/status, where the service reports deliveries; empty: no reports"
    )
    sms_timeout_seconds: float = Field(15.0, gt=0, description="seconds that one request to the SMS service may take")
    sms_characters: int = Field(1600, ge=70, description="characters of one SMS; a longer text goes in numbered parts")
    sms_most_parts: int = Field(
        4, ge=1, le=9, description="numbered parts of a text at most; the last ends in an ellipsis"
    )
    social_meta_token: SecretStr = Field(
        SecretStr(""),
        description="access token for Messenger, Instagram and page comments; empty: answers there go to the outbox",
    )
    social_meta_url: str = Field("https://graph.facebook.com/v23.0", description="where Meta answers, with the version")
    social_x_token: SecretStr = Field(
        SecretStr(""), description="user access token for X; empty: answers there go to the outbox"
    )
    social_x_url: str = Field("https://api.x.com/2", description="where X answers, with the version")
    social_timeout_seconds: float = Field(
        15.0, gt=0, description="seconds that one request to a social network may take"
    )
    outbox_dir: Path | None = Field(
        None, description="channels without an adapter write JSON lines here; unset: dead-lettered"
    )
    delivery_in_flight: int = Field(32, ge=1, description="customers of one partition served at the same time")
    delivery_first_time_per_minute: float = Field(
        100.0,
        gt=0,
        description="acknowledgements a minute to addresses that did not prove themselves and had none before, over all sinks; "
        "ten minutes' worth at once. Above it they become dead letters",
    )
    delivery_first_time_accounts_per_minute: float = Field(
        60.0,
        gt=0,
        description="acknowledgements a minute to numbers (SMS) and to accounts (social networks) that had none before, of each of "
        "the two, over all sinks; ten minutes' worth at once. Above it they become dead letters",
    )
    delivery_retry_seconds: float = Field(
        900.0, gt=0, description="seconds for which a recipient may be refused temporarily"
    )
    delivery_answer_retries: int = Field(
        2, ge=0, description="how often a message is sent again that may have been taken, because its answer was lost"
    )
    delivery_suppress_bounces: int = Field(
        3, ge=0, description="temporary failures of different mails that suppress an address for a while; 0: none do"
    )
    delivery_suppress_days: float = Field(
        7.0, gt=0, description="days for which temporary failures suppress an address"
    )
    delivery_sent_log_dir: Path | None = Field(
        None,
        description="folder that outlives the process, where what a service took is noted at once; unset: a killed sink "
        "sends a few messages again",
    )
    delivery_memory_records: int = Field(
        250_000, ge=1, description="deliveries per partition remembered, so that nothing is sent twice"
    )
    webhooks_file: Path | None = Field(None, description="YAML file of the subscriptions of `webhooks`")
    webhook_timeout_seconds: float = Field(10.0, gt=0, description="seconds that a subscriber may take to answer")
    webhook_retry_seconds: float = Field(
        86_400.0, gt=0, description="seconds for which a fact may be refused temporarily, not counting an open breaker"
    )
    webhook_in_flight: int = Field(16, ge=1, description="customers of one subscription served at the same time")
    webhook_breaker_failures: int = Field(
        10, ge=1, description="failures in a row that open the breaker of a subscription"
    )
    webhook_breaker_seconds: float = Field(
        5.0, gt=0, description="seconds for which a breaker opens the first time; doubled each time, up to 5 minutes"
    )
    webhook_allow_private: bool = Field(
        False, description="allow subscribers in private address ranges, and without TLS"
    )

    @field_validator(
        "outbox_dir", "webhooks_file", "delivery_sent_log_dir", "smtp_ca_file", "smtp_oauth_file", mode="before"
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

"""The settings of producers, and those of the chat server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator

from schemas.settings.base import Settings


class ProducerSettings(Settings):
    """Holds the settings of `python -m producers`."""

    http_host: str = Field("127.0.0.1", description="address of the HTTP producer")
    http_port: int = Field(8080, ge=0, le=65535, description="port of the HTTP producer")
    replies_dir: Path | None = Field(
        None,
        description="directory of prewritten answers (`answers.yaml`) and lists of wording (`wording.<language>.yaml`); default: "
        "those that ship with the package",
    )
    clickhouse_url: str = Field(
        "", description="where the agents API looks up the ticket that answers are wanted for; empty: it looks none up"
    )
    clickhouse_database: str = Field("deskstream", description="database of its tables")
    keys_file: Path | None = Field(
        None,
        description="keys of signed requests with their scopes: the YAML file that `python -m producers keys` writes; read "
        "again when it changes",
    )
    webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of /v1/events for the old signature (v1), two may be valid; goes away: use keys",
    )
    public_url: str = Field("", description="how the outside reaches the HTTP producer; some senders sign it")
    order_secrets: SecretStr = Field(
        SecretStr(""), description="secrets of the order webhooks (shop), two may be valid"
    )
    help_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of the help centre and the bot for the old signature (v1), two may be valid; goes away: use keys",
    )
    kiosk_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that the tokens of kiosks are signed with, the first signs, two may be valid",
    )
    survey_secrets: SecretStr = Field(
        SecretStr(""), description="secrets that survey links are signed with, the first signs, two may be valid"
    )
    survey_url: str = Field("http://127.0.0.1:8080", description="how customers reach the survey pages")
    agent_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets of /v1/agents/* for the old signature (v1), two may be valid; goes away: use keys",
    )
    social_secrets: SecretStr = Field(
        SecretStr(""), description="app secrets of Facebook and Instagram, two may be valid while one is rotated out"
    )
    social_verify_tokens: SecretStr = Field(
        SecretStr(""),
        description="verify tokens of the subscription check of Facebook and Instagram: they travel in addresses, so no app secret",
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
    endpoint_requests_per_second: float = Field(
        200.0,
        gt=0,
        description="requests a second that one address may send on average, to webhook endpoints and forms; mails too",
    )
    endpoint_burst_requests: float = Field(1000.0, ge=1, description="requests that one address may send at once")
    http_connections: int = Field(
        2_000, ge=4, description="HTTP connections at once; the last quarter is for addresses with few of them"
    )
    http_connections_per_address: int = Field(
        200,
        ge=1,
        description="HTTP connections of one address at once, and behind a trusted proxy its requests; a /64 of IPv6 is one",
    )
    http_bytes_at_once: int = Field(
        64_000_000, ge=8_000_000, description="bytes of HTTP bodies that are not answered yet, of all addresses"
    )
    http_bytes_per_address: int = Field(
        16_000_000, ge=4_000_000, description="bytes of HTTP bodies of one address that are not answered yet"
    )
    http_keep_alive_seconds: int = Field(
        120, ge=1, description="seconds that an HTTP connection rests between requests; longer than any proxy keeps it"
    )
    form_submissions_per_minute: float = Field(
        5.0,
        ge=1,
        description="submissions of the contact form that one network address may send a minute, and that may name one e-mail address",
    )
    max_body_bytes: int = Field(25_000_000, ge=1, description="bytes of the largest input; larger ones are refused")
    mail_domain: str = Field("support.example", description="the domain of our own addresses and Message-IDs")
    brands_file: Path | None = Field(
        None,
        description="several names under one roof: the `brands.yaml` of the worker's rules; read again when it changes; unset: "
        "contacts have no brand but what their source says",
    )
    mail_authserv_id: str = Field(
        "",
        description="name of the mail server whose Authentication-Results are believed (the first word there), "
        "comma-separated; it must remove those that come from outside with its name; empty: no mail is verified",
    )
    user_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that the shop signs its users with, for chat and form: `user_hash` is the hexadecimal "
        "HMAC-SHA256 of the e-mail address; comma-separated, two may be valid",
    )
    help_centre: Path | None = Field(
        None,
        description="articles of the help pages: a folder with LOCALE/SLUG.md, or a JSON Feed (.json); read again when it "
        "changes; unset: no help pages",
    )
    help_events_per_minute: float = Field(
        60.0,
        ge=1,
        description="searches, articles read and votes on the help pages that are recorded a minute, of one network address",
    )
    reply_times_days: float = Field(
        0.0,
        ge=0,
        le=30,
        description="days of answers from which form and help pages say how soon customers are usually answered, read from the "
        "facts of clocks; 0: nothing is read and said",
    )
    show_opening_hours: bool = Field(
        False, description="form, help pages, chat and `/v1/hours` say the hours of the workers' calendars"
    )
    chat_page_url: str = Field(
        "",
        description="a page of yours that has the chat window: the help pages lead there, with the question; empty: to the form only",
    )
    publish_timeout_seconds: float = Field(
        30.0, gt=0, description="seconds that Kafka may take before a source is told to retry"
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
    directory_token: SecretStr = Field(
        SecretStr(""), description="token sent to the directory's server as Authorization: Bearer"
    )
    directory_timeout_seconds: float = Field(
        0.3, gt=0, le=10, description="seconds that a contact waits at most for its directory entry"
    )
    directory_cache_seconds: float = Field(
        300.0, ge=0, description="seconds for which an answer of the directory is used again"
    )
    attachments_url: str = Field(
        "", description="where attachments are stored: a folder, file:///path, s3://bucket/prefix; empty: only listed"
    )
    attachments_max_bytes: int = Field(
        20_000_000, ge=1, description="bytes of the largest attachment that is stored; larger ones are only listed"
    )
    mail_attachments_max_bytes: int = Field(
        18_000_000,
        ge=1,
        description="bytes of all files of one answer; as mail they are a third more, and many mailboxes take 25 MB",
    )
    attachments_refused: str = Field(
        "application/x-msdownload,application/x-msdos-program,application/x-sh,application/x-executable,"
        "application/x-mach-binary,application/x-ms-shortcut,*.exe,*.bat,*.cmd,*.com,*.scr,*.pif,"
        "*.js,*.jse,*.vbs,*.vbe,*.wsf,*.hta,*.lnk,*.msi,*.jar,*.ps1,*.reg",
        description="attachments listed and not stored: patterns of media types (by content or as declared), or of names when "
        "without a slash",
    )
    attachments_scanner: str = Field(
        "",
        description="virus scanner that speaks clamd's INSTREAM: clamd://host:3310 or unix:///run/clamav/clamd.ctl; what it "
        "finds lies in quarantine, and without its answer nothing is stored; empty: nobody scans",
    )
    attachments_scan_seconds: float = Field(
        20.0,
        gt=0,
        description="seconds that the scanner has for each step of a file; then the contact is offered again",
    )
    imap_accounts: SecretStr = Field(
        SecretStr(""),
        description="mailboxes: imaps://user:password@host:993/INBOX,... or the path of a .yaml or .json file of them",
    )
    imap_poll_seconds: float = Field(
        30.0, gt=0, description="seconds between two looks for new mail on a server without IDLE"
    )
    imap_idle_seconds: float = Field(120.0, gt=0, le=1740, description="seconds after which IDLE is begun anew")
    imap_timeout_seconds: float = Field(60.0, gt=0, description="seconds that one IMAP command may take")
    imap_retry_seconds: float = Field(
        60.0, gt=0, description="longest pause in seconds before an IMAP server is tried again"
    )
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
    smtp_listen_connections: int = Field(
        100, ge=1, description="SMTP and LMTP connections at once; others are told to come back"
    )
    smtp_listen_connections_per_address: int = Field(
        30, ge=1, description="SMTP connections of one address at once; a /64 of IPv6 is one address. Not for LMTP"
    )
    smtp_listen_begin_seconds: float = Field(
        60.0, gt=0, description="seconds until an SMTP or LMTP client must have begun a mail"
    )
    smtp_listen_bytes_at_once: int = Field(
        64_000_000,
        ge=1_000_000,
        description="bytes of mails that the listener holds at once; at least two of the largest",
    )
    smtp_listen_bytes_per_address: int = Field(
        32_000_000, ge=1_000_000, description="bytes of mails of one address at once; at least one of the largest"
    )
    smtp_listen_seconds: float = Field(600.0, gt=0, description="seconds that an SMTP or LMTP client may be silent")
    smtp_tls_cert: Path | None = Field(None, description="certificate chain of the listener; switches STARTTLS on")
    smtp_tls_key: Path | None = Field(
        None, description="private key of the listener; unset: it is in the file of the certificate"
    )
    smtp_require_starttls: bool = Field(False, description="take no mail without STARTTLS")

    @field_validator(
        *(
            "keys_file",
            "imap_state_dir",
            "imap_ca_file",
            "mask_file",
            "smtp_tls_cert",
            "smtp_tls_key",
            "brands_file",
            "help_centre",
            "replies_dir",
        ),
        mode="before",
    )
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
    chat_time_zone: str = Field("UTC", description="time zone of DESKSTREAM_CHAT_HOURS")
    chat_grace_seconds: float = Field(120.0, gt=0, description="seconds that a visitor may be away")
    chat_idle_seconds: float = Field(
        900.0, gt=0, description="seconds without a line after which an answered chat ends"
    )
    chat_longest_seconds: float = Field(
        7_200.0, gt=0, description="seconds after which a chat ends; a start reads this much of the log"
    )
    chat_presence_seconds: float = Field(
        43_200.0, gt=0, description="seconds of presences that a start reads: a shift, and a little more"
    )
    chat_max_connections: int = Field(5_000, ge=1, description="connections at once; others are turned away")
    chat_max_per_address: int = Field(
        50, ge=1, description="connections of one address at once; others are turned away"
    )
    chat_starts_per_minute: float = Field(
        12.0, gt=0, description="conversations and messages that one address may begin a minute"
    )
    chat_frames_per_second: float = Field(5.0, gt=0, description="frames a second of one connection on average")
    chat_frames_burst: float = Field(40.0, ge=1, description="frames of one connection at once")
    chat_frame_bytes: int = Field(
        32_768, ge=1_024, description="longest frame in bytes; a longer one closes the connection"
    )
    chat_line_characters: int = Field(
        4_000, ge=1, le=20_000, description="characters of the longest line; a longer one is refused"
    )
    chat_trusted_proxies: str = Field(
        "",
        description="addresses and networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed, comma-separated",
    )

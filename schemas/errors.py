"""The errors that Deskstream raises on purpose.

DeskstreamError
├── ConfigurationError      a file or a setting is wrong; carries where and what to do
├── CodecError              bytes that are not one of our records
│   ├── NotSingleObject     no C3 01 marker
│   ├── UnknownFingerprint  a schema that this build has never seen
│   └── BrokenBody          the Avro body does not match its schema
├── Refused                 an input that cannot become an event; goes to the dead-letter topic with `reason`
├── StateFromTheFuture      a state value written by a newer version
├── Unavailable             Kafka, ClickHouse or a delivery target does not answer; retry later
└── TopicMismatch           a topic exists with another partition count than `topics.py` says
"""

from __future__ import annotations


class DeskstreamError(Exception):
    """Is the base of all; its text is one line that a user can act on.

    `dead_letter_kind` says what a dead letter of this error is, as a metric label: `refused` (an answer to what somebody
    sent; nothing of ours is wrong), `undecodable` (no record of this build), or `defect`.
    """

    dead_letter_kind = "defect"


class ConfigurationError(DeskstreamError):
    """Says that a configuration file or setting is invalid.

    `where` is `file:line` or `file` or the setting's name; `fix` says what to do.
    """

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        self.problem, self.where, self.fix = problem, where, fix
        super().__init__(": ".join(part for part in (where, problem) if part) + (f" ({fix})" if fix else ""))


class CodecError(DeskstreamError):
    """Says that bytes are not one of our records. `reason` is a bounded metric label."""

    reason = "codec"
    dead_letter_kind = "undecodable"


class NotSingleObject(CodecError):
    """Says that the bytes do not begin with C3 01."""

    reason = "not_single_object"


class UnknownFingerprint(CodecError):
    """Says that this build has never seen the writer's schema."""

    reason = "unknown_fingerprint"


class BrokenBody(CodecError):
    """Says that the Avro body does not match its schema."""

    reason = "broken_body"


class Refused(DeskstreamError):
    """Says that an input cannot become an event.

    `reason` is a short bounded word used as a metric label and dead-letter header, for example `bad_json`.
    """

    dead_letter_kind = "refused"

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class StateFromTheFuture(DeskstreamError):
    """Says that a state value has a newer version than this build reads; deploy the newer build again."""


class Unavailable(DeskstreamError):
    """Says that a server does not answer. `retry_after` is in seconds."""

    def __init__(self, what: str, *, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(what)


class TopicMismatch(DeskstreamError):
    """Says that a topic exists with another partition count or cleanup policy than `schemas/topics.py` declares."""

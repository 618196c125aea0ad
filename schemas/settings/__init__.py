"""One frozen settings object per process, read from `DESKSTREAM_*` environment variables by entry points only.

`describe(kind)` lists every variable with its default and meaning; `--help` shows them as `help_text(kind)`.
Secrets are masked whenever settings are printed.
"""

from __future__ import annotations

from schemas.settings.base import Settings, describe, help_text, listed
from schemas.settings.loading import RENAMED, known_variables, load
from schemas.settings.producers import ChatSettings, ProducerSettings
from schemas.settings.sinks import SinkSettings
from schemas.settings.worker import WorkerSettings

__all__ = [
    "RENAMED",
    "ChatSettings",
    "ProducerSettings",
    "Settings",
    "SinkSettings",
    "WorkerSettings",
    "describe",
    "help_text",
    "known_variables",
    "listed",
    "load",
]

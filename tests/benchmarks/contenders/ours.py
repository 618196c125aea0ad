"""Deskstream: the tickets agent on one process, exactly as `python -m stream_processors` runs it, without the router."""

from __future__ import annotations

from schemas.process import Health, configure_logging
from schemas.settings import WorkerSettings, load
from stream_processors.__main__ import serve
from stream_processors.app import build
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor

settings = load(WorkerSettings)
configure_logging(settings)
app = build(settings, [TicketsProcessor(ruleset.load())], Health())

if __name__ == "__main__":
    serve(app, "warning")

"""Holds the command that serves live chat: `python -m producers chat`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from producers.sources.process import Check, prepare, running
from schemas.process import guarded
from schemas.settings import ChatSettings, help_text, load

__all__ = ["HELP", "chat"]

HELP = f"""
Serve live chat: a WebSocket at /chat, the widget at /widget.js, a page that shows it at /, and the protocol as
AsyncAPI at /asyncapi.json.

A web page has chat with one line: `<script src="https://chat.example/widget.js" async></script>`. It is offered in
business hours and while the router reports free slots; otherwise the visitor leaves a message that is answered by
e-mail. A line is acknowledged to the visitor only when Kafka has it, and sent again until then.

Example

DESKSTREAM_CHAT_HOURS="mon-fri 09:00-18:00" DESKSTREAM_CHAT_TIME_ZONE=Asia/Tokyo python -m producers chat

**Settings of chat** (environment) [default]

{help_text(ChatSettings, only="_CHAT_")}
"""


def chat(
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="print the protocol's description and exit")] = False,
    check: Check = False,
) -> None:
    """Serves live chat; `HELP` is what --help shows."""

    def work() -> int:
        from producers.channels.chat_hours import Hours
        from producers.sources.chat import server
        from producers.sources.chat.pages import document

        if asyncapi:
            sys.stdout.write(document().decode())
            return 0
        settings = load(ChatSettings)
        prepare(settings)
        Hours.parse(settings.chat_hours, settings.chat_time_zone)
        if check:
            print("the settings are valid")
            return 0
        with running(settings, "chat") as (publisher, health, stop):
            # Kafka's client has a thread of its own; with the usual 5 ms each of its wake-ups would cost us 5 ms.
            sys.setswitchinterval(0.0005)
            server.serve(settings, publisher, health, stop)
        return 0

    raise SystemExit(guarded(work))

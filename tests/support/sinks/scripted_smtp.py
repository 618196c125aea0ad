"""Runs an SMTP server that goes by a script: at one stage of the dialogue it answers, breaks off or says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DROP, SILENCE = "drop", "silence"
_USUAL = {"greeting": "220 hello", "EHLO": "250 hello", "DATA": "354 go on"}


@dataclass
class ScriptedSmtp:
    """`script` maps a stage (greeting, EHLO, MAIL, RCPT, DATA, content) to an answer, DROP or SILENCE; others go well.

    A whole line of the client, such as `RCPT TO:<x@y.org>`, goes before its stage.
    """

    script: dict[str, str]
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            going_on = await self._say("greeting", writer)
            while going_on and (line := await reader.readline()):
                self.commands.append(line.decode().strip())
                stage = line[:4].decode().strip().upper()
                going_on = await self._say(self.commands[-1] if self.commands[-1] in self.script else stage, writer)
                if going_on and stage == "DATA" and self.script.get("DATA", "354").startswith("354"):
                    self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                    going_on = await self._say("content", writer)
        finally:
            writer.close()

    async def _say(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        answer = self.script.get(stage, _USUAL.get(stage, "250 ok"))
        if answer == SILENCE:
            await asyncio.sleep(3600)
        if answer == DROP:
            return False
        writer.write(answer.encode("utf-8", "surrogateescape") + b"\r\n")
        await writer.drain()
        return not answer.startswith("421")


@asynccontextmanager
async def scripted_smtp(script: dict[str, str]) -> AsyncIterator[ScriptedSmtp]:
    """Runs one for the time of a test."""
    smtp = ScriptedSmtp(script)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(smtp.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    smtp.port = server.sockets[0].getsockname()[1]
    try:
        yield smtp
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

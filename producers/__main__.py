"""The command line `python -m producers`: everything that brings contacts into Kafka."""

from __future__ import annotations

import typer

from producers.endpoint import endpoints
from producers.imports import command as imports
from producers.replay import command as replay
from producers.sources import cli as sources
from producers.sources.chat import cli as chat
from producers.sources.http import cli as http
from producers.sources.http import keys_cli
from schemas.settings import ProducerSettings, help_text

HELP = f"""
Bring contacts into Kafka. A source is told "received" only when Kafka has the contact durably; what cannot become a
contact goes to the dead-letter topic with its raw bytes and the reason.

SIGTERM finishes what is under way and exits 0.

Exit codes: 0 done or drained · 1 defect · 2 usage or configuration · 3 Kafka does not answer.

**Settings** (environment) [default]

{help_text(ProducerSettings)}
"""

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help=HELP)

# In the order that --help shows. A command without a text here has it in its docstring.
app.command("mail")(sources.mail)
app.command("imap")(sources.imap)
app.command("smtp")(sources.smtp)
app.command("http")(http.http)
app.command("chat", help=chat.HELP)(chat.chat)
app.command("import", help=imports.HELP)(imports.import_)
app.command("replay", help=replay.HELP)(replay.replay)
app.command("simulate")(sources.simulate)
app.command("surveys")(http.surveys)
app.command("kiosk-token")(keys_cli.kiosk_token)
for _process in sorted({endpoint.process for endpoint in endpoints()}):
    app.command(_process, help=http.endpoint_help(_process))(http.endpoint_command(_process))
app.add_typer(keys_cli.app, name="keys")


if __name__ == "__main__":
    app()

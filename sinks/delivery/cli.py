"""The commands `python -m sinks delivery suppressed|release`; `sinks.__main__` adds `delivery` itself."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from schemas.settings import SinkSettings, load
from schemas.terminal import SINK_EXIT_CODES as EXIT_CODES
from schemas.terminal import say

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True)


@app.command("suppressed", epilog=EXIT_CODES)
def suppressed(
    address: Annotated[str, typer.Argument(help="an e-mail address, or a key as this list shows it")] = "",
) -> None:
    """Lists the addresses that are suppressed, newest last: their keys, not the addresses; or tells about one address.

    The view suppressed_addresses shows the same beside the customer.
    """
    from sinks.delivery import suppression_admin

    for line in asyncio.run(suppression_admin.listed(load(SinkSettings), address)):
        print(line)


@app.command("release", epilog=EXIT_CODES)
def release(
    address: Annotated[str, typer.Argument(help="an e-mail address, or a key as `suppressed` shows it")],
) -> None:
    """Lets messages go to an address again. Replies that were refused meanwhile: `dlq replay --reason suppressed`."""
    from sinks.delivery import suppression_admin

    say(asyncio.run(suppression_admin.release(load(SinkSettings), address)))

"""Holds the commands that serve HTTP: `python -m producers http|surveys`, and one per kind of endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import structlog
import typer

from producers.endpoint import WebhookEndpoint, endpoints
from producers.help_centre import articles
from producers.security import keys
from producers.sources.process import Check, load_settings, running
from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.settings import ProducerSettings

__all__ = ["endpoint_command", "endpoint_help", "http", "surveys"]

log = structlog.get_logger("producers")


def http(check: Check = False) -> None:
    """Serve the contact form and the signed endpoint: GET /, POST /v1/form, POST /v1/events, and GET /docs.

    With DESKSTREAM_HELP_CENTRE it serves the help pages at /help, too. --check names every article that is refused.

    202 is answered only when Kafka has the contact; while Kafka does not answer it is 503 with Retry-After.

    Example

    DESKSTREAM_HTTP_PORT=8080 DESKSTREAM_KEYS_FILE=keys.yaml python -m producers http

    curl -d email=ann@example.org -d message='Where is my parcel?' http://127.0.0.1:8080/v1/form
    """

    def work() -> int:
        from producers.sources.http import server  # FastAPI is slow to import and only needed here

        settings = load_settings()
        if check:
            _check(settings)
            return 0
        if settings.keys_file is None and not settings.webhook_secrets.get_secret_value():
            log.warning("signed_endpoint_off", fix="set DESKSTREAM_KEYS_FILE to switch /v1/events on")
        with running(settings, "http") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop)
        return 0

    raise SystemExit(guarded(work))


def surveys(
    link: Annotated[
        str, typer.Option("--link", metavar="TICKET", help="print the link to the survey of a ticket, and exit")
    ] = "",
    episode: Annotated[int, typer.Option(min=1, help="with --link: which time it was solved")] = 1,
    agent: Annotated[str, typer.Option(help="with --link: who solved it")] = "",
    locale: Annotated[str, typer.Option(help="with --link: en, zh-Hans, zh-Hant or ja")] = "en",
    days: Annotated[float, typer.Option(min=0, help="with --link: how long it is valid")] = 30.0,
    check: Check = False,
) -> None:
    """Serve the survey pages, under signed links that expire: GET /s/TOKEN shows, only POST votes.

    CSAT 1-5, CES 1-7, a comment; after a low score, what went wrong. In the customer's language and English. Opening a
    link changes nothing, because mail scanners open links; a vote that no person could have made so fast is marked.

    Needs DESKSTREAM_SURVEY_SECRETS, which whoever writes the links has too. `python -m producers http` serves them as well.

    Example

    python -m producers surveys --link ABCDEFGHIJKL-1 --locale ja
    """

    def work() -> int:
        from producers.sources.http import server
        from producers.sources.http.survey import link_to

        settings = load_settings()
        if link:
            print(link_to(settings, link, episode=episode, agent=agent, locale=locale, days=days))
            return 0
        if check:
            _check(settings)
            return 0
        with running(settings, "surveys") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop, process="surveys")
        return 0

    raise SystemExit(guarded(work))


def endpoint_help(process: str) -> str:
    """Returns the help of the command that serves the webhook endpoints of one kind of source."""
    served = endpoints(process)
    lines = "\n\n".join(f"`POST {endpoint.path}` {endpoint.summary} ({_proof(endpoint)})" for endpoint in served)
    return f"""Serve the webhooks of {process}, on DESKSTREAM_HTTP_HOST and DESKSTREAM_HTTP_PORT.

{lines}

Each is answered as received only when Kafka has it, needs what is in brackets, and is described at /docs.
`python -m producers http` serves them all in one process.
"""


def _proof(endpoint: WebhookEndpoint) -> str:
    """Returns what opens an endpoint: the scope of a key, or the secrets of another system."""
    return f"scope {endpoint.scope}" if endpoint.scope else f"DESKSTREAM_{endpoint.secrets.upper()}"


def _check(settings: ProducerSettings) -> None:
    """Reads what the settings name.

    Raises:
        ConfigurationError: something is wrong with it; of articles every mistake is printed.
    """
    if settings.keys_file is not None:
        keys.read(settings.keys_file)
    if settings.help_centre is not None:
        found, refusals = articles.read(settings.help_centre)
        for refusal in refusals:
            print(refusal)
        if refusals:
            problem = f"{len(refusals)} articles are refused, {len(found)} are valid"
            raise ConfigurationError(problem, where="DESKSTREAM_HELP_CENTRE", fix="mend the lines above")
    print("the settings are valid")


def endpoint_command(process: str) -> Callable[..., None]:
    """Returns the command `python -m producers <process>`, which serves the webhook endpoints of one kind of source."""

    def command(check: Check = False) -> None:
        def work() -> int:
            from producers.sources.http import server

            settings = load_settings()
            if check:
                _check(settings)
                return 0
            with running(settings, process) as (publisher, health, stop):
                server.serve(settings, publisher, health, stop, process=process)
            return 0

        raise SystemExit(guarded(work))

    return command

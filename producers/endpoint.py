"""Defines a webhook endpoint: a pure description of one HTTP endpoint that another system calls.

Every module in `producers/endpoints/` declares `ENDPOINTS`; `sources/http/webhooks.py` serves them. An endpoint says how a
delivery is proved to be genuine, what events it becomes, and what its sender is answered. It reads no clock, no
environment, no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from producers.security.device import DeviceToken
from producers.security.grants import Grant, grant_of
from schemas import plugins
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.errors import ConfigurationError, Refused
from schemas.events import Event

__all__ = ["Answer", "Delivery", "PartialBatch", "WebhookEndpoint", "endpoints"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Holds one HTTP request as an endpoint sees it. Header names are in lower case; `url` is the public one, with its query."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def form(self) -> dict[str, str]:
        """Returns the fields of a form-encoded body; of a field that is sent twice, the last.

        Raises:
            Refused: `bad_encoding`, too many fields or no UTF-8.
        """
        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=200, errors="strict")
        except (ValueError, UnicodeDecodeError) as error:
            raise Refused("bad_encoding", str(error)[:200]) from error
        return dict(pairs)


class PartialBatch(Refused):
    """A part of a batch is no event: `events` holds the others. They are published, and the whole is dead-lettered."""

    def __init__(self, events: Sequence[Event], reason: str, detail: str = "") -> None:
        self.events = events
        super().__init__(reason, detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """Holds what the sender is told when everything is durable."""

    status: int = 200
    body: str = ""
    media_type: str = "application/json"


Verify = Callable[[Delivery, Sequence[str], float], None]
Normalise = Callable[[Delivery, int, str], "Sequence[Event]"]


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Describes one endpoint.

    process     whose it is: `python -m producers <process>` serves it, and `http` serves all
    name        its metric label and the `producer` of its dead letters; unique
    path        such as `/v1/sms/incoming`
    channel     the channel of its contacts, the metric label of its refusals
    scope       the scope that a key of ours needs (`security/grants.py`); '' where the sender has a scheme of its own
    secrets     name of the setting (a comma-separated SecretStr) with its secrets; two may be valid while one is
                rotated out. Without a secret or a file of keys the endpoint is closed (403)
    verify      (delivery, secrets, wall seconds): raises `Refused` when the delivery is not genuine; with a `scope`, of
                what was not signed with a key
    device      (Authorization, secrets, wall seconds): the token by which a device proves itself, where devices may
    proof       name of the header that `verify` needs, in lower case: without it nothing of the body is read
    normalise   (delivery, now micros, source): the events of it, in order; may be none. Raises `Refused`, or `PartialBatch`
                when other parts of the same delivery are events. Of headers and query the delivery holds what the next
                three let through: so it is the same when a dead letter is replayed, and no proof is kept
    reads       names of the headers that it reads, in lower case, beside the content type
    asks        names of the fields of the address that it reads
    proved      what only the proof says, such as the name in a device's token, as further headers for it
    signed_at     of a scheme whose signature holds no time: the newest moment that the signed body itself names, wall micros, 0
                for none. A delivery that is older than any sender tries is kept as a dead letter, for it may be one that
                somebody recorded
    is_old_proof  says that a genuine delivery is not bound in time, as those that the release before asked for
    answer      what the sender is told once Kafka has the events
    challenge   answers a GET (a subscription check), given the secrets; raises `Refused`
    tokens      name of the setting whose secrets `challenge` is given instead: a token that its sender writes into an
                address ends up in logs, and must not be the secret that signs
    max_bytes   larger bodies are 413
    keep        a genuine delivery that cannot be normalised becomes a dead letter and is answered as received, because
                its sender cannot mend it and would send it for ever; otherwise it is refused with 422
    summary     a line for /docs and --help
    example     a delivery that `normalise` takes, for /docs and the tests that run over every endpoint
    media_types of the body
    schema      JSON schema of the body, for /docs, where it is known better than "an object"
    """

    process: str
    name: str
    path: str
    channel: str
    secrets: str
    verify: Verify
    normalise: Normalise
    summary: str
    example: Delivery
    answer: Callable[[Delivery, Sequence[Event]], Answer] = lambda delivery, events: Answer(body='{"received":true}')
    scope: str = ""
    device: Callable[[str, Sequence[str], float], DeviceToken] | None = None
    proof: str = ""
    reads: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    proved: Callable[[Delivery], Mapping[str, str]] | None = None
    signed_at: Callable[[Delivery], int] | None = None
    is_old_proof: Callable[[Delivery], bool] | None = None
    challenge: Callable[[Delivery, Sequence[str]], Answer] | None = None
    tokens: str = ""
    max_bytes: int = 1_000_000
    keep: bool = True
    media_types: tuple[str, ...] = ("application/json",)
    schema: Mapping[str, Any] | None = None

    def input_context(self, delivery: Delivery, now: int, source: str, grant: Grant | None = None) -> InputContext:
        """Returns what `take` gets of a genuine delivery beside its body, and what its dead letter keeps.

        `grant` says what the key may do that signed it.
        """
        headers = dead_letter_headers.chosen(delivery.headers, ("content-type", *self.reads))
        if self.proved is not None:
            headers |= self.proved(delivery)
        context = InputContext(
            received_at=now, source=source, headers=headers, query=dead_letter_headers.chosen(delivery.query, self.asks)
        )
        return context if grant is None else grant.beside(context)

    def take(self, raw: bytes, given: InputContext) -> Sequence[Event]:
        """Returns the events of a body, now or when its dead letter is replayed.

        Raises:
            Refused: as `normalise`; `wrong_agent`, its key may not speak for that agent.
        """
        delivery = Delivery("POST", self.path, given.headers, given.query, raw)
        made = self.normalise(delivery, given.received_at, given.source)
        grant_of(given).require_agents(made)
        return made


def endpoints(process: str = "", modules: Iterable[Any] | None = None) -> tuple[WebhookEndpoint, ...]:
    """Returns the endpoints of one process ('' for all), sorted by path.

    Raises:
        ConfigurationError: two endpoints share a name or a path, or a module declares none.
    """
    found: dict[str, WebhookEndpoint] = {}
    paths: dict[str, str] = {}
    for module, declared in plugins.declarations(
        "ENDPOINTS", plugins.modules("producers.endpoints") if modules is None else modules
    ):
        for endpoint in declared:
            if endpoint.name in found or endpoint.path in paths:
                raise ConfigurationError(f"{endpoint.name} at {endpoint.path} is there already", where=module.__name__)
            found[endpoint.name], paths[endpoint.path] = endpoint, endpoint.name
    return tuple(sorted((d for d in found.values() if process in ("", d.process)), key=lambda endpoint: endpoint.path))

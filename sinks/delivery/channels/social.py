"""Sends answers to Messenger, Instagram and page comments over Meta's interface, and to messages and posts on X.

The customer's address (`meta:<id>`, `x:<id>`) and the conversation (`thread_id`) decide where an answer goes. A public
question is answered below its comment or post (`In-Reply-To`). Events of an older build do not have that header; their
answer goes below the post that began the conversation. A private question is answered in private. Without a token of a
network, its answers are refused as `no_adapter`, or written to the outbox if it is set. Without any token this module
serves no channel.

| the network answers                                     | then                                                        |
|---------------------------------------------------------|-------------------------------------------------------------|
| 2xx                                                     | taken                                                       |
| no connection, 5xx, 429, a limit, a token that expired  | ServiceUnavailable: no message is the cause                 |
| Meta: an unknown error, a transient one                 | TryLater                                                    |
| Meta: the customer wrote more than 24 hours ago         | Undeliverable `refused`, `outside_window`: answer otherwise |
| X: a duplicate of an earlier text                       | taken: an earlier attempt sent it                           |
| any other 4xx                                           | Undeliverable `bounced`, `social_permanent`                 |
| nothing, after the request was sent                     | Undeliverable `bounced`, `answer_lost`                      |

Neither network has an idempotency key. An answer that may have been taken is therefore not sent again automatically: it
becomes a dead letter that says so, and a person checks before replaying it. Long texts go in numbered parts; a part that
was taken is not sent again while the process lives.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from schemas.errors import ConfigurationError
from schemas.facts import Outbound
from schemas.settings import SinkSettings
from schemas.text import named_error_line, one_line
from sinks.delivery.adapter import Attempt, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.channels import outbox
from sinks.delivery.split import split

CHANNELS = ("social",)
#: Characters of a message or post, as each network counts them; Instagram counts bytes.
_MESSENGER, _INSTAGRAM, _COMMENT, _X_MESSAGE, _X_POST = 2_000, 1_000, 2_000, 10_000, 280
_MOST_PARTS = 5
_REMEMBERED = 2_000
_X_SINGLE = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_X_LINK = 23
#: The texts that X makes a link of: an address, or a name that ends like a domain.
_LINK = re.compile(r"https?://[!-~]+|\b(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b(?:/[!-~]*)?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
#: Error codes of Meta: outside the window in which we may write; too many calls, token or permission: about us.
_WINDOW = frozenset((2018278, 2534022))
_WINDOW_CODE = 10
_META_ABOUT_US = frozenset((4, 17, 32, 102, 190, 341, 368, 613, 80006))
#: ... and those that say "try again", of this message: they also come when a person blocks us, which holds up nobody else.
_META_AGAIN = frozenset((1, 2))
_X_ABOUT_US = frozenset((401, 429))


@dataclass(frozen=True)
class Request:
    """One call and the length of its text, at most `most` as `measure` counts; `body` makes the JSON of a part."""

    network: str
    path: str
    body: Callable[[str], dict[str, Any]]
    most: int
    measure: Callable[[str], int] = len


def route(message: Outbound) -> Request:
    """Returns the call that sends an answer.

    Raises:
        Undeliverable: the address or the conversation belongs to no known network.
    """
    network, _, person = message.address.partition(":")
    asked = message.headers.get("In-Reply-To", "")
    asked = asked if _ID.fullmatch(asked) else ""
    place = message.thread_id.split(":")
    if network not in ("meta", "x") or not _ID.fullmatch(person) or not all(_ID.fullmatch(each) for each in place):
        raise Undeliverable("refused", "bad_address", f"{message.address[:60]!r} is nobody on a network that we know")
    if network == "meta" and len(place) == 3:
        most, measure = (_INSTAGRAM, _bytes) if place[0] == "instagram" else (_MESSENGER, len)
        to = {"recipient": {"id": person}, "messaging_type": "RESPONSE"}
        return Request("meta", f"{place[1]}/messages", lambda part: {**to, "message": {"text": part}}, most, measure)
    if network == "meta" and len(place) == 2:
        below = f"{asked}/replies" if asked and place[0] == "instagram" else f"{asked or place[1]}/comments"
        return Request("meta", below, lambda part: {"message": part}, _COMMENT)
    if network == "x" and place[:2] == ["x", "dm"]:
        path = f"dm_conversations/with/{person}/messages"
        return Request("x", path, lambda part: {"text": part}, _X_MESSAGE)
    if network == "x" and len(place) == 2:
        reply = {"in_reply_to_tweet_id": asked or place[1]}
        return Request("x", "tweets", lambda part: {"text": part, "reply": reply}, _X_POST, _weight)
    raise Undeliverable("refused", "bad_thread", f"{message.thread_id[:60]!r} is no conversation that can be answered")


class Social:
    """Sends to both networks, each only with its token; reuses connections."""

    def __init__(self, settings: SinkSettings) -> None:
        self._networks = {
            "meta": (settings.social_meta_url.rstrip("/"), settings.social_meta_token.get_secret_value()),
            "x": (settings.social_x_url.rstrip("/"), settings.social_x_token.get_secret_value()),
        }
        self._without = outbox.connect(settings)
        secure = any(url.startswith("https:") for url, token in self._networks.values() if token)
        self._client = httpx.AsyncClient(
            timeout=settings.social_timeout_seconds,
            limits=httpx.Limits(max_connections=settings.delivery_in_flight),
            verify=secure,  # without TLS there is nothing to verify, and loading it takes long
            trust_env=False,
        )
        self._begun: OrderedDict[str, list[str]] = (
            OrderedDict()
        )  # outbound id → the network's ids of the parts sent so far

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Sends the parts one after the other; returns the network's ids, joined by spaces.

        Raises:
            ServiceUnavailable, TryLater, Undeliverable
        """
        if not message.text.strip():
            raise Undeliverable("refused", "empty", "there is nothing to say")
        request = route(message)
        if not self._networks[request.network][1]:
            return await self._without.deliver(message)
        parts = split(message.text, request.most, _MOST_PARTS, request.measure)
        taken = self._begun.setdefault(message.outbound_id, [])
        if len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)
        for part in parts[len(taken) :]:
            taken.append(await self._send(request, part))
        self._begun.pop(message.outbound_id, None)
        return " ".join(taken)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _send(self, request: Request, part: str) -> str:
        url, token = self._networks[request.network]
        path = "/".join(quote(each, safe="") for each in request.path.split("/"))
        try:
            answer = await self._client.post(
                f"{url}/{path}", json=request.body(part), headers={"Authorization": f"Bearer {token}"}
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # it never left
            raise ServiceUnavailable(f"{request.network}: {_error_text(error)}") from error
        except httpx.HTTPError as error:
            lost = f"it may have been taken, look before sending it again: {_error_text(error)}"
            raise Undeliverable("bounced", "answer_lost", lost) from error
        if answer.is_success:
            return _id_of(_json(answer))
        if request.network == "x" and answer.status_code == 403 and "duplicate" in answer.text.lower():
            return "there already"
        raise _meta_failure(answer) if request.network == "meta" else _x_failure(answer)


def connect(settings: SinkSettings) -> Social | None:
    """Returns the adapter, or None without a token of any network.

    Raises:
        ConfigurationError: an address is no http(s) URL.
    """
    for name in ("social_meta", "social_x"):
        if getattr(settings, f"{name}_token").get_secret_value():
            break
    else:
        return None
    for name in ("social_meta_url", "social_x_url"):
        if not getattr(settings, name).startswith(("http://", "https://")):
            raise ConfigurationError("must begin with https://", where=f"DESKSTREAM_{name.upper()}")
    return Social(settings)


def _meta_failure(answer: httpx.Response) -> Exception:
    """Returns the exception for an error answer of Meta."""
    found = _json(answer).get("error")
    error: dict[str, Any] = found if isinstance(found, dict) else {}
    code, subcode = error.get("code"), error.get("error_subcode")
    text = one_line(f"{answer.status_code} {code or ''} {error.get('message') or answer.text[:200]}", 500)
    if subcode in _WINDOW or (code == _WINDOW_CODE and "window" in text.lower()):
        why = f"the customer wrote more than 24 hours ago, so Meta takes no answer; answer another way ({text})"
        return Undeliverable("refused", "outside_window", why)
    if code in _META_AGAIN or error.get("is_transient"):
        return TryLater(text)
    if answer.status_code >= 500 or answer.status_code == 429 or code in _META_ABOUT_US:
        return ServiceUnavailable(f"meta: {text}")
    return Undeliverable("bounced", "social_permanent", text)


def _x_failure(answer: httpx.Response) -> Exception:
    """Returns the exception for an error answer of X."""
    fields = _json(answer)
    text = f"{answer.status_code} {fields.get('title') or ''} {fields.get('detail') or answer.text[:200]}"
    text = one_line(text, 500)
    if answer.status_code >= 500 or answer.status_code in _X_ABOUT_US:
        return ServiceUnavailable(f"x: {text}")
    return Undeliverable("bounced", "social_permanent", text)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _id_of(fields: dict[str, Any]) -> str:
    data = fields.get("data")
    inner: dict[str, Any] = data if isinstance(data, dict) else {}
    return str(fields.get("message_id") or fields.get("id") or inner.get("dm_event_id") or inner.get("id") or "taken")


def _error_text(error: Exception) -> str:
    return named_error_line(error, 300)


def _bytes(text: str) -> int:
    return len(text.encode())


def _weight(text: str) -> int:
    """Counts as X does (its configuration v3): most alphabets one, all other characters two, a link at least 23."""
    bare = _LINK.sub("", text)
    links = sum(max(_X_LINK, len(link)) for link in _LINK.findall(text))
    return links + sum(1 if any(first <= ord(each) <= last for first, last in _X_SINGLE) else 2 for each in bare)

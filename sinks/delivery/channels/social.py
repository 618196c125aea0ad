"""Answers on social networks: Messenger, Instagram and page comments over Meta's interface, messages and posts on X.

Where an answer goes is read off the customer's address (`meta:<id>`, `x:<id>`) and the conversation (`thread_id`): what
was asked in public is answered below the very comment or post (`In-Reply-To`; events of an older build do not tell it, then
below the post that began the conversation), what was asked in private in private. Without a token of a network, its
answers are refused as `no_adapter`, or written to the outbox when there is one; without any, the channel is not claimed.

| the network says                                        | then                                                       |
|---------------------------------------------------------|------------------------------------------------------------|
| 2xx                                                     | taken                                                      |
| no connection, 5xx, 429, a limit, a token that expired  | Away: nobody's message is to blame                         |
| Meta: an unknown error, a transient one                 | TryLater                                                   |
| the customer wrote too long ago (Meta: 24 hours)        | Undeliverable `refused`, `outside_window`: answer otherwise |
| X: the same words are there already                     | taken: an earlier attempt put them there                   |
| any other 4xx                                           | Undeliverable `bounced`, `social_permanent`                |
| nothing, after the request had left                     | Undeliverable `bounced`, `answer_lost`                     |

Neither network takes a key that would make a second request harmless. So an answer that may have been taken is not sent
again by itself: a dead letter says so, and a person looks before replaying it. Long texts go in numbered parts; a part
that was taken is not sent again while the process lives.
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
from sinks.delivery.adapter import Away, Tried, TryLater, Undeliverable
from sinks.delivery.channels import outbox
from sinks.delivery.split import split

CHANNELS = ("social",)
#: Characters of a message or post, as each network counts them; Instagram counts bytes.
_MESSENGER, _INSTAGRAM, _COMMENT, _X_MESSAGE, _X_POST = 2_000, 1_000, 2_000, 10_000, 280
_MOST_PARTS = 5
_REMEMBERED = 2_000
_X_SINGLE = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_X_LINK = 23
#: What X makes a link of: an address, or a name that ends like a domain.
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
    """One call, and how long a text it takes. `body` makes the JSON of it from a part of the text."""

    network: str
    path: str
    body: Callable[[str], dict[str, Any]]
    most: int
    measure: Callable[[str], int] = len


def route(message: Outbound) -> Request:
    """Where an answer goes.

    Raises:
        Undeliverable: the address or the conversation is of no network that we know.
    """
    network, _, person = message.address.partition(":")
    asked = message.headers.get("In-Reply-To", "")
    asked = asked if _ID.fullmatch(asked) else ""
    place = message.thread_id.split(":")
    if network not in ("meta", "x") or not _ID.fullmatch(person) or not all(_ID.fullmatch(each) for each in place):
        raise Undeliverable("refused", "bad_address", f"{message.address[:60]!r} is nobody on a network that we know")
    if network == "meta" and len(place) == 3:
        most, measure = (_INSTAGRAM, _bytes) if place[0] == "instagram" else (_MESSENGER, len)
        to = {"id": person}
        said = {"recipient": to, "messaging_type": "RESPONSE"}
        return Request("meta", f"{place[1]}/messages", lambda part: {**said, "message": {"text": part}}, most, measure)
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
    """Both networks; each only with its token. Connections are kept open and used again."""

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
        self._begun: OrderedDict[str, list[str]] = OrderedDict()  # outbound id → their ids of the parts they have

    async def deliver(self, message: Outbound, tried: Tried | None = None) -> str:
        """Their id, or their ids, of the message. A part is sent once the one before it was taken."""
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
        await self._client.aclose()

    async def _send(self, request: Request, part: str) -> str:
        url, token = self._networks[request.network]
        path = "/".join(quote(each, safe="") for each in request.path.split("/"))
        try:
            answer = await self._client.post(
                f"{url}/{path}", json=request.body(part), headers={"Authorization": f"Bearer {token}"}
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # it never left
            raise Away(f"{request.network}: {_said(error)}") from error
        except httpx.HTTPError as error:
            lost = f"it may have been taken, look before sending it again: {_said(error)}"
            raise Undeliverable("bounced", "answer_lost", lost) from error
        if answer.is_success:
            return _id_of(_json(answer))
        if request.network == "x" and answer.status_code == 403 and "duplicate" in answer.text.lower():
            return "there already"
        raise _meta_verdict(answer) if request.network == "meta" else _x_verdict(answer)


def connect(settings: SinkSettings) -> Social | None:
    """The adapter, or None without a token of any network.

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


def _meta_verdict(answer: httpx.Response) -> Exception:
    """What an error answer of Meta means for the message."""
    found = _json(answer).get("error")
    error: dict[str, Any] = found if isinstance(found, dict) else {}
    code, subcode = error.get("code"), error.get("error_subcode")
    told = one_line(f"{answer.status_code} {code or ''} {error.get('message') or answer.text[:200]}", 500)
    if subcode in _WINDOW or (code == _WINDOW_CODE and "window" in told.lower()):
        why = f"the customer wrote more than 24 hours ago, so Meta takes no answer; answer another way ({told})"
        return Undeliverable("refused", "outside_window", why)
    if code in _META_AGAIN or error.get("is_transient"):
        return TryLater(told)
    if answer.status_code >= 500 or answer.status_code == 429 or code in _META_ABOUT_US:
        return Away(f"meta: {told}")
    return Undeliverable("bounced", "social_permanent", told)


def _x_verdict(answer: httpx.Response) -> Exception:
    """What an error answer of X means for the message."""
    said = _json(answer)
    told = f"{answer.status_code} {said.get('title') or ''} {said.get('detail') or answer.text[:200]}"
    told = one_line(told, 500)
    if answer.status_code >= 500 or answer.status_code in _X_ABOUT_US:
        return Away(f"x: {told}")
    return Undeliverable("bounced", "social_permanent", told)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _id_of(said: dict[str, Any]) -> str:
    data = said.get("data")
    inner: dict[str, Any] = data if isinstance(data, dict) else {}
    return str(said.get("message_id") or said.get("id") or inner.get("dm_event_id") or inner.get("id") or "taken")


def _said(error: Exception) -> str:
    return named_error_line(error, 300)


def _bytes(text: str) -> int:
    return len(text.encode())


def _weight(text: str) -> int:
    """As X counts (its configuration v3): most alphabets one, all other characters two, a link at least 23."""
    bare = _LINK.sub("", text)
    links = sum(max(_X_LINK, len(link)) for link in _LINK.findall(text))
    return links + sum(1 if any(first <= ord(each) <= last for first, last in _X_SINGLE) else 2 for each in bare)

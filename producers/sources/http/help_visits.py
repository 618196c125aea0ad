"""Records what visitors of the help pages do, without knowing who they are.

A visit is one browser at one network address on one day (UTC): a keyed hash of these, so that a search, the article that it led
to and the form that followed belong together. Nothing is stored on the visitor's device, and no address leaves this module.
The key is that of the customer tags, so every process of a deployment makes the same visits; without one it is this process's.

Not recorded: programs, previews, what a browser fetches ahead, visitors whose browser says that they do not want it (`DNT`,
`Sec-GPC`), and what is beyond `DESKSTREAM_HELP_EVENTS_PER_MINUTE`. A page never waits for Kafka.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import structlog
from fastapi import Request

from producers.channels import helpcentre
from producers.channels.helpcentre import Customer, Rated, Searched, Viewed, Wanted
from producers.help_centre.articles import Article
from producers.publisher import Publisher
from producers.security.proxies import share_of
from producers.security.ratelimit import RateLimit
from producers.sources.http.requests import count_refusal
from producers.sources.http.webhooks import secrets_of
from producers.text.fields import MAX_SHORT, FieldProblems
from schemas.clock import MICROS
from schemas.errors import Refused, Unavailable
from schemas.events import ArticleViewed
from schemas.identity import canonical_customer_id, customer_tag, event_id
from schemas.settings import ProducerSettings

__all__ = ["Visits"]

#: The same article again within so many seconds, or the same search, is the same event: a page that was loaded again.
_SAME_SECONDS = 1_800
_DAY_SECONDS = 86_400
_MOST_UNDER_WAY = 500
_PROGRAMS = re.compile(
    r"bot\b|bots\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|telegram|skype|headless|lighthouse|monitor"
    r"|uptime|pingdom|scanner|safelinks|proofpoint|mimecast",
    re.IGNORECASE,
)
_FETCHED_AHEAD = re.compile(r"prefetch|preview|prerender", re.IGNORECASE)
log = structlog.get_logger("producers.help_centre")


class Visits:
    """Turns what visitors do into events of the channel `help_centre`."""

    def __init__(self, settings: ProducerSettings, publisher: Publisher, source: str) -> None:
        self._publisher, self._source, self._clock = publisher, source, settings.pipeline_clock
        self._key = (secrets_of(settings, "tag_secrets") or [secrets.token_hex(32)])[0].encode()
        most = settings.help_events_per_minute
        self._limit = RateLimit(most / 60, most)
        self._under_way: set[asyncio.Task[None]] = set()

    def searched(self, request: Request, locale: str, brand: str, query: str, results: int) -> None:
        """Records a search, and how many articles of the language it found."""
        if self._counts(request) and query.strip():
            visit = self._visit(request)
            about = self._about(visit, f"search/{locale}/{query.strip().lower()}", locale, brand)
            self._record(Searched(**about, query=query[:MAX_SHORT], results=results))

    def viewed(self, request: Request, locale: str, brand: str, slug: str, query: str) -> None:
        """Records that an article was opened; `query` is the search that led to it."""
        if self._counts(request):
            about = self._about(self._visit(request), f"view/{locale}/{slug}", locale, brand)
            self._record(Viewed(**about, article_id=slug, query=query[:MAX_SHORT]))

    def wanted(self, request: Request, locale: str, brand: str, slug: str, query: str, *, by: str, unique: str) -> None:
        """Records that a visitor went on to a person: by `form`, or by `chat`."""
        if self._counts(request):
            about = self._about(self._visit(request), f"wanted/{by}/{unique or slug}", locale, brand)
            self._record(
                Wanted(**about, by="form" if by == "form" else "chat", article_id=slug, query=query[:MAX_SHORT])
            )

    async def rated(self, request: Request, locale: str, brand: str, slug: str, query: str, *, helped: bool) -> None:
        """Records what a visitor said of an article, who thereby says it to us; by itself if they want no record of the visit.

        Raises:
            Unavailable: Kafka does not have it.
        """
        visit = self._visit(request) if _is_willing(request) else secrets.token_hex(16)
        about = self._about(visit, f"rate/{locale}/{slug}/{helped}", locale, brand)
        report = Rated(**about, article_id=slug, helped=helped, query=query[:MAX_SHORT])
        event = helpcentre.article_event(report, now=self._clock.now(), source=self._source)
        await self._publisher.publish_async(event, producer=helpcentre.CHANNEL, origin=self._source)

    async def published(self, found: Iterable[Article]) -> None:
        """Records which articles there are, so that those that nobody reads are known as well. Once a day is one event.

        Raises:
            Unavailable: Kafka does not have them all.
        """
        now = self._clock.now()
        who = canonical_customer_id("help_centre", "articles")
        for article in found:
            day = str(now // (_DAY_SECONDS * MICROS))
            event = ArticleViewed(
                event_id=event_id("help-article", article.locale, article.slug, day),
                occurred_at=now,
                received_at=now,
                customer_tag=customer_tag(who),
                channel=helpcentre.CHANNEL,
                source=self._source,
                customer_id=who,
                article_id=article.slug,
                language=article.locale,
                reaction="published",
            )
            await self._publisher.publish_async(event, producer=helpcentre.CHANNEL, origin=self._source)

    def _counts(self, request: Request) -> bool:
        """Returns true for a visit of a person who does not mind, within their address's share."""
        if request.method == "HEAD" or not _is_willing(request) or not _is_person(request):
            return False
        client = share_of(request.client.host) if request.client else ""
        if self._limit.wait_seconds(client, time.monotonic()):
            count_refusal(helpcentre.CHANNEL, Refused("not_recorded", ""))
            return False
        return True

    def _visit(self, request: Request) -> str:
        day = int(time.time()) // _DAY_SECONDS
        client = share_of(request.client.host) if request.client else ""
        said = f"help-visit\n{day}\n{client}\n{request.headers.get('user-agent', '')}"
        return hmac.digest(self._key, said.encode("utf-8", "replace"), sha256)[:16].hex()

    def _about(self, visit: str, what: str, locale: str, brand: str) -> dict[str, Any]:
        window = self._clock.now() // (_SAME_SECONDS * MICROS)
        unique = sha256(f"{visit}/{what}/{window}".encode("utf-8", "replace")).hexdigest()[:32]
        return {"id": unique, "customer": Customer(visitor_id=visit), "language": locale, "brand": brand}

    def _record(self, report: Searched | Viewed | Wanted) -> None:
        """Hands an event over; what Kafka does not take is counted and lost: nobody can be asked to search again."""
        if len(self._under_way) >= _MOST_UNDER_WAY:
            count_refusal(helpcentre.CHANNEL, Refused("not_recorded", ""))
            return
        task = asyncio.create_task(self._publish(report))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _publish(self, report: Searched | Viewed | Wanted) -> None:
        try:
            event = helpcentre.article_event(report, now=self._clock.now(), source=self._source)
            await self._publisher.publish_async(event, producer=helpcentre.CHANNEL, origin=self._source)
        except (Unavailable, FieldProblems):
            count_refusal(helpcentre.CHANNEL, Refused("unavailable", ""))
        except Exception:
            log.exception("help_event_not_recorded")


def _is_willing(request: Request) -> bool:
    return request.headers.get("sec-gpc") != "1" and request.headers.get("dnt") != "1"


def _is_person(request: Request) -> bool:
    headers = request.headers
    agent = headers.get("user-agent", "")
    if not agent or _PROGRAMS.search(agent):
        return False
    ahead = headers.get("sec-purpose", "") + headers.get("purpose", "") + headers.get("x-moz", "")
    return not _FETCHED_AHEAD.search(ahead) and headers.get("sec-fetch-dest", "document") == "document"

"""Serves the help pages: search, articles, "did this help?", and the way to a person.

| page                        | shows                                                | recorded (`help_visits`)         |
|-----------------------------|------------------------------------------------------|----------------------------------|
| `/help`                     | 302 to the language that the browser likes best      |                                  |
| `/help/LOCALE?q=`           | the search box, what was found, else all articles    | the search, how much it found    |
| `/help/LOCALE/SLUG`         | an article; in English where it is not translated    | the article, what led to it      |
| `POST` to the same          | thanks; after "no" the way to a person               | the vote                         |
| `/help/LOCALE/chat`         | 303 to the page with the chat window, with the question | that they went on to the chat |

The form at `/` takes over `help_query` and `help_article`, so that nobody repeats what they looked for.
Settings: `help_centre`, `chat_page_url`, `help_events_per_minute`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from producers.channels import helpcentre
from producers.help_centre.articles import Article
from producers.help_centre.markdown import CONTACT
from producers.help_centre.shelf import LOOK_SECONDS, Shelf
from producers.publisher import Publisher
from producers.security.ratelimit import RateLimit
from producers.sources.http import pages
from producers.sources.http.help_visits import Visits
from producers.sources.http.requests import TooMany, count_refusal, hang_up, read_body, require_share
from producers.sources.service_times import ServiceTimes
from producers.text.fields import MAX_SHORT
from producers.text.locales import negotiated
from schemas.brands import Brand
from schemas.clock import MICROS
from schemas.errors import Refused, Unavailable
from schemas.events import LOCALES, Event, MessageReceived
from schemas.settings import ProducerSettings

__all__ = ["HelpPages", "add_help_centre"]

PATH = "/help"
#: Of a search box; who pastes more is searched for by its beginning.
LONGEST_QUERY = 200
_MOST_BYTES = 10_000
_STATUS = {"too_large": 413, "too_slow": 408, "too_many_bytes": 429, "too_many_bytes_in_all": 503}
_NO_SUCH = "no_such_article"
#: Other than our forms, articles may be found by search engines.
_FOUND = {"X-Robots-Tag": "all"}
_DAY = 86_400 * MICROS

log = structlog.get_logger("producers.help_centre")


class HelpPages:
    """Answers the requests; also tells the contact form what a visitor has looked for."""

    def __init__(
        self, settings: ProducerSettings, publisher: Publisher, shelf: Shelf, service: ServiceTimes, source: str
    ) -> None:
        self._publisher, self._shelf, self._service = publisher, shelf, service
        self._visits = Visits(settings, publisher, source)
        self._chat = settings.chat_page_url
        self._limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
        self._clock = settings.pipeline_clock

    async def run(self) -> None:
        """Reads changed articles, and says once a day which there are, until it is cancelled."""
        said = -1
        while True:
            try:
                changed = await asyncio.to_thread(self._shelf.look)
                day = self._clock.now() // _DAY
                if changed or day != said:
                    await self._visits.published(self._shelf.every())
                    said = day
            except Unavailable:
                said = -1  # at the next look
            except Exception:  # a defect of ours must not end the looking
                log.exception("help_centre_not_read")
            await asyncio.sleep(LOOK_SECONDS)

    # -- the pages ----------------------------------------------------------------------------------------------------

    async def begin(self, request: Request) -> Response:
        """Leads to the pages in the language that the browser likes best."""
        locale = negotiated(request.headers.get("accept-language", ""))
        asked = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(
            f"{PATH}/{locale}{asked}", 302, {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        )

    async def search(self, request: Request) -> Response:
        """Shows what a search finds; without one all articles."""
        try:
            locale, brand = self._place(request)
        except (TooMany, Refused) as error:
            return self._sorry(request, error)
        query = _query(request)
        if not query:
            return self._searched(request, locale, brand, "", self._shelf.all(locale, brand.slug))
        found = self._shelf.search(locale, query, brand.slug)
        self._visits.searched(request, locale, brand.slug, query, len(found))
        if not found and locale != "en":
            found = self._shelf.search("en", query, brand.slug)
        return self._searched(request, locale, brand, query, found)

    async def article(self, request: Request) -> Response:
        """Shows an article."""
        try:
            locale, brand = self._place(request)
            article = self._article(request, locale, brand)
        except (TooMany, Refused) as error:
            return self._sorry(request, error)
        self._visits.viewed(request, locale, brand.slug, article.slug, _query(request))
        return self._page(request, locale, brand, article)

    async def vote(self, request: Request) -> Response:
        """Takes whether an article helped."""
        try:
            locale, brand = self._place(request)
            article = self._article(request, locale, brand)
            typed = parse_qs((await read_body(request, _MOST_BYTES)).decode("latin-1"), max_num_fields=20)
            helped = {"yes": True, "no": False}.get((typed.get("helped") or [""])[0])
            if helped is None:
                return self._page(request, locale, brand, article, status=422)
            await self._visits.rated(request, locale, brand.slug, article.slug, _query(request), helped=helped)
        except ValueError:
            return self._sorry(request, Refused("bad_encoding", ""))
        except (TooMany, Refused) as error:
            return self._sorry(request, error)
        except Unavailable as error:
            count_refusal(helpcentre.CHANNEL, Refused("unavailable", ""))
            later = {"Retry-After": str(max(1, round(error.retry_after)))}
            return self._page(request, locale, brand, article, status=503, unavailable=True, headers=later)
        return self._page(request, locale, brand, article, voted="yes" if helped else "no")

    async def chat(self, request: Request) -> Response:
        """Leads to the page with the chat window. The question is behind the `#`, which no server sees."""
        try:
            locale, brand = self._place(request)
            if not self._chat:
                raise Refused(_NO_SUCH, "")
        except (TooMany, Refused) as error:
            return self._sorry(request, error)
        slug, query = self._read(request, brand), _query(request)
        self._visits.wanted(request, locale, brand.slug, slug, query, by="chat", unique="")
        article = self._shelf.get(locale, slug, brand.slug) if slug else None
        question = query or (article.title if article else "")
        there = f"{self._chat.partition('#')[0]}#deskstream-question={quote(question)}"
        return RedirectResponse(there, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    # -- the form -----------------------------------------------------------------------------------------------------

    def carried(self, request: Request, locale: str, brand: Brand) -> tuple[dict[str, str], str]:
        """Returns what the form begins with for who comes from here, and the title of the article that they read."""
        query, slug = request.query_params.get("help_query", "")[:LONGEST_QUERY].strip(), self._read(request, brand)
        article = self._shelf.get(locale, slug, brand.slug) if slug else None
        title = article.title if article else ""
        values = {"subject": query or title, "help_query": query, "help_article": slug}
        return {name: value for name, value in values.items() if value}, title

    def contacted(self, request: Request, locale: str, event: Event) -> None:
        """Notes that somebody who came from here sent the form."""
        if isinstance(event, MessageReceived) and (event.fields.get("help_article") or event.fields.get("help_query")):
            slug, query = event.fields.get("help_article", ""), event.fields.get("help_query", "")
            self._visits.wanted(request, locale, event.brand, slug, query, by="form", unique=event.event_id)

    # -- what they have in common -------------------------------------------------------------------------------------

    def _place(self, request: Request) -> tuple[str, Brand]:
        """Returns the language and the brand of a page.

        Raises:
            TooMany: the sender is above its share.
            Refused: there is no such language.
        """
        require_share(self._limit, request)
        locale = request.path_params["locale"]
        if locale not in LOCALES:
            raise Refused(_NO_SUCH, "")
        return locale, self._publisher.brands.of_site(
            request.headers.get("host", ""), request.query_params.get("brand", "")
        )

    def _article(self, request: Request, locale: str, brand: Brand) -> Article:
        article = self._shelf.get(locale, request.path_params["slug"], brand.slug)
        if article is None:
            raise Refused(_NO_SUCH, "")
        return article

    def _read(self, request: Request, brand: Brand) -> str:
        """Returns the slug of the article that a visitor comes from, '' for none that there is."""
        slug = request.query_params.get("help_article", "")
        return slug if slug and self._shelf.get("en", slug, brand.slug) else ""

    def _searched(
        self, request: Request, locale: str, brand: Brand, query: str, found: list[Article], status: int = 200
    ) -> Response:
        links = _Links(request, locale, brand, query)
        page = pages.render(
            "help.html", locale, brand=brand, links=links, query=query, found=found, longest=LONGEST_QUERY,
            missing=status == 404, chat=bool(self._chat), service=self._service.said("form", brand.slug, locale),
        )  # fmt: skip
        return pages.Page(page, status, None if query or status != 200 else _FOUND)

    def _page(
        self,
        request: Request,
        locale: str,
        brand: Brand,
        article: Article,
        *,
        status: int = 200,
        voted: str = "",
        unavailable: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Response:
        links = _Links(request, locale, brand, _query(request), article.slug)
        page = pages.render(
            "help_article.html", locale, brand=brand, links=links, article=article, voted=voted, unasked=status == 422,
            unavailable=unavailable, content=links.filled(article.html), chat=bool(self._chat), query=links.query,
            longest=LONGEST_QUERY, service=self._service.said("form", brand.slug, locale),
        )  # fmt: skip
        return pages.Page(page, status, headers if headers or links.query or voted else _FOUND)

    def _sorry(self, request: Request, error: Refused | TooMany) -> Response:
        """Answers what cannot be shown: with the search box, unless the sender is above its share."""
        asked = request.path_params.get("locale", "")
        locale = asked if asked in LOCALES else negotiated(request.headers.get("accept-language", ""))
        if isinstance(error, TooMany):
            count_refusal(helpcentre.CHANNEL, Refused("rate_limited", ""))
            retry = {"Retry-After": str(max(1, round(error.args[0])))}
            return pages.Page(pages.refused_page(locale, "rate_limited"), 429, retry)
        count_refusal(helpcentre.CHANNEL, error)
        if error.reason == _NO_SUCH:
            host, named = request.headers.get("host", ""), request.query_params.get("brand", "")
            brand = self._publisher.brands.of_site(host, named)
            return self._searched(request, locale, brand, "", self._shelf.all(locale, brand.slug), status=404)
        return pages.Page(pages.refused_page(locale, error.reason), _STATUS.get(error.reason, 400), hang_up(error))


class _Links:
    """Makes the addresses that a page leads to; each carries on the search, and the brand if the address names it."""

    def __init__(self, request: Request, locale: str, brand: Brand, query: str, slug: str = "") -> None:
        self.locale, self.query, self.slug = locale, query, slug
        self.brand = brand.slug if request.query_params.get("brand") else ""

    def home(self, locale: str = "", *, query: str = "") -> str:
        """Returns the address of the search, in this or another language."""
        return _address(f"{PATH}/{locale or self.locale}", q=query, brand=self.brand)

    def article(self, slug: str, locale: str = "") -> str:
        """Returns the address of an article."""
        return _address(f"{PATH}/{locale or self.locale}/{slug}", q=self.query, brand=self.brand)

    def here(self, locale: str) -> str:
        """Returns the address of this page in another language."""
        return self.article(self.slug, locale) if self.slug else self.home(locale, query=self.query)

    def contact(self) -> str:
        """Returns the address of the form, with what was looked for and read."""
        return _address("/", lang=self.locale, help_query=self.query, help_article=self.slug, brand=self.brand)

    def chat(self) -> str:
        """Returns the address that leads to the chat."""
        return _address(f"{PATH}/{self.locale}/chat", q=self.query, help_article=self.slug, brand=self.brand)

    def filled(self, html: str) -> Markup:
        """Returns the page of an article with the addresses of the articles that it leads to."""
        begin = 'href="{article:'  # as no text of a page can be written: its quotation marks are escaped
        pieces = html.split(begin)
        filled = [pieces[0]]
        for piece in pieces[1:]:
            slug, _, rest = piece.partition("}")
            address = Markup.escape(self.contact() if slug == CONTACT else self.article(slug))
            filled.append(Markup('href="') + address + Markup(rest))  # noqa: S704 - made safe when it was read
        return Markup("").join(Markup(each) for each in filled)  # noqa: S704


def _address(path: str, **asked: str) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _query(request: Request) -> str:
    return " ".join(request.query_params.get("q", "").split())[: min(LONGEST_QUERY, MAX_SHORT)]


def add_help_centre(
    app: FastAPI, settings: ProducerSettings, publisher: Publisher, service: ServiceTimes, *, source: str
) -> HelpPages | None:
    """Adds the help pages; returns None when no articles are configured.

    Raises:
        ConfigurationError: the folder or the feed of articles is not there.
    """
    if settings.help_centre is None:
        return None
    help_pages = HelpPages(settings, publisher, Shelf(settings.help_centre), service, source)
    routes: tuple[tuple[str, Callable[[Request], Any], list[str]], ...] = (
        (PATH, help_pages.begin, ["GET", "HEAD"]),
        (PATH + "/{locale}", help_pages.search, ["GET", "HEAD"]),
        (PATH + "/{locale}/chat", help_pages.chat, ["GET"]),
        (PATH + "/{locale}/{slug}", help_pages.article, ["GET", "HEAD"]),
        (PATH + "/{locale}/{slug}", help_pages.vote, ["POST"]),
    )
    for path, handler, methods in routes:
        app.add_api_route(path, handler, methods=methods, response_class=HTMLResponse, include_in_schema=False)
    return help_pages

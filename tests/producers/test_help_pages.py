"""The help pages as a visitor, a program and an attacker have them; and what they record."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest

from producers.customers.brands import BrandChooser
from producers.publishing.receipts import Outcome, Receipt
from producers.sources.http import pages, server
from producers.sources.reply_times import ReplyTimes
from schemas.errors import Unavailable
from schemas.events import LOCALES, ArticleViewed, Event, MessageReceived
from schemas.settings import ProducerSettings
from tests.producers.test_help_articles import GOOD, SHIPPED, written
from tests.producers.test_page_headers import require_strict
from tests.producers.test_pages import NASTY, contrast, parsed

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "accept": "text/html", "sec-fetch-dest": "document"}
CHAT = "https://shop.example/contact?x=1#top"


class Taken:
    """Stands in for the publisher: keeps what it is given, or has no Kafka."""

    def __init__(self, brands: Path | None = None) -> None:
        self.events: list[Event] = []
        self.brands = BrandChooser(brands, "support.example")
        self.away = False

    async def publish_async(self, event: Event, **_: object) -> Receipt:
        if self.away:
            raise Unavailable("no broker", retry_after=3)
        self.events.append(event)
        return Receipt(Outcome.PUBLISHED, event.event_id)


class Site:
    """The HTTP source with the help centre of the demo shop."""

    def __init__(self, **settings: Any) -> None:
        self.taken = Taken(settings.pop("brands_file", None))
        given = {"help_centre": SHIPPED, "chat_page_url": CHAT} | settings
        self.app = server.create_app(ProducerSettings(**given), self.taken)  # type: ignore[arg-type]

    def ask(self, *requests: tuple[str, str, Mapping[str, str]] | str, **kwargs: Any) -> list[httpx.Response]:
        """Sends requests from one browser, one after the other; a path alone is a GET."""

        async def all_of_them() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, client=("203.0.113.9", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://support.example") as client:
                answers = []
                for each in requests:
                    method, path, data = ("GET", each, {}) if isinstance(each, str) else each
                    headers = BROWSER | kwargs.get("headers", {})
                    answers.append(await client.request(method, path, headers=headers, data=data or None))
                for _ in range(5):
                    await asyncio.sleep(0)
                return answers

        return asyncio.run(all_of_them())

    @property
    def reply_times(self) -> ReplyTimes:
        """What the endpoint of reply times answers from."""
        found: ReplyTimes = self.app.state.service_times.reply_times
        return found

    def seen(self) -> list[tuple[str, str, int | None, str]]:
        """What was recorded: article, search, results, reaction."""
        views = [each for each in self.taken.events if isinstance(each, ArticleViewed)]
        return [(each.article_id, each.query, each.results, each.reaction) for each in views]


def test_every_page_is_valid_strict_and_complete_in_each_language() -> None:
    site = Site(help_events_per_minute=1000)
    for locale in LOCALES:
        paths = ["", "?q=qqqqq", f"?q={quote(NASTY)}", "/return-an-item", f"/track-order?q={quote(NASTY)}", "/nothing"]
        *shown, voted, unvoted = site.ask(
            *(f"/help/{locale}{path}" for path in paths),
            ("POST", f"/help/{locale}/stores", {"helped": "no"}),
            ("POST", f"/help/{locale}/stores", {"helped": "x"}),
        )
        for path, answer in zip((*paths, "vote", "bad vote"), (*shown, voted, unvoted), strict=True):
            require_strict(answer.headers, answer.text)
            document = parsed(answer.text)
            assert answer.status_code == {"/nothing": 404, "bad vote": 422}.get(path, 200)
            assert document.get("lang") == locale and len(document.findall(".//h1")) == 1
            assert not [e for e in document.iter() if e.get("src") or e.tag in ("script", "img", "link")]
            ids = [e.get("id") for e in document.iter() if e.get("id")]
            assert len(ids) == len(set(ids)) and {e.get("for") for e in document.iter("label")} <= set(ids)
            assert {each for e in document.iter() for each in e.get("aria-labelledby", "").split()} <= set(ids)
            assert all("".join(e.itertext()).strip() for tag in ("a", "button") for e in document.iter(tag))
            others = {e.get("lang") for e in document.findall(".//nav")[-1].iter("a")}
            assert others == set(LOCALES) - {locale}
            asked = [e for e in document.iter("form") if e.get("role") == "search"]
            assert [e.get("action") for e in asked] == [f"/help/{locale}"]
            leading = [e.get("href", "").partition("?")[0] for e in document.iter("a") if e.get("class") == "button"]
            assert leading == ["/", f"/help/{locale}/chat"]


def test_every_link_of_every_page_leads_somewhere() -> None:
    site = Site(help_events_per_minute=1000, endpoint_burst_requests=10_000)
    seen, ahead = (
        set[str](),
        ["/help/en?q=refund", "/help/ja", "/help/zh-Hans/return-an-item", "/help/zh-Hant/delivery-costs?q=x"],
    )
    while ahead:
        batch = [each for each in dict.fromkeys(ahead) if each not in seen][:40]
        if len(seen) > 150:
            break
        seen.update(batch)
        answers = site.ask(*batch)
        assert {
            path: answer.status_code
            for path, answer in zip(batch, answers, strict=True)
            if answer.status_code not in (200, 303)
        } == {}
        found = (re.findall(r'href="(/[^"]*)"', answer.text) for answer in answers)
        ahead = [urljoin("/", each.replace("&amp;", "&")) for links in found for each in links]
    assert len(seen) > 70


def test_search_engines_may_have_articles_and_nothing_else() -> None:
    answers = Site().ask(
        "/help/en",
        "/help/en/stores",
        "/help/en?q=x",
        "/help/en/stores?q=x",
        "/help/en/nothing",
        "/",
        ("POST", "/help/en/stores", {"helped": "no"}),
    )
    assert [each.headers["x-robots-tag"] for each in answers] == ["all"] * 2 + ["noindex"] * 5


def test_the_beginning_is_in_the_language_of_the_browser() -> None:
    [answer] = Site().ask("/help?q=送料", headers={"accept-language": "zh-TW, ja;q=0.5"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/help/zh-Hant?q={quote('送料')}")


def test_a_search_an_article_and_a_vote_are_recorded_as_one_visit() -> None:
    site = Site()
    site.ask(
        "/help/en?q=Refund",
        "/help/en/return-an-item?q=Refund",
        ("POST", "/help/en/return-an-item?q=Refund", {"helped": "yes"}),
        "/help/en?q=xyzzy",
    )
    assert sorted(site.seen(), key=str) == [
        ("", "Refund", 1, ""), ("", "xyzzy", 0, ""), ("return-an-item", "Refund", None, ""), ("return-an-item", "Refund", None, "helped"),
    ]  # fmt: skip
    events = [each for each in site.taken.events if isinstance(each, ArticleViewed)]
    assert len({each.customer_id for each in events}) == 1 and len({each.event_id for each in events}) == 4
    assert {(each.channel, each.language) for each in events} == {("help_centre", "en")}
    assert not any("203.0.113.9" in repr(each) or "Mozilla" in repr(each) for each in events)
    before = len(events)
    site.ask("/help/en/return-an-item?q=Refund", "/help/en?q=refund")
    again = site.taken.events[before:]
    assert {each.event_id for each in again} <= {each.event_id for each in events}
    site.ask("/help/en?q=refund", headers={"user-agent": "Another"})
    assert len({getattr(each, "customer_id", "") for each in site.taken.events}) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"dnt": "1"}, {"sec-gpc": "1"}, {"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"sec-fetch-dest": "iframe"},
        {"user-agent": ""}, {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, {"user-agent": "WhatsApp/2.2"},
    ],
    ids=str,
)  # fmt: skip
def test_who_minds_and_who_is_no_person_is_not_recorded(headers: dict[str, str]) -> None:
    site = Site()
    answers = site.ask("/help/en?q=refund", "/help/en/stores", "/help/en/chat", headers=headers)
    assert [each.status_code for each in answers] == [200, 200, 303] and site.seen() == []


def test_a_vote_of_who_minds_is_recorded_by_itself() -> None:
    site = Site()
    site.ask(
        ("POST", "/help/en/stores", {"helped": "no"}),
        ("POST", "/help/en/returns", {"helped": "no"}),
        headers={"dnt": "1"},
    )
    site.ask(("POST", "/help/en/stores", {"helped": "no"}))
    first, second = site.taken.events
    assert site.seen() == [("stores", "", None, "not_helped")] * 2
    assert first.customer_tag != second.customer_tag


def test_a_flood_is_answered_and_not_recorded() -> None:
    site = Site(help_events_per_minute=5)
    answers = site.ask(*(f"/help/en?q=refund+{number}" for number in range(12)))
    assert {each.status_code for each in answers} == {200} and len(site.seen()) == 5


def test_a_sender_above_its_share_is_told_to_wait() -> None:
    site = Site(endpoint_requests_per_second=0.001, endpoint_burst_requests=3)
    answers = site.ask(*["/help/en"] * 3, "/help/ja")
    assert [each.status_code for each in answers] == [200] * 3 + [429]
    assert answers[-1].headers["retry-after"] and parsed(answers[-1].text).get("lang") == "ja"


def test_pages_are_served_while_kafka_is_away_and_a_vote_is_not_lost() -> None:
    site = Site()
    site.taken.away = True
    page, voted = site.ask("/help/en/stores", ("POST", "/help/en/stores", {"helped": "yes"}))
    assert (page.status_code, voted.status_code, voted.headers["retry-after"]) == (200, 503, "3")
    assert "press the button again" in voted.text and "<button" in voted.text
    site.taken.away = False
    [voted] = site.ask(("POST", "/help/en/stores", {"helped": "yes"}))
    assert voted.status_code == 200 and site.seen() == [("stores", "", None, "helped")]


def test_what_was_looked_for_goes_along_to_the_form() -> None:
    site = Site()
    [found] = site.ask("/help/en/return-an-item?q=my+%3Cmoney%3E+back")
    link = next(e.get("href", "") for e in parsed(found.text).iter("a") if e.get("class") == "button")
    [form] = site.ask(link)
    document = parsed(form.text)
    typed = {e.get("name", ""): e.get("value", "") for e in document.iter("input") if e.get("value")}
    assert (typed["subject"], typed["help_query"], typed["help_article"]) == (
        "my <money> back",
        "my <money> back",
        "return-an-item",
    )
    filled = typed | {"email": "ann@example.org", "message": "Where is it?"}
    [sent] = site.ask(("POST", next(document.iter("form")).get("action", ""), filled))
    assert sent.status_code == 202
    [message] = [each for each in site.taken.events if isinstance(each, MessageReceived)]
    assert message.fields == {"help_query": "my <money> back", "help_article": "return-an-item"}
    assert site.seen() == [
        ("return-an-item", "my <money> back", None, ""),
        ("return-an-item", "my <money> back", None, "contacted"),
    ]
    view, contacted = (each for each in site.taken.events if isinstance(each, ArticleViewed))
    assert view.customer_tag == contacted.customer_tag != message.customer_tag


def test_the_chat_gets_the_question_where_no_server_sees_it() -> None:
    site = Site()
    asked, read, neither = site.ask(
        "/help/ja/chat?q=送料+%23%26&help_article=stores", "/help/ja/chat?help_article=stores", "/help/ja/chat"
    )
    there = "https://shop.example/contact?x=1#deskstream-question="
    assert [each.headers["location"] for each in (asked, read, neither)] == [
        f"{there}{quote('送料 #&')}", f"{there}{quote('店舗と営業時間')}", there,
    ]  # fmt: skip
    assert [each[3] for each in site.seen()] == ["chat"] * len(site.seen()) and len(site.seen()) == 3
    [without] = Site(chat_page_url="").ask("/help/en/chat")
    assert without.status_code == 404 and "Chat with us" not in without.text


def test_strange_addresses_are_answered_and_nothing_is_recorded() -> None:
    site = Site()
    strange: Iterable[tuple[str, str, Mapping[str, str]] | str] = (
        "/help/fr", "/help/en/../../etc/passwd", "/help/en/%2e%2e", "/help/en/%00", f"/help/en/{'x' * 3000}", "/help/en/contact",
        "/help/EN/stores", ("POST", "/help/en/nothing", {"helped": "yes"}), ("POST", "/help/en/stores", {"helped": "y" * 11_000}),
    )  # fmt: skip
    answers = site.ask(*strange)
    assert [each.status_code for each in answers] == [404] * 8 + [413] and site.seen() == []
    long, carried = site.ask(f"/help/en?q={'refund ' * 300}", f"/?help_query={'x' * 5000}&help_article=nothing")
    assert long.status_code == carried.status_code == 200
    assert len(site.seen()[0][1]) <= 200 and "help_article" not in carried.text


def test_what_looks_like_an_address_of_ours_stays_text(tmp_path: Path) -> None:
    text = 'Write `{article:pay}` or href="{article:pay} [here](#contact).'
    site = Site(
        help_centre=written(tmp_path, {"en/pay.md": GOOD, "en/code.md": GOOD.replace("We take **cards**.", text)})
    )
    [page] = site.ask("/help/en/code")
    assert "<code>{article:pay}</code>" in page.text and "href=&quot;{article:pay}" in page.text
    assert '<a href="/?lang=en&amp;help_article=code">here</a>' in page.text


def test_a_brand_has_its_name_its_colour_and_its_articles(tmp_path: Path) -> None:
    brands = tmp_path / "brands.yaml"
    brands.write_text(
        "default: a\nbrands:\n a: {name: Acme}\n zen: {name: Zen Tea, mailbox: zen, sites: [help.zen.example], look: {colour: '#6b2d5c'}}\n"
    )
    folder = written(
        tmp_path / "help", {"en/all.md": GOOD, "en/zen.md": GOOD.replace("---\nWe", "brands: [zen]\n---\nWe")}
    )
    site = Site(help_centre=folder, brands_file=brands)
    acme, named, host, other = site.ask("/help/en", "/help/en?brand=zen", "/help/en/zen?brand=zen", "/help/en/zen")
    assert ("Acme" in acme.text, "/help/en/zen" in acme.text, other.status_code) == (True, False, 404)
    assert "Zen Tea" in named.text and "/help/en/zen?brand=zen" in named.text and "#6b2d5c" in named.text
    assert host.status_code == 200 and "brand=zen" in host.text
    [gone] = site.ask("/help/en/gone?brand=zen")
    assert gone.status_code == 404 and "Zen Tea" in gone.text and "/help/en/zen?brand=zen" in gone.text
    assert [getattr(each, "brand", "") for each in site.taken.events] == ["zen"]


def test_without_articles_there_are_no_help_pages() -> None:
    site = Site(help_centre=None)
    page, form = site.ask("/help/en", "/?help_query=x")
    assert page.status_code == 404 and "/help" not in form.text


def test_a_link_in_the_colour_of_a_brand_can_be_read_in_the_dark() -> None:
    base = (Path(pages.__file__).parent / "templates" / "base.html").read_text("utf-8")
    share = int(re.findall(r"color-mix\(in srgb, \{\{ brand.look.colour \}\} (\d+)%, #fff\)", base)[0]) / 100
    for colour in ("000000", "0b6b4f", "6b2d5c", "0000ff", "ff0000", "7f7f7f"):
        mixed = (round(int(colour[at : at + 2], 16) * share + 255 * (1 - share)) for at in (0, 2, 4))
        assert contrast("".join(f"{part:02x}" for part in mixed), "181c22") >= 4.5

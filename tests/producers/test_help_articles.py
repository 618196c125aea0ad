"""The articles of the help centre: what is read, what is refused with file, line and reason, what a change does."""

from __future__ import annotations

import json
import os
import re
import time
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.help_centre import articles, markdown
from producers.help_centre import terms as terms_module
from producers.help_centre.index import MOST_RESULTS, Index
from producers.help_centre.shelf import Shelf
from producers.help_centre.terms import terms
from schemas import metrics
from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from tests.conftest import ROOT

SHIPPED = ROOT / "deploy" / "local" / "help"
QUERIES = Path(__file__).parent / "help_centre"
GOOD = "---\ntitle: Ways to pay\nkeywords: [card]\n---\nWe take **cards**.\n"


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def shipped() -> list[articles.Article]:
    found, refusals = articles.read(SHIPPED)
    assert refusals == []
    return found


# -- what ships -------------------------------------------------------------------------------------------------------


def test_the_demo_shop_has_every_article_of_the_taxonomy() -> None:
    taxonomy = yaml.load((ROOT / "stream_processors/config/taxonomy.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    named = {(locale, slug) for slug in taxonomy["articles"] for locale in LOCALES}
    found = {(each.locale, each.slug): each for each in shipped()}
    assert named <= found.keys()
    titles = {(locale, slug): taxonomy["articles"][slug][locale] for locale, slug in named}
    assert {key: found[key].title for key in named} == titles


def right(name: str) -> dict[str, tuple[int, int, int, int]]:
    """Language → searches, those whose first result is right, whose first three hold it, wrong results for what is not there."""
    counts = {}
    found = shipped()
    for locale, queries in yaml.safe_load((QUERIES / name).read_text("utf-8")).items():
        index = Index([each for each in found if each.locale == locale], locale)
        results = [(wanted, [each.slug for each in index.search(str(query))]) for query, wanted in queries]
        asked = [each for each in results if each[0]]
        first, three = (sum(wanted in slugs[:most] for wanted, slugs in asked) for most in (1, 3))
        counts[locale] = len(asked), first, three, sum(bool(slugs) for wanted, slugs in results if not wanted)
    return counts


def test_what_visitors_type_finds_its_article_in_every_language() -> None:
    tuned, held_out = right("queries.yaml"), right("queries_held_out.yaml")
    shares = {locale: first / asked for locale, (asked, first, _, _) in tuned.items()}
    held = {locale: first / asked for locale, (asked, first, _, _) in held_out.items()}
    assert min(shares.values()) >= 0.8 and min(held.values()) >= 0.8, (shares, held)
    assert not any(wrong for _, _, _, wrong in (*tuned.values(), *held_out.values()))


# -- the search -------------------------------------------------------------------------------------------------------


def an_article(slug: str, title: str, text: str = "", locale: str = "en", **fields: Any) -> articles.Article:
    return articles.Article(slug=slug, locale=locale, where=f"{slug}:1", title=title, text=text, **fields)


def test_a_title_counts_more_than_a_body() -> None:
    index = Index([an_article("a", "Parcels", "refund refund refund"), an_article("b", "Refund", "parcels")], "en")
    assert [each.slug for each in index.search("refund")] == ["b", "a"]
    assert [each.slug for each in index.search("parcels")] == ["a", "b"]


def test_one_wrong_character_still_finds_the_word() -> None:
    index = Index(
        [
            an_article("a", "Password"),
            an_article("b", "Invoice"),
            an_article("c", "Delivery"),
            an_article("d", "Cleaning"),
        ],
        "en",
    )
    for word, slug in (("password", "a"), ("invoice", "b"), ("delivery", "c"), ("cleaning", "d")):
        for at in range(1, len(word) - 1):
            swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            for typed in (
                word[:at] + word[at + 1 :],
                word[:at] + "x" + word[at + 1 :],
                word[:at] + "x" + word[at:],
                swapped,
            ):
                assert [each.slug for each in index.search(typed)] == [slug], typed


def test_what_strangers_type_is_not_remembered_for_ever() -> None:
    caches = [
        each for each in vars(terms_module).values() if hasattr(each, "cache_info") and signature(each).parameters
    ]
    assert caches and all(each.cache_info().maxsize for each in caches)


def test_width_case_and_script_make_no_difference() -> None:
    same = (
        ("ja", "ﾎﾟｲﾝﾄ", "ポイント"), ("en", "ＰＡＳＳＷＯＲＤ", "password"), ("zh-Hans", "發票", "发票"), ("zh-Hant", "发票", "發票"),
        ("en", "  Pay\tPal ", "pay pal"), ("en", "customers' invoices", "customer invoice"),
    )  # fmt: skip
    assert [(one, terms(one, locale)) for locale, one, _ in same] == [
        (one, terms(other, locale)) for locale, one, other in same
    ]


@settings(max_examples=40)
@given(st.text(max_size=300), st.sampled_from(LOCALES))
def test_whatever_is_typed_is_searched(typed: str, locale: str) -> None:
    index = INDEXES[locale]
    found = index.search(typed)
    assert len(found) <= MOST_RESULTS and found == index.search(typed)
    assert not found or terms(typed, locale)


INDEXES = {locale: Index([each for each in shipped() if each.locale == locale], locale) for locale in LOCALES}


def test_a_search_costs_little_however_many_words_there_are() -> None:
    """Beginnings of words are looked up, not compared with every word; a key pasted into an article costs what it is long."""
    words = [
        f"{first}{second}{third}x{number}"
        for first in "aeiou"
        for second in "bcdfg"
        for third in "aeiou"
        for number in range(300)
    ]
    text = " ".join(words) + " " + "0f" * 20_000
    index = Index([articles.Article("a", "en", "", "Words", text=text)], "en")
    assert sum(map(len, index._near)) < 20 * len(text)
    began = time.process_time()
    index.search(" ".join(f"q{first}{second}" for first in "aeiou" for second in "bcdfghklmn"))
    assert time.process_time() - began < 0.1


def test_many_headings_are_read_at_once() -> None:
    began = time.process_time()
    assert markdown.page("## a\n\n" * 4_000).html.count("<h2>") == 4_000
    assert time.process_time() - began < 1.0


# -- what is refused --------------------------------------------------------------------------------------------------

#: A list of lists that stands for 2 to the power of 60 texts.
BOMB = "[&a0 [x, x]" + "".join(f", &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)) + "]"
REFUSED: dict[str, tuple[str | bytes, int, str]] = {
    "en/none.md": ("Text", 1, "has no front matter"),
    "en/open.md": ("---\ntitle: x\nText", 1, "has no front matter"),
    "en/colon.md": ("---\ntitle: a: b\n---\nx", 2, "is not YAML"),
    "en/untitled.md": ("---\nsummary: x\n---\nx", 2, "has no title"),
    "en/unknown.md": ("---\ntitle: x\ntags: [a]\n---\nx", 3, "'tags' is not known"),
    "en/blank.md": ('---\ntitle: " "\n---\nx', 2, "has no title"),
    "en/bomb.md": (f"---\nsummary: a\ntitle: {BOMB}\n---\nx", 3, "is no text"),
    "en/number.md": ("---\nsummary: a\ntitle: 12\n---\nx", 3, "12 is no text"),
    "en/long.md": (f"---\ntitle: {'x' * 151}\n---\nx", 2, "more than 150"),
    "en/words.md": ("---\ntitle: x\nkeywords: card\n---\nx", 3, "no list"),
    "en/brand.md": ("---\ntitle: x\nbrands: [Not One]\n---\nx", 3, "slugs"),
    "en/empty.md": ("---\ntitle: x\n---\n \n", 1, "says nothing"),
    "en/image.md": ("---\ntitle: x\n---\na\n\nb ![pic](https://x.example/a.png)\n", 6, "has an image"),
    "en/script.md": ("---\ntitle: x\n---\n[a](ftp://x.example)\n", 4, "has a link to 'ftp:"),
    "en/gone.md": ("---\ntitle: x\n---\na\n- [a](not-there)\n", 5, "no article 'not-there'"),
    "en/bytes.md": (b"---\ntitle: x\n---\na\n\xff\n", 5, "is not UTF-8"),
    "en/Upper.md": (GOOD, 0, "no slug"),
    "en/contact.md": (GOOD, 0, "way to a person"),
    "en/notes.txt": (GOOD, 0, "is not an article"),
    "fr/payer.md": (GOOD, 0, "not a language"),
    "en/huge.md": (GOOD + "x" * 200_001, 0, "longer than 200,000"),
}


def test_each_mistake_is_refused_with_its_line_and_nothing_else_is(tmp_path: Path) -> None:
    written(tmp_path, {name: content for name, (content, _, _) in REFUSED.items()})
    written(
        tmp_path,
        {"en/pay.md": GOOD, "ja/pay.md": GOOD, "README.md": "for authors", "en/.hidden": "x", "en/~pay.md": "x"},
    )
    found, refusals = articles.read(tmp_path)
    assert sorted((each.locale, each.slug) for each in found) == [("en", "pay"), ("ja", "pay")]
    told = {each.where.removeprefix(f"{tmp_path}/"): each for each in refusals}
    wanted = {f"{name}:{line}" if line else name: reason for name, (_, line, reason) in REFUSED.items()}
    assert told.keys() == wanted.keys()
    assert [(where, told[where].reason) for where in wanted if wanted[where] not in told[where].reason] == []


def test_a_feed_is_read_and_its_mistakes_have_a_line(tmp_path: Path) -> None:
    items = [
        {"id": "pay", "title": "Ways to pay", "content_html": "<h2>Cards</h2><p onclick=x>Visa<script>1</script></p>", "tags": ["card"]},
        {"id": "https://x.example/12", "url": "https://x.example/help/Send-Back", "title": "戻す", "content_text": "a <b>", "language": "ja"},
        {"id": "none", "title": "x"}, {"id": "pic", "title": "x", "content_html": "<img src=cid:1>"},
        {"id": "odd", "title": "x", "content_text": "x", "language": "fr"}, {"id": "pay", "title": "x", "content_text": "x"}, 7,
        {"id": "untitled", "content_text": "x"}, {"id": "No Slug", "url": "http://[", "title": "x", "content_text": "x"},
    ]  # fmt: skip
    feed = written(tmp_path, {"feed.json": json.dumps({"language": "en-GB", "items": items}, indent=1)}) / "feed.json"
    found, refusals = articles.read(feed)
    assert [(each.locale, each.slug, each.html) for each in found] == [
        ("en", "pay", "<h2>Cards</h2><p>Visa</p>"),
        ("ja", "send-back", "<p>a &lt;b&gt;</p>"),
    ]
    assert re.split(r"\W+", found[0].text.strip()) == ["Cards", "Visa"]
    reasons = [re.sub(r".*/feed.json:(\d+): ", "", str(each)) for each in refusals]
    assert len(reasons) == 7 and all(re.search(r"feed.json:\d+:", str(each)) for each in refusals)
    lines = {each.where.rpartition(":")[2] for each in refusals}
    assert len(lines) == 6  # what is no object has that of the item before it


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing", None, "neither a folder nor a JSON Feed"),
        ("en", GOOD, "holds no folder of a language"),  # that of a language is named instead of the one around it
        ("feed.json", "{", "feed.json:1: is not JSON"),
        ("feed.json", '{"items": 1}', "is no JSON Feed"),
        ("feed.json", b"\xff", "is not UTF-8"),
        ("feed.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_a_place_without_articles_says_what_to_do(
    tmp_path: Path, name: str, content: str | bytes | None, told: str
) -> None:
    if content is not None:
        written(tmp_path, {name if "." in name else f"{name}/pay.md": content})
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        articles.read(tmp_path / name)


@given(st.text(alphabet=st.sampled_from("<>&\"'[]()!*_`#-|\n a1:/x{}"), max_size=200))
def test_nothing_in_markdown_becomes_markup_that_acts(text: str) -> None:
    page = markdown.page(text)
    assert not re.search(
        r"<(?!/?(?:p|h[2-4]|ul|ol|li|em|strong|a|code|pre|blockquote|hr|br|s|t(?:able|head|body|r|h|d))\b)", page.html
    )
    assert not re.search(r'href="(?!https?://|mailto:|tel:|\{article:)', page.html)


# -- what a change does -----------------------------------------------------------------------------------------------


def changed(folder: Path, name: str, text: str) -> None:
    written(folder, {name: text})
    os.utime(folder / name, ns=(1, len(text)))


def test_a_change_is_read_and_a_mistake_keeps_the_article_of_before(tmp_path: Path) -> None:
    shelf = Shelf(written(tmp_path, {"en/pay.md": GOOD, "en/send.md": GOOD.replace("Ways to pay", "Send it")}))
    assert not shelf.look()
    changed(tmp_path, "en/pay.md", GOOD.replace("cards", "coins"))
    assert shelf.look() and [each.slug for each in shelf.search("en", "coins")] == ["pay"]
    changed(tmp_path, "en/pay.md", "---\ntitle: [\n---\n")
    (tmp_path / "en/send.md").unlink()
    assert shelf.look() and metrics.HELP_ARTICLES_REFUSED._value.get() == 1
    assert [each.slug for each in shelf.all("en")] == ["pay"] and shelf.search("en", "coins")
    changed(tmp_path, "en/pay.md", GOOD.replace("cards", "shells"))
    assert shelf.look() and metrics.HELP_ARTICLES_REFUSED._value.get() == 0
    assert shelf.search("en", "shells") and not shelf.search("en", "coins")


def test_articles_stay_while_their_folder_is_away(tmp_path: Path) -> None:
    folder = written(tmp_path / "help", {"en/pay.md": GOOD})
    shelf = Shelf(folder)
    folder.rename(tmp_path / "away")
    assert not shelf.look() and shelf.get("en", "pay") and metrics.HELP_ARTICLES_REFUSED._value.get() == 1
    (tmp_path / "away").rename(folder)
    assert shelf.look() and metrics.HELP_ARTICLES_REFUSED._value.get() == 0


def test_an_article_that_is_not_translated_is_there_in_english(tmp_path: Path) -> None:
    shelf = Shelf(written(tmp_path, {"en/pay.md": GOOD, "ja/only.md": GOOD}))
    assert [(each.locale if (each := shelf.get("ja", slug)) else "") for slug in ("pay", "only", "none")] == [
        "en",
        "ja",
        "",
    ]
    found = shelf.get("zh-Hans", "only")
    assert found is not None and found.locale == "ja"


def test_an_article_of_a_brand_is_shown_by_that_brand_only(tmp_path: Path) -> None:
    shelf = Shelf(
        written(tmp_path, {"en/zen.md": GOOD.replace("---\nWe", "brands: [zen]\n---\nWe"), "en/all.md": GOOD})
    )
    assert [each.slug for each in shelf.all("en", "zen")] == ["all", "zen"]
    assert [each.slug for each in shelf.all("en", "leaf")] == ["all"]
    assert [each.slug for each in shelf.search("en", "card", "leaf")] == ["all"] and not shelf.get("en", "zen", "leaf")


def test_articles_of_other_brands_push_none_out_of_a_search(tmp_path: Path) -> None:
    of_zen = GOOD.replace("title: Ways", "title: Card, card, card. Ways").replace("---\nWe", "brands: [zen]\n---\nWe")
    files = {f"en/a{n}.md": of_zen for n in range(MOST_RESULTS + 5)}
    shelf = Shelf(written(tmp_path, files | {"en/small.md": "---\ntitle: Money\n---\nWe take a card.\n"}))
    assert [each.slug for each in shelf.search("en", "card", "leaf")] == ["small"]


def test_a_link_that_leads_nowhere_stops_no_other_change(tmp_path: Path) -> None:
    (written(tmp_path, {"en/pay.md": GOOD}) / "en" / "gone.md").symlink_to(tmp_path / "nowhere")
    shelf = Shelf(tmp_path)
    assert [each.where for each in shelf.refusals] == [str(tmp_path / "en" / "gone.md")] and not shelf.look()
    written(tmp_path, {"en/new.md": GOOD})
    assert shelf.look() and shelf.get("en", "new")


def test_a_folder_that_may_not_be_read_is_no_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    written(tmp_path, {"en/pay.md": GOOD})
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        articles.read(tmp_path)


@pytest.mark.parametrize("leads_to", ["tel:", "tel:+", "mailto:", "mailto:shop", "https://"])
def test_a_link_that_leads_to_nobody_is_refused(leads_to: str) -> None:
    assert "has a link to" in markdown.page(f"[here]({leads_to})").problem

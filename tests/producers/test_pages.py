"""The pages that we make: valid HTML, in four languages, usable without a script, a mouse or eyes."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2.exceptions import UndefinedError

from producers.channels import form
from producers.channels.form import FormProblems
from producers.publisher import Publisher
from producers.sources.chat import pages as chat_pages
from producers.sources.http import docs, openapi, pages, server
from producers.text.locales import negotiated
from schemas.events import LOCALES
from schemas.settings import ProducerSettings
from tests.support.each import each

TICKET = "ABCDEFGHIJKL-1"
NASTY = '"><script>alert(1)</script>'


def parsed(html: str) -> Element:
    """The document; fails on anything that the HTML standard calls a parse error."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    document: Any = parser.parse(html)
    return document  # type: ignore[no-any-return]


def survey_pages(locale: str) -> dict[str, str]:
    typed = {"csat": "4", "comment": NASTY, "went_wrong": NASTY}
    wrong = {"csat": "needed", "ces": "out_of_range", "comment": "too_long"}
    asked = pages.question_page
    return {
        "questions": asked(locale, TICKET, "tok", {}),
        "questions, answered": asked(locale, TICKET, NASTY, typed),
        "questions, wrong": asked(locale, TICKET, "tok", typed, wrong),
        "questions, not stored": asked(locale, TICKET, "tok", typed, unavailable=True),
        "thanks": pages.vote_thanks_page(locale, again="tok"),
        "thanks, low score": pages.vote_thanks_page(locale, NASTY, action="tok/more", again="tok"),
        "what went wrong, wrong": pages.vote_thanks_page(locale, "tok", typed, {"went_wrong": "too_long"}),
        "what went wrong, empty": pages.vote_thanks_page(locale, "tok", {}, {"went_wrong": "needed"}),
        "told": pages.explained_page(locale),
    } | {
        f"sorry, {reason}": pages.refused_page(locale, reason)
        for reason in ("expired_link", "forged_link", "garbled_link", "no_secret_configured", "rate_limited", "other")
    }


def form_pages(locale: str) -> dict[str, str]:
    wrong, words = {"email": "bad", "message": "is needed", NASTY: "no"}, {"email": "address", "message": "needed"}
    return {
        "form": pages.form_page(locale=locale),
        "form, wrong": pages.form_page({"email": NASTY, "message": NASTY}, wrong, words, locale=locale),
        "form, not stored": pages.form_page({"message": NASTY}, locale=locale, unavailable=True),
        "thanks": pages.form_thanks_page("ABCDEFGHIJKL-*", locale=locale),
        "thanks, honeypot": pages.form_thanks_page("", locale=locale),
    }


PAGES = {
    f"{kind}, {locale}": html
    for locale, make in product(LOCALES, (survey_pages, form_pages))
    for kind, html in {f"{make.__name__[:4]} {name}": html for name, html in make(locale).items()}.items()
}
every_page = each("name", PAGES)


@every_page
def test_a_page_is_valid_html_with_language_title_and_heading(name: str) -> None:
    document = parsed(PAGES[name])
    assert document.get("lang") == name.rpartition(", ")[2]
    assert (document.findtext(".//title") or "").strip()
    assert len(document.findall(".//h1")) == 1


@every_page
def test_a_page_loads_nothing_and_runs_nothing_that_was_typed(name: str) -> None:
    document = parsed(PAGES[name])
    loading = [e for e in document.iter() if e.get("src") or (e.tag == "link" and e.get("href"))]
    assert [e.get("src") for e in loading] == (["/form.js"] if "form form" in name else [])
    assert not [e for e in document.iter() if any(attribute.startswith("on") for attribute in e.attrib)]
    scripts = [e.text or "" for e in document.iter("script")]
    assert not any(scripts)
    assert len(scripts) == (1 if "form form" in name else 0)


@every_page
def test_a_screen_reader_hears_every_label_and_problem(name: str) -> None:
    document = parsed(PAGES[name])
    ids = [e.get("id") for e in document.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    labelled = {e.get("for") for e in document.iter("label")}
    controls = [e for tag in ("input", "textarea") for e in document.iter(tag) if e.get("type") != "hidden"]
    assert {e.get("id") for e in controls} <= labelled
    described = " ".join(e.get("aria-describedby", "") for e in document.iter()).split()
    assert set(described) <= set(ids)
    notes = {e.get("id") for e in document.iter("span") if "wrong" in (e.get("class") or "").split()}
    assert notes <= set(described)
    links = [e.get("href", "")[1:] for e in document.iter("a") if e.get("href", "").startswith("#")]
    assert set(links) <= set(ids)
    alerts = [e for e in document.iter() if e.get("role") == "alert"]
    assert len(alerts) == (1 if re.search("wrong|not stored|sorry|empty", name) and "low score" not in name else 0)


@every_page
def test_a_page_that_asks_has_one_form_that_posts(name: str) -> None:
    asks = re.match("surv (questions|what went wrong|thanks, low)|form form", name)
    assert [sent.get("method") for sent in parsed(PAGES[name]).iter("form")] == (["post"] if asks else [])


@each("name", [name for name, html in PAGES.items() if "<form" in html])
def test_a_form_is_sent_by_its_one_button(name: str) -> None:
    [sent] = parsed(PAGES[name]).iter("form")
    [button] = sent.iter("button")
    assert button.get("type", "submit") == "submit" and "".join(button.itertext()).strip()


def texts_of_templates() -> set[str]:
    """The English texts that a translation is asked for."""
    folder = Path(pages.__file__).parent / "templates"
    found = extract_from_dir(folder, [("**.html", "jinja2")], keywords={"_": None, "both": None})
    return {str(text) for _, _, text, _, _ in found}


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_a_catalog_translates_exactly_the_texts_of_the_templates(locale: str) -> None:
    with (Path(pages.__file__).parent / "locales" / f"{locale}.po").open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    translated = {str(message.id): str(message.string) for message in catalog if message.id}
    assert set(translated) == texts_of_templates() and len(translated) > 50
    placeholders = re.compile(r"%\(\w+\)s")
    for english, text in translated.items():
        assert text and text != english
        assert sorted(placeholders.findall(text)) == sorted(placeholders.findall(english))


def test_a_template_that_is_not_given_a_name_fails() -> None:
    with pytest.raises(UndefinedError, match="'reason' is undefined"):
        pages.render("survey_refused.html", "ja")


def test_a_number_is_written_as_the_locale_writes_it() -> None:
    shown = pages.question_page("ja", TICKET, "tok", {}, {"comment": "too_long"})
    assert "長すぎます（5,000 文字まで）" in shown and "at most 5,000 characters" in shown


@pytest.mark.parametrize("locale", ["zh-Hans", "zh-Hant", "ja"])
def test_a_survey_is_in_the_customers_language_and_in_english(locale: str) -> None:
    document = parsed(pages.question_page(locale, TICKET, "tok", {}))
    english = [e for e in document.iter() if e.get("lang") == "en"]
    assert len(english) == 12  # heading, intro, two questions, five answers, the scale, the comment, the button
    assert all((e.text or "").isascii() for e in english)
    assert not re.search(r"[぀-ヿ一-鿿]", pages.question_page("en", TICKET, "tok", {}))


def test_a_survey_asks_two_questions_with_nothing_chosen() -> None:
    document = parsed(pages.question_page("en", TICKET, "tok", {}))
    groups = {
        (group.findtext("legend") or ""): [(e.get("name"), e.get("value")) for e in group.iter("input")]
        for group in document.iter("fieldset")
    }
    assert groups == {
        "How satisfied are you with our help?": [("csat", str(score)) for score in range(1, 6)],
        "It was easy to get my request handled.": [("ces", str(score)) for score in range(1, 8)],
    }
    assert not [e for e in document.iter("input") if e.get("checked") is not None]


def test_a_refused_survey_keeps_what_was_chosen_and_typed() -> None:
    shown = pages.question_page("ja", TICKET, "tok", {"csat": "2", "comment": "\n遅い\n<b>"}, {"ces": "out_of_range"})
    document = parsed(shown)
    assert [e.get("value") for e in document.iter("input") if e.get("checked") is not None] == ["2"]
    assert next(document.iter("textarea")).text == "\n遅い\n<b>"


@pytest.mark.parametrize(
    ("accept", "locale"),
    [
        ("", "en"), ("ja", "ja"), ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"), ("zh-CN", "zh-Hans"), ("fr, de;q=0.9", "en"),
        ("fr, ja;q=0.5, en;q=0.4", "ja"), ("en;q=0.4, ja;q=0.5", "ja"), ("ja;q=0, en;q=0.1", "en"), ("ja;q=x", "en"),
        ("*", "en"), ("ja;q=2", "en"), (";;,,q=", "en"), ("x" * 10_000 + ",ja", "en"),
    ],
)  # fmt: skip
def test_a_page_is_in_the_browsers_preferred_language_of_ours(accept: str, locale: str) -> None:
    assert negotiated(accept) == locale


@pytest.mark.parametrize("locale", LOCALES)
def test_the_form_links_to_itself_in_the_other_languages(locale: str) -> None:
    document = parsed(pages.form_page(locale=locale))
    others = {e.get("href"): e.get("lang") for e in next(document.iter("nav")).iter("a")}
    assert others == {f"/?lang={each}": each for each in LOCALES if each != locale}
    assert next(document.iter("form")).get("action") == f"/v1/form?lang={locale}"
    assert f'href="/?lang={locale}"' in pages.form_thanks_page("", locale=locale)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, {"email": "needed", "message": "needed"}),
        ({"email": "nowhere", "message": "x"}, {"email": "address"}),
        ({"email": "a@b.example", "message": "x" * 20_001}, {"message": "too_long"}),
        ({"email": "a@b.example", "message": "x", "time_zone": "Mars"}, {"time_zone": "time_zone"}),
        ({"email": "a@b.example", "message": ["x"], "cat": "1"}, {"message": "not_text", "cat": "unknown"}),
    ],
)
def test_every_problem_of_a_form_has_a_sentence_per_language(values: dict[str, object], words: dict[str, str]) -> None:
    with pytest.raises(FormProblems) as caught:
        form.normalise(values, now=1772445600_000000)
    assert caught.value.words == words and set(caught.value.fields) == set(words)
    shown = pages.form_page({}, caught.value.fields, words, locale="ja")
    for name, word in words.items():
        assert word == "unknown" or caught.value.fields[name] not in shown


def test_a_problem_stands_beside_its_field_in_the_pages_language() -> None:
    document = parsed(pages.form_page({"email": "x"}, {"email": "bad"}, {"email": "address"}, locale="zh-Hans"))
    field = next(e for e in document.iter("input") if e.get("name") == "email")
    assert (field.get("aria-invalid"), field.get("aria-describedby"), field.get("value")) == (
        "true",
        "email-wrong",
        "x",
    )
    assert (
        next(e.text for e in document.iter() if e.get("id") == "email-wrong")
        == "不是有效的邮箱地址，例如 ann@example.org"
    )


def test_the_docs_page_shows_every_endpoint_and_needs_no_script() -> None:
    settings = ProducerSettings()
    described = server.create_app(settings, Publisher(settings)).openapi()
    shown = docs.docs_page(described)
    document = parsed(shown)
    assert not list(document.iter("script")) and "http://" not in shown.split("<nav")[0]
    headings = ["".join(e.itertext()) for e in document.iter("h2")]
    assert headings == [f"{method.upper()} {path}" for path, kinds in described["paths"].items() for method in kinds]
    assert {"POST /v1/orders", "POST /v1/help-centre", "POST /v1/kiosk", "POST /s/{token}"} <= set(headings)


def test_the_docs_page_has_a_row_per_parameter_field_and_answer() -> None:
    body = {"properties": {
        "id": {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "yours"}, "at": {"type": "string", "format": "date-time"},
        "kind": {"const": "note"}, "wish": {"enum": ["stop", "début"]}, "many": {"oneOf": [{"type": "array"}]}, "any": {},
    }, "required": ["id"]}  # fmt: skip
    content = {"schema": body, "example": {"id": "é"}, "examples": {"raw": {"value": "a=1"}}}
    operation = {
        "summary": "Send a thing. It is kept.", "requestBody": {"content": {"application/json": content}},
        "parameters": [{"name": "key", "in": "header", "required": True, "description": "k"}, {"name": "q", "in": "query"}],
        "responses": {422: {"description": "wrong"}, 202: {"description": "kept", "content": {"application/json": {}, "text/html": {}}}},
    }  # fmt: skip
    shown = docs.docs_page({"info": {"title": "API"}, "paths": {"/v1/{x}": {"post": operation, "parameters": {}}}})
    rows = [["".join(cell.itertext()) for cell in row] for row in parsed(shown).iter("tr")]
    assert rows == [
        ["name", "where", "what"], ["key", "header, needed", "k"], ["q", "query", ""],
        ["field", "type", "what"], ["id", "string or integer, needed", "yours"], ["at", "date-time", ""],
        ["kind", '"note"', ""], ["wish", '"stop" | "début"', ""], ["many", "array", ""], ["any", "", ""],
        ["status", "type", "when"], ["202", "application/json, text/html", "kept"], ["422", "", "wrong"],
    ]  # fmt: skip
    assert [e.text for e in parsed(shown).iter("pre")] == ["a=1", '{\n  "id": "é"\n}']
    assert next(parsed(shown).iter("li"))[0].get("href") == "#post-v1--x-"
    assert (next(parsed(shown).iter("li"))[0].tail or "").strip() == "Send a thing"


def test_the_api_describes_a_field_as_its_record_does() -> None:
    shapes = openapi.EVENTS["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    [message] = [each for each in shapes if each["title"] == "message_received"]
    assert message["description"] == "A customer wrote or spoke to us."
    told = {name: field.get("description") for name, field in message["properties"].items()}
    assert told["text"] == "what they wrote now, quotes and signature removed"
    assert told["in_reply_to"] == told["message_id"] and told["message_id"].endswith("what an answer is to stand below")
    assert told["causation_depth"] == "how many automatic hops led here; guards against loops across channels"


# -- colours ------------------------------------------------------------------------------------------------------

STYLE = (Path(pages.__file__).parent / "templates" / "style.css").read_text("utf-8")
WIDGET = (Path(chat_pages.__file__).parent / "widget.js").read_text("utf-8")
#: Text on what stands behind it: 4.5 to 1 (WCAG 2.2, 1.4.3); the edge of a control: 3 to 1 (1.4.11).
ON_PAGES = [("ink", "page"), ("ink", "back"), ("ink", "tint"), ("soft", "page"), ("soft", "tint"), ("blue", "page"), ("on-blue", "blue"), ("red", "page"), ("red", "pink")]  # fmt: skip
IN_CHAT = [("ink", "page"), ("ink", "theirs"), ("ink", "yours"), ("soft", "page"), ("soft", "theirs"), ("soft", "yours"), ("blue", "page"), ("on-blue", "blue"), ("red", "page")]  # fmt: skip


def palettes(style: str) -> list[dict[str, str]]:
    """The light one and the dark one: name → `rrggbb`."""
    found: list[dict[str, str]] = []
    for name, colour in re.findall(r"--([a-z-]+): #([0-9a-f]{3,6})", style):
        if not found or name in found[-1]:
            found.append({})
        found[-1][name] = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    return found


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances that WCAG defines, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_as_wcag_works_it_out() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(("style", "pairs"), [(STYLE, ON_PAGES), (WIDGET, IN_CHAT)], ids=["pages", "chat"])
def test_every_text_can_be_read_in_light_and_in_dark(style: str, pairs: list[tuple[str, str]]) -> None:
    light, dark = palettes(style)
    for palette in (light, light | dark):
        poor = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in pairs}
        assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}
        assert contrast(palette["line"], palette["page"]) >= 3

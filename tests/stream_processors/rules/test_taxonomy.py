"""The taxonomy: the shipped one on messages as customers write them, and what an invalid one is told."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from opencc import OpenCC

from schemas import yamlfile
from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules import taxonomy_file
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.text.language import detect
from tests.support.each import each

SHIPPED = rules_module.load().taxonomy
CONFIG = rules_module.SHIPPED / "taxonomy.yaml"
EXAMPLES = Path(__file__).parents[2] / "examples" / "tagging"
MESSAGES: list[tuple[str, dict[str, Any]]] = [
    (path.stem, example)
    for path in sorted(EXAMPLES.glob("*.yaml"))
    for example in yaml.safe_load(path.read_text("utf-8"))
]
_TO_TRADITIONAL = OpenCC("s2t")


class Crew:
    names = ("support", "payments")


def found(text: str, subject: str = "") -> set[str]:
    return {match.slug for match in SHIPPED.tag(text, subject)}


# -- the shipped taxonomy -------------------------------------------------------------------------------------------


@each(("language", "example"), MESSAGES)
def test_a_customers_message_gets_the_tags_that_say_why(language: str, example: dict[str, Any]) -> None:
    reading = SHIPPED.read(example["text"], example.get("subject", ""))
    assert {match.slug for match in reading.matches} == set(example["tags"])
    assert bool(reading.dissatisfied) == example.get("dissatisfied", False), reading.dissatisfied
    assert bool(reading.urgent) == example.get("urgent", False), reading.urgent
    assert reading.order_number == example.get("order_number", "")
    assert detect(example["text"]) == language


def test_there_are_thirty_examples_and_more_in_each_language() -> None:
    assert {
        language: count >= 30 for language, count in Counter(name for name, _ in MESSAGES).items()
    } == dict.fromkeys(LOCALES, True)


def test_the_examples_reach_nearly_every_tag() -> None:
    reached = {tag for _, example in MESSAGES for tag in example["tags"]}
    assert len(reached) >= 0.75 * len(SHIPPED.tags)


def test_there_are_enough_reasons_each_with_words_in_three_languages() -> None:
    tags = yaml.safe_load(CONFIG.read_text("utf-8"))["tags"]
    assert len(tags) >= 44
    for slug, fields in tags.items():
        for language in ("en", "zh-Hans", "ja"):
            assert len(fields["phrases"].get(language, ())) >= 4, (slug, language)


def test_every_tag_that_self_service_is_meant_for_has_an_article() -> None:
    for tag in SHIPPED.tags.values():
        if tag.quadrant == "automate":
            assert SHIPPED.articles([tag.slug], "ja"), tag.slug


def test_every_phrase_is_found_on_its_own_and_is_its_own_evidence() -> None:
    tags = yaml.safe_load(CONFIG.read_text("utf-8"))["tags"]
    for slug, fields in tags.items():
        for phrases in fields["phrases"].values():
            for phrase in phrases:
                matches = SHIPPED.tag(phrase.replace("…", " x ") if phrase.isascii() else phrase.replace("…", ""))
                excluded = any(word in phrase for words in fields.get("exclusions", {}).values() for word in words)
                assert excluded or slug in {match.slug for match in matches} or len(matches) == 3, (
                    slug,
                    phrase,
                    matches,
                )


@each(("language", "example"), [m for m in MESSAGES if m[0] == "zh-Hans"])
def test_traditional_characters_get_the_same_tags(language: str, example: dict[str, Any]) -> None:
    assert found(_TO_TRADITIONAL.convert(example["text"])) == found(example["text"])


@each(("language", "example"), [m for m in MESSAGES if m[0] == "en"])
def test_full_width_characters_and_capitals_get_the_same_tags(language: str, example: dict[str, Any]) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in example["text"])
    assert found(wide) == found(example["text"]) == found(example["text"].upper())


@given(st.text(), st.text(max_size=40))
def test_any_text_can_be_read(text: str, subject: str) -> None:
    reading = SHIPPED.read(text, subject)
    assert len(reading.matches) <= SHIPPED.most_tags
    assert len({match.slug for match in reading.matches}) == len(reading.matches)


def test_half_a_character_does_not_stop_the_reading() -> None:
    assert found("\ud83d my card was declined \ude00") == {"payment.card_declined"}


def test_a_flood_of_matches_is_read_as_well() -> None:
    assert "returns.refund_request" in found("refund please " * 50_000)


# -- how phrases match ----------------------------------------------------------------------------------------------

BASE = """
most_tags: 3
repeat_within_days: 7
low_csat_within_days: 90
raised_priorities: {dissatisfied: high}
tier_priorities: {vip: high}
help_url: "https://help.example/{locale}/{article}"
order_number: 'order ([0-9]{4,9})'
groups: {payment: Paying, other: Other}
articles:
  pay: {en: Pay, zh-Hans: 付款, zh-Hant: 付款, ja: 支払い}
tags:
  payment.declined:
    parent: payment
    quadrant: automate
    valence: bad
    owner: payments
    priority: high
    articles: [pay]
    phrases:
      en: [card declined, card … refused, card]
      zh-Hans: [卡…被拒]
    exclusions:
      en: [gift]
  payment.gift:
    parent: payment
    quadrant: leverage
    valence: good
    owner: support
    phrases: {en: [gift card]}
  other.cat:
    parent: other
    quadrant: simplify
    valence: neutral
    owner: support
    phrases: {en: [cat, cats and dogs, the dog]}
dissatisfaction: {en: [awful, card declined again]}
urgency: {en: [now]}
"""


@pytest.fixture
def small(tmp_path: Path) -> Taxonomy:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(BASE, "utf-8")
    return taxonomy_file.load(path, Crew())


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("card declined", ["payment.declined"]),
        ("Card, declined", ["payment.declined"]),  # by the shorter phrase
        ("discard this", []),
        ("cards", []),
        ("我的card", ["payment.declined"]),
        ("card2", []),
        ("my card was, I am sorry to say, refused", ["payment.declined"]),
        ("my gift card", ["payment.gift"]),  # the longer phrase covers "card", and "gift" excludes
        ("card declined, and a gift", []),
        ("卡又被拒", ["payment.declined"]),
        ("卡片丢了。申请被拒", []),  # the gap does not reach into the next sentence
        ("卡" + "很" * 20 + "被拒", []),
        ("concatenate", []),
        ("cats and dogs", ["other.cat"]),
        ("a cat and a card", ["payment.declined", "other.cat"]),  # the heavier one first
        ("the dog, the cat, the card", ["other.cat", "payment.declined"]),
    ],
)
def test_phrases_match_whole_words_the_longest_and_within_a_sentence(
    small: Taxonomy, text: str, tags: list[str]
) -> None:
    assert [match.slug for match in small.tag(text)] == tags


def test_the_evidence_is_the_heaviest_phrase_as_it_is_written(small: Taxonomy) -> None:
    assert small.tag("the card was refused")[0].evidence == "card … refused"


def test_the_subject_counts_double(small: Taxonomy) -> None:
    assert [match.slug for match in small.tag("a card", "cat")] == ["other.cat", "payment.declined"]


def test_a_mood_may_share_its_words_with_a_tag(small: Taxonomy) -> None:
    reading = small.read("Card declined again, now!")
    assert (reading.matches[0].slug, reading.dissatisfied, reading.urgent) == (
        "payment.declined",
        "card declined again",
        "now",
    )


def test_the_order_number_is_found_in_any_width(small: Taxonomy) -> None:
    assert small.read("about ＯＲＤＥＲ　１２３４５").order_number == "12345"
    assert small.read("about order 12, 12345").order_number == ""


def test_what_tags_mean_is_looked_up(small: Taxonomy) -> None:
    tags = ("other.cat", "payment.declined", "payment.from_an_older_taxonomy")
    assert small.owner(tags) == "support"
    assert small.owner(("gone.tag",)) is None
    assert small.priority(tags) == "high"
    assert small.priority(("other.cat",)) == ""
    assert (small.quadrant("payment.gift"), small.quadrant("gone.tag")) == ("leverage", "")
    assert small.articles(tags, "ja") == (("支払い", "https://help.example/ja/pay"),)
    assert small.articles(("payment.gift",), "en") == ()


def test_the_version_follows_the_content(small: Taxonomy, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(BASE.replace("the dog", "the fox"), "utf-8")
    assert taxonomy_file.load(path, Crew()).version != small.version
    path.write_text(BASE, "utf-8")
    assert taxonomy_file.load(path, Crew()).version == small.version


# -- what an invalid one is told ------------------------------------------------------------------------------------


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "told", "at"),
    [
        ("parent: other", "parent: others", "unknown group 'others'", "parent: others"),
        (
            "parent: other",
            "parent: payment",
            "does not belong to the parent",
            "parent: payment\n    quadrant: simplify",
        ),
        ("  other.cat:", "  payment.gift:", "'payment.gift' is given twice", "  payment.gift:\n    parent: other"),
        ("  other.cat:", "  cat:", "'cat' is not a why-tag", "    parent: other"),
        ("quadrant: simplify", "quadrant: simple", "unknown quadrant 'simple'", "quadrant: simple\n"),
        ("valence: neutral", "valence: meh", "unknown valence 'meh'", "valence: meh"),
        ("owner: payments", "owner: legal", "unknown team 'legal'", "owner: legal"),
        ("owner: payments", "colour: red", "unknown field 'colour'", "colour: red"),
        ("    owner: payments\n", "", "no team is given", "    parent: payment"),
        ("priority: high", "priority: top", "unknown priority 'top'", "priority: top"),
        ("zh-Hans: [卡", "fr: [卡", "unknown language 'fr'", "fr: [卡"),
        (
            "phrases: {en: [gift card]}",
            "phrases: {en: []}",
            "en must be a list of at least one text",
            "phrases: {en: []}",
        ),
        ("[cat, cats", "[cat, Gift  CARD, cats", "is in two tags, payment.gift and other.cat", "[cat, Gift"),
        ("[cat, cats", "[cat, 12, cats", "must be a list of at least one text", "[cat, 12"),
        ("[cat, cats", "[a, cats", "too short", "[a, cats"),
        ("[cat, cats", "[a … b … c, cats", "may have one gap", "[a … b"),
        ("articles: [pay]", "articles: [payy]", "unknown article 'payy'", "articles: [payy]"),
        (", ja: 支払い}", "}", "article 'pay' has no title in ja", "pay: {en"),
        ("most_tags: 3", "most_tags: 0", "must be a whole number", "most_tags: 0"),
        ("order ([0-9]", "order (([0-9]", "is not a regular expression", "order (("),
        ("order ([0-9]", "order (a{99999999999}[0-9]", "is not a regular expression", "a{99999999999}"),
        ("order ([0-9]{4,9})", "order [0-9]", "exactly one group", "order [0-9]"),
        ("{locale}/{article}", "{locale}/{slug}", "{locale} and {article} only", "help.example"),
        ("dissatisfied: high", "sad: high", "unknown reason 'sad'", "sad: high"),
        ("most_tags: 3", "most_tags: 3\ncolour: red", "unknown section 'colour'", "colour: red"),
        ("urgency: {en: [now]}", "", "urgency must be a mapping", "most_tags"),
        ("groups: {", "groups: }{", "is not YAML", "groups"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, told: str, at: str) -> None:
    assert old in BASE
    text = BASE.replace(old, new, 1).lstrip("\n")
    path = tmp_path / "taxonomy.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        taxonomy_file.load(path, Crew())
    assert told in str(raised.value)
    assert raised.value.where == f"{path}:{line_of(text, at)}"


@pytest.mark.parametrize("content", [b"", b"- a list", b"tags: 3", b"\xff\xfe"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        taxonomy_file.load(path, Crew())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        taxonomy_file.load(tmp_path / "none.yaml", Crew())


def test_the_first_ten_thousand_characters_are_read() -> None:
    phrase = "declined"
    filled = "x " * ((10_000 - len(phrase)) // 2) + phrase
    assert len(filled) == 10_000
    assert found(phrase) == found(filled) == found("", filled) != set()
    assert found(" " + filled) == found("", " " + filled) == set()


@pytest.mark.parametrize("value", ["1" * 5000, "2026-02-31"])
def test_a_value_that_python_cannot_read_is_refused(value: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(f"a: {value}\n", "utf-8")
    with pytest.raises(ConfigurationError, match="a value that cannot be read"):
        yamlfile.read(path)


@each(
    ("text", "told"),
    (
        ("a: &a {x: *a}", "refers to itself"),
        ("a: &a [*a]", "refers to itself"),
        (f"a: {'[' * 5_000}{']' * 5_000}", "refers to itself"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)), "too often"),
        (
            "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60)),
            "too often",
        ),
    ),
)
def test_a_file_that_repeats_itself_is_refused_at_once(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rules.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=told):
        yamlfile.read(tmp_path / "rules.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "cancel " * 700 + "x " * 100 + "order " * 700,
        "refund " * 500 + "zzzz " * 60 + "track where when how long " * 150,
        "没收到" * 1500 + "啊" * 40 + "订单" * 1500,
        "取消退款订单快递没收到" * 900,
        "how do i return " * 300 + "where is my refund " * 300,
    ],
)
def test_a_text_without_a_full_stop_costs_no_seconds(text: str) -> None:
    began = time.process_time()
    SHIPPED.read(text)
    assert time.process_time() - began < 1  # 22 s before words were looked at in parts


def test_what_is_said_late_in_a_long_sentence_is_found() -> None:
    assert "orders.cancel" in found("and you know we talked and talked " * 40 + "so please cancel the order now")


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("I don't want to cancel my order, just change the address", {"orders.change_address"}),
        ("不要取消我的订单，只想改地址", {"orders.change_address"}),
        ("キャンセルはしません、住所だけ変更したい", {"orders.change_address"}),
        ("I do not want a refund, I want a replacement", {"returns.exchange"}),
        ("If I cancelled, would there be a fee?", {"orders.cancellation_fee"}),
        ("如果快递丢了怎么赔", set()),
        ("the courier was great", {"delivery.courier_praise"}),
        ("退货运费谁付", {"returns.return_postage"}),
        ("how could I edit my account?", {"account.update_details"}),
        ("I want to cancle my order", {"orders.cancel"}),
        ("could you correct the adress", {"orders.change_address"}),
    ],
)
def test_negation_rules_polarity_and_typos_are_told_apart(text: str, tags: set[str]) -> None:
    assert found(text) == tags

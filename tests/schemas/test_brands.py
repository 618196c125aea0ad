"""brands.yaml: what it may say, what is refused with file and line, and whose an address is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas import brands_file
from schemas.brands import Brands
from schemas.errors import ConfigurationError

SID = "HX" + "0" * 32
TWO = f"""
default: acme
brands:
  acme:
    name: Acme Tea
    sender_name: Acme Customer Care
    mail_domain: Acme.example
    addresses: [Hello@tea.example]
    numbers: ["+442071838750", "whatsapp:+442071838751"]
    accounts: ["facebook:10215", "x:44196"]
    sites: [www.acme.example]
    templates: templates/acme
    signatures: {{en: "Your Acme Tea team", ja: "アクメ・ティー"}}
    help_centre: https://help.acme.example
    look: {{colour: "#0a7d5a", title: {{en: Ask Acme}}}}
    whatsapp:
      reply:
        en: {{content_sid: {SID}, variables: {{1: "{{name}}", 2: "{{text}}"}}}}
  zen:
    name: Zen Kettles
    mail_domain: zen.example
    mailbox: care
"""


def load(tmp_path: Path, text: str) -> Brands:
    path = tmp_path / "brands.yaml"
    path.write_text(text, "utf-8")
    return brands_file.load(path, "support.example")


@pytest.fixture
def two(tmp_path: Path) -> Brands:
    return load(tmp_path, TWO)


@pytest.mark.parametrize("text", ["", "brands: {}", "brands:", "# nothing"])
def test_without_brands_everything_is_the_nameless_one(tmp_path: Path, text: str) -> None:
    brands = load(tmp_path, text)
    assert (brands.default.slug, brands.default.name, brands.default.address) == ("", "", "support@support.example")
    assert brands.get("acme") is brands.get("") is brands.default
    assert brands.of_mail(["support@support.example"]) == brands.of_number("+442071838750") == ""
    assert brands.is_ours("anything@Support.example") and not brands.is_ours("ann@example.org")


def test_a_brand_holds_what_its_entry_says(two: Brands) -> None:
    acme, zen = two.get("acme"), two.get("zen")
    assert (acme.address, zen.address) == ("support@acme.example", "care@zen.example")
    assert (acme.sender_name, zen.sender_name) == ("Acme Customer Care", "Zen Kettles")
    assert (acme.signature("ja"), acme.signature("zh-Hans")) == ("アクメ・ティー", "Your Acme Tea team")
    assert (acme.sends_from("+4915"), acme.sends_from("whatsapp:+4915")) == ("+442071838750", "+442071838751")
    assert zen.sends_from("+4915") == zen.signature("en") == ""
    template = acme.whatsapp_template("reply", "ja")
    assert template is not None and template.content_sid == SID and template.variables["2"] == "{text}"
    assert acme.whatsapp_template("survey", "en") is zen.whatsapp_template("reply", "en") is None


@pytest.mark.parametrize(
    ("recipients", "slug"),
    [
        (["support@acme.example"], "acme"),
        (["SUPPORT+ABCDEFGHIJKL-1-AAAABBBBCCCC@acme.EXAMPLE"], "acme"),
        (["ann@example.org", "care@zen.example", "support@acme.example"], "zen"),
        (["hello+news@tea.example"], "acme"),
        (["sales@zen.example"], "zen"),
        (["support@zen.example.org", "support@support.example", "", "@", "no address"], ""),
    ],
)
def test_the_first_recipient_of_ours_says_the_brand(two: Brands, recipients: list[str], slug: str) -> None:
    assert two.of_mail(recipients) == slug


def test_numbers_accounts_and_sites_belong_to_brands(two: Brands) -> None:
    assert two.of_number("whatsapp:+442071838751") == two.of_number("+442071838750") == "acme"
    assert two.of_account("facebook", "10215") == two.of_account("x", "44196") == "acme"
    assert two.of_site("https://www.acme.example/x") == two.of_site("WWW.acme.example:8080") == "acme"
    assert two.of_number("+1555") == two.of_account("facebook", "44196") == two.of_site("https://zen.example") == ""


@pytest.mark.parametrize(
    "site", ["https://[", "//[x", "https://[::1/", "https://www.acme\u2100.example", "//:", "", "\ud800"]
)
def test_what_is_no_address_of_a_page_is_no_brands(site: str, two: Brands) -> None:
    assert two.of_site(site) == ""


def test_a_shared_domain_belongs_to_nobody_alone(tmp_path: Path) -> None:
    brands = load(
        tmp_path,
        "default: a\nbrands:\n  a: {name: A, mailbox: tea}\n  b: {name: B, mailbox: kettles}\n",
    )
    assert [brands.of_mail([f"{each}@support.example"]) for each in ("tea", "kettles", "others")] == ["a", "b", ""]


@pytest.mark.parametrize(
    ("wrong", "line", "problem"),
    [
        ("- a", 1, "must be a mapping"),
        ("brands: [a]", 1, "must be a mapping of slugs"),
        ("default: zen\nbrands:\n  a: {name: A}", 1, "'zen' is not one of the brands"),
        ("brands:\n  a: {name: A}", 1, "None is not one of the brands"),
        ("default: zen", 1, "'zen' is not one of the brands"),
        ("default: a\nbrands:\n  A b: {name: A}", 3, "is not a slug"),
        ("default: a\nbrands:\n  a: ~", 3, "has no fields"),
        ("default: a\nbrands:\n  a: {}", 3, "has no name"),
        ("default: a\nbrands:\n  a:\n    name: A\n    colour: red", 5, "'colour' is not known here"),
        ('default: a\nbrands:\n  a:\n    name: "A\\nB"', 4, "name must be one line"),
        ("default: a\nbrands:\n  a:\n    name: A\n    mail_domain: 'a b'", 5, "is not a domain"),
        ("default: a\nbrands:\n  a:\n    name: A\n    mailbox: 'a@b'", 5, "is not the first part of an address"),
        ("default: a\nbrands:\n  a:\n    name: A\n    numbers: [442071838750]", 5, "is not a number"),
        ("default: a\nbrands:\n  a:\n    name: A\n    addresses:\n      - x@y.example\n      - y", 7, "not an address"),
        ("default: a\nbrands:\n  a:\n    name: A\n    look: {colour: red}", 5, "is not a colour"),
        ("default: a\nbrands:\n  a:\n    name: A\n    help_centre: 'javascript:x'", 5, "is not an address that"),
        ("default: a\nbrands:\n  a:\n    name: A\n    signatures: {de: Hallo}", 5, "'de' is not known here"),
        ("default: a\nbrands:\n  a:\n    name: A\n    templates: ../other", 5, "is not a folder"),
        ("default: a\nbrands:\n  a: {name: A}\n  b: {name: B}", 4, "'support@support.example' belongs to 'a' already"),
        (
            f"default: a\nbrands:\n  a:\n    name: A\n    whatsapp: {{reply: {{en: {{content_sid: {SID}}}}}}}",
            5,
            "must say",
        ),
        (
            f"default: a\nbrands:\n  a:\n    name: A\n    whatsapp:\n      reply:\n        en:\n"
            f"          content_sid: {SID}\n          variables: {{1: '{{who}}'}}",
            9,
            "{who} is not known",
        ),
        (
            f"default: a\nbrands:\n  a:\n    name: A\n    whatsapp:\n      reply:\n        en:\n"
            f"          content_sid: {SID}\n          variables: {{1: '{{name}}'}}",
            9,
            "no variable holds {text}",
        ),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(tmp_path: Path, wrong: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, wrong)
    assert refused.value.where == f"{tmp_path / 'brands.yaml'}:{line}"
    assert problem in str(refused.value)


FIELD_NAMES = (
    "name", "sender_name", "mail_domain", "mailbox", "addresses", "numbers", "accounts", "sites", "templates", "signatures",
    "help_centre", "survey_url", "look", "whatsapp",
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["{text}", SID])
)
KEYS = st.sampled_from([*FIELD_NAMES, "reply", "en", "colour", "content_sid", "variables", "1"]) | st.integers(0, 9)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
ENTRIES = st.dictionaries(st.sampled_from(FIELD_NAMES), VALUES, max_size=6)


@given(entry=ENTRIES | VALUES, slug=st.sampled_from(["a", "b"]) | SCALARS, default=st.just("a") | SCALARS)
def test_whatever_a_file_holds_it_is_read_or_refused_with_its_line(
    entry: object, slug: object, default: object
) -> None:
    path = PLACE / "any.yaml"
    path.write_text(yaml.safe_dump({"default": default, "brands": {slug: entry, "a": {"name": "A"}}}), "utf-8")
    try:
        brands = brands_file.load(path, "support.example")
    except ConfigurationError as refused:
        assert refused.where.startswith(f"{path}:") or refused.where == str(path)
    else:
        assert brands.default.slug in brands or not brands.brands


@given(recipients=st.lists(st.text(max_size=60), max_size=5))
def test_any_recipients_have_a_known_brand_or_none(recipients: list[str]) -> None:
    brands = BRANDS
    slug = brands.of_mail(recipients)
    assert slug == "" or slug in brands
    assert brands.of_site("".join(recipients)[:80]) in ("", "acme")


@pytest.fixture(scope="module", autouse=True)
def _brands(tmp_path_factory: pytest.TempPathFactory) -> None:
    global BRANDS, PLACE
    PLACE = tmp_path_factory.mktemp("any")
    BRANDS = load(tmp_path_factory.mktemp("brands"), TWO)


BRANDS, PLACE = Brands.nameless("support.example"), Path()

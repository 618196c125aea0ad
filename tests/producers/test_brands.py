"""Producers decide what a contact came to: by recipient, number, account or page, or because its source says so."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import chat_protocol as frames
from producers.channels import form, generic, phone, sms, survey
from producers.customers import brands as module
from producers.customers.brands import BrandChooser, brand_of, check
from producers.endpoint import Delivery
from producers.mail import event as mail_event
from producers.sources import smtp
from producers.sources.chat.offers import dressed
from producers.sources.http import pages
from schemas import brands_file, metrics, survey_link
from schemas.brands import Brands
from schemas.errors import ConfigurationError, Refused
from schemas.events import CallEnded, CallStarted, MessageReceived
from schemas.settings import ProducerSettings

NOW = 1_772_442_000_000_000
TWO = """
default: acme
brands:
  acme: {name: Acme Tea, mail_domain: acme.example, numbers: ["+442071838750"], sites: [www.acme.example]}
  zen:
    name: Zen Kettles
    mail_domain: zen.example
    mailbox: care
    numbers: ["+4930123456", "whatsapp:+4930123457"]
    accounts: ["facebook:10215", "x:44196"]
    sites: [zen.example]
"""


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Brands:
    path = tmp_path_factory.mktemp("brands") / "brands.yaml"
    path.write_text(TWO, "utf-8")
    return brands_file.load(path, "support.example")


def message(**fields: Any) -> MessageReceived:
    about = {
        "event_id": "E",
        "occurred_at": NOW,
        "received_at": NOW,
        "customer_tag": "T",
        "customer_id": "x",
        "address": "",
    }
    return MessageReceived(**about | {"channel": "chat"} | fields)


def mail(to: str) -> MessageReceived:
    raw = f"From: Ann <ann@example.org>\r\nTo: {to}\r\nSubject: Tea\r\n\r\nHello\r\n"
    return mail_event.normalise(raw.encode(), now=NOW)


def twilio(**fields: str) -> Delivery:
    from urllib.parse import urlencode

    return Delivery("POST", "https://x/v1/sms", body=urlencode(fields).encode())


@pytest.mark.parametrize(
    ("to", "slug"),
    [
        ("care@zen.example", "zen"),
        ("Zen <CARE+anything@zen.example>, Bob <bob@example.org>", "zen"),
        ("bob@example.org, support@acme.example", "acme"),
        ("support@support.example", ""),
        ("", ""),
    ],
)
def test_a_mail_is_of_the_brand_that_it_was_sent_to(two: Brands, to: str, slug: str) -> None:
    assert brand_of(mail(to), two) == slug


def test_numbers_say_the_brand_of_messages_and_calls(two: Brands) -> None:
    for to, wanted in (("+4930123456", "zen"), ("whatsapp:+4930123457", "zen"), ("+15550100", "")):
        for body in ("Hello", "STOP"):
            [event] = sms.incoming(twilio(MessageSid="S", From="+15550199", To=to, Body=body), NOW, "")
            assert brand_of(event, two) == wanted
    call = {"CallSid": "C", "From": "+15550199", "To": "+4930123456"}
    [ringing] = phone.status(twilio(**call, CallStatus="ringing"), NOW, "")
    assert isinstance(ringing, CallStarted) and brand_of(ringing, two) == "zen"
    leg = {"CallSid": "D", "ParentCallSid": "C", "From": "+15550199", "To": "client:mei", "brand": "zen"}
    [ended] = phone.status(twilio(**leg, CallStatus="completed", CallDuration="9"), NOW, "")
    assert isinstance(ended, CallEnded) and brand_of(ended, two) == "zen"


def test_pages_and_accounts_say_the_brand_of_chats_and_posts(two: Brands) -> None:
    assert brand_of(message(fields={"page_url": "https://zen.example/kettles?x=1"}), two) == "zen"
    assert brand_of(message(channel="social", recipients=["10215"]), two) == "zen"
    assert brand_of(message(channel="social", recipients=["999"]), two) == ""


def test_what_a_source_says_counts_before_all_else(two: Brands) -> None:
    said = form.normalise({"email": "a@b.example", "message": "Hi", "brand": "zen"}, now=NOW)
    assert brand_of(said, two) == "zen"
    body = b'{"type":"message_received","id":"1","channel":"chat","customer_id":"chat:v","text":"Hi","brand":"zen"}'
    assert brand_of(generic.normalise(body, now=NOW), two) == "zen"
    assert brand_of(message(channel="email", brand="acme", recipients=["care@zen.example"]), two) == "acme"


def test_without_a_file_only_a_slug_is_believed() -> None:
    assert brand_of(message(brand="zen"), None) == "zen"
    assert brand_of(message(brand="+4930123456", recipients=["care@zen.example"]), None) == ""


@given(brand=st.text(max_size=50), recipients=st.lists(st.text(max_size=40), max_size=3), page=st.text(max_size=60))
def test_whatever_is_said_the_brand_is_known_or_none(two: Brands, brand: str, recipients: list[str], page: str) -> None:
    for channel in ("email", "sms", "chat", "social"):
        event = message(channel=channel, brand=brand, recipients=recipients, fields={"page_url": page})
        assert (found := brand_of(event, two)) == "" or found in two


def test_an_unknown_brand_is_counted_and_left_to_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "brands.yaml"
    path.write_text(TWO, "utf-8")
    chooser = BrandChooser(path, "support.example")
    before = metrics.BRANDS_UNKNOWN.labels("chat")._value.get()
    assert chooser.decided(message(brand="nonsense")).brand == ""
    assert chooser.decided(message(brand="+15550100")).brand == ""
    assert metrics.BRANDS_UNKNOWN.labels("chat")._value.get() == before + 1
    assert chooser.decided(message(brand="zen")).brand == "zen"


def test_a_changed_file_counts_and_a_broken_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    path = tmp_path / "brands.yaml"
    path.write_text(TWO, "utf-8")
    chooser = BrandChooser(path, "support.example")
    assert chooser.of_site("https://www.acme.example").slug == "acme"
    path.write_text(TWO.replace("www.acme.example", "tea.example"), "utf-8")
    assert chooser.of_site("https://tea.example").slug == "acme" and "zen" in chooser.brands
    path.write_text("brands: [", "utf-8")
    assert chooser.decided(message(brand="zen")).brand == "zen"
    path.unlink()
    assert chooser.of_site("https://zen.example").slug == "zen"


def test_a_broken_file_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "brands.yaml"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        check(path)
    path.write_text("default: x", "utf-8")
    with pytest.raises(ConfigurationError, match=r"brands\.yaml:1"):
        check(path)
    check(None)


def test_a_form_refuses_a_brand_that_is_no_slug() -> None:
    with pytest.raises(Refused):
        form.normalise({"email": "a@b.example", "message": "Hi", "brand": "x" * 41}, now=NOW)


# -- pages and the chat window -------------------------------------------------------------------------------------------


def test_pages_show_name_and_colours_of_their_brand(tmp_path: Path) -> None:
    path = tmp_path / "brands.yaml"
    path.write_text(TWO + '    look: {colour: "#6b2d5c", text_colour: "#fefefe"}\n', "utf-8")
    zen = brands_file.load(path, "support.example").get("zen")
    for page in (
        pages.form_page(brand=zen),
        pages.form_thanks_page("T", brand=zen),
        pages.question_page("ja", "T-1", "token", {}, brand=zen),
        pages.vote_thanks_page("en", brand=zen),
        pages.explained_page("en", zen),
    ):
        assert "Zen Kettles" in page and "--blue: #6b2d5c; --on-blue: #fefefe" in page
        style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in pages.headers_of(page)["Content-Security-Policy"]
    assert 'name="brand" value="zen"' in pages.form_page(brand=zen)
    assert "brand" not in re.sub(r"<style>.*?</style>", "", pages.form_page(), flags=re.DOTALL)


def test_a_name_in_a_page_is_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "brands.yaml"
    path.write_text("default: a\nbrands:\n  a: {name: '<b>A & B</b>'}\n", "utf-8")
    page = pages.form_page(brand=brands_file.load(path, "support.example").default)
    assert "<b>" not in page and "&lt;b&gt;A &amp; B" in page


def test_a_chat_window_is_told_the_look_of_its_page(two: Brands) -> None:
    offer = frames.Offer(available=True)
    assert dressed(offer, Brands.nameless("x.example").default) is offer
    assert frames.encode(dressed(offer, two.get("zen"))) == '{"type":"offer","available":true,"brand":"Zen Kettles"}'


def test_a_survey_link_names_the_brand_and_links_of_before_do_not() -> None:
    secrets = ["s" * 20]
    for brand in ("", "zen"):
        link = survey_link.SurveyLink("ABCDEFGHIJKL-1", 1, "mei", NOW, "en", brand)
        assert survey_link.read(survey_link.token(link, secrets), secrets, now=0) == link
        vote = survey.vote(
            link, {"csat": "5", "page": survey.page_token(link, secrets, wall=0.0)}, secrets, now=1, wall=9.0
        )
        assert vote.brand == brand


def test_the_mail_listener_takes_mail_of_every_brand(tmp_path: Path) -> None:
    path = tmp_path / "brands.yaml"
    path.write_text(TWO + "    addresses: [hello@kettles.example]\n", "utf-8")
    settings = ProducerSettings(brands_file=path)
    assert smtp.our_domains(settings) == {"support.example", "acme.example", "zen.example", "kettles.example"}
    assert smtp.our_domains(ProducerSettings(brands_file=path, smtp_listen_domains="a.example")) == {"a.example"}
    assert smtp.our_domains(ProducerSettings()) == {"support.example"}

"""What an agent's answer becomes: as mail with signature, quotes, files and copies; elsewhere its text alone."""

from __future__ import annotations

import email
from dataclasses import replace
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from producers.mail import event, parse
from schemas.brands import Brand
from schemas.events import LOCALES, Attachment, QuotedMessage
from schemas.facts import ContactFact, DeliveryFact, Outbound
from schemas.identity import canonical_customer_id, customer_tag
from schemas.safe_html import clean, from_text, to_text
from sinks.delivery.mail import address, compose
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.teams import Team, Teams
from stream_processors.text import quoted
from tests.support.sinks.examples import NOW
from tests.support.tickets.story import Story, at

UTC = ZoneInfo("UTC")
SIGNATURES = {"en": "{agent}\n{team} <help>\nhttps://shop.example/help", "ja": "{team} 担当 {agent}"}
ASKED = QuotedMessage(author="Ann Lee", at=1_772_445_600_000_000, text="Where is <it>?\n\n> earlier\n4 > 3")
FILE = Attachment(name="label.pdf", media_type="application/pdf", size_bytes=9, reference="file:///x/A/b")


def with_signatures(rules: Rules, signatures: dict[str, str]) -> Rules:
    teams = {slug: Team(slug, "The team", team.languages, signatures) for slug, team in rules.teams.teams.items()}
    return replace(rules, teams=Teams(teams, rules.teams.fallback, "t"))


def answered(rules: Rules, *, about: dict[str, Any] | None = None, **fields: Any) -> Outbound:
    story = Story(rules, channel="email", customer_id="email:ann@example.org")
    story.message(0, **{"text": "Where is it?", "subject": "Parcel", "message_id": "<1@ann>"} | (about or {}))
    story.reply(60, **fields)
    [sent] = story.replies()
    return sent


def test_a_plain_answer_is_sent_exactly_as_it_stands(rules: Rules) -> None:
    sent = answered(rules, text="It is on its way.\n\n  Mei ")
    assert (sent.text, sent.html, sent.attachments, sent.cc, sent.bcc) == (
        "It is on its way.\n\n  Mei ",
        "",
        [],
        [],
        [],
    )


def test_html_files_and_copies_go_with_a_mail(rules: Rules) -> None:
    sent = answered(rules, text="Here.", html="<p>Here.</p>", attachments=[FILE], cc=["bob@x.org"], bcc=["boss@x.org"])
    assert (sent.text, sent.html, sent.attachments) == ("Here.", "<p>Here.</p>", [FILE])
    assert (sent.cc, sent.bcc) == (["bob@x.org"], ["boss@x.org"])


def test_the_signature_is_that_of_the_team_in_the_language_of_the_ticket(rules: Rules) -> None:
    signed = with_signatures(rules, SIGNATURES)
    sent = answered(signed, text="Here.\n", agent_name="Mei")
    assert sent.text == "Here.\n\n-- \nMei\nThe team <help>\nhttps://shop.example/help\n"
    assert (
        answered(signed, text="Here.", about={"text": "よろしくお願いします。"}, agent_name="美").text
        == "Here.\n\n-- \nThe team 担当 美\n"
    )
    assert answered(signed, text="Here.", about={"text": "よろしくお願いします。"}).text == "Here.", (
        "no name, no line that would name the agent"
    )
    assert answered(signed, text="Here.", about={"text": "请问您好，谢谢你们。"}).text.endswith(
        "-- \nThe team <help>\nhttps://shop.example/help\n"
    )


def test_without_one_of_the_team_it_is_that_of_the_brand(rules: Rules) -> None:
    brand = Brand("", rules.mail_domain, name="Acme", signatures={"en": "Your {brand} team"})
    branded = replace(rules, brands=replace(rules.brands, default=brand))
    assert answered(branded, text="Here.").text == "Here.\n\n-- \nYour Acme team\n"


@pytest.mark.parametrize("name", ["{team}", "{brand}{agent}", "a\\1b", "<b>"])
def test_no_name_is_filled_in_again(rules: Rules, name: str) -> None:
    sent = answered(with_signatures(rules, {"en": "{agent}"}), text="Here.", html="<p>Here.</p>", agent_name=name)
    assert sent.text == f"Here.\n\n-- \n{name}\n"
    assert clean(sent.html) == sent.html


@pytest.mark.parametrize(
    ("locale", "line", "author", "time"),
    [
        ("en", "On 2 March 2026 at 10:00, Ann Lee wrote:", "Ann Lee wrote:", "On 2 March 2026 at 10:00:"),
        ("zh-Hans", "2026年3月2日 10:00，Ann Lee 写道：", "Ann Lee 写道：", "2026年3月2日 10:00："),
        ("zh-Hant", "2026年3月2日 10:00，Ann Lee 寫道：", "Ann Lee 寫道：", "2026年3月2日 10:00："),
        ("ja", "2026年3月2日(月) 10:00、Ann Leeのメール:", "Ann Leeのメール:", "2026年3月2日(月) 10:00:"),
        ("xx", "On 2 March 2026 at 10:00, Ann Lee wrote:", "Ann Lee wrote:", "On 2 March 2026 at 10:00:"),
    ],
)
def test_a_quote_says_who_wrote_and_when(locale: str, line: str, author: str, time: str) -> None:
    assert quoted.attribution(ASKED, locale, UTC) == line
    assert quoted.attribution(changed(ASKED, at=None), locale, UTC) == author
    assert quoted.attribution(changed(ASKED, author=""), locale, UTC) == time
    assert quoted.attribution(QuotedMessage(text="x"), locale, UTC) == ""
    for impossible in (2**62, -(2**62), 253_402_300_799_000_000):
        assert quoted.attribution(changed(ASKED, at=impossible), locale, ZoneInfo("Asia/Tokyo")) == author


def test_quotes_stand_below_the_signature_in_the_customers_time(rules: Rules) -> None:
    signed = with_signatures(rules, {"en": "Team"})
    about = {"time_zone": "America/New_York"}
    sent = answered(signed, text="Here.", html="<p>Here.</p>", quoted=[ASKED, QuotedMessage(text="Hi")], about=about)
    assert sent.text == (
        "Here.\n\n-- \nTeam\n\nOn 2 March 2026 at 05:00, Ann Lee wrote:\n> Where is <it>?\n>\n> > earlier\n> 4 > 3\n\n> Hi\n"
    )
    assert "<blockquote><p>Where is &lt;it&gt;?</p>" in sent.html
    assert to_text(sent.html).split() == sent.text.split()


def test_what_is_quoted_becomes_no_link_of_ours(rules: Rules) -> None:
    asked = QuotedMessage(
        author="https://evil.example", text="see https://evil.example/x <a href='https://evil.example'>y</a>"
    )
    sent = answered(rules, text="Here.", html="<p>Here.</p>", quoted=[asked])
    assert "<a " not in sent.html
    assert to_text(sent.html).split() == sent.text.split()


def test_our_own_addresses_get_no_copy(rules: Rules) -> None:
    ours = [f"support@{rules.mail_domain}", f"Support+ABCDEFGHIJKL-1@{rules.mail_domain.upper()}"]
    sent = answered(rules, cc=[*ours, f"mei@{rules.mail_domain}"], bcc=ours)
    assert (sent.cc, sent.bcc) == ([f"mei@{rules.mail_domain}"], [])


def test_an_own_address_is_known_with_a_token_and_in_capitals(rules: Rules) -> None:
    brand = replace(rules.brands.default, mail_domain="Shop.Example", addresses=("help@acme.example",))
    brands = replace(rules.brands, default=brand)
    ours = ["support@shop.example", "support+T@SHOP.example", "help@acme.example", "Help+ABCDEFGHIJKL-1@acme.example"]
    sent = answered(replace(rules, brands=brands), cc=[*ours, "helpers@acme.example"], bcc=ours)
    assert (sent.cc, sent.bcc) == (["helpers@acme.example"], [])


def test_who_gets_a_copy_takes_part_and_who_gets_a_blind_one_does_not(rules: Rules) -> None:
    story = Story(rules, channel="email", customer_id="email:ann@example.org")
    story.message(0, "Where is it?", address="ann@example.org")
    story.reply(60, cc=["Bob@x.org"], bcc=["boss@x.org"])
    assert story.ticket().conversation.participants == (customer_tag(canonical_customer_id("email", "bob@x.org")),)
    for seconds, who, takes_part in ((120, "boss@x.org", False), (180, "bob@x.org", True)):
        story.more(seconds, customer_id=f"email:{who}", address=who, sender=who)
        assert story.last(ContactFact).third_party is not takes_part


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Here is your label.", "Where is it?"),
        ("お荷物は発送済みです。", "よろしくお願いします。"),
        ("您的包裹已经寄出。", "请问您好，谢谢你们。"),
        ("您的包裹已經寄出。", "請問您好，謝謝你們。"),
    ],
)
@pytest.mark.parametrize("html", [False, True])
def test_a_reader_of_mail_finds_the_answer_apart_from_signature_and_quote(
    rules: Rules, said: str, asked: str, html: bool
) -> None:
    signed = with_signatures(rules, {"en": "{agent}\n{team}"})
    fields = {"html": from_text(said)} if html else {}
    quote = [QuotedMessage(author="Ann Lee", at=at(0), text=asked)]
    sent = answered(signed, text=said, quoted=quote, agent_name="Mei", about={"text": asked}, **fields)
    raw = compose(sent, sender=address("support@support.example"), now=NOW, eight_bit=True)[1]
    assert event.normalise(raw, now=NOW).text == said


@pytest.mark.parametrize("channel", ["chat", "sms", "social"])
def test_other_channels_carry_the_text_and_say_that_the_rest_is_missing(rules: Rules, channel: str) -> None:
    story = Story(with_signatures(rules, SIGNATURES), channel=channel)
    story.message(0, "Hello", thread_id="t-1")
    story.reply(60, text="Here.", html="<p>Here.</p>", quoted=[ASKED], agent_name="Mei")
    story.reply(70, text="Here.", attachments=[FILE], cc=["bob@x.org"])
    for sent in story.replies():
        assert (sent.text, sent.html, sent.attachments, sent.cc, sent.bcc) == ("Here.", "", [], [], [])
    [missing] = story.all(DeliveryFact)
    assert (missing.outcome, missing.detail, missing.kind) == ("refused", "only_by_mail", "reply")


def test_no_fact_but_the_outbound_mail_knows_of_a_blind_copy(rules: Rules) -> None:
    story = Story(rules, channel="email", customer_id="email:ann@example.org")
    story.message(0, "Where is it?")
    story.reply(60, cc=["bob@x.org"], bcc=["boss@x.org"], quoted=[ASKED])
    for fact in story.worker.records():
        if not isinstance(fact, Outbound):
            assert "boss@x.org" not in repr(fact)
        else:
            assert "boss@x.org" not in repr(changed(fact, bcc=[]))


def test_a_note_for_colleagues_goes_nowhere(rules: Rules) -> None:
    story = Story(rules, channel="email")
    story.message(0, "Hello")
    story.reply(60, public=False, html="<p>x</p>", attachments=[FILE])
    assert story.replies() == []


words = st.text(alphabet=st.sampled_from("ab <>&\"'\n{}日本ü-*_`"), min_size=1, max_size=60).filter(str.strip)


@given(words, words, words, st.sampled_from([*LOCALES, ""]), st.booleans())
def test_the_customer_reads_what_the_agent_wrote(
    rules: Rules, text: str, quote: str, signature: str, locale: str, with_quote: bool
) -> None:
    html = from_text(text)
    said = to_text(html)
    signed = with_signatures(rules, {"en": signature.replace("{", "(")})
    messages = [QuotedMessage(author="Ann", at=at(0), text=quote)] if with_quote else []
    sent = answered(signed, text=said, html=html, quoted=messages, about={"language": locale, "text": "?"})
    assert clean(sent.html) == sent.html
    assert to_text(sent.html).split() == sent.text.split()
    raw = compose(sent, sender=address("support@support.example"), now=NOW, eight_bit=True)[1]
    mail = email.message_from_bytes(raw, policy=default)
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n") == sent.text
    assert parse.parse(raw).text.split() == sent.text.split()
    assert sent.text.startswith(said.rstrip("\n"))

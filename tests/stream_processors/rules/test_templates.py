"""Every template in every situation: what it must say, how long it may be, and what may not be said."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import product
from pathlib import Path
from shutil import copytree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import CLOSED
from schemas.clock import to_micros
from schemas.errors import ConfigurationError
from schemas.events import CHANNELS, LOCALES
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.taxonomy import Article
from stream_processors.rules.templates import KINDS, Situation, Templates, kind_of
from stream_processors.text import sms
from stream_processors.text.promised_time import promised_time
from tests.support.each import each

DIRECTORY = rules_module.SHIPPED / "templates"
RULES = rules_module.load()
TEMPLATES, NAMES = RULES.templates, RULES.situations.names
LONDON = ZoneInfo("Europe/London")
TICKET = "ABCDEFGHIJKL-12"
HELP = (Article("Follow your order", "https://help.example/track"),)
ALL = list(product(KINDS, LOCALES))
#: What nobody who waits for help wants to read.
NEGATIVE = re.compile(
    r"unfortunately|unable|cannot|can't|won't|impossible|regret|no longer|policy|不能|无法|無法|遗憾|遺憾|残念|できません|できかね|いたしかね",
    re.IGNORECASE,
)


def at(text: str, zone: str = "UTC") -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def situations(kind: str, locale: str) -> list[Situation]:
    names = ("", "Ann Smith", "王小明", "Maximilian Alexander von Hohenberg-Lichtenstein the Third")
    subjects = ("", "My kettle", "我的订单还没收到", "{braces} 100 % €[]", "A very long subject " * 20)
    times = (("", ""), promised_time(at("2026-09-30T22:59:30"), "", LONDON, locale))
    return [
        Situation(kind, locale, TICKET, name, subject, order, *time, articles, dissatisfied)
        for name, subject, order, time, articles, dissatisfied in product(
            names, subjects, ("", "10023456"), times, ((), HELP), (False, True)
        )
    ]


@pytest.mark.parametrize(("kind", "locale"), ALL)
def test_every_acknowledgement_names_the_ticket_and_the_promise_in_good_words(kind: str, locale: str) -> None:
    for situation in situations(kind, locale):
        text = TEMPLATES.render(situation).text
        assert TICKET in text
        if situation.promised_time:
            assert situation.promised_time in text or situation.promised_time_short in text
        assert not NEGATIVE.search(text.replace(situation.subject or "\0", "")), text
        assert "\n\n\n" not in text and text == text.strip() and "  " not in text
        assert "{{" not in text and "{%" not in text and "\ue000" not in text


@pytest.mark.parametrize(("kind", "locale"), [(kind, locale) for kind, locale in ALL if kind in ("sms", "call")])
def test_an_sms_is_one_sms_in_every_situation(kind: str, locale: str) -> None:
    for situation in situations(kind, locale):
        text = TEMPLATES.render(situation).text
        assert sms.units(text) <= (160 if sms.is_gsm_7(text) else 70), (sms.units(text), text)


@pytest.mark.parametrize("locale", LOCALES)
def test_a_social_post_has_280_weighted_characters_at_most(locale: str) -> None:
    for situation in situations("social", locale):
        text = TEMPLATES.render(situation).text
        assert sum(1 if ord(character) < 0x1100 else 2 for character in text) <= 280


@pytest.mark.parametrize("locale", LOCALES)
def test_chat_is_one_sentence_on_one_line(locale: str) -> None:
    for situation in situations("chat", locale):
        if situation.subject == "My kettle":
            text = TEMPLATES.render(situation).text
            assert "\n" not in text
            assert len(re.findall(r"[.!?](?=\s|$)|[。！？]", text.replace("...", ""))) <= 1, text


@pytest.mark.parametrize(("kind", "locale"), [(kind, locale) for kind, locale in ALL if kind != "call"])
def test_the_subject_is_repeated_and_the_customer_called_by_name(kind: str, locale: str) -> None:
    text = TEMPLATES.render(Situation(kind, locale, TICKET, "Ann", "Kettle")).text
    assert "Ann" in text and "Kettle" in text


@pytest.mark.parametrize(("kind", "locale"), ALL)
def test_an_unhappy_customer_gets_warmer_words(kind: str, locale: str) -> None:
    calm = Situation(kind, locale, TICKET)
    assert TEMPLATES.render(calm).text != TEMPLATES.render(calm._replace(dissatisfied=True)).text


@pytest.mark.parametrize(("kind", "locale"), [(kind, locale) for kind, locale in ALL if kind in ("email", "chat")])
def test_help_articles_come_with_a_way_to_a_person(kind: str, locale: str) -> None:
    with_help = TEMPLATES.render(Situation(kind, locale, TICKET, articles=HELP)).text
    assert "Follow your order" in with_help and "https://help.example/track" in with_help
    assert any(word in with_help for word in ("person", "人工", "專人", "担当者"))
    assert "https://" not in TEMPLATES.render(Situation(kind, locale, TICKET)).text


@pytest.mark.parametrize("locale", LOCALES)
def test_a_mail_listens_acknowledges_acts_thanks_and_explains(locale: str) -> None:
    text = TEMPLATES.render(Situation("email", locale, TICKET, "Ann", "Kettle", dissatisfied=True)).text
    words = {
        "en": ("Kettle", "sorry", "What happens next", "Thank you", "reference"),
        "zh-Hans": ("Kettle", "歉意", "接下来", "感谢", "编号"),
        "zh-Hant": ("Kettle", "抱歉", "接下來", "感謝", "編號"),
        "ja": ("Kettle", "お詫び", "今後の流れ", "ありがとう", "受付番号"),
    }[locale]
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    "words",
    ["Cheap pills http://spam.example", "www.spam.example", "visit spam.com now", "mail me@spam.example", "t.me/x1y2"],
)
def test_nobody_can_make_us_spread_links_or_addresses(words: str) -> None:
    text = TEMPLATES.render(Situation("email", "en", TICKET, words, words, words)).text
    assert "spam" not in text and "t.me" not in text


@given(st.text(), st.text(), st.sampled_from(ALL))
def test_no_words_of_a_customer_can_break_a_template(name: str, subject: str, which: tuple[str, str]) -> None:
    text = TEMPLATES.render(
        Situation(*which, TICKET, name, subject, promised_time="then", promised_time_short="then")
    ).text
    assert TICKET in text
    assert which[0] not in ("sms", "call") or sms.fits(text)
    assert which[0] == "email" or "\n" not in text


@pytest.mark.parametrize(
    ("channel", "address", "kind"),
    [
        ("email", "ann@example.org", "email"),
        ("form", "ann@example.org", "email"),
        ("form", "+4915112345678", "sms"),
        ("in_person", "ann@example.org", "email"),
        ("in_person", "+4915112345678", "sms"),
        ("chat", "s-1", "chat"),
        ("bot", "s-1", "chat"),
        ("help_centre", "s-1", "chat"),
        ("sms", "+4915112345678", "sms"),
        ("phone", "+4915112345678", "call"),
        ("voicemail", "+4915112345678", "call"),
        ("social", "@ann", "social"),
    ],
)
def test_each_channel_has_its_kind_of_template(channel: str, address: str, kind: str) -> None:
    assert kind_of(channel, address) == kind


def test_no_channel_is_without_a_template() -> None:
    assert {kind_of(channel, "") for channel in CHANNELS} <= set(KINDS)


# -- the promised time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "zone", "locale", "full", "short"),
    [
        (
            "2026-03-03T15:40:00",
            "Europe/London",
            "en",
            "15:40 on Tuesday 3 March (Greenwich Mean Time)",
            "Tue 3 Mar 15:40",
        ),
        (
            "2026-07-03T15:40:00",
            "Europe/London",
            "en",
            "16:40 on Friday 3 July (British Summer Time)",
            "Fri 3 Jul 16:40",
        ),
        ("2026-03-03T15:40:00", "Asia/Shanghai", "zh-Hans", "3月3日星期二 23:40（中国标准时间）", "3月3日23:40"),
        ("2026-03-03T15:40:00", "Asia/Taipei", "zh-Hant", "3月3日星期二 23:40（台北標準時間）", "3月3日23:40"),
        ("2026-03-03T15:40:00", "Asia/Tokyo", "ja", "3月4日(水) 00:40（日本標準時）", "3月4日 00:40"),
    ],
)
def test_a_time_is_written_in_the_customers_zone_and_language(
    moment: str, zone: str, locale: str, full: str, short: str
) -> None:
    assert promised_time(at(moment), zone, LONDON, locale) == (full, short)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "\0", "Europe"])
def test_without_a_known_zone_the_policys_is_used_and_named(zone: str) -> None:
    assert promised_time(at("2026-03-03T15:40:00"), zone, LONDON, "en").short == "Tue 3 Mar 15:40 GMT"


def test_a_written_time_is_never_earlier_than_promised() -> None:
    assert promised_time(at("2026-03-03T23:59:00") + 1, "UTC", LONDON, "en").short == "Wed 4 Mar 00:00"


def test_the_zone_is_named_as_it_is_on_that_day() -> None:
    before = promised_time(at("2026-03-28T12:00:00"), "Europe/London", LONDON, "en").full
    after = promised_time(at("2026-03-30T12:00:00"), "Europe/London", LONDON, "en").full
    assert before.endswith("(Greenwich Mean Time)") and after.endswith("(British Summer Time)")


# -- length of an SMS -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "units", "fits"),
    [
        ("a" * 160, 160, True),
        ("a" * 161, 161, False),
        ("€" * 80, 160, True),  # extension characters are two septets
        ("[" * 81, 162, False),
        ("é" * 160, 160, True),
        ("ê" * 70, 70, True),  # not in GSM-7
        ("ê" * 71, 71, False),
        ("信" * 70, 70, True),
        ("信" * 71, 71, False),
        ("a" * 70 + "信", 71, False),
        ("😀" * 35, 70, True),
        ("😀" * 36, 72, False),
        ("", 0, True),
    ],
)
def test_the_length_of_an_sms_is_counted_in_its_alphabet(text: str, units: int, fits: bool) -> None:
    assert (sms.units(text), sms.fits(text)) == (units, fits)


def test_a_long_subject_is_shortened_before_it_is_dropped() -> None:
    text = TEMPLATES.render(Situation("sms", "en", TICKET, "Ann", "The blue kettle has not arrived " * 3)).text
    assert 'message "The blue kettle' in text and '..."' in text


# -- what an invalid one is told ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "told", "line"),
    [
        ("{{ ticket }} {{ promised }}\n{{ nmae }}", "unknown variable 'nmae'", ":2"),
        ("{{ ticket }}\n{% if name %}", "is not a template", ":2"),
        ("{{ ticket | upper }}", "filter is not possible here", ":1"),
        ("{{ ticket.__class__ }}", "getattr is not possible here", ":1"),
        ("\n\n{{ range(10) }}", "not possible here", ":3"),
        ("{{ promised }}", "does not name the ticket", ""),
        ("{{ ticket }}", "does not name the ticket and the promised time", ""),
        ("{{ ticket }} {{ promised_short }}" + " far too long" * 20, "is too long for one message", ""),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, source: str, told: str, line: str) -> None:
    directory = Path(copytree(DIRECTORY, tmp_path / "templates"))
    path = directory / "ja" / "sms.txt"
    path.write_text(source, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        Templates.load(directory, NAMES)
    assert told in str(raised.value)
    assert raised.value.where == f"{path}{line}"


def test_a_template_that_english_lacks_is_refused(tmp_path: Path) -> None:
    directory = Path(copytree(DIRECTORY, tmp_path / "templates"))
    (directory / "en" / "chat.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"en/chat\.txt: is missing"):
        Templates.load(directory, NAMES)


def test_a_template_of_no_kind_is_refused(tmp_path: Path) -> None:
    directory = Path(copytree(DIRECTORY, tmp_path / "templates"))
    (directory / "fax.en.txt").write_text("{{ ticket }}", "utf-8")
    with pytest.raises(ConfigurationError, match="is not the template of a kind and a locale"):
        Templates.load(directory, NAMES)


def test_a_templates_version_follows_its_content(tmp_path: Path) -> None:
    directory = Path(copytree(DIRECTORY, tmp_path / "templates"))
    path = directory / "ja" / "chat.txt"
    path.write_text(path.read_text("utf-8") + "！", "utf-8")
    situation = Situation("chat", "ja", TICKET)
    changed, shipped = Templates.load(directory, NAMES).render(situation), TEMPLATES.render(situation)
    assert (changed.template, shipped.template) == ("chat.ja", "chat.ja")
    assert changed.version != shipped.version


def test_a_situation_says_nothing_of_itself() -> None:
    assert Situation("first", "en", "A-1") == (
        "first",
        "en",
        "A-1",
        "",
        "",
        "",
        "",
        "",
        (),
        False,
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
    )


# -- when nobody works, and when something is out of order --------------------------------------------------------------

#: What each situation says, and no other one does.
SAID = {
    "holiday": {"en": "holiday", "zh-Hans": "假", "zh-Hant": "假", "ja": ("祝日", "休業日")},
    "weekend": {"en": "weekend", "zh-Hans": "周末", "zh-Hant": "週末", "ja": "週末"},
    "out_of_hours": {
        "en": ("working hours", "closed"),
        "zh-Hans": ("非工作时间", "下班"),
        "zh-Hant": ("非上班時間", "下班"),
        "ja": "営業時間外",
    },
}
#: Nothing of the kind is known when an acknowledgement is written.
UNTRUE = (
    "front of the queue",
    "priority",
    "优先",
    "優先",
    "unfortunately",
    "right away",
    "马上处理",
    "馬上處理",
    "すぐに担当",
)


def says(text: str, words: str | tuple[str, ...]) -> bool:
    return any(word in text for word in ((words,) if isinstance(words, str) else words))


@each(("kind", "locale"), ALL)
@each("dissatisfied", [False, True])
def test_each_closed_hour_has_words_of_its_own(kind: str, locale: str, dissatisfied: bool) -> None:
    """An unhappy customer gets the apology instead, where one message has no room for both."""
    short = kind in ("sms", "call") and locale != "en" and dissatisfied
    time = promised_time(at("2026-11-30T10:00:00"), "", LONDON, locale)
    for closed in ("", *CLOSED):
        situation = Situation(kind, locale, TICKET, "", "", "", *time, dissatisfied=dissatisfied, closed=closed)
        text = TEMPLATES.render(situation).text
        said = {each for each, words in SAID.items() if says(text, words[locale])}
        assert said == ({closed} if closed and not short else set()), text
        assert not says(text.lower(), UNTRUE)
        assert time.full in text or time.short in text


@pytest.mark.parametrize(("kind", "locale"), [each for each in ALL if each[0] in ("email", "chat")])
def test_an_incident_is_told_as_it_was_written(kind: str, locale: str) -> None:
    incident = "Card payments fail since 10:00; {we} are on it."
    text = TEMPLATES.render(Situation(kind, locale, TICKET, "Ann", "Kettle", incident=incident)).text
    assert incident in text
    assert "on it" not in TEMPLATES.render(Situation(kind, locale, TICKET, "Ann", "Kettle")).text

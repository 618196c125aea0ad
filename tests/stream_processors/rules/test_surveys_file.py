"""`surveys.yaml`: what is refused, with its line, and how a message is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.rules.ruleset import SHIPPED
from stream_processors.rules.surveys import Signing, Surveys
from stream_processors.text import sms

TEXT = (SHIPPED / "surveys.yaml").read_text("utf-8")
DAY = 86_400_000_000


def load(tmp_path: Path, old: str = "", new: str = "") -> Surveys:
    assert old in TEXT
    path = tmp_path / "surveys.yaml"
    path.write_text(TEXT.replace(old, new, 1) if old else TEXT, "utf-8")
    return Surveys.load(path)


def test_the_shipped_file_asks_after_ten_minutes_once_in_seven_days(tmp_path: Path) -> None:
    surveys = load(tmp_path)
    assert (surveys.after_micros, surveys.chat_after_micros) == (600_000_000, 300_000_000)
    assert (surveys.cap.count, surveys.cap.micros) == (1, 7 * DAY)
    assert (surveys.link_micros, surveys.resolution_micros) == (30 * DAY, 7 * DAY)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("after_minutes: 10", "after_minutes: -1", "after_minutes must be a whole number of 0 or more"),
        ("after_minutes: 10", "after_minutes: soon", "after_minutes must be a whole number"),
        ("link_days: 30", "link_days: 0", "link_days must be a whole number of 1 or more"),
        ("link_days: 30", "links: 30", "'links' is not known here"),
        ("resolution_days: 7", "resolution_days: 0", "resolution_days must be a whole number of 1 or more"),
        ("cap: {count: 1, days: 7}", "cap: {count: 99, days: 7}", "count may be 20 at most"),
        ("cap: {count: 1, days: 7}", "cap: {count: 1}", "must be {count: ..., days: ...}"),
        ("channels: [email, form", "channels: [fax, form", "'fax' is not a channel"),
        ("invite:", "invitations:", "'invitations' is not known here"),
        (
            '  en: {named: "Hello {name},"',
            '  fr: {named: "Hello {name},"',
            "must be {named: ..., plain: ..., short: ...}",
        ),
        ('plain: "Hello,"', 'plain: "Hello {name},"', "named and short hold {name}, plain does not"),
        ("Two taps are enough: {link}", "Two taps are enough.", "invitations hold {link}"),
        ("{greeting}how was our help", "how was our help", "{greeting} is missing"),
        ("and are here whenever you need us", "and are here" + " for ever" * 20, "does not fit into one SMS"),
    ],
)
def test_a_mistake_is_refused_with_its_line(old: str, new: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, old, new)
    assert problem in str(refused.value)
    assert "surveys.yaml:" in refused.value.where


@pytest.mark.parametrize("wrong", ["cap: {count: 1}", "cap: {count: 99, days: 7}", "cap: {count: 1, days: 0}"])
def test_a_wrong_cap_is_refused_with_its_own_line(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "cap: {count: 1, days: 7}", wrong)
    line = TEXT.split("cap: {count: 1, days: 7}")[0].count("\n") + 1
    assert refused.value.where == f"{tmp_path / 'surveys.yaml'}:{line}"


def test_a_wrong_count_is_refused_with_the_line_of_the_count(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "cap: {count: 1, days: 7}", "cap:\n    days: 7\n    count: 99")
    line = TEXT.split("cap: {count: 1, days: 7}")[0].count("\n") + 3
    assert refused.value.where == f"{tmp_path / 'surveys.yaml'}:{line}"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", ["thanks", "sorry"])
def test_a_short_message_is_one_sms_whatever_the_customer_is_called(kind: str, locale: str, tmp_path: Path) -> None:
    surveys = load(tmp_path)
    for name in ("", "Kim", "Ann-Marie Very Long Name of a Customer Indeed", "田中" * 20, "🙂" * 40):
        assert sms.fits(surveys.write(kind, locale, name, mail=False).text)


def test_a_name_that_is_an_advertisement_is_not_repeated(tmp_path: Path) -> None:
    written = load(tmp_path).write(
        "invitation", "en", "visit www.spam.example", mail=True, link="https://shop.example/s/1"
    )
    assert written.text.startswith("Hello,\n")
    assert "spam" not in written.text


def test_a_language_that_we_do_not_write_is_english(tmp_path: Path) -> None:
    surveys = load(tmp_path)
    assert surveys.write("thanks", "fr", "Ann", mail=True) == surveys.write("thanks", "en", "Ann", mail=True)


@pytest.mark.parametrize(("text", "secrets"), [("", None), (" , ", None), ("a", ("a",)), ("a, b", ("a", "b"))])
def test_secrets_are_a_list_and_without_one_nothing_is_signed(text: str, secrets: tuple[str, ...] | None) -> None:
    signing = Signing.of("https://shop.example", text)
    assert (None if signing is None else signing.secrets) == secrets

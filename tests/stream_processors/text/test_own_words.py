"""The customer's own words are repeated only where nothing and nobody can make a link of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.text.own_words import order_number_words, own_words
from tests.support.each import each

LINKS = [
    "https://evil.example", "HTTP:evil.example", "hxxps://evil", "//evil.example/x", "www.evil", "see www evil com",
    "evil.example", "evil.ninja", "evil.photography", "evil.co.uk/win", "Win at evil.zip now", "evil.xn--p1ai",
    "xn--80ak6aa92e.com", "пример.рф", "例子.中国", "例え.テスト", "evil。com", "evil．com", "evil｡com", "evil․com",
    "evil·com", "evil・com", "ｅｖｉｌ．ｃｏｍ", "ev\u200bil.com", "evil\u2060.com", "evil.\u00adcom", "evil\u202e.com", "evil .com",
    "evil. com", "evil.\ncom", "evil[.]com", "evil(dot)com", "evil [dot] com", "evil dot com", "ann@evil", "ann＠evil",
    "mailto:ann", "tel:+19005550100", "javascript:alert(1)", "data:text/html,x", "[click](evil)", "<a href=x>", "＜b＞",
    "192.168.1.1", "http://[::1]/", "[2001:db8::1]", "\\\\evil\\share", "t.me/evil", "bit.ly/x1", "evil.com。", "e\u0301vil.com",
]  # fmt: skip
PLAIN = [
    "Where is my parcel?", "My parcel is late. Help me.", "Order 10.023, 3.5 kg", "Is it 10:30 or 11.00?", "Re: parcel",
    "荷物が届きません。いつ届きますか？", "东西坏了。怎么办", "注文番号は10023です。いつ届きますか", "アン・リー 様", "J. R. Smith",
    "Mr. O'Neil-Jones", "No. 5", "Wait... what?", "C++ or C#?", "50% off?", "Dr. Ng", "Zoë Müller", "الطلب لم يصل۔",
]  # fmt: skip


@each("text", LINKS)
def test_what_may_become_a_link_is_left_out(text: str) -> None:
    assert own_words(text, 100) == ""
    assert own_words(f"Hello {text} there", 100) == ""


@pytest.mark.parametrize("text", PLAIN)
def test_what_people_write_is_repeated(text: str) -> None:
    assert own_words(text, 100) == text


@given(st.text(max_size=300), st.integers(10, 120))
def test_own_words_are_one_line_of_at_most_that_length(text: str, limit: int) -> None:
    found = own_words(text, limit)
    assert len(found) <= limit + 2
    assert found == "" or found.isprintable()


_LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
_TLD = st.from_regex(r"[a-z]{2,12}", fullmatch=True)


@given(
    st.text(max_size=40),
    _LABEL,
    _TLD,
    st.sampled_from([".", "．", "｡", "。", "․", "[.]", "(dot)"]),
    st.text(max_size=40),
)
def test_no_domain_of_any_top_level_is_repeated(before: str, name: str, top: str, dot: str, after: str) -> None:
    assert f"{name}{dot}{top}" not in own_words(f"{before} {name}{dot}{top} {after}", 200)


@pytest.mark.parametrize("text", ["10023", "#A-10023", "AB/2026-17", "W-77"])
def test_an_order_number_is_repeated(text: str) -> None:
    assert order_number_words(text, 40) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Call us",
        "10023 Win a prize",
        "1 evil com",
        "evil.com1",
        "1\nevil",
        "https://1.example",
        "prize",
        "9" * 33,
        "１ ２",
    ],
)
def test_what_somebody_else_types_as_an_order_number_is_not(text: str) -> None:
    assert order_number_words(text, 40) == ""

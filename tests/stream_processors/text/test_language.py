"""Language by script, and the normal form in which texts are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import LOCALES
from stream_processors.text.language import detect, normalise


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("Where is my order?", "", "en"),
        ("我的订单还没收到", "", "zh-Hans"),
        ("我的訂單還沒收到", "", "zh-Hant"),
        ("注文した商品が届きません", "", "ja"),
        ("ｼｮｳﾋﾝｶﾞﾄﾄﾞｷﾏｾﾝ", "", "ja"),
        # characters that do not tell
        ("退款", "", "zh-Hans"),
        ("退款", "zh-Hant", "zh-Hant"),
        ("返品希望", "ja", "ja"),
        ("注文確認", "ja", "ja"),
        ("払込済", "", "ja"),
        # the text overrules the hint, where it tells
        ("我的訂單還沒收到", "zh-Hans", "zh-Hant"),
        ("我的订单还没收到", "ja", "zh-Hans"),
        ("Where is my order? It was to be here on Monday.", "ja", "en"),
        # what does not tell leaves the hint
        ("OK", "ja", "ja"),
        ("A-10023", "zh-Hant", "zh-Hant"),
        ("", "zh-Hans", "zh-Hans"),
        ("", "", "en"),
        ("Wo ist mein Paket?", "de", "de"),
        # mixed
        ("My name is 王小明 and my order has not arrived", "", "en"),
        ("我的order还没收到，请check一下", "", "zh-Hans"),
        ("優の良品什麼時候到貨？", "", "zh-Hant"),
        ("iPhoneのケースをください", "", "ja"),
    ],
)
def test_the_script_tells_the_language(text: str, hint: str, language: str) -> None:
    assert detect(text, hint) == language


@pytest.mark.parametrize(
    ("written", "same_as"),
    [
        ("Didn’t", "didnt"),
        ("DIDN'T", "didnt"),
        ("ＯＲＤＥＲ　１２３", "order 123"),
        ("訂單還沒收到", "订单还没收到"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("パ", "パ"),
        ("Café", "CAFE\u0301"),
        ("  two \n\t words ", "two words"),
        ("还没有\n收到", "还没有收到"),
        ("注文 した", "注文した"),
        ("Straße", "STRASSE"),
        ("㈱", "(株)"),
    ],
)
def test_variants_of_a_text_have_one_normal_form(written: str, same_as: str) -> None:
    assert normalise(written) == normalise(same_as)


def test_words_in_latin_script_stay_apart() -> None:
    assert normalise("Order now") == "order now"
    assert normalise("我 的 order now") == "我的 order now"


@given(st.text())
def test_any_text_has_a_language_and_a_normal_form_that_is_stable(text: str) -> None:
    assert detect(text) in LOCALES
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_full_width_forms_equal_their_half_width_forms(text: str) -> None:
    kept = "".join(character for character in text if character.isalnum())
    assert normalise("".join(chr(ord(character) + 0xFEE0) for character in kept)) == normalise(kept)


@given(st.text(alphabet="がぎぐパピブー語中文abcé"))
def test_composed_and_decomposed_forms_are_equal(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(unicodedata.normalize("NFC", text))

"""Sentences are remembered without the numbers in them that no phrase holds; what is found stays the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.rules.phrase_index import PhraseIndex, spaced
from stream_processors.rules.phrases import Phrase

PHRASES = ("order 12315", "打12315", "404", "3d secure", "12 days", "refund*", "5天", "parcel")
#: Sets of phrases under which a masked number could be taken for another one.
TRAPS = (PHRASES, (*PHRASES, "code 0000"), (*PHRASES, "in 2024*"), ("0000", "00000"), ("20*",))
PIECES = st.sampled_from(
    (
        "order",
        "12315",
        "打",
        "404",
        "3d",
        "secure",
        "12",
        "days",
        "refunds",
        "5",
        "天",
        "parcel",
        "0000",
        "00000",
        "2024",
    )
)
NUMBERS = st.integers(0, 10**9).map(str)
WORDS = st.lists(st.tuples(PIECES | NUMBERS, st.sampled_from(("", " ", ". ", "-"))), max_size=12)


def index_of(phrases: tuple[str, ...]) -> PhraseIndex:
    return PhraseIndex([Phrase.parse(text, text, excludes=False, coverable=True) for text in phrases])


INDEXES = {phrases: index_of(phrases) for phrases in TRAPS}


@pytest.mark.parametrize("phrases", TRAPS)
@given(words=WORDS)
def test_numbers_left_out_of_the_memory_change_no_hit(phrases: tuple[str, ...], words: list[tuple[str, str]]) -> None:
    text = spaced("".join(word + end for word, end in words))
    read, begin = [], 0
    for sentence in text.split("\n"):
        read += [(begin + start, begin + end, number) for start, end, number in INDEXES[phrases]._read(sentence)]
        begin += len(sentence) + 1
    assert INDEXES[phrases].find(text) == read


def test_sentences_that_differ_in_an_order_number_are_read_once() -> None:
    index = index_of(PHRASES)
    found = [index.find(spaced(f"where is my parcel of order {number}.")) for number in (100234, 777123, 12315)]
    assert found[0] == found[1] != found[2]
    assert len([sentence for sentence in index._remembered if "parcel" in sentence]) == 2

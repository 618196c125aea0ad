"""What an import logs of its progress where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from producers.imports import progress


def test_progress_is_logged_as_a_percentage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG_SECONDS", -1.0)
    screen = Console(file=io.StringIO(), force_terminal=False)
    with capture_logs() as logs:
        with progress.progress("import", 200, lambda: 50, console=screen) as advance:
            advance(50)
            advance(150)
        with progress.progress("import", 0, lambda: 0, console=screen) as advance:
            advance(5)
    assert [(each["event"], each["doing"], each["events"], each.get("percent")) for each in logs] == [
        ("progress", "import", 50, 25),
        ("progress", "import", 50, 100),
        ("progress", "import", 0, None),
    ]

"""A small disk of a test's own, which can be filled to its last byte and emptied again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

BLOCK = bytes(1 << 16)


class SmallDisk:
    """`folder` is on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing more fits on it until the end of the block."""
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(BLOCK)
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(b"\0")
        try:
            yield
        finally:
            ballast.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mounts it at `folder`; the test is skipped where nobody may mount."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk without the right to mount: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

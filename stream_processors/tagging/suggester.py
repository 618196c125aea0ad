"""Suggests the why-tag of a message: a linear model over sentence embeddings, with calibrated confidence.

The model ships as `model.npz`; `make train` writes it. It decides between all tags and none. Its raw probability is
turned into a confidence that was measured on messages that the model had not seen, per language and per tag: of
suggestions of confidence .9, nine in ten are right. From `CERTAIN` on a suggestion tags, below it is only shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ConfigurationError
from stream_processors.tagging.embedding import embed

__all__ = [
    "CERTAIN",
    "NO_TAG",
    "SHIPPED",
    "SHOWN",
    "Calibration",
    "Model",
    "Suggester",
    "Suggestion",
    "with_suggestion",
]

SHIPPED = Path(__file__).with_name("model.npz")
#: The class of messages that must get no tag.
NO_TAG = ""
#: From this confidence on a suggestion tags.
CERTAIN = 0.9
#: From this confidence on a suggestion is shown.
SHOWN = 0.5

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


class Suggestion(NamedTuple):
    """A tag that a message may be about. `confidence` is the share of such suggestions that were right."""

    tag: str
    confidence: float

    @property
    def certain(self) -> bool:
        """True when it tags; otherwise it is only shown."""
        return self.confidence >= CERTAIN


class Calibration(NamedTuple):
    """Holds, for one language, what a probability is worth: `shares` at `probabilities`, times the factor of the tag."""

    probabilities: NDArray[np.float32]
    shares: NDArray[np.float32]
    factors: NDArray[np.float32]

    def confidence(self, probability: float, column: int) -> float:
        """Returns the confidence in the tag of a column, at most 1."""
        share = float(np.interp(probability, self.probabilities, self.shares))
        return min(1.0, share * float(self.factors[column]))


@dataclass(frozen=True, slots=True)
class Model:
    """Holds a trained model.

    facts        version, hash and number of the training texts, scores, names of what it was made with
    tags         the tag of each column; `NO_TAG` is one of them
    calibrations by language; one that was not trained has that of English
    """

    facts: dict[str, Any]
    tags: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibrations: dict[str, Calibration]

    @property
    def version(self) -> str:
        """Returns the hash of what it was trained with."""
        return str(self.facts["version"])

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns one row of probabilities per vector, in the order of `tags`."""
        logits = vectors @ self.weights + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def save(self, path: Path) -> None:
        """Writes the model, weights in 16 bits, whole or not at all. The same model gives the same bytes.

        Raises:
            OSError: the file cannot be written.
        """
        arrays: dict[str, Any] = {"weights": self.weights.astype(np.float16), "bias": self.bias.astype(np.float32)}
        for language, calibration in sorted(self.calibrations.items()):
            for name, array in calibration._asdict().items():
                arrays[f"{language}/{name}"] = array.astype(np.float32)
        facts = {**self.facts, "tags": self.tags, "languages": sorted(self.calibrations)}
        arrays["facts"] = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)
        unfinished = path.with_name(f"{path.name}.unfinished")
        with unfinished.open("wb") as file:  # NumPy would add its suffix to a name without it
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Model:
        """Returns the model of a file.

        Raises:
            ConfigurationError: the file is missing or damaged, or is no model.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(file["facts"].tobytes())
                calibrations = {
                    language: Calibration(*(file[f"{language}/{name}"] for name in Calibration._fields))
                    for language in facts.pop("languages")
                }
                tags = tuple(facts.pop("tags"))
                weights, bias = file["weights"].astype(np.float32), file["bias"]
                model = cls(facts, tags, weights, bias, calibrations)
                model._require_whole()
        except (
            Exception
        ) as error:  # a damaged archive raises whatever its readers meet: of zip, zlib, NumPy, even its tokenizer
            raise ConfigurationError(f"is no model: {error!r}", where=str(path), fix="make train") from error
        return model

    def _require_whole(self) -> None:
        columns = len(self.tags)
        if self.weights.shape != (self.weights.shape[0], columns) or self.bias.shape != (columns,):
            raise ValueError(f"{columns} tags, but weights of {self.weights.shape} and {self.bias.shape}")
        if not self.version or "en" not in self.calibrations:
            raise ValueError("it has no version, or no calibration of English")
        for language, calibration in self.calibrations.items():
            if calibration.factors.shape != (columns,) or calibration.shares.shape != calibration.probabilities.shape:
                raise ValueError(f"the calibration of {language!r} is of another model")


class Suggester:
    """Suggests tags with a model. Keeps nothing of the messages."""

    def __init__(self, model: Model, embed: Embed = embed) -> None:
        self.model, self._embed = model, embed

    def suggest(self, messages: Sequence[tuple[str, str]]) -> list[Suggestion | None]:
        """Returns a suggestion for each `(text, language)`; None where the message seems to have no reason, or is empty."""
        said = [(text, language) for text, language in messages if text.strip()]
        rows = iter(self.model.probabilities(self._embed([text for text, _ in said])) if said else ())
        return [self._best(next(rows), language) if text.strip() else None for text, language in messages]

    def _best(self, row: NDArray[np.float32], language: str) -> Suggestion | None:
        column = int(row.argmax())
        tag = self.model.tags[column]
        calibrations = self.model.calibrations
        calibration = calibrations.get(language, calibrations["en"])
        confidence = calibration.confidence(float(row[column]), column)
        return Suggestion(tag, round(confidence, 4)) if tag != NO_TAG and confidence >= SHOWN else None


def with_suggestion(tags: Sequence[str], suggestion: Suggestion | None, most: int, *, shown: bool = False) -> list[str]:
    """Returns the tags of the rules with a suggestion: first where it is certain.

    With `shown` also the uncertain one counts, where the rules found nothing.
    """
    if suggestion is None or suggestion.tag in tags:
        return list(tags)
    if suggestion.certain or (shown and not tags):
        return [suggestion.tag, *tags][:most]
    return list(tags)

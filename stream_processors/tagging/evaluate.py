"""`python -m stream_processors evaluate FILE.csv`: scores the rules, and the rules with the suggester, on labelled messages.

Columns of the file: `text`, `language`, `accepted_tags` (separated by spaces, the first is the reason), and optionally
`label`. Empty `accepted_tags`, or a label that ends with `NONE`, says that the message must get no tag; `SKIP` leaves it
out. `GAP:x` in the label accepts the tags that are called `x` in their group: `service.complaint` for `GAP:complaint`.
Former slugs of a tag (`formerly` in the taxonomy) are as good as the tag itself.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.settings import WorkerSettings, load
from stream_processors.rules import ruleset
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.tagging import embedding
from stream_processors.tagging.scores import Labelled, Result, by_language, confusions, score, tag_scores
from stream_processors.tagging.suggester import Model, Suggester, with_suggestion

__all__ = ["HELP", "evaluate", "read_labelled"]

HELP = """Score the tags of labelled messages: rules alone, and rules with the suggester.

Prints per language the share of untagged messages, precision, recall and macro-F1 of the best tag and of the best three,
then the figures of each tag and the commonest confusions. The suggester needs the extra `suggester` and
some 20 ms a message: rules alone, with the suggestions that tag, and with those too that are only shown.
Reads files only; connects to nothing."""
MOST_CONFUSIONS = 15
_COLUMNS = ("text", "language", "accepted_tags")
#: Returns the tags of each message, best first.
Tagger = Callable[[Sequence[Labelled]], Sequence[Sequence[str]]]


def read_labelled(path: Path, taxonomy: Taxonomy) -> list[Labelled]:
    """Returns the messages of a file, with the tags of this taxonomy that are accepted for each.

    Raises:
        ConfigurationError: the file cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise ConfigurationError(f"has no column {missing[0]!r}", where=str(path), fix=", ".join(_COLUMNS))
            read = [_labelled(row, taxonomy) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path)) from error
    return [each for each in read if each is not None]


def evaluate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.csv...", help="Labelled messages.")],
    config: Annotated[Path | None, typer.Option("--config", help="The rules; default: DESKSTREAM_CONFIG_DIR.")] = None,
    per_tag: Annotated[bool, typer.Option("--tags/--no-tags", help="Print the figures of each tag.")] = True,
) -> None:
    """Scores the tags of labelled messages."""

    def work() -> None:
        settings = load(WorkerSettings)
        taxonomy = ruleset.load(config or settings.config_dir, settings.mail_domain).taxonomy
        messages = [labelled for path in files for labelled in read_labelled(path, taxonomy)]
        for name, tagger in taggers(taxonomy).items():
            typer.echo(report(name, messages, tagger, per_tag=per_tag))
        if not embedding.is_installed():
            typer.echo("The suggester is not installed: pip install 'deskstream[suggester]'", err=True)

    raise SystemExit(guarded(work))


def taggers(taxonomy: Taxonomy) -> dict[str, Tagger]:
    """Returns what is compared, by name: the last counts also what is not certain enough to tag and is only shown."""

    def rules(messages: Sequence[Labelled]) -> list[Sequence[str]]:
        return [[match.slug for match in taxonomy.tag(each.text)] for each in messages]

    if not embedding.is_installed():
        return {"rules": rules}
    suggest = cache(Suggester(Model.load()).suggest)

    def suggested(messages: Sequence[Labelled], *, shown: bool) -> list[Sequence[str]]:
        suggestions = suggest(tuple((each.text, each.language) for each in messages))
        return [
            with_suggestion(tags, suggestion, taxonomy.most_tags, shown=shown)
            for tags, suggestion in zip(rules(messages), suggestions, strict=True)
        ]

    return {
        "rules": rules,
        "rules, suggester": partial(suggested, shown=False),
        "and what it shows": partial(suggested, shown=True),
    }


def report(name: str, messages: Iterable[Labelled], tagger: Tagger, *, per_tag: bool) -> str:
    """Returns the scores of one tagger as text."""
    messages = list(messages)
    results: list[Result] = list(zip(messages, tagger(messages), strict=True))
    lines = [
        f"{name:20} {'messages':>8} {'untagged':>9} {'top':>4} {'precision':>10} {'recall':>7} {'macro-F1':>9} {'false':>12}"
    ]
    for language, of_language in by_language(results).items():
        for most in (1, 3):
            scores = score(of_language, most)
            false = f"{scores.false:.1%} of {scores.none_messages}"
            lines.append(
                f"{language:20} {scores.messages:8} {scores.untagged:9.1%} {most:4} {scores.precision:10.3f}"
                f" {scores.recall:7.3f} {scores.macro_f1:9.3f} {false:>12}"
            )
    if per_tag:
        lines += ["", f"{'tag (best three)':36} {'right':>6} {'wrong':>6} {'missed':>6} {'F1':>6}"]
        for tag, counts in tag_scores(results, 3).items():
            lines.append(f"{tag:36} {counts.right:6} {counts.wrong:6} {counts.missed:6} {counts.f1:6.3f}")
    lines += ["", "commonest confusions (reason, tag instead, messages)"]
    for reason, tag, count in confusions(results, 3)[:MOST_CONFUSIONS]:
        lines.append(f"  {reason:36} {tag or '(untagged)':36} {count:6}")
    return "\n".join((*lines, ""))


def _labelled(row: dict[str, str], taxonomy: Taxonomy) -> Labelled | None:
    label = row.get("label") or ""
    if label.endswith("SKIP"):
        return None
    accepted: dict[str, str] = {}
    for written in (row["accepted_tags"] or "").split():
        for slug in taxonomy.current(written):
            accepted.setdefault(slug, written)
    _, _, gap = label.partition("|GAP:")
    if gap:
        for slug in taxonomy.tags:
            if slug.partition(".")[2] == gap:
                accepted = {slug: slug} | accepted
        if not accepted:
            return None
    return Labelled(row["text"], row["language"], {} if label.endswith("NONE") else accepted)

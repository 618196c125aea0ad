"""`python -m stream_processors language-check`: says what to say instead, in a reply or in our own texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.replies import followed
from schemas.replies.own_words import MOST_CHARACTERS, language_of
from schemas.replies.wording import Advice, WordingLists
from schemas.settings import WorkerSettings, load
from stream_processors.replies import own_texts
from stream_processors.rules.ruleset import SHIPPED

__all__ = ["HELP", "language_check", "shown"]

HELP = """Check the wording of a reply: what to say instead of words that blame, put off or turn away.

FILE holds the reply; `-`, or nothing, reads it from standard input. It is advice: the exit code is 0 whatever is found. Words that
are quoted, code and addresses are passed over. The lists are those of DESKSTREAM_REPLIES_DIR, or those that ship.

`--own` checks our own texts instead (templates, notices, answers, articles below the paths that follow; without a path the shipped
ones) and exits 1 when there is advice.

Example: echo "Unfortunately we cannot help you." | python -m stream_processors language-check"""
_SPELLINGS = {"en": "en", "ja": "ja", "jp": "ja", "zh": "zh-Hans", "zh-hans": "zh-Hans", "zh-cn": "zh-Hans", "zh-hant": "zh-Hant",
              "zh-tw": "zh-Hant", "zh-hk": "zh-Hant"}  # fmt: skip


def language_check(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]", help="The reply; with --own, any paths.")
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="en, ja, zh-Hans or zh-Hant; default: as it is written.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the advice as JSON.")] = False,
    own: Annotated[bool, typer.Option("--own", help="Check our own texts.")] = False,
) -> None:
    """Checks the wording of a reply."""

    def work() -> int:
        settings = load(WorkerSettings)
        lists = followed.load(settings.replies_dir).wording
        if own:
            paths = [Path(name) for name in files or ()] or [
                settings.config_dir or SHIPPED,
                settings.replies_dir or followed.SHIPPED,
            ]
            return _own(paths, lists)
        wanted = spelled(language, lists)
        text = _read(files or ["-"])
        wanted = wanted or language_of(text)
        advice = lists.check(text, wanted)
        typer.echo(
            msgspec.json.encode({"language": wanted, "advice": advice}).decode()
            if as_json
            else shown(text, wanted, advice)
        )
        return 0

    raise SystemExit(guarded(work))


def spelled(language: str, lists: WordingLists) -> str:
    """Returns the language of a list as it is spelled there; '' for ''.

    Raises:
        ConfigurationError: there is no list in that language.
    """
    found = _SPELLINGS.get(language.lower().replace("_", "-"), language)
    if found and found not in lists.by_language:
        fix = f"one of {', '.join(sorted(lists.by_language))}"
        raise ConfigurationError(f"there is no list in {language!r}", where="--language", fix=fix)
    return found


def shown(text: str, language: str, advice: list[Advice]) -> str:
    """Returns the advice on a text for a person to read."""
    if not text.strip():
        return "There is no text to check."
    lines = []
    for each in advice:
        line = text.count("\n", 0, each.start) + 1
        column = each.start - (text.rfind("\n", 0, each.start) + 1) + 1
        words = " ".join(each.words.split())
        lines += [f'{line}:{column}  {each.kind}  "{words}"', f"    {each.why}", f"    -> {each.say}"]
    count = f"{len(advice)} piece{'' if len(advice) == 1 else 's'} of advice" if advice else "No advice: it reads well"
    cut = f" Only the first {MOST_CHARACTERS:,} characters were read." if len(text) > MOST_CHARACTERS else ""
    return "\n".join((*lines, f"{count} ({language}).{cut}"))


def _own(paths: list[Path], lists: WordingLists) -> int:
    findings = own_texts.check(paths, lists)
    for path, line, advice in findings:
        typer.echo(f'{path}:{line}: {advice.kind}: "{advice.words}"\n    {advice.why}\n    -> {advice.say}')
    number = sum(1 for _ in own_texts.texts(paths))
    typer.echo(f"{number} texts, {len(findings)} pieces of advice")
    return 1 if findings else 0


def _read(names: list[str]) -> str:
    if len(names) > 1:
        raise ConfigurationError(f"{len(names)} files are named", where="language-check", fix="name one, or give --own")
    try:
        raw = sys.stdin.buffer.read() if names[0] == "-" else Path(names[0]).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=names[0], fix="name a file, or - for input"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=names[0], fix="save it as UTF-8") from error

"""`python -m stream_processors answers`: shows the prewritten answers that fit a ticket or a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.replies import followed, ticket_lookup
from schemas.replies.answers import AnswerBanks, Offer, Query
from schemas.replies.own_words import language_of
from schemas.replies.ticket_lookup import FoundTicket
from schemas.settings import SinkSettings, WorkerSettings, load
from stream_processors.replies.language_check import spelled
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules

__all__ = ["HELP", "answers", "shown", "unknown_tags"]

HELP = """Find prewritten answers for a ticket (`--ticket`, looked up in ClickHouse) or for a text (`--text`, tagged by the rules).

Shows the best answers, filled with what is known and may be told; `[[...]]` is left for you to fill in. Below them: the lines around an
answer, and what customers ask next. The answers are those of DESKSTREAM_REPLIES_DIR, or those that ship.

`--check DIR` validates a directory of answers and wording instead, and connects to nothing.

Example: python -m stream_processors answers --text "My parcel never came" --language en"""
_MOST_SHOWN = 10


def answers(
    ticket: Annotated[str, typer.Option("--ticket", metavar="ID", help="A ticket, such as ABCDEFGHIJKL-1.")] = "",
    text: Annotated[str, typer.Option("--text", help="What the customer wrote, or words to look for.")] = "",
    tags: Annotated[str, typer.Option("--tags", help="Its tags, the reason first: delivery.lost_parcel,...")] = "",
    language: Annotated[
        str, typer.Option("--language", help="en, ja, zh-Hans or zh-Hant; default: the ticket's, or the text's.")
    ] = "",
    brand: Annotated[str, typer.Option("--brand", help="The brand that answers.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, max=_MOST_SHOWN, help="So many answers at most.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    check: Annotated[Path | None, typer.Option("--check", metavar="DIR", help="Validate a directory instead.")] = None,
) -> None:
    """Finds prewritten answers."""

    def work() -> int:
        settings = load(WorkerSettings)
        rules = ruleset.load(settings.config_dir, settings.mail_domain)
        if check is not None:
            typer.echo(_checked(check, rules))
            return 0
        if not (ticket or text or tags):
            raise ConfigurationError("nothing to answer", where="answers", fix="give --ticket ID, --text or --tags")
        replies = followed.load(settings.replies_dir)
        found = _found(ticket) if ticket else None
        asked = tuple(each.strip() for each in tags.split(",") if each.strip())
        if strangers := [tag for tag in asked if tag not in rules.taxonomy.tags]:
            raise ConfigurationError(f"{strangers[0]!r} is not a tag", where="--tags", fix="see taxonomy.yaml")
        query = _query(found, text, asked, spelled(language, replies.wording), brand, rules)
        offer = replies.answers.offer(query, most)
        typer.echo(msgspec.json.encode(offer).decode() if as_json else shown(offer, query))
        return 0

    raise SystemExit(guarded(work))


def shown(offer: Offer, query: Query) -> str:
    """Returns an offer for a person to read."""
    if not offer.answers:
        return f"No answer fits ({query.language}). Try other words, or --tags."
    lines = []
    for number, each in enumerate(offer.answers, 1):
        why = f"  [{', '.join(each.tags)}]" if each.tags else ""
        gaps = f"  to fill in: {', '.join(each.missing)}" if each.missing else ""
        lines += [f"{number}. {each.id}: {each.title}{why}{gaps}", *_indented(each.text), ""]
    for name, line in (("greeting", offer.greeting), ("holding", offer.holding), ("closing", offer.closing)):
        if line:
            lines += [f"{name}:", *_indented(line)]
    if offer.next_issues:
        lines += ["", "what customers ask next:"]
        for question in offer.next_issues:
            lines += [f"    {question.question}", *(f"    {line}" for line in _indented(question.paragraph))]
    return "\n".join(lines)


def unknown_tags(banks: AnswerBanks, tags: object, groups: object) -> list[tuple[str, str]]:
    """Returns the tags of answers, lines and next issues that are neither a tag nor a group: (file and place, tag)."""
    known = {*tags, *groups}  # type: ignore[misc]
    found = []
    for bank in banks.banks:
        file = f"answers{f'.{bank.brand}' if bank.brand else ''}.yaml"
        named = [(f"{file}:{each.line}: {each.id}", each.tags) for each in bank.answers.values()]
        named += [(f"{file}: {kind}", line.tags) for kind, lines in bank.lines.items() for line in lines]
        named += [(f"{file}: next_issues", each.tags) for each in bank.next_issues]
        found += [(where, tag) for where, its_tags in named for tag in its_tags if tag not in known]
    return found


def _checked(directory: Path, rules: Rules) -> str:
    replies = followed.load(directory)
    groups = {tag.partition(".")[0] for tag in rules.taxonomy.tags}
    if strangers := unknown_tags(replies.answers, rules.taxonomy.tags, groups):
        where, tag = strangers[0]
        raise ConfigurationError(f"{tag!r} is neither a tag nor a group of taxonomy.yaml", where=f"{directory}/{where}")
    banks = ", ".join(
        f"{len(bank.answers)} answers{f' of {bank.brand}' if bank.brand else ''}" for bank in replies.answers.banks
    )
    lists = ", ".join(sorted(replies.wording.by_language))
    return f"valid: {banks}; wording in {lists}"


def _found(ticket: str) -> FoundTicket:
    settings = load(SinkSettings)
    found = ticket_lookup.find(settings.clickhouse_url, settings.clickhouse_database, ticket.strip().upper())
    if found is None:
        raise ConfigurationError(
            "there is no such ticket", where=ticket, fix="copy its id from `tickets`, or give --text"
        )
    return found


def _query(
    found: FoundTicket | None, text: str, tags: tuple[str, ...], language: str, brand: str, rules: Rules
) -> Query:
    """Returns what is asked for: what the command says, then what the ticket says, then what the text says."""
    words = text or (found.subject if found else "")
    if not tags:
        tags = tuple(found.tags) if found else tuple(match.slug for match in rules.taxonomy.tag(text))
    slug = brand or (found.brand if found else "")
    if slug and slug not in rules.brands:
        raise ConfigurationError(
            f"{slug!r} is not a brand", where="--brand", fix=f"one of {', '.join(rules.brands.brands)}"
        )
    known = {"brand": rules.brands.get(slug).name, **(found.known if found else {})}
    return Query(language or (found.language if found else "") or language_of(words), tags, words, slug, known)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.split("\n")]

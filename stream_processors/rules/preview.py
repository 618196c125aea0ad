"""`python -m stream_processors preview`: shows what customers are told, without sending anything."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import ConfigurationError
from schemas.events import CHANNELS, LOCALES
from schemas.process import guarded
from schemas.settings import WorkerSettings, load
from stream_processors.rules import ruleset
from stream_processors.rules.examples import GENERAL, Example, examples
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.templates import FALLBACKS, KINDS, kind_of
from stream_processors.text import sms

__all__ = ["HELP", "page", "preview", "shown"]

HELP = """Show acknowledgements as customers get them, with made-up names, orders and times. Sends nothing, connects to nothing.

`preview --locale ja --situation damaged_packaging --channel sms` shows one of them; `--all` those of everything that is not
named; `--html FILE` writes them as a page to look at; `--missing` lists what has no text in a language, and what is said
there instead. Situations are those of `situations.yaml`; `general` is none of them."""
_GENERAL = "general"


def preview(
    locale: Annotated[str, typer.Option("--locale", help=f"Language: {', '.join(LOCALES)}.")] = "",
    situation: Annotated[str, typer.Option("--situation", help="A situation of situations.yaml, or `general`.")] = "",
    channel: Annotated[
        str, typer.Option("--channel", help="A channel such as email, form, chat, sms, phone, social.")
    ] = "",
    brand: Annotated[str, typer.Option("--brand", help="A slug of brands.yaml.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Show all of what is not named.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page instead of printing.")
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="List what has no text in a language.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="The rules; default: DESKSTREAM_CONFIG_DIR.")] = None,
) -> None:
    """Shows acknowledgements."""

    def work() -> None:
        settings = load(WorkerSettings)
        root = config or settings.config_dir or ruleset.SHIPPED
        files = ruleset.read_files(root, settings.brands_file)
        rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(root), brands_file=settings.brands_file)
        if missing:
            print(_untranslated(rules))
            return
        found = list(_chosen(rules, locale, situation, channel, brand, every=every or html is not None))
        if html is None:
            print("\n\n".join(map(shown, found)) if len(found) > 1 else _message(found[0]))
            return
        try:
            html.write_text(page(found), "utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(html)) from error
        print(f"{len(found)} acknowledgements are in {html}")

    raise SystemExit(guarded(work))


def _chosen(rules: Rules, locale: str, situation: str, channel: str, brand: str, *, every: bool) -> Iterable[Example]:
    names = (_GENERAL, *rules.situations.names)
    _check("--locale", locale, LOCALES)
    _check("--situation", situation, names)
    _check("--channel", channel, dict.fromkeys((*CHANNELS, *KINDS)))
    _check("--brand", brand, rules.brands.brands)
    kind = channel if channel in KINDS else kind_of(channel, "") if channel else ""
    chosen = GENERAL if situation in ("", _GENERAL) else situation
    brands = rules.brands.all if every and not brand else (rules.brands.get(brand),)
    return examples(
        rules,
        locales=LOCALES if every and not locale else (locale or "en",),
        situations=None if every and not situation else (chosen,),
        kinds=KINDS if every and not kind else (kind or "email",),
        brands=brands,
    )


def _check(option: str, value: str, known: Collection[str]) -> None:
    if value and value not in known:
        near = get_close_matches(value, known, 1, 0.5)
        fix = f"did you mean {near[0]}? " if near else ""
        raise ConfigurationError(
            f"{value!r} is not known",
            where=option,
            fix=f"{fix}one of {', '.join(known) or 'none: there are no brands'}",
        )


def _untranslated(rules: Rules) -> str:
    lines = [
        f"{' '.join(filter(None, (brand.slug, locale)))}: no {template}"
        for brand in rules.brands.all
        for locale, template in rules.templates_of(brand).untranslated
    ]
    if not lines:
        return "Everything has a text in every language."
    order = "; ".join(f"{locale}: {' > '.join(others)}" for locale, others in FALLBACKS.items() if others[1:])
    return "\n".join(
        (*lines, "", f"Without a situation's words the general ones are said; without those, by language: {order}")
    )


def shown(example: Example) -> str:
    """Returns an example as text, below a line that says what it is."""
    return f"=== {_title(example)}\n{_message(example)}"


def _title(example: Example) -> str:
    parts = (
        example.brand,
        example.locale,
        example.situation or _GENERAL,
        example.kind,
        f"({example.rendered.template})",
    )
    return " ".join(filter(None, parts))


def _message(example: Example) -> str:
    text, page_ = example.rendered.text, example.rendered.html
    length = f"\n--- {_length(example)}" if example.kind in ("sms", "call") else ""
    return f"{text}{length}" + (f"\n--- HTML\n{page_}" if page_ else "")


def _length(example: Example) -> str:
    text = example.rendered.text
    return f"{sms.units(text)} of {160 if sms.is_gsm_7(text) else 70} characters of one SMS"


def page(found: Iterable[Example]) -> str:
    """Returns a page with these acknowledgements: a table per brand and situation, with a column per language."""
    tables: dict[tuple[str, str], dict[str, dict[str, Example]]] = {}
    for each in found:
        tables.setdefault((each.brand, each.situation), {}).setdefault(each.kind, {})[each.locale] = each
    return _PAGE.replace("{{tables}}", "\n".join(_table(*key, rows) for key, rows in tables.items()))


def _table(brand: str, situation: str, rows: dict[str, dict[str, Example]]) -> str:
    title = escape(" · ".join(filter(None, (brand, situation or _GENERAL))).replace("_", " "))
    locales = list(dict.fromkeys(locale for row in rows.values() for locale in row))
    head = "".join(f"<th>{locale}</th>" for locale in locales)
    body = "".join(
        f"<tr><th>{kind}</th>{''.join(_cell(row[locale]) for locale in locales if locale in row)}</tr>"
        for kind, row in rows.items()
    )
    return f'<section><h2>{title}</h2><table class="all"><tr><th></th>{head}</tr>{body}</table></section>'


def _cell(example: Example) -> str:
    rendered = example.rendered
    notes = [rendered.template]
    if example.kind in ("sms", "call"):
        notes.append(_length(example))
    if example.missing:
        notes.append(f"no {example.missing} in {example.locale}")
    small = f"<small>{escape(' · '.join(notes))}</small>"
    if not rendered.html:
        return f'<td lang="{example.locale}"><p class="text">{escape(rendered.text)}</p>{small}</td>'
    plain = f'<details><summary>as plain text</summary><p class="text">{escape(rendered.text)}</p></details>'
    return f'<td lang="{example.locale}"><div class="mail">{rendered.html}</div>{plain}{small}</td>'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Acknowledgements</title>
<style>
:root { color-scheme: light dark }
body { font: 14px/1.5 system-ui, sans-serif; margin: 1.5em }
h2::first-letter { text-transform: uppercase }
table.all { border-collapse: collapse; width: 100%; table-layout: fixed }
.all th, .all td { border: 1px solid #8886; padding: .5em; vertical-align: top; text-align: left; overflow-wrap: anywhere }
.all tr > th:first-child { width: 4em }
.text { white-space: pre-wrap; margin: 0 }
.mail > :first-child { margin-top: 0 }
blockquote { border-left: 3px solid #8888; margin-left: 0; padding-left: .8em }
small { opacity: .7; display: block; margin-top: .5em }
</style>
</head>
<body>
<h1>Acknowledgements</h1>
{{tables}}
</body>
</html>
"""

"""/docs: the OpenAPI document as a page to read. It is our own HTML: no script, and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from producers.sources.http.html import HEADERS, document

__all__ = ["add_docs", "docs_page"]

_STYLE = """
main { max-width: 62rem } h2 { margin: 0; font-size: 1.15rem } h3 { margin: 1.25rem 0 0; font-size: 1rem }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .875rem; overflow-wrap: anywhere }
h2 code { font-size: 1.05rem }
pre { overflow-x: auto; padding: .75rem 1rem; background: var(--back); border-radius: .4rem }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--faint) }
nav ul { padding: 0; list-style: none } nav li { padding: .2rem 0 } nav a { margin-right: .5rem; text-decoration: none }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; margin-top: 1.25rem }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem } thead th { font-size: .875rem; color: var(--soft) }
th, td { text-align: left; vertical-align: top; padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--faint) }
th { font-weight: 400 } th code { white-space: nowrap } td:last-child { min-width: 9rem }
summary { cursor: pointer; margin-top: .5rem; color: var(--blue) }
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def add_docs(app: FastAPI) -> None:
    """Serve /docs."""

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()), headers=HEADERS)


def docs_page(described: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document whose schemas hold no references."""
    operations = [
        (f"{method}{path}".translate(_NO_ID), method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    info = described["info"]
    contents = "".join(
        f'<li><a href="#{name}"><code>{method} {escape(path)}</code></a> {escape(_in_short(operation))}</li>'
        for name, method, path, operation in operations
    )
    sections = "".join(_operation(*each) for each in operations)
    body = f"""<h1>{escape(info["title"])}</h1><p>{escape(info.get("description", ""))}</p>
<p>For programs: <a href="openapi.json">openapi.json</a></p>
<nav aria-label="Endpoints"><ul>{contents}</ul></nav>{sections}"""
    return document(info["title"], body, style=_STYLE)


_NO_ID = str.maketrans(dict.fromkeys("/{}", "-"))


def _in_short(operation: Mapping[str, Any]) -> str:
    """One sentence for the contents. A summary that FastAPI made of a function's name says less than its docstring."""
    about = operation.get("description") or operation.get("summary", "")
    return str(about).partition(". ")[0].removesuffix(".")


def _operation(name: str, method: str, path: str, operation: Mapping[str, Any]) -> str:
    about = operation.get("description") or operation.get("summary", "")
    parts = [
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h"><code>{method} {escape(path)}</code></h2>'
    ]
    parts.append(f"<p>{escape(about)}</p>")
    if parameters := operation.get("parameters"):
        rows = [
            (each["name"], f"{each['in']}{', needed' if each.get('required') else ''}", each.get("description", ""))
            for each in parameters
        ]
        parts.append(_table("Parameters", ("name", "where", "what"), rows))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(
            f"<h3>Body: <code>{escape(kind)}</code></h3>{_schema(content.get('schema', {}))}{_examples(content)}"
        )
    parts.append(_table("Answers", ("status", "type", "when"), _answers(operation.get("responses", {}))))
    return "".join(parts) + "</section>"


def _answers(responses: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (str(code), ", ".join(told.get("content", {})), told.get("description", ""))
        for code, told in sorted(responses.items(), key=lambda each: str(each[0]))
    ]


def _schema(schema: Mapping[str, Any]) -> str:
    """A table of fields for every shape that the body may have."""
    shapes = schema.get("oneOf") or [schema]
    return "".join(_shape(shape) for shape in shapes)


def _shape(shape: Mapping[str, Any]) -> str:
    fields = shape.get("properties")
    if not fields:
        return f"<p>{escape(shape.get('description', ''))}</p>" if shape.get("description") else ""
    needed = shape.get("required", ())
    rows = [
        (name, _kind(field) + (", needed" if name in needed else ""), field.get("description", ""))
        for name, field in fields.items()
    ]
    about = f"<p>{escape(shape['description'])}</p>" if shape.get("description") else ""
    return _table(shape.get("title", "Fields"), ("field", "type", "what"), rows) + about


def _kind(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return json.dumps(field["const"])
    if "enum" in field:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    if several := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(_kind(each) for each in several)
    return str(field.get("format") or field.get("type") or "")


def _examples(content: Mapping[str, Any]) -> str:
    named = {name: each.get("value") for name, each in content.get("examples", {}).items()}
    if "example" in content:
        named["Example"] = content["example"]
    return "".join(
        f"<details><summary>{escape(name)}</summary><pre>{escape(_text(value))}</pre></details>"
        for name, value in named.items()
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row"><code>{escape(first)}</code></th><td>{escape(kind)}</td><td>{escape(about)}</td></tr>'
        for first, kind, about in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )

"""Serves /docs: the OpenAPI document as a page to read, without a script and with nothing from elsewhere.

Why not Swagger UI or ReDoc: `deploy/adr/0028-docs-page.md`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from producers.sources.http.pages import Page, render

__all__ = ["add_docs", "docs_page"]

_METHODS = ("get", "post", "put", "patch", "delete")
_NO_ID = str.maketrans(dict.fromkeys("/{}", "-"))


def add_docs(app: FastAPI) -> None:
    """Serves /docs."""

    @functools.cache  # or whoever asks for it in a loop would use up the process
    def page() -> str:
        return docs_page(app.openapi())

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return Page(page())


def docs_page(described: Mapping[str, Any]) -> str:
    """Returns the page of an OpenAPI document whose schemas hold no references."""
    operations = [
        _operation(method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    info = described["info"]
    return render("docs.html", title=info["title"], about=info.get("description", ""), operations=operations)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    # A summary that FastAPI made of a function's name says less than its docstring.
    about = str(operation.get("description") or operation.get("summary", ""))
    return {
        "name": f"{method}{path}".translate(_NO_ID),
        "method": method.upper(),
        "path": path,
        "about": about,
        "in_short": about.partition(". ")[0].removesuffix("."),
        "parameters": [_parameter(each) for each in operation.get("parameters", ())],
        "bodies": [_body(*each) for each in operation.get("requestBody", {}).get("content", {}).items()],
        "answers": _answers(operation.get("responses", {})),
    }


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str, str]:
    place = f"{parameter['in']}{', needed' if parameter.get('required') else ''}"
    return parameter["name"], place, parameter.get("description", "")


def _answers(responses: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (str(code), ", ".join(answer.get("content", {})), answer.get("description", ""))
        for code, answer in sorted(responses.items(), key=lambda each: str(each[0]))
    ]


def _body(media_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
    schema = content.get("schema", {})
    return {
        "media_type": media_type,
        "shapes": [_shape(shape) for shape in schema.get("oneOf") or [schema]],
        "examples": _examples(content),
    }


def _shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one shape that the body may have, with a row for each field."""
    needed = shape.get("required", ())
    fields = [
        (name, _kind(field) + (", needed" if name in needed else ""), field.get("description", ""))
        for name, field in shape.get("properties", {}).items()
    ]
    return {"title": shape.get("title", "Fields"), "about": shape.get("description", ""), "fields": fields}


def _kind(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return json.dumps(field["const"])
    if "enum" in field:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    if several := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(_kind(each) for each in several)
    return str(field.get("format") or field.get("type") or "")


def _examples(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    named = {name: each.get("value") for name, each in content.get("examples", {}).items()}
    if "example" in content:
        named["Example"] = content["example"]
    return [(name, _text(value)) for name, value in named.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

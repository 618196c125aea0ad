"""Every mail in tests/examples/email becomes what the JSON file beside it says."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from producers.mail import event as email
from schemas import codec
from schemas.errors import Refused
from schemas.events import MessageReceived
from tests.support.each import each

EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "email").glob("*.eml"))
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z


def everything_but_defaults(event: MessageReceived) -> dict[str, object]:
    """The fields that say something; `full_text` only where it differs from `text`."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(MessageReceived)}
    fields = msgspec.to_builtins(event)
    said = {name: value for name, value in fields.items() if value not in (defaults[name], [], {}, "", None)}
    if said.get("full_text") == said.get("text"):
        said.pop("full_text", None)
    return said


@each("path", EXAMPLES)
def test_an_example_mail_becomes_what_is_written_beside_it(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    try:
        event = email.normalise(path.read_bytes(), now=NOW)
    except Refused as refused:
        assert expected == {"refused": refused.reason}
        return
    live = {"occurred_at": NOW, "received_at": NOW, "channel": "email"}
    assert everything_but_defaults(event) == expected["event"] | live
    assert codec.decode(codec.encode(event)) == event


def test_there_are_at_least_150_examples() -> None:
    assert len(EXAMPLES) >= 150

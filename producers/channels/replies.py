"""Reads what an answer has beside its text: HTML, files of the store, copies, and messages to quote.

    {"id": "r-9", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "agent_name": "Mei",
     "html": "<p>Here is <b>your label</b>.</p><p><img src='cid:2' alt='where to stick it'></p>",
     "attachments": [{"reference": "file:///var/attachments/ABCDEFGHIJKL/0b51...", "name": "label.pdf",
                      "media_type": "application/pdf"}, {"reference": "...", "name": "box.png", "media_type": "image/png"}],
     "cc": ["bob@example.org"], "bcc": ["audit@shop.example"],
     "quoted": [{"author": "Ann Lee", "at": "2026-03-02T10:00:00+00:00", "text": "Where is my label?"}]}

`text` is made of `html`, so that both say the same; whoever sends one leaves out the other. The HTML is cleaned
(`schemas.safe_html`). An attachment is one that `POST /v1/agents/attachments` stored for this customer, or that the customer
sent. Pure: that it is really there asks the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import idna
import msgspec

from producers.text import privacy
from producers.text.fields import MAX_SHORT, MAX_TEXT, address_problem, identifier, moment, prose
from schemas import identity
from schemas.events import Attachment, QuotedMessage
from schemas.safe_html import clean, from_text, images, to_text
from schemas.text import printable_line

__all__ = ["CONVERTERS", "MOST_COPIES", "MOST_FILES", "finish", "tag_in"]

#: Files of an answer, and mailboxes beside the customer's.
MOST_FILES, MOST_COPIES = 20, 20
MOST_QUOTED, MOST_QUOTED_CHARACTERS = 20, 40_000
_NAME_CHARACTERS = 100
_REFERENCE = re.compile(r"(?:.*/)?(?<!quarantine/)([A-Z2-7]{12})/[0-9a-f]{64}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_ATOMS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ATTACHMENT_KEYS = frozenset(Attachment.__struct_fields__)
_QUOTED_KEYS = frozenset(QuotedMessage.__struct_fields__)


def finish(fields: dict[str, Any], public: bool, problems: dict[str, str]) -> None:
    """Checks what fields say of each other, and writes the text of an answer that came as HTML."""
    copies = [*fields.get("cc", ()), *fields.get("bcc", ())]
    if copies and not public:
        problems["cc" if fields.get("cc") else "bcc"] = "goes with public answers only"
    if len(copies) > MOST_COPIES:
        problems["cc"] = f"and bcc have {len(copies)} mailboxes, at most {MOST_COPIES}"
    attachments = fields.get("attachments", ())
    tag = _owner(fields)
    for number, each in enumerate(attachments):
        if tag and tag_in(each.reference) != tag:
            problems["attachments"] = f"[{number}].reference is no file of this customer in the store"
    if markup := fields.get("html", ""):
        _finish_html(fields, markup, len(attachments), problems)
    elif "text" not in fields:
        problems["text"] = "is needed, or html that says something"


def tag_in(reference: str) -> str:
    """Returns the tag of the customer below whom a file is stored; '' for what is no reference, or lies in quarantine."""
    found = _REFERENCE.fullmatch(reference)
    return found[1] if found and ".." not in reference else ""


def _finish_html(fields: dict[str, Any], markup: str, files: int, problems: dict[str, str]) -> None:
    if fields.get("text", "").strip():
        problems["text"] = "is made of html; leave one of them out"
        return
    if unknown := [number for number in images(markup) if number > files]:
        problems["html"] = f"shows cid:{unknown[0]}, and there are {files} attachments"
        return
    said = to_text(markup)
    if not said.strip():
        problems["html"] = "says nothing"
        return
    text = prose(said)
    fields["text"] = text
    if text != said:  # a card number across several elements, or a text that is too long
        fields["html"] = from_text(text)


def _owner(fields: Mapping[str, Any]) -> str:
    """Returns the tag of the customer that an answer is to; '' where the fields are wrong."""
    if parts := identity.split_ticket_id(str(fields.get("ticket_id", "")).upper()):
        return parts[0]
    kind, _, value = str(fields.get("customer_id", "")).partition(":")
    return identity.customer_tag(identity.canonical_customer_id(kind, value)) if value else ""


def _html(value: Any) -> str:
    markup = msgspec.convert(value, str)
    if len(markup) > MAX_TEXT:
        raise ValueError(f"is too long: {len(markup)} characters, at most {MAX_TEXT}")
    cleaned = clean(markup)
    masked = privacy.mask(cleaned)
    return cleaned if masked == cleaned else clean(masked)


def _copies(value: Any) -> list[str]:
    found = []
    for number, each in enumerate(msgspec.convert(value, list[str])):
        address = each.strip()
        if problem := address_problem(address) or _delivery_problem(address):
            raise ValueError(f"[{number}] {problem}")
        found.append(address)
    return list(dict.fromkeys(found))


def _delivery_problem(address: str) -> str:
    """Returns why no mail server would be asked to deliver to it, '' for an address that one is asked about.

    A contact may come from any address; a copy that cannot be sent would hold up the answer.
    """
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return f"{domain[:80]!r} is not a domain"
    if len(local.encode()) > 64 or not address.isprintable() or not _ATOMS.fullmatch(local):
        return f"{address[:80]!r} is not an e-mail address such as ann@example.org"
    return "" if len(ascii_domain) <= 250 and _DOMAIN.fullmatch(ascii_domain) else f"{domain[:80]!r} is not a domain"


def _attachments(value: Any) -> list[Attachment]:
    listed = msgspec.convert(value, list[dict[str, Any]])
    if len(listed) > MOST_FILES:
        raise ValueError(f"has {len(listed)} entries, at most {MOST_FILES}")
    return [_attachment(each, number) for number, each in enumerate(listed)]


def _attachment(given: dict[str, Any], number: int) -> Attachment:
    _require_known(given, _ATTACHMENT_KEYS, number)
    found = msgspec.convert(given, Attachment)
    if not tag_in(found.reference):
        raise ValueError(f"[{number}].reference is none of the store: take that of POST /v1/agents/attachments")
    return Attachment(
        name=printable_line(prose(found.name, MAX_SHORT))[:255],
        media_type=printable_line(found.media_type)[:100].lower(),
        size_bytes=min(max(found.size_bytes, 0), 2**40),
        reference=identifier(found.reference),
    )


def _quoted(value: Any) -> list[QuotedMessage]:
    listed = msgspec.convert(value, list[dict[str, Any]])
    if len(listed) > MOST_QUOTED:
        raise ValueError(f"has {len(listed)} entries, at most {MOST_QUOTED}")
    found = [_quoted_message(each, number) for number, each in enumerate(listed)]
    if (size := sum(len(each.text) for each in found)) > MOST_QUOTED_CHARACTERS:
        raise ValueError(f"has {size} characters, at most {MOST_QUOTED_CHARACTERS}: quote less")
    return found


def _quoted_message(given: dict[str, Any], number: int) -> QuotedMessage:
    _require_known(given, _QUOTED_KEYS, number)
    try:
        at = None if given.get("at") is None else moment(given["at"], now=2**62)
    except ValueError as error:
        raise ValueError(f"[{number}].at {error}") from None
    text = prose(msgspec.convert(given.get("text", ""), str))
    if not text.strip():
        raise ValueError(f"[{number}].text is needed")
    return QuotedMessage(author=_name(given.get("author", "")), at=at, text=text)


def _require_known(given: dict[str, Any], names: frozenset[str], number: int) -> None:
    for name in given:
        if name not in names:
            raise ValueError(f"[{number}].{str(name)[:60]} is not known; known are {', '.join(sorted(names))}")


def _name(value: Any) -> str:
    return printable_line(prose(msgspec.convert(value, str), MAX_SHORT))[:_NAME_CHARACTERS]


#: The fields of an answer that are read here, each with what reads it; raises `ValueError` with the problem.
CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "html": _html,
    "attachments": _attachments,
    "cc": _copies,
    "bcc": _copies,
    "quoted": _quoted,
    "agent_name": _name,
}

"""What the exports of other help desks become: own examples, the expected events written by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.imports import exports
from producers.imports import reader as imports_reader
from producers.imports.formats import chatwoot, freshdesk, zendesk
from producers.imports.formats.fields import when
from producers.imports.formats.imported_ticket import ImportedTicket
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Person, Reading
from producers.imports.report import Report
from schemas import codec, identity
from schemas.errors import ConfigurationError, Refused
from schemas.events import (
    AgentReplied,
    Event,
    MessageReceived,
    NoteAdded,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
)
from schemas.settings import ProducerSettings

EXAMPLES = Path(__file__).parents[1] / "examples" / "import"
NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
ORIGIN = Origin("zendesk", "import:test", NOW)


def line(event: Event) -> str:
    """One event as a line: month-day and time, what it is, who, and what it says."""
    at = datetime.fromtimestamp(event.occurred_at / 1_000_000, UTC).strftime("%m-%d %H:%M:%S")
    if isinstance(event, MessageReceived):
        return f"{at} {event.thread_id} {event.channel} {event.customer_id}: {event.text}"
    assert isinstance(event, AgentReplied | NoteAdded | StatusChanged | TagCorrected | SurveyAnswered)
    said: Any = {
        AgentReplied: lambda e: f"reply {e.agent_id}: {e.text}",
        NoteAdded: lambda e: f"note {e.agent_id}: {e.text}",
        StatusChanged: lambda e: f"{e.status} {e.agent_id}".strip(),
        TagCorrected: lambda e: f"tags {e.agent_id} +{','.join(e.add)} -{','.join(e.remove)}",
        SurveyAnswered: lambda e: f"csat {e.csat} {e.comment}".strip(),
    }[type(event)]
    return f"{at} {event.thread_ref} {said(event)}"


def told(name: str, kind: str, **more: Any) -> tuple[list[str], list[tuple[str, str]], Report]:
    """The events of an example as lines, `(id, reason)` of what is refused, and the report."""
    report, settings = Report(), ProducerSettings(clock="")
    outgoing = list(exports.read(exports.Export(EXAMPLES / name, kind, **more), settings, report))
    events = [codec.decode(each.value) for each in outgoing if not each.reason]
    assert all(event.imported and event.source == f"import:{name}" for event in events)
    return [line(event) for event in events], [(each.own_id, each.reason) for each in outgoing if each.reason], report


def test_a_zendesk_export_with_audits() -> None:
    lines, refused, report = told("zendesk.jsonl", "zendesk")
    assert lines == [
        "11-03 09:00:00 zendesk:501 email email:ann@example.org: My parcel DS-100 has not come.",
        "11-03 09:00:00 zendesk:501 tags zendesk +parcel -",
        "11-03 09:00:02 zendesk:501 note rule: We have received your request.",
        "11-03 09:05:00 zendesk:502 chat tel:+442079460000: Is the jacket true to size?",
        "11-03 09:05:00 zendesk:502 tags zendesk +size -",
        "11-03 09:06:00 zendesk:502 reply mei@shop.test: It is a little small.",
        "11-03 09:14:00 zendesk:502 solved mei@shop.test",
        "11-03 09:20:00 zendesk:501 note mei@shop.test: Carrier lost it; sending another.",
        "11-03 09:30:00 zendesk:501 reply mei@shop.test: A new one leaves today.",
        "11-03 09:30:00 zendesk:501 pending mei@shop.test",
        "11-03 09:30:00 zendesk:501 tags mei@shop.test +payment.card_declined -",
        "11-03 10:00:00 zendesk:501 email email:ann@example.org: When will it be here?",
        "11-03 10:00:00 zendesk:501 open",
        "11-03 10:10:00 zendesk:501 reply mei@shop.test: On Wednesday.",
        "11-03 10:10:00 zendesk:501 solved mei@shop.test",
        # what an agent typed for a customer opens the ticket as the customer's, who is known from ticket 501
        "11-03 12:00:00 zendesk:505 form email:ann@example.org: Ann called: please send the invoice.",
        "11-03 12:00:00 zendesk:505 open",
        "11-04 08:00:00 zendesk:501 csat 5 Quick!",
        "11-07 10:00:00 zendesk:501 closed",
    ]
    assert refused == [("", "bad_json"), ("504", "no_requester"), ("1202", "bad_time")]
    assert report.left_out == {"deleted ticket": 1}


def test_a_zendesk_ticket_keeps_customer_and_ticket_fields() -> None:
    report = Report()
    outgoing = exports.read(exports.Export(EXAMPLES / "zendesk.jsonl", "zendesk"), ProducerSettings(), report)
    event = next(codec.decode(each.value) for each in outgoing if not each.reason)
    assert isinstance(event, MessageReceived)
    assert (event.customer_name, event.language, event.time_zone) == ("Ann Lee", "en", "Europe/Dublin")
    assert (event.customer_id, event.address) == ("email:ann@example.org", "Ann@Example.org")
    assert (event.subject, event.priority) == ("Parcel has not come", "high")
    assert event.fields == {
        "zendesk_ticket": "501",
        "tags": "parcel payment.card_declined",
        "custom_field_31": "DS-100",
        "custom_field_33": "true",
    }
    assert [(each.name, each.size_bytes) for each in event.attachments] == [("label.png", 2048)]
    assert event.customer_tag == identity.customer_tag("email:ann@example.org")


def test_pages_of_zendesks_incremental_exports_are_joined() -> None:
    lines, refused, _ = told("zendesk_incremental", "zendesk")
    assert lines == [
        "11-05 08:00:00 zendesk:601 form email:ann@example.org: I want my money back.",
        "11-05 08:00:00 zendesk:601 tags zendesk +refund -",
        "11-05 08:30:00 zendesk:602 email zendesk:9003: Nobody answers.",
        "11-05 08:30:00 zendesk:602 open",
        "11-05 09:00:00 zendesk:601 reply mei@shop.test: It is on its way to your card.",
        "11-05 09:00:00 zendesk:601 solved mei@shop.test",
        "11-05 10:00:00 zendesk:601 csat 1 Took too long",
        "11-05 11:00:00 zendesk:602 solved",
        "11-05 12:00:00 zendesk:602 closed mei@shop.test",
    ]
    assert refused == [("699", "no_ticket")]


def test_a_freshdesk_export_with_conversations() -> None:
    lines, refused, report = told("freshdesk.json", "freshdesk")
    assert lines == [
        "11-03 09:00:00 freshdesk:701 email email:cai@example.org: It is blue, not red.",
        "11-03 09:00:00 freshdesk:701 tags freshdesk +exchange -",
        "11-03 09:30:00 freshdesk:701 reply mei@shop.test: Sorry! Shall we exchange it?",
        "11-03 09:31:00 freshdesk:701 note mei@shop.test: Red is in stock",
        "11-03 09:35:00 freshdesk:701 email email:cai@example.org: Yes please",
        "11-03 09:40:00 freshdesk:701 reply mei@shop.test: Sent.",
        "11-03 09:45:00 freshdesk:701 solved mei@shop.test",
        "11-04 09:00:00 freshdesk:701 csat 5 Lovely",
        "11-06 09:00:00 freshdesk:701 closed mei@shop.test",
    ]
    assert refused == [("7105", "bad_time")]
    assert report.left_out == {"spam ticket": 1}


def test_freshdesks_csv_in_the_time_zone_of_the_account() -> None:
    lines, refused, _ = told("freshdesk.csv", "freshdesk", zone="Asia/Tokyo", tags={"late": "delivery.carrier_delay"})
    assert lines == [
        "11-03 00:00:00 freshdesk:801 form email:dee@example.org: Where is it, please?",
        "11-03 00:00:00 freshdesk:801 tags freshdesk +delivery.carrier_delay,vip -",
        "11-03 00:30:00 freshdesk:801 reply Mei: ",
        "11-03 02:00:00 freshdesk:801 solved Mei",
        "11-05 02:00:00 freshdesk:801 closed Mei",
        "11-05 02:00:00 freshdesk:801 csat 1",
    ]
    assert refused == [("802", "bad_time")]


def test_a_csv_without_offsets_needs_a_time_zone() -> None:
    lines, refused, _ = told("freshdesk.csv", "freshdesk")
    assert lines == []
    assert refused == [("801", "bad_time"), ("802", "bad_time")]


def test_a_chatwoot_export() -> None:
    lines, refused, report = told("chatwoot.json", "chatwoot")
    assert lines == [
        "11-03 09:00:00 chatwoot:901 chat tel:+15550100: How do I send it back?",
        "11-03 09:00:00 chatwoot:901 tags chatwoot +returns -",
        "11-03 09:00:10 chatwoot:901 note Helper: I am looking it up",
        "11-03 09:01:00 chatwoot:901 note mei@shop.test: Order is in the window",
        "11-03 09:02:00 chatwoot:901 reply mei@shop.test: Here is a label.",
        "11-03 09:03:00 chatwoot:901 solved mei@shop.test",
        "11-03 09:10:00 chatwoot:901 csat 4 Nice",
    ]
    assert refused == []
    assert report.left_out == {"template": 1, "conversation without a message": 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("zendesk.jsonl", "zendesk"),
        ("zendesk_incremental", "zendesk"),
        ("freshdesk.json", "freshdesk"),
        ("freshdesk.csv", "freshdesk"),
        ("chatwoot.json", "chatwoot"),
    ],
)
def test_the_format_is_found_by_looking(name: str, kind: str) -> None:
    assert imports_reader.detect(EXAMPLES / name) == kind


def test_json_lines_and_mbox_are_found_by_looking_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"type": "reply", "occurred_at": "2025-11-03T09:00:00Z"}\n')
    (tmp_path / "b").write_text("From ann@example.org Mon Nov  3 09:00:00 2025\n")
    assert (imports_reader.detect(tmp_path / "a"), imports_reader.detect(tmp_path / "b")) == ("jsonl", "mbox")
    (tmp_path / "c").write_text('{"colour": "blue"}\n')
    with pytest.raises(ConfigurationError, match="no format that we know"):
        imports_reader.detect(tmp_path / "c")


@pytest.mark.parametrize("indent", [None, 1])
def test_array_page_and_lines_are_the_same_export(tmp_path: Path, indent: int | None) -> None:
    tickets = json.loads((EXAMPLES / "freshdesk.json").read_text())
    forms = {
        "array.json": json.dumps(tickets, indent=indent),
        "page.json": json.dumps({"tickets": tickets[:2], "agents": tickets[2:]}, indent=indent),
        "lines.json": "\n".join(map(json.dumps, tickets)),
    }
    found = []
    for name, content in forms.items():
        (tmp_path / name).write_text(content)
        export = exports.Export(tmp_path / name, "freshdesk")
        found.append([(each.at, each.reason) for each in exports.read(export, ProducerSettings(), Report())])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 10


def test_a_bad_entry_does_not_spoil_its_page(tmp_path: Path) -> None:
    page = {"tickets": [{"requester_id": 1, "via": {}}, json.loads((EXAMPLES / "zendesk.jsonl").open().readline())]}
    (tmp_path / "page.json").write_text(json.dumps(page))
    outgoing = list(exports.read(exports.Export(tmp_path / "page.json", "zendesk"), ProducerSettings(), Report()))
    assert [each.reason for each in outgoing if each.reason] == ["no_ticket_id"]
    assert len(outgoing) == 14


def test_accounts_of_a_product_are_told_apart() -> None:
    def ids(account: str) -> set[str]:
        export = exports.Export(EXAMPLES / "chatwoot.json", "chatwoot", account=account)
        return {codec.decode(each.value).event_id for each in exports.read(export, ProducerSettings(), Report())}

    assert ids("") == ids("")
    assert len(ids("") | ids("second")) == 14


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        ("2025-11-03T09:00:00Z", 1_762_160_400_000_000),
        ("2025-11-03T10:00:00+01:00", 1_762_160_400_000_000),
        ("2025-11-03 09:00:00 UTC", 1_762_160_400_000_000),
        ("2025/11/03 01:00:00 -0800", 1_762_160_400_000_000),
        (1_762_160_400, 1_762_160_400_000_000),
        ("1762160400", 1_762_160_400_000_000),
        (1_762_160_400_500, 1_762_160_400_500_000),
        (1_762_160_400.25, 1_762_160_400_250_000),
    ],
)
def test_a_time_is_understood_however_an_export_writes_it(value: Any, micros: int) -> None:
    assert when(value, ORIGIN) == micros


@pytest.mark.parametrize(
    "value", [None, "", "yesterday", "2025-11-03 09:00:00", 5, True, 1e300, [], "2027-01-01T00:00:00Z"]
)
def test_an_ambiguous_or_future_time_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        when(value, ORIGIN)
    assert caught.value.reason == "bad_time"


# -- how a conversation is told -----------------------------------------------------------------------------------


def imported_ticket(**changes: Any) -> ImportedTicket:
    imported = ImportedTicket(ORIGIN, 1, Person("email:ann@example.org", "ann@example.org"), "email")
    imported.opened(NOW - 100_000_000, "m", "Hello")
    for name, value in changes.items():
        setattr(imported, name, value)
    return imported


def statuses(reading: Reading) -> list[str]:
    return [event.status for event in reading.events if isinstance(event, StatusChanged)]


def test_nothing_is_closed_without_having_been_solved() -> None:
    imported = imported_ticket()
    imported.became(NOW - 50_000_000, "closed")
    assert statuses(imported.reading()) == ["solved", "closed"]


def test_what_is_closed_before_the_end_was_only_solved() -> None:
    imported = imported_ticket()
    imported.became(NOW - 50_000_000, "closed")
    imported.said(NOW - 40_000_000, "again", "It is broken again")
    assert statuses(imported.reading()) == ["solved"]


@pytest.mark.parametrize(("known", "told_states"), [(True, ["open"]), (False, [])])
def test_an_answer_leaves_the_ticket_open_if_the_source_does(known: bool, told_states: list[str]) -> None:
    imported = imported_ticket(statuses_known=known)
    imported.replied(NOW - 50_000_000, "r", "We are looking", "mei")
    assert statuses(imported.reading()) == told_states


def test_what_is_dated_before_the_opening_is_moved_to_it() -> None:
    imported = imported_ticket()
    imported.replied(NOW - 200_000_000, "r", "Early", "mei")
    assert [event.occurred_at for event in imported.reading().events] == [NOW - 100_000_000] * 2


SECRET = "4111 1111 1111 1111"


def test_card_numbers_are_masked_in_every_word_that_is_imported() -> None:
    imported = imported_ticket()
    imported.said(NOW - 90_000_000, "a", SECRET, subject=SECRET, fields={"note": SECRET})
    imported.replied(NOW - 80_000_000, "b", SECRET, "mei")
    imported.noted(NOW - 70_000_000, "c", SECRET, "mei")
    imported.rated(NOW - 60_000_000, "d", 5, SECRET)
    assert "4111 1111" not in repr(imported.reading().events)


# -- whatever an export holds ---------------------------------------------------------------------------------------

#: What nobody expects in the place of a value.
STRANGE: list[Any] = [
    None, "", 0, -1, True, 5.5, float("nan"), float("inf"), 2**70, [], {}, [None], [{}], {"id": {}}, [[1]], "\0",
    "x" * 3000, "2025-11-03T09:00:00Z", "9999-99-99T00:00:00Z", 10**12, ["a", 1, None],
]  # fmt: skip
WHOLE: dict[str, Any] = {
    "zendesk": lambda: json.loads((EXAMPLES / "zendesk.jsonl").open().readline()),
    "freshdesk": lambda: json.loads((EXAMPLES / "freshdesk.json").read_text())[0],
    "chatwoot": lambda: json.loads((EXAMPLES / "chatwoot.json").read_text())["data"]["payload"][0],
}
READERS: dict[str, Any] = {"zendesk": zendesk, "freshdesk": freshdesk, "chatwoot": chatwoot}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


@pytest.mark.parametrize("product", READERS)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(STRANGE)), min_size=1, max_size=5))
def test_no_strange_value_makes_a_reader_fail(product: str, changes: list[tuple[int, Any]]) -> None:
    reader, record = READERS[product], WHOLE[product]()
    for place, strange in changes:
        if found := places(record):
            container, key = found[place % len(found)]
            container[key] = deepcopy(strange)
    reader.recognises(record)
    list(reader.parts(record))
    origin = Origin(product, "import:x", NOW)
    reading = reader.read(record, lambda _: None, origin)
    assert reading.events or reading.refused or reading.left_out
    for event in reading.events:
        assert event.imported
        assert event.occurred_at <= NOW + 300_000_000
        assert codec.decode(codec.encode(event)) == event


def test_a_row_as_long_as_a_mail_may_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(f"id,description\n1,{'x' * 200_000}\n2,short\n", "utf-8")
    rows = list(imports_reader.records(path, max_bytes=1_000_000))
    assert [(row.number, len(row.value["description"])) for row in rows] == [(1, 200_000), (2, 5)]


def test_after_a_row_that_cannot_be_read_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports_reader, "_MOST_FIELD_CHARACTERS", 1_000)
    path = tmp_path / "tickets.csv"
    path.write_text(f"id,description\n1,fine\n2,{'x' * 2_000}\n3,fine\n", "utf-8")
    first, broken, last = imports_reader.records(path, max_bytes=1_000_000)
    assert (first.value["id"], last.value["id"], last.number) == ("1", "3", 3)
    assert broken.refused is not None and broken.refused.reason == "bad_csv"


@pytest.mark.parametrize("nested", [b'{"a":' * 100_000, b"[" * 100_000])
def test_a_document_that_is_nested_without_end_is_refused(tmp_path: Path, nested: bytes) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(nested)
    [record] = imports_reader.records(path, max_bytes=1_000_000)
    assert record.refused is not None and record.refused.reason == "bad_json"


def test_a_broken_character_stops_no_import(tmp_path: Path) -> None:
    """Half of a surrogate pair in one record ended the import of all others."""
    good = (EXAMPLES / "zendesk.jsonl").read_bytes()
    path = tmp_path / "zendesk.jsonl"
    path.write_bytes(b'{"id": "9\xed\xb2\xa0", "subject": "\xed\xa0\x80"}\n' + good + b'{"id": "\\udca0"}\n\xff\n')
    settings = ProducerSettings(clock="")
    outgoing = list(exports.read(exports.Export(path, "zendesk"), settings, Report()))
    events = [each for each in outgoing if not each.refused]
    alone = list(exports.read(exports.Export(EXAMPLES / "zendesk.jsonl", "zendesk"), settings, Report()))
    assert len(events) == len([each for each in alone if not each.refused]) > 5
    assert len(outgoing) > len(alone)

"""Files of answers, as the API takes them: stored below the ticket's customer, and an answer refers to nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from producers.storage.attachments import AttachmentStore
from producers.storage.scanner import Scanner
from schemas.events import AgentReplied
from tests.support.producers.signed_site import TICKET, Site, reason

TAG = TICKET.partition("-")[0]
PDF = b"%PDF-1.7\n" + b"x" * 500
UPLOAD = f"/v1/agents/attachments?ticket_id={TICKET}&name="
BODY = {"id": "r-1", "ticket_id": TICKET, "agent_id": "mei", "text": "Here."}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, attachments_url=str(tmp_path / "store"), mail_attachments_max_bytes=1_200)


def uploaded(site: Site, data: bytes = PDF, name: str = "label.pdf", **options: Any) -> httpx.Response:
    return site.post(UPLOAD + quote(name), data, more=[("Content-Type", "application/pdf")], **options)


def answered(site: Site, *attachments: Any, path: str = "/v1/agents/replies", **fields: Any) -> httpx.Response:
    return site.post(path, BODY | {"attachments": attachments} | fields)


def told(answer: httpx.Response) -> str:
    assert answer.status_code == 422
    [problem] = answer.json()["problems"]
    return f"{problem['field']} {problem['problem']}"


def test_a_file_is_stored_below_the_customer_and_goes_with_the_answer(site: Site, tmp_path: Path) -> None:
    answer = uploaded(site, name="Étiquette 返品.pdf")
    assert answer.status_code == 200
    attachment = answer.json()
    assert (attachment["name"], attachment["media_type"], attachment["size_bytes"]) == (
        "Étiquette 返品.pdf",
        "application/pdf",
        len(PDF),
    )
    [stored] = (tmp_path / "store" / TAG).iterdir()
    assert stored.read_bytes() == PDF
    assert uploaded(site).json()["reference"] == attachment["reference"], "the same bytes are stored once"
    for number, path in enumerate(("/v1/agents/replies", "/v1/events")):
        sent = answered(site, attachment, path=path, id=f"r-{number}", type="agent_replied")
        assert sent.status_code in (200, 202), sent.text
    for event in site.log.events.values():
        assert isinstance(event, AgentReplied)
        assert event.attachments[0].reference == attachment["reference"]


def test_an_answer_refers_to_files_that_are_there(site: Site, tmp_path: Path) -> None:
    reference = uploaded(site).json()["reference"]
    other = uploaded(site, PDF.replace(b"xx", b"yy")).json()["reference"]
    third = uploaded(site, PDF.replace(b"xx", b"zz")).json()["reference"]
    digest = reference.rpartition("/")[2]
    quarantined = tmp_path / "store" / "quarantine" / TAG / ("0" * 64)
    quarantined.parent.mkdir(parents=True)
    quarantined.write_bytes(PDF)
    for wrong in (
        reference.replace(digest, "0" * 64), reference.replace(TAG, "ZZZZZZZZZZZZ"), f"{tmp_path}/elsewhere/{TAG}/{digest}",
        str(quarantined), f"file://{quarantined}", "file:///etc/passwd", f"{tmp_path}/store/../store/{TAG}/{digest}", f"s3://x/{TAG}/{digest}",
    ):  # fmt: skip
        for path in ("/v1/agents/replies", "/v1/events"):
            assert told(answered(site, {"reference": wrong}, path=path, type="agent_replied")).startswith(
                "attachments [0]"
            ), wrong
    assert "at most 1200" in told(answered(site, *({"reference": each} for each in (reference, other, third))))
    assert "matches *.exe" in told(answered(site, {"reference": reference, "name": "x.exe"}))
    AttachmentStore(str(tmp_path / "store"), max_bytes=1).erase(TAG)
    assert "erased" in told(answered(site, {"reference": reference}))
    assert site.log.events == {}
    assert site.log.dead_letters == []


def test_without_a_store_neither_is_taken(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert reason(uploaded(site)) == (422, "no_attachment_store")
    assert "no store is set" in told(answered(site, {"reference": f"/x/{TAG}/{'0' * 64}"}))
    assert site.post("/v1/agents/replies", BODY).status_code == 200


@pytest.mark.parametrize(
    ("query", "data", "expected"),
    [
        (f"ticket_id={TICKET}", PDF, (422, "bad_fields")),
        ("name=x.pdf", PDF, (422, "bad_fields")),
        ("ticket_id=../x&name=x.pdf", PDF, (422, "bad_fields")),
        ("customer_id=chat&name=x.pdf", PDF, (422, "bad_fields")),
        (f"ticket_id={TICKET}&name=x.exe", PDF, (422, "refused_type")),
        (f"ticket_id={TICKET}&name=x.pdf", b"MZ" + PDF, (422, "refused_type")),
        (f"ticket_id={TICKET}&name=x.pdf", b"", (422, "bad_fields")),
        (f"ticket_id={TICKET}&name=x.pdf", b"x" * 3_000, (413, "too_large")),
    ],
)
def test_a_file_that_is_not_taken_says_why(tmp_path: Path, query: str, data: bytes, expected: tuple[int, str]) -> None:
    site = Site(tmp_path, attachments_url=str(tmp_path / "store"), attachments_max_bytes=2_000)
    assert reason(site.post(f"/v1/agents/attachments?{query}", data)) == expected
    assert list((tmp_path / "store").iterdir()) == []


def test_a_file_for_a_conversation_is_stored_below_its_customer(site: Site) -> None:
    attachment = site.post("/v1/agents/attachments?customer_id=chat:visitor-5&name=x.pdf", PDF).json()
    fields = {"ticket_id": "", "thread_ref": "c-3", "customer_id": "chat:visitor-5", "agent_id": "mei"}
    body = {name: value for name, value in (BODY | fields).items() if value} | {"attachments": [attachment]}
    assert site.post("/v1/agents/replies", body).status_code == 200
    assert "no file of this customer" in told(site.post("/v1/agents/replies", body | {"customer_id": "chat:visitor-6"}))


def test_only_who_may_answer_may_send_files(site: Site) -> None:
    assert reason(uploaded(site, key="notes")) == (403, "missing_scope")
    assert reason(uploaded(site, secret="wrong-0123456789abcdef")) == (401, "bad_signature")
    assert reason(site.request("POST", UPLOAD + "x.pdf", PDF)) == (401, "missing_signature")
    assert uploaded(site, key="mei").status_code == 200


def test_what_a_scanner_finds_has_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scanner, "finding", lambda self, data: "Eicar")
    site = Site(tmp_path, attachments_url=str(tmp_path / "store"), attachments_scanner="clamd://127.0.0.1:1")
    assert reason(uploaded(site)) == (422, "infected")


def test_a_store_that_does_not_answer_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    attachment = uploaded(site).json()
    monkeypatch.setattr(AttachmentStore, "_size", lambda self, path: (_ for _ in ()).throw(PermissionError("no")))
    assert reason(answered(site, attachment)) == (503, "unavailable")
    assert reason(uploaded(site)) == (503, "unavailable")
    assert site.log.events == {}

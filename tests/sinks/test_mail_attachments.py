"""Files of an answer: read from the store that the producers fill, and from nowhere else."""

from __future__ import annotations

import asyncio
import email
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from producers.storage.attachments import AttachmentStore
from producers.storage.scanner import Scanner
from schemas.errors import ConfigurationError, Refused
from schemas.events import Attachment
from schemas.settings import SinkSettings
from sinks.delivery.adapter import TryLater, Undeliverable
from sinks.delivery.attachments import AttachmentReader
from sinks.delivery.channels.email import connect
from sinks.delivery.compose import File, content
from tests.support.sinks.examples import outbound
from tests.support.sinks.scripted_smtp import scripted_smtp

TAG = "ABCDEFGHIJKL"
PDF, PNG = b"%PDF-1.7\n" + b"x" * 3000, b"\x89PNG\r\n\x1a\n" + b"y" * 100


def store(folder: Path) -> AttachmentStore:
    made = AttachmentStore(str(folder), max_bytes=1_000_000)
    made.prepare()
    return made


def read(folder: Path | str, *references: str, max_bytes: int = 1_000_000) -> list[bytes]:
    message = outbound(attachments=[Attachment(name="x", reference=each) for each in references])
    return [file.data for file in asyncio.run(AttachmentReader(str(folder), max_bytes).files(message))]


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(Undeliverable) as refused:
        read(*arguments, **options)
    assert refused.value.outcome == "refused"
    return refused.value.reason


def test_files_are_those_that_the_producers_stored(tmp_path: Path) -> None:
    references = [store(tmp_path).put(TAG, data) for data in (PDF, PNG, b"text, with 4111 1111 1111 1111")]
    assert read(tmp_path, *references) == [PDF, PNG, b"text, with **** **** **** 1111"]


def test_a_file_that_is_gone_or_another_one_is_refused(tmp_path: Path) -> None:
    kept = store(tmp_path)
    reference = kept.put(TAG, PDF)
    (tmp_path / TAG / reference.rpartition("/")[2]).write_bytes(b"another")
    assert refusal(tmp_path, reference) == "attachment_changed"
    kept.erase(TAG)
    assert refusal(tmp_path, reference) == "attachment_gone"


def test_nothing_outside_of_the_store_is_read(tmp_path: Path) -> None:
    kept, outside = tmp_path / "store", tmp_path / "secret"
    outside.write_bytes(b"secret")
    digest = store(kept).put(TAG, PDF).rpartition("/")[2]
    quarantined = kept / "quarantine" / TAG
    quarantined.mkdir(parents=True)
    (quarantined / digest).write_bytes(PDF)
    for reference in (
        str(outside), f"file://{outside}", f"{kept}/../secret", f"file://{kept}/{TAG}/../../secret", "file:///etc/passwd", "",
        f"{kept}/quarantine/{TAG}/{digest}", f"{tmp_path}/other/{TAG}/{digest}", f"{kept}/{TAG}", f"s3://bucket/{TAG}/{digest}",
        "http://169.254.169.254/latest", f"{kept}{TAG}/{digest}",
    ):  # fmt: skip
        assert refusal(kept, reference) == "bad_attachment", reference


def test_what_a_scanner_found_has_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scanner, "finding", lambda self, data: "Eicar")
    scanned = AttachmentStore(str(tmp_path), max_bytes=1_000_000, scanner=Scanner.parse("clamd://127.0.0.1:1", 1))
    scanned.prepare()
    with pytest.raises(Refused, match="infected"):
        scanned.put(TAG, PDF)


def test_files_that_are_too_large_together_are_refused_unread(tmp_path: Path) -> None:
    references = [store(tmp_path).put(TAG, data) for data in (PDF, PNG)]
    assert refusal(tmp_path, *references, max_bytes=len(PDF) + len(PNG) - 1) == "attachments_too_large"


def test_without_a_store_an_answer_with_files_is_refused(tmp_path: Path) -> None:
    assert refusal("", f"{tmp_path}/{TAG}/{'a' * 64}") == "no_attachment_store"
    assert read("") == []
    with pytest.raises(ConfigurationError):
        AttachmentReader("nonsense://x", 1)


def test_a_store_that_does_not_answer_delays_this_mail_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = store(tmp_path).put(TAG, PDF)
    reader = AttachmentReader(str(tmp_path), 1_000_000)
    monkeypatch.setattr(type(reader._files), "cat_file", lambda *_, **__: (_ for _ in ()).throw(PermissionError("no")))
    with pytest.raises(TryLater, match="PermissionError"):
        asyncio.run(reader.files(outbound(attachments=[Attachment(reference=reference)])))


def test_files_arrive_with_the_mail(tmp_path: Path) -> None:
    kept = store(tmp_path)
    attachments = [
        Attachment(name="box.png", media_type="image/png", reference=kept.put(TAG, PNG)),
        Attachment(name="Étiquette.pdf", media_type="application/pdf", reference=kept.put(TAG, PDF)),
    ]

    async def run() -> bytes:
        async with scripted_smtp({}) as smtp:
            adapter = connect(SinkSettings(smtp_port=smtp.port, attachments_url=str(tmp_path)))
            await adapter.deliver(outbound(html='<p><img src="cid:1"></p>', attachments=attachments))
            await adapter.close()
            return smtp.mails[0].removesuffix(b".\r\n")

    mail = email.message_from_bytes(asyncio.run(run()), policy=default)
    found = {part.get_filename(): part.get_payload(decode=True) for part in mail.walk() if part.get_filename()}
    assert found == {"box.png": PNG, "Étiquette.pdf": PDF}


@pytest.mark.parametrize(
    ("kind", "data"), [("image/png", b"<svg onload=x>"), ("image/svg+xml", b"<svg/>"), ("text/html", PNG)]
)
def test_a_page_shows_images_only_that_are_what_they_say(tmp_path: Path, kind: str, data: bytes) -> None:

    written = content(outbound(html='<img src="cid:1">'), [File("x", kind, data)], domain="x.org", eight_bit=True)
    assert b"cid:" not in written
    assert b"Content-Disposition: attachment" in written

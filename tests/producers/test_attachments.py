"""Attachments beside the events: in a folder, in an S3 store, and on the way of a mail through the whole producer."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from producers.mail import event as email
from producers.mail.parse import parse
from producers.sources.mail_intake import mail_event
from producers.storage import attachments
from producers.storage.attachments import AttachmentStore, store_attachments
from schemas.dead_letter.headers import InputContext
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import Attachment, MessageReceived
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.log_reader import events, producer

TAG, OTHER = "ABCDEFGHIJKL", "MNOPQRSTUVWX"
EXAMPLES = Path(__file__).parents[1] / "examples" / "email"
PDF = b"%PDF-1.7 \x00\xff invoice"


def store_in(folder: Path, *, max_bytes: int = 1000, refused: str = "*.exe,application/x-sh") -> AttachmentStore:
    store = AttachmentStore(str(folder), max_bytes=max_bytes, refused=refused.split(","))
    store.prepare()
    return store


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def mail_with(*parts: tuple[str, str, bytes], message_id: str = "<1@example.org>") -> bytes:
    """A mail with a text and parts of `(media type, file name, bytes)`."""
    lines = ["From: ann@example.org", f"Message-ID: {message_id}", "MIME-Version: 1.0"]
    lines += [
        "Content-Type: multipart/mixed; boundary=B",
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "See attached",
        "",
    ]
    for media_type, name, data in parts:
        lines += ["--B", f"Content-Type: {media_type}", f'Content-Disposition: attachment; filename="{name}"']
        lines += ["Content-Transfer-Encoding: base64", "", base64.encodebytes(data).decode()]
    return "\r\n".join([*lines, "--B--", ""]).encode()


def event_with(*attachments: Attachment) -> MessageReceived:
    return MessageReceived(
        event_id="E", occurred_at=1, received_at=1, customer_tag=TAG, customer_id="email:a@b.c", address="a@b.c",
        attachments=list(attachments), fields={"truncated": "text"},
    )  # fmt: skip


# the store


def test_an_object_is_named_by_its_bytes_and_written_once(tmp_path: Path) -> None:
    store = store_in(tmp_path / "store")
    reference = store.put(TAG, PDF, name="a.pdf", media_type="application/pdf")
    digest = blake2b(PDF, digest_size=32).hexdigest()
    path = tmp_path / "store" / TAG / digest
    assert reference == path.as_uri()
    before = path.stat()
    assert store.put(TAG, PDF, name="other.pdf") == reference
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.get(reference) == PDF
    assert files_in(tmp_path / "store") == [f"{TAG}/{digest}"]


def test_half_an_object_of_a_crash_is_written_again(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = tmp_path / TAG / blake2b(PDF, digest_size=32).hexdigest()
    path.parent.mkdir()
    path.write_bytes(PDF[:5])
    assert store.get(store.put(TAG, PDF)) == PDF


@given(data=st.binary(max_size=300))
def test_what_is_stored_is_what_is_read_again(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = store_in(tmp_path_factory.getbasetemp() / "round-trip")
    assert store.get(store.put(TAG, data, media_type="application/octet-stream")) == data


@pytest.mark.parametrize(
    ("name", "media_type", "size", "reason"),
    [
        ("a.pdf", "application/pdf", 1000, ""),
        ("a.pdf", "application/pdf", 1001, "too_large"),
        ("invoice.pdf.EXE", "application/pdf", 1, "refused_type"),
        ("trailing.exe. ", "application/pdf", 1, "refused_type"),
        ("run", "application/x-SH", 1, "refused_type"),
        ("exe", "text/plain", 1, ""),
        ("", "", 0, ""),
    ],
)
def test_size_and_type_decide_whether_it_is_stored(
    tmp_path: Path, name: str, media_type: str, size: int, reason: str
) -> None:
    store = store_in(tmp_path)
    if not reason:
        assert store.put(TAG, b"x" * size, name=name, media_type=media_type)
        return
    with pytest.raises(Refused) as refused:
        store.put(TAG, b"x" * size, name=name, media_type=media_type)
    assert refused.value.reason == reason
    assert files_in(tmp_path) == []


def test_card_numbers_are_masked_in_text_formats_only(tmp_path: Path) -> None:
    store, card = store_in(tmp_path), b"card 4111 1111 1111 1111."
    assert store.get(store.put(TAG, card, media_type="text/csv")) == b"card **** **** **** 1111."
    assert store.get(store.put(TAG, b"%PDF-1.7 " + card, media_type="application/pdf")) == b"%PDF-1.7 " + card
    assert store.get(store.put(TAG, card, media_type="application/pdf")) == b"card **** **** **** 1111."  # it is none


def test_everything_of_one_customer_is_erased(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    mine, theirs = [store.put(TAG, data) for data in (b"1", b"2")], store.put(OTHER, b"1")
    assert store.erase(TAG) == 2
    assert store.erase(TAG) == 0
    with pytest.raises(FileNotFoundError):
        store.get(mine[0])
    assert store.get(theirs) == b"1"


@pytest.mark.parametrize("tag", ["", "..", "a/b", "*"])
def test_what_is_no_customer_tag_never_becomes_a_path(tmp_path: Path, tag: str) -> None:
    for ask in (store_in(tmp_path).erase, lambda tag: store_in(tmp_path).put(tag, b"x")):
        with pytest.raises(ValueError, match="is not a customer tag"):
            ask(tag)


@pytest.mark.parametrize(
    ("url", "says"), [("nonsense://x", "'nonsense' is no kind of store here"), ("/proc/none", "cannot be made")]
)
def test_a_url_that_is_no_store_is_one_clear_line(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        AttachmentStore.of(ProducerSettings(attachments_url=url))
    assert str(error.value).startswith("DESKSTREAM_ATTACHMENTS_URL: ")


def test_without_a_store_attachments_are_only_listed() -> None:
    assert AttachmentStore.of(ProducerSettings()) is None
    raw = mail_with(("application/pdf", "invoice.pdf", PDF))
    event = mail_event(ProducerSettings(), None)(raw, InputContext(received_at=1))
    assert isinstance(event, MessageReceived)
    assert [(each.name, each.reference) for each in event.attachments] == [("invoice.pdf", "")]


# in the event


def test_the_event_refers_to_stored_files_and_names_refusals(tmp_path: Path) -> None:
    event = event_with(
        Attachment(name="a.pdf", media_type="application/pdf", size_bytes=9),
        Attachment(name="b.exe", media_type="application/octet-stream", size_bytes=2),
        Attachment(name="c.bin", size_bytes=2000),
        Attachment(name="lost.bin", size_bytes=7),
    )
    store = store_in(tmp_path)
    done = store_attachments(event, [PDF, b"MZ", b"x" * 2000, None], store)
    assert [bool(each.reference) for each in done.attachments] == [True, False, False, False]
    assert store.get(done.attachments[0].reference) == PDF
    assert [each.size_bytes for each in done.attachments] == [len(PDF), 2, 2000, 7]
    assert done.fields == {
        "truncated": "text",
        "attachment.2.refused": "refused_type",
        "attachment.3.refused": "too_large",
        "attachment.4.refused": "unreadable",
    }
    assert event.fields == {"truncated": "text"}


def test_a_store_that_does_not_take_it_is_no_refusal(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    (tmp_path / TAG).write_text("in the way of the folder")
    with pytest.raises(Unavailable, match="the attachment store does not answer"):
        store_attachments(event_with(Attachment(name="a.pdf")), [PDF], store)


# out of a mail


def test_files_with_equal_names_and_types_keep_their_own_bytes() -> None:
    parts = [
        ("image/png", "a.png", b"1"),
        ("image/png", "a.png", b"22"),
        ("image/png", "b.png", b"3"),
        ("text/csv", "t.csv", b"x,y"),
    ]
    raw = mail_with(*parts)
    mail = parse(raw)
    listed = email.message_received(mail, now=1).attachments
    assert [each.name for each in listed] == ["a.png", "a.png", "b.png", "t.csv"]
    assert [file.content() for file in mail.files] == [b"1", b"22", b"3", b"x,y"]


def test_an_attached_mail_is_stored_as_a_mail() -> None:
    inner = b"From: bob@example.org\nSubject: Old\n\nHello\n"
    raw = (
        b"From: ann@example.org\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\nSee\n--B\nContent-Type: message/rfc822\n\n"
        + inner
        + b"\n--B--\n"
    )
    (found,) = parse(raw).files
    assert email.normalise(found.content(), now=1).address == "bob@example.org"


def test_the_words_of_an_attached_mail_leave_its_bytes_alone() -> None:
    """Its text is read because there is no other, and on the way the raw name of its file is decoded."""
    inner = 'From: bob@example.org\nContent-Type: text/plain; name="größe.txt"\n\nHello\n'.encode()
    raw = b"From: ann@example.org\nContent-Type: message/rfc822\n\n" + inner
    mail = parse(raw)
    (found,) = mail.files
    assert found.content() == inner and found.size == len(inner)


def _examples() -> list[Path]:
    return sorted(EXAMPLES.glob("*.eml"))


def test_every_attachment_that_an_example_lists_has_its_bytes() -> None:
    listed = 0
    for path in _examples():
        raw = path.read_bytes()
        try:
            event = email.message_received(mail := parse(raw), now=2_000_000_000_000_000)
        except Refused:
            continue
        for each, file in zip(event.attachments, mail.files, strict=True):
            assert len(file.content()) == each.size_bytes, (path.name, each.name)
        listed += len(mail.files)
    assert listed >= 5


# a real S3 store, over HTTP


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import fsspec

    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": endpoint})
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="desk")
    yield "s3://desk/mail"
    server.stop()


def test_an_s3_store_keeps_gives_back_and_erases(bucket: str) -> None:
    store = AttachmentStore(bucket, max_bytes=1000)
    reference = store.put(TAG, PDF, name="a.pdf", media_type="application/pdf")
    assert reference == f"{bucket}/{TAG}/{blake2b(PDF, digest_size=32).hexdigest()}"
    assert store.put(TAG, PDF) == reference
    other = store.put(OTHER, PDF)
    assert store.get(reference) == PDF
    assert store.erase(TAG) == 1
    with pytest.raises(FileNotFoundError):
        store.get(reference)
    assert store.get(other) == PDF
    assert store.put(TAG, PDF) == reference and store.get(reference) == PDF


def test_a_bucket_that_is_not_there_is_unavailable_and_not_made(bucket: str) -> None:
    store = AttachmentStore(bucket.replace("desk", "nowhere"), max_bytes=1000)
    with pytest.raises(Unavailable) as raised:
        store.put(TAG, PDF)
    assert raised.value.retry_after == 5.0
    with pytest.raises(Unavailable):
        store.put(TAG, PDF)


# the whole way


@pytest.mark.stack
def test_a_published_mail_has_references_to_its_bytes(deployment: Deployment, tmp_path: Path) -> None:
    inbox, folder = tmp_path / "inbox", tmp_path / "kept"
    inbox.mkdir()
    parts = [("application/pdf", "invoice.pdf", PDF), ("application/octet-stream", "virus.exe", b"MZ")]
    (inbox / "1.eml").write_bytes(mail_with(*parts))
    (inbox / "2.eml").write_bytes(mail_with(*parts, message_id="<2@example.org>"))
    with producer(deployment, "mail", str(inbox), DESKSTREAM_ATTACHMENTS_URL=folder.as_uri()) as process:
        assert process.wait(90) == 0
    found = events(deployment)
    assert sorted(event.message_id for event in found) == ["<1@example.org>", "<2@example.org>"]
    for event in found:
        invoice, virus = event.attachments
        assert (invoice.name, virus.name, virus.reference) == ("invoice.pdf", "virus.exe", "")
        assert Path(invoice.reference.removeprefix("file://")).read_bytes() == PDF
        assert event.fields == {"attachment.2.refused": "refused_type"}
    assert len(files_in(folder)) == 1


@pytest.mark.stack
def test_an_unavailable_store_leaves_the_mail_unpublished(deployment: Deployment, tmp_path: Path) -> None:
    inbox, folder = tmp_path / "inbox", tmp_path / "kept"
    inbox.mkdir()
    raw = mail_with(("application/pdf", "invoice.pdf", PDF))
    (inbox / "1.eml").write_bytes(raw)
    folder.mkdir()
    tag = email.normalise(raw, now=1).customer_tag
    (folder / tag).write_text("in the way")
    with producer(deployment, "mail", str(inbox), DESKSTREAM_ATTACHMENTS_URL=folder.as_uri()) as process:
        assert process.wait(90) == 3
    assert files_in(inbox) == ["1.eml"]
    assert events(deployment) == []
    (folder / tag).unlink()
    with producer(deployment, "mail", str(inbox), DESKSTREAM_ATTACHMENTS_URL=folder.as_uri()) as process:
        assert process.wait(90) == 0
    assert files_in(inbox) == ["done/1.eml"]
    assert len(events(deployment)) == 1


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attachments.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        attachments._write_durably(tmp_path / "tag" / "file", b"content")
    assert list((tmp_path / "tag").iterdir()) == []

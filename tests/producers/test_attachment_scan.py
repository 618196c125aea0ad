"""Attachments that are not what they say: their type is told by their content, and a scanner looks at each before it is stored."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producers.storage.attachments import AttachmentStore, store_attachments
from producers.storage.content_type import media_type_of
from producers.storage.scanner import Scanner
from producers.text import privacy
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import Attachment
from schemas.settings import ProducerSettings
from tests.producers.test_attachments import PDF, TAG, event_with, files_in

PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00 This program cannot be run in DOS mode."
CARD = b"my card is 4111 1111 1111 1111"
#: The harmless test file of scanners, in two halves, so that no scanner takes offence at this file.
VIRUS = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Clamd:
    """A scanner on a socket: finds the test file, and answers other files with `answer`."""

    def __init__(self, answer: bytes = b"stream: OK\0", most: int = 1 << 30) -> None:
        self.answer, self.most = answer, most
        self.files: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"clamd://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                assert stream.read(10) == b"zINSTREAM\0"
                data = b""
                while (length := struct.unpack(">I", stream.read(4))[0]) and len(data) <= self.most:
                    data += stream.read(length)
                self.files.append(data)
                if len(data) > self.most:
                    connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                else:
                    connection.sendall(b"stream: Eicar-Test-Signature FOUND\0" if VIRUS in data else self.answer)


@contextmanager
def clamd(answer: bytes = b"stream: OK\0", most: int = 1 << 30) -> Iterator[Clamd]:
    scanner = Clamd(answer, most)
    try:
        yield scanner
    finally:
        scanner.close()


def store_in(folder: Path, scanner: str = "", **settings: object) -> AttachmentStore:
    given = ProducerSettings(
        attachments_url=str(folder), attachments_scanner=scanner, attachments_scan_seconds=5, **settings
    )  # type: ignore[arg-type]
    store = AttachmentStore.of(given)
    assert store is not None
    return store


# the type


@pytest.mark.parametrize(
    ("data", "declared", "found"),
    [
        (PROGRAM, "application/pdf", "application/x-msdownload"),
        (b"\x7fELF\x02\x01", "image/png", "application/x-executable"),
        (b"#!/bin/sh\nrm -rf /", "text/plain", "application/x-sh"),
        (PDF, "application/octet-stream", "application/pdf"),
        (PDF, "", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\x00", "IMAGE/JPEG; name=x", "image/png"),
        (b"not a picture", "image/png", "text/plain"),
        (b"\x00\x01\x02", "image/png", "application/octet-stream"),
        (b"<!-- x --><HTML><script>", "image/png", "text/html"),
        (b"  <script>alert(1)", "text/plain", "text/html"),
        (b"<svg onload=alert(1)>", "image/png", "image/svg+xml"),
        (b"<?xml version='1.0'?><x/>", "application/atom+xml", "application/atom+xml"),
        (b"PK\x03\x04docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"PK\x03\x04", "image/png", "application/zip"),
        (b"{\\rtf1\\ansi", "", "application/rtf"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic", "image/heic"),
        (CARD, "application/octet-stream", "text/plain"),
        (b"a,b\n1,2\n", "text/csv", "text/csv"),
        (b"\x00\x01", "application/x-own", "application/x-own"),
        (b"", "", "application/octet-stream"),
    ],
)  # fmt: skip
def test_the_type_of_a_file_is_that_of_its_content(data: bytes, declared: str, found: str) -> None:
    assert media_type_of(data, declared) == found


def test_a_program_that_calls_itself_a_picture_is_not_stored(tmp_path: Path) -> None:
    sent = event_with(Attachment(name="holiday.png", media_type="image/png", size_bytes=1))
    event = store_attachments(sent, [PROGRAM], store_in(tmp_path))
    assert event.fields["attachment.1.refused"] == "refused_type"
    assert [(each.media_type, each.reference) for each in event.attachments] == [("application/x-msdownload", "")]
    assert files_in(tmp_path) == []


def test_a_card_in_a_text_of_no_declared_type_is_masked(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.get(store.put(TAG, CARD, media_type="application/octet-stream")) == b"my card is **** **** **** 1111"


def test_texts_with_too_many_digits_are_listed_and_not_stored(tmp_path: Path) -> None:
    texts = [b"5 " * 40_000, b"5 " * 30_000, b"Where is it? " * 1000, b"5-" * 9_000_000]
    sent = event_with(*(Attachment(name="a.txt", media_type="text/plain", size_bytes=len(text)) for text in texts))
    began = time.process_time()
    event = store_attachments(sent, texts, store_in(tmp_path))
    assert time.process_time() - began < 1.0  # it took 20 s
    refused = {name: reason for name, reason in event.fields.items() if name.startswith("attachment")}
    assert refused == {"attachment.2.refused": "too_costly", "attachment.4.refused": "too_costly"}


def test_a_dead_letter_of_digits_holds_what_was_searched() -> None:
    raw = b"4111 1111 1111 1111\n" * 200_000
    searched = privacy.maskable(raw)
    assert 70_000 < searched < 100_000
    assert b"4111" not in privacy.mask_bytes(raw[:searched])[: searched - privacy.MARGIN]
    assert privacy.maskable(b"2026-03-02 10:00 Where is it?\n" * 2_000) == 60_000


# the scanner


def test_a_file_in_which_nothing_is_found_is_stored(tmp_path: Path) -> None:
    with clamd() as scanner:
        store = store_in(tmp_path, scanner.address)
        large = PDF * 40_000
        assert store.get(store.put(TAG, large)) == large
        assert scanner.files == [large]


def test_what_a_scanner_finds_lies_in_quarantine(tmp_path: Path) -> None:
    with clamd() as scanner:
        store = store_in(tmp_path, scanner.address)
        listed = [Attachment(name=name, media_type="application/pdf", size_bytes=1) for name in ("a.pdf", "b.pdf")]
        event = store_attachments(event_with(*listed), [VIRUS, PDF], store)
    assert event.fields["attachment.1.refused"] == "infected"
    assert [bool(each.reference) for each in event.attachments] == [False, True]
    held = [path for path in files_in(tmp_path) if path.startswith("quarantine/")]
    assert len(held) == 1 and (tmp_path / held[0]).read_bytes() == VIRUS
    assert store.erase(TAG) == 2
    assert files_in(tmp_path) == []


def test_a_file_that_the_scanner_finds_too_large_lies_in_quarantine(tmp_path: Path) -> None:
    with clamd(most=100_000) as scanner, pytest.raises(Refused) as refused:
        store_in(tmp_path, scanner.address).put(TAG, PDF * 100_000)
    assert refused.value.reason == "infected"
    assert "larger" in refused.value.detail


@pytest.mark.parametrize("answer", [b"", b"stream: lstat() failed. ERROR\0", b"UNKNOWN COMMAND\0"])
def test_nothing_is_stored_without_the_scanners_answer(tmp_path: Path, answer: bytes) -> None:
    with clamd(answer) as scanner, pytest.raises(Unavailable):
        store_in(tmp_path, scanner.address).put(TAG, PDF)
    assert files_in(tmp_path) == []


def test_nothing_is_stored_while_the_scanner_is_away(tmp_path: Path) -> None:
    with clamd() as scanner:
        address = scanner.address
    with pytest.raises(Unavailable):
        store_in(tmp_path, address).put(TAG, PDF)
    with pytest.raises(Unavailable):
        store_in(tmp_path, f"unix://{tmp_path}/none.sock").put(TAG, PDF)


@pytest.mark.parametrize(
    "address", ["localhost:3310", "clamd://", "clamd://h:x", "unix://", "http://h:1", "unix://host/x"]
)
def test_a_wrong_address_of_a_scanner_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        Scanner.parse(address, 1)


def test_no_address_is_no_scanner() -> None:
    assert Scanner.parse(" ", 1) is None

"""Directories in files: they change, and are wrong in places. Directories are also found by their URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from producers.customers import csv_directory, directory
from producers.customers.csv_directory import CsvDirectory, check_file
from producers.customers.identities import Identities
from producers.customers.profiles import Profile
from schemas.errors import ConfigurationError
from schemas.identity import customer_tag
from schemas.settings import ProducerSettings
from tests.support.producers.crm_server import found, message
from tests.support.timeouts import eventually

BRITISH = Identities("GB")
HEADER = "address,customer_id,name,language,time_zone,tier\n"
ANN = Profile("ext:4711", "Ann Lee", "ja", "Asia/Tokyo", "gold")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(HEADER + "ann@example.org,4711,Ann Lee,ja-JP,Asia/Tokyo,Gold\n", "utf-8")
    return path


def test_a_file_names_customers(path: Path) -> None:
    assert found(CsvDirectory(path, BRITISH)) == ANN


def test_addresses_of_every_kind_belong_to_one_customer(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("020 7946 0000,4711,,,,\nx:@Ann_Lee,ext:4711,,,,\nsocial:7,email:ann@example.org,,,,\n")
    known = CsvDirectory(path, BRITISH)
    assert found(known, "tel:+442079460000").customer_id == "ext:4711"
    assert found(known, "x:ann_lee").customer_id == "ext:4711"
    assert found(known, "social:7").customer_id == "email:ann@example.org"
    assert found(known, "ext:4711") == ANN


def test_an_address_that_is_not_in_it_is_its_own_customer(path: Path) -> None:
    assert found(CsvDirectory(path, BRITISH), "email:bob@example.org") == Profile()


def test_columns_may_be_missing_and_a_byte_order_mark_present(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("\ufeffAddress, Name\r\nann@example.org,Ann\r\n".encode())
    assert found(CsvDirectory(path, BRITISH)) == Profile(name="Ann")


def test_a_wrong_line_is_reported_and_the_others_count(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(
            "nobody,1,,,,\nbob@example.org,2,,,Mars/Base,\ncat@example.org,3,,klingon,,\n"
            "ann@example.org,5,Other,,,\ndan@example.org,6,Dan,en,,,,,\neve@example.org,7,Eve,en,,\n"
        )
    with capture_logs() as logs:
        known = CsvDirectory(path, BRITISH)
    wrong = [(line["where"].rpartition(":")[2], line["problem"]) for line in logs if line["event"] == "directory_line"]
    assert [line for line, _ in wrong] == ["3", "4", "5", "6", "7"]
    assert "'Mars/Base' is not a time zone" in wrong[1][1]
    assert found(known, "email:eve@example.org").name == "Eve"
    assert found(known) == ANN


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name,tier\nAnn,gold\n", "there is no column 'address'"),
        (b"address,nmae\nann@example.org,Ann\n", "'nmae' is not a column"),
        (b"", "there is no column 'address'"),
        (b"address,,name\nann@example.org,x,Ann\n", "'' is not a column"),
        ("address,name\nann@example.org,Jürgen\n".encode("latin-1"), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        CsvDirectory(path, BRITISH)
    if told != "cannot be read":  # only the header is read
        with pytest.raises(ConfigurationError, match=told):
            check_file(path)


def test_a_file_with_a_byte_order_mark_can_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xef\xbb\xbfaddress,name\n")
    check_file(path)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    settings = ProducerSettings(directory_url=str(tmp_path / "none.csv"))  # type: ignore[arg-type]
    for read in (directory.check, directory.enricher):
        with pytest.raises(ConfigurationError, match=r"none.csv: cannot be read: No such file"):
            read(settings)


def test_a_changed_file_is_read_again_unless_it_is_broken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_directory, "_LOOK_SECONDS", 0.0)
    known = CsvDirectory(path, BRITISH)
    path.write_text(HEADER + "ann@example.org,4711,Ann Smith,,,\n", "utf-8")
    eventually(lambda: found(known).name == "Ann Smith")
    path.write_text("nonsense\n", "utf-8")
    with capture_logs() as logs:
        eventually(lambda: found(known) and [line for line in logs if line["event"] == "directory_unreadable"])
    assert found(known).name == "Ann Smith"
    path.unlink()
    assert found(known).name == "Ann Smith"


def test_a_url_of_a_file_is_a_file(path: Path) -> None:
    enricher = directory.enricher(ProducerSettings(directory_url=path.as_uri()))  # type: ignore[arg-type]
    assert enricher(message()).customer_tag == customer_tag("ext:4711")


@pytest.mark.parametrize(
    "url", ["http://crm.example/customers", "https:///{address}", "http://{address}/customers", "http://crm/#{address}"]
)
def test_a_url_that_names_no_customer_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_DIRECTORY_URL: the URL names no customer"):
        directory.check(ProducerSettings(directory_url=url))  # type: ignore[arg-type]


def test_the_url_is_not_shown_with_its_secrets() -> None:
    settings = ProducerSettings(directory_url="https://u:s3cret@crm/{address}?key=s3cret")  # type: ignore[arg-type]
    assert "s3cret" not in repr(settings)

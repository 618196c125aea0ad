"""Mailboxes read by a real process from a real IMAP server (pymap) into a real Kafka."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from producers.publisher import Publisher
from producers.sources.imap import mailbox
from producers.sources.imap.accounts import Account, parse
from producers.sources.imap.mailbox import UidCheckpoint, check
from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.balance import Metrics
from tests.support.producers.certificate import self_signed
from tests.support.producers.imap_server import PASSWORD, USER, ImapServer, imap_server
from tests.support.producers.log_reader import dead_letters, events, free_port, logged, producer, records
from tests.support.timeouts import eventually

LIMIT = 100_000


def mail(number: int | str, body: str = "Hello", more: str = "") -> bytes:
    return (
        f"From: ann@example.org\r\nTo: {USER}\r\nSubject: S{number}\r\nMessage-ID: <{number}@example.org>\r\n{more}\r\n{body}\r\n"
    ).encode()


# which mailboxes


def test_mailboxes_are_named_by_urls() -> None:
    first, second, third = parse(
        "imaps://orders%40shop.example:p%40ss%2Cword@imap.example.org/Help%20desk/Orders,"
        "imap+starttls://bob:x@mail.example.org, imap://eve:y@127.0.0.1:1143/INBOX"
    )
    assert first == Account("imaps", "imap.example.org", 993, "orders@shop.example", "Help desk/Orders", "p@ss,word")
    assert (second.tls, second.port, second.folder) == ("imap+starttls", 143, "INBOX")
    assert third.name == "eve@127.0.0.1:1143/INBOX"
    assert first.message_url(7, 21) == (
        "imap://orders%40shop.example@imap.example.org:993/Help%20desk/Orders;UIDVALIDITY=7/;UID=21"
    )
    assert "p@ss" not in repr(first)


class NeverAsked:
    """A publisher for mailboxes that are only made."""

    settings = ProducerSettings()


def test_a_login_in_plain_text_to_another_host_is_warned_of() -> None:
    accounts = parse("imap://a:x@mail.example.org,imap://b:x@127.0.0.1:1143,imaps://c:x@mail.example.org")
    with structlog.testing.capture_logs() as lines:
        mailbox._mailboxes(accounts, NeverAsked(), ProducerSettings(), threading.Event())  # type: ignore[arg-type]
    assert [(line["event"], line["mailbox"]) for line in lines] == [("plain_text_login", accounts[0].name)]


def test_a_file_of_mailboxes_keeps_secrets_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    entries = [
        "imaps://a:pw@imap.example.org",
        {"url": "imaps://b@imap.example.org/INBOX", "password_file": str(secret), "auth": "xoauth2"},
    ]
    for name in ("boxes.json", "boxes.yaml"):
        (tmp_path / name).write_text(json.dumps(entries))
        one, two = parse(str(tmp_path / name))
        assert (one.secret(), two.secret(), two.auth) == ("pw", "first", "xoauth2")
    secret.write_text("rotated")
    assert two.secret() == "rotated"
    secret.unlink()
    with pytest.raises(Unavailable, match=r"the password file of b@imap\.example\.org/INBOX cannot be read"):
        two.secret()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("", "no mailbox is named"),
        ("imaps://a:SECRET@h,b:SECRET@h", "entry 2: is not imaps://"),
        ("imaps://a:SEC,RET@h", "entry 1: is not imaps://"),
        ("pop3://a:SECRET@h", "entry 1: is not imaps://"),
        ("imaps://a:SECRET@h:port", "entry 1: is not imaps://"),
        ("imaps://a@h", "entry 1: needs one of password and password_file"),
        ("imaps://a:SECRET@h/X,imaps://a:SECRET@h/X", "a@h/X is named twice"),
        ("nowhere.yaml", "nowhere.yaml: cannot be read: No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_without_secrets(setting: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        parse(setting)
    assert "SEC" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- imaps://a:SECRET@h\n- [", ":2: is not valid YAML"),
        ("password: SECRET", "is not a list of mailboxes"),
        (
            "- {url: 'imaps://a@h', pasword: SECRET}",
            "entry 1: is not a URL, nor an object of auth, brand, oauth, password",
        ),
        ("- {url: 'imaps://a@h', password: 12345}", "entry 1: every value must be text"),
        ("- {url: 'imaps://a@h', password: SECRET, brand: A B}", "entry 1: brand is not a slug"),
        ("- {url: 'imaps://a@h', oauth: {client_secret: SECRET}}", "entry 1: oauth needs token_url"),
        ("- {url: 'imaps://a:SECRET@h', oauth: *o}", ":1: is not valid YAML"),
        (
            "- {url: 'imaps://a@h', password: SECRET, auth: plain}",
            "entry 1: auth is one of login, xoauth2, oauthbearer",
        ),
    ],
)
def test_a_wrong_file_of_accounts_is_one_line_without_secrets(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "boxes.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as error:
        parse(str(path))
    assert "SECRET" not in str(error.value) and "12345" not in str(error.value)


def test_a_uid_checkpoint_survives_a_restart_unless_it_is_broken(tmp_path: Path) -> None:
    account = Account("imaps", "h", 993, "a")
    checkpoint = UidCheckpoint(tmp_path, account)
    assert checkpoint.uid_validity is None
    checkpoint.save(account, 7, 21)
    again = UidCheckpoint(tmp_path, account)
    assert (again.uid_validity, again.next_uid) == (7, 21)
    assert UidCheckpoint(tmp_path, Account("imaps", "h", 993, "b")).uid_validity is None
    next(tmp_path.glob("*.json")).write_text("{")
    assert UidCheckpoint(tmp_path, account).uid_validity is None
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"DESKSTREAM_IMAP_STATE_DIR: .* cannot be used"):
        UidCheckpoint(tmp_path / "file" / "below", account)


def test_a_checkpoint_that_cannot_be_written_holds_nothing_up(tmp_path: Path) -> None:
    account = Account("imaps", "h", 993, "a")
    checkpoint = UidCheckpoint(tmp_path / "disk", account)
    checkpoint.save(account, 7, 20)
    (tmp_path / "disk").rename(tmp_path / "away")
    checkpoint.save(account, 7, 21)
    assert checkpoint.next_uid == 21
    (tmp_path / "away").rename(tmp_path / "disk")
    assert UidCheckpoint(tmp_path / "disk", account).next_uid == 20
    checkpoint.save(account, 7, 21)  # the same position once more, when the disk is there again
    assert UidCheckpoint(tmp_path / "disk", account).next_uid == 21


# the process


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "certificate.pem")


@pytest.fixture(scope="module")
def server() -> Iterator[ImapServer]:
    with imap_server() as server:
        yield server


class Reader:
    def __init__(self, process: subprocess.Popen[bytes], metrics: Metrics) -> None:
        self.process, self.metrics = process, metrics


def settings_of(accounts: str, state: Path) -> dict[str, str]:
    return {
        "DESKSTREAM_IMAP_ACCOUNTS": accounts,
        "DESKSTREAM_IMAP_STATE_DIR": str(state),
        "DESKSTREAM_IMAP_RETRY_SECONDS": "1",
        "DESKSTREAM_MAX_BODY_BYTES": str(LIMIT),
    }


@contextmanager
def reading(
    deployment: Deployment, accounts: str, state: Path, *, await_ready: bool = True, **env: str
) -> Iterator[Reader]:
    metrics = Metrics(free_port())
    ours = settings_of(accounts, state) | {"DESKSTREAM_METRICS_PORT": str(metrics.port)}
    with producer(deployment, "imap", **ours | env) as process:
        eventually(metrics.ready if await_ready else metrics.live)
        yield Reader(process, metrics)


def subjects(deployment: Deployment) -> list[str]:
    """In the order of the log: all of them are of one customer."""
    return [event.subject for event in events(deployment)]


def took(reader: Reader, received: int) -> None:
    """Wait until the process has taken so many mails since its start."""
    eventually(lambda: reader.metrics.received() >= received)


def log_of(reader: Reader) -> bytes:
    """Everything that was not read from it yet, after its end."""
    reader.process.send_signal(signal.SIGTERM)
    assert reader.process.wait(60) == 0
    assert reader.process.stderr is not None
    return reader.process.stderr.read()


@pytest.mark.stack
def test_waiting_new_and_already_read_mails_are_taken_in_order(
    deployment: Deployment, server: ImapServer, tmp_path: Path
) -> None:
    server.add([mail(-1)], "Live", read=True)
    server.add([mail(number) for number in range(60)], "Live")
    with reading(deployment, server.url("Live"), tmp_path) as reader:
        took(reader, 60)
        eventually(lambda: server.unread("Live") == 0)
        server.add([mail("new")], "Live")
        took(reader, 61)
        server.add([mail("read")], "Live", read=True)
        took(reader, 62)
        assert reader.metrics.balance() == (62, 62, 0, 0)
        assert list(reader.metrics.counted("source_connected").values()) == [1.0]
        assert PASSWORD.encode() not in log_of(reader)
    server.add([mail("while away")], "Live", read=True)
    with reading(deployment, server.url("Live"), tmp_path) as reader:
        took(reader, 1)
        assert reader.metrics.balance() == (1, 1, 0, 0)
    assert subjects(deployment) == [*(f"S{number}" for number in range(60)), "Snew", "Sread", "Swhile away"]
    assert events(deployment)[0].source == f"imap:{USER}@127.0.0.1:{server.port}/Live"


@pytest.mark.stack
def test_duplicates_oversized_and_broken_mails_all_have_an_outcome(
    deployment: Deployment, server: ImapServer, tmp_path: Path
) -> None:
    lies = mail("lies", more="Content-Type: text/plain; charset=us-ascii\r\n").replace(
        b"Hello", "注文が届きません".encode("shift_jis")
    )
    huge = mail("huge", "x" * LIMIT)
    answer, question = mail("b", more="In-Reply-To: <a@example.org>\r\n"), mail("a")
    server.add([answer, question, question, huge, lies, b"\x01\x02 no mail"], "Odd")
    accounts = server.url("Odd")
    with reading(deployment, accounts, tmp_path) as reader:
        took(reader, 6)
        assert reader.metrics.balance() == (6, 3, 1, 2)
        eventually(lambda: server.unread("Odd") == 0)
    found = {event.subject: event for event in events(deployment)}
    assert list(found) == ["Sb", "Sa", "Slies"]
    assert found["Slies"].text == "注文が届きません"
    by_reason = {dead_letter.headers["reason"]: dead_letter for dead_letter in dead_letters(deployment)}
    assert by_reason["undecodable_mime"].raw == b"\x01\x02 no mail"
    kept = by_reason["too_large"]
    assert kept.raw == huge and kept.headers["producer"] == "email"
    assert re.fullmatch(
        rf"imap://support%40shop\.example@127\.0\.0\.1:{server.port}/Odd;UIDVALIDITY=\d+/;UID=104",
        kept.headers["kept-at"],
    )
    with producer(deployment, "imap", "--once", **settings_of(accounts, tmp_path)) as again:
        assert again.wait(90) == 0
    assert len(records(deployment, "contact-events")) == 3


@pytest.mark.stack
def test_a_new_uidvalidity_means_another_scan_without_duplicates(
    deployment: Deployment, server: ImapServer, tmp_path: Path
) -> None:
    old = [mail(number) for number in range(3)]
    server.add(old, "Moved")
    with reading(deployment, server.url("Moved"), tmp_path, DESKSTREAM_IMAP_IDLE_SECONDS="0.5") as reader:
        took(reader, 3)
        server.replace("Moved", [*old, mail(3)])  # all of them read, as after a restored backup
        logged(reader.process, "uid_validity_changed")
        took(reader, 7)
        assert reader.metrics.balance() == (7, 4, 3, 0)
    assert subjects(deployment) == ["S0", "S1", "S2", "S3"]


@pytest.mark.stack
def test_a_lost_server_is_found_again_and_mailboxes_are_isolated(deployment: Deployment, tmp_path: Path) -> None:
    with imap_server() as going, imap_server("--no-idle") as staying:
        accounts = ",".join([going.url(), staying.url(), staying.url("Other", password="wrong")])
        polling = {"DESKSTREAM_IMAP_POLL_SECONDS": "0.3"}
        with reading(deployment, accounts, tmp_path, await_ready=False, **polling) as reader:
            going.add([mail(1)])
            took(reader, 1)
            going.stop()
            logged(reader.process, "cannot connect: .*refused.*mailbox_lost")
            staying.add([mail(2)])
            took(reader, 2)
            going.start()
            going.add([mail(1), mail(3)])
            took(reader, 4)
            assert len(reader.metrics.counted("source_connected")) == 2
            assert reader.metrics.live() and not reader.metrics.ready()
            assert reader.metrics.balance() == (4, 3, 1, 0)
            assert b"login refused" in log_of(reader)
    assert subjects(deployment) == ["S1", "S2", "S3"]


# one look


def look(accounts: str, state: Path) -> dict[str, int]:
    """What `python -m producers imap --check` does; Kafka is not needed for it."""
    settings = ProducerSettings(imap_state_dir=state, imap_timeout_seconds=60)
    return check(parse(accounts), Publisher(settings), settings)


def test_check_logs_in_and_counts_what_waits_and_changes_nothing(server: ImapServer, tmp_path: Path) -> None:
    server.add([mail(1), mail(2)], "Checked")
    for _ in range(2):
        assert look(server.url("Checked"), tmp_path) == {f"{USER}@127.0.0.1:{server.port}/Checked": 2}
    assert server.unread("Checked") == 2


def test_a_users_mistake_is_one_line_without_the_secret(server: ImapServer, tmp_path: Path) -> None:
    closed = free_port()
    name = f"{USER}@127.0.0.1:{server.port}"
    for accounts, kind, says in (
        (server.url(password="wrong"), ConfigurationError, f"DESKSTREAM_IMAP_ACCOUNTS: {name}/INBOX: login refused: "),
        (server.url("Nowhere"), Unavailable, f"{name}/Nowhere: cannot select Nowhere: "),
        (f"imap://a:wrong@127.0.0.1:{closed}", Unavailable, f"a@127.0.0.1:{closed}/INBOX: cannot connect: "),
    ):
        with pytest.raises(kind) as error:
            look(accounts, tmp_path)
        assert str(error.value).startswith(says)
        assert "wrong" not in str(error.value) and "\n" not in str(error.value)


def test_starttls_is_checked_against_the_given_certificates(certificate: Path, tmp_path: Path) -> None:
    with imap_server("--cert", str(certificate), "--key", str(certificate)) as server:
        account = server.url(scheme="imap+starttls", host="localhost")
        settings = ProducerSettings(imap_state_dir=None, imap_timeout_seconds=60, imap_ca_file=certificate)
        assert list(check(parse(account), Publisher(settings), settings).values()) == [0]
        with pytest.raises(Unavailable, match="certificate verify failed"):
            look(account, tmp_path)

"""Mail on disk, taken once or watched, through a real Kafka."""

from __future__ import annotations

import mailbox
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from producers.publisher import Outcome, Publisher, Receipt
from producers.sources import files
from schemas.errors import ConfigurationError, Unavailable
from schemas.process import Health
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.log_reader import Counts, dead_letters, events, free_port, logged, producer, records
from tests.support.timeouts import eventually

LIMIT = 1_000_000


def raw_mail(number: int | str, body: str = "Hello") -> bytes:
    return f"From: ann{number}@example.org\nMessage-ID: <{number}@example.org>\nSubject: S{number}\n\n{body}\n".encode()


def make_maildir(path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def settings(deployment: Deployment) -> ProducerSettings:
    return deployment.settings(ProducerSettings, max_body_bytes=LIMIT)


@pytest.fixture
def publisher(settings: ProducerSettings) -> Iterator[Publisher]:
    with Publisher(settings) as publisher:
        yield publisher


Take = Callable[..., files.Tally]


@pytest.fixture
def take(publisher: Publisher, settings: ProducerSettings) -> Take:
    def run(path: Path, *, imported: bool = False, watched: bool = False) -> files.Tally:
        source = files.open_source(path, max_bytes=LIMIT, imported=imported, watched=watched)
        return files.run(
            source, publisher, settings, watch=False, imported=imported, health=Health(), stop=threading.Event()
        )

    return run


def tree(path: Path) -> list[str]:
    return sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())


def subjects(deployment: Deployment) -> list[str]:
    return sorted(event.subject for event in events(deployment))


@pytest.mark.stack
def test_only_mails_of_a_folder_are_published_and_moved(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(raw_mail(number))
    (tmp_path / "bad.EML").write_bytes(b"\x00\x01 no mail")
    (tmp_path / "huge.eml").write_bytes(raw_mail("huge", "x" * (LIMIT + 1)))
    others = (".hidden.eml", "half.eml.tmp", "notes.txt")
    for other in others:
        (tmp_path / other).write_bytes(raw_mail("other"))
    tally = take(tmp_path)
    assert tally.outcomes == {Outcome.PUBLISHED: 3, Outcome.DEAD_LETTERED: 2}
    assert subjects(deployment) == ["S0", "S1", "S2"]
    assert tree(tmp_path) == sorted(
        f"done/0.eml done/1.eml done/2.eml refused/bad.EML refused/huge.eml {' '.join(others)}".split()
    )
    by_reason = {dead_letter.headers["reason"]: dead_letter for dead_letter in dead_letters(deployment)}
    assert by_reason["undecodable_mime"].raw == b"\x00\x01 no mail"
    assert by_reason["too_large"].headers["kept-at"] == str(tmp_path / "refused" / "huge.eml")
    assert by_reason["too_large"].headers["producer"] == "email"
    assert take(tmp_path).taken == 0


@pytest.mark.stack
def test_a_mail_that_costs_too_much_is_taken_once(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    costly = b"X-A: b\n" * 20_001 + raw_mail("costly")
    (tmp_path / "costly.eml").write_bytes(costly)
    (tmp_path / "other.eml").write_bytes(raw_mail("other"))
    assert take(tmp_path).outcomes == {Outcome.PUBLISHED: 1, Outcome.DEAD_LETTERED: 1}
    assert tree(tmp_path) == ["done/other.eml", "refused/costly.eml"]
    (dead_letter,) = dead_letters(deployment)
    assert (dead_letter.headers["reason"], dead_letter.raw) == ("too_costly", costly)
    assert take(tmp_path).taken == 0


@pytest.mark.stack
def test_a_maildir_moves_from_new_to_cur(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    make_maildir(tmp_path)
    (tmp_path / "new" / "1.host").write_bytes(raw_mail(1))
    (tmp_path / "new" / "2.host:2,").write_bytes(b"no mail at all")
    (tmp_path / "cur" / "0.host:2,S").write_bytes(raw_mail(0))
    (tmp_path / "tmp" / "3.host").write_bytes(raw_mail(3))
    assert take(tmp_path).taken == 2
    assert tree(tmp_path) == ["cur/0.host:2,S", "cur/1.host:2,S", "refused/2.host:2,", "tmp/3.host"]
    assert subjects(deployment) == ["S1"]


@pytest.mark.stack
def test_an_imported_maildir_includes_the_mail_that_was_read(
    deployment: Deployment, take: Take, tmp_path: Path
) -> None:
    make_maildir(tmp_path)
    (tmp_path / "new" / "1.host").write_bytes(raw_mail(1))
    (tmp_path / "cur" / "0.host:2,S").write_bytes(raw_mail(0))
    assert take(tmp_path, imported=True).taken == 2
    assert subjects(deployment) == ["S0", "S1"]
    assert all(event.imported for event in events(deployment))


@pytest.mark.stack
def test_an_mbox_is_split_as_the_standard_library_splits_it(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    path = tmp_path / "archive.mbox"
    box = mailbox.mbox(path)
    for number in range(5):
        box.add(raw_mail(number, "First line\n\nFrom the start it was broken.\n>From here too\nFrom now on?"))
    box.flush()
    box.close()
    before = path.read_bytes()
    assert take(path).taken == 5
    assert subjects(deployment) == [f"S{number}" for number in range(5)]
    texts = {event.full_text for event in events(deployment)}
    assert texts == {"First line\n\nFrom the start it was broken.\nFrom here too\nFrom now on?"}
    assert path.read_bytes() == before


@pytest.mark.stack
def test_a_broken_or_huge_mail_in_an_mbox_costs_no_neighbour(
    deployment: Deployment, take: Take, tmp_path: Path
) -> None:
    path, line = tmp_path / "box", b"From ann@example.org Mon Mar  2 10:00:00 2026\n"
    bad, huge = b"no header here\n", raw_mail("huge", "y\n" * LIMIT)
    path.write_bytes(b"\n".join(line + mail for mail in (raw_mail(1), bad, huge, raw_mail(2))))
    assert take(path).outcomes == {Outcome.PUBLISHED: 2, Outcome.DEAD_LETTERED: 2}
    assert subjects(deployment) == ["S1", "S2"]
    assert {dead_letter.headers["reason"] for dead_letter in dead_letters(deployment)} == {
        "undecodable_mime",
        "too_large",
    }


@pytest.mark.stack
def test_a_watched_mbox_remembers_how_far_it_was_read(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    path, line = tmp_path / "box", b"From ann@example.org Mon Mar  2 10:00:00 2026\n"
    path.write_bytes(line + raw_mail(1) + b"\n")
    assert take(path, watched=True).taken == 1
    with path.open("ab") as file:
        file.write(line + raw_mail(2) + b"\n")
    assert take(path, watched=True).taken == 1  # a new source, as after a restart
    path.write_bytes(line + raw_mail(3))  # replaced by a shorter one
    assert take(path, watched=True).taken == 1
    assert len(records(deployment, "contact-events")) == 3


@pytest.mark.stack
def test_one_file_is_one_mail(deployment: Deployment, take: Take, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(raw_mail(1))
    assert take(tmp_path / "one.eml").taken == 1
    assert subjects(deployment) == ["S1"]
    assert tree(tmp_path) == ["one.eml"]


@pytest.mark.stack
def test_a_crash_before_moving_gives_the_same_event_again(
    deployment: Deployment, settings: ProducerSettings, tmp_path: Path
) -> None:
    class Crash(BaseException):
        pass

    class DiesBeforeMoving(files.Folder):
        def finish(self, mail: files.Mail, receipt: Receipt) -> None:
            raise Crash

    (tmp_path / "a.eml").write_bytes(b"From: ann@example.org\n\nno message id\n")
    about = {"watch": False, "imported": False, "health": Health(), "stop": threading.Event()}
    with Publisher(settings) as publisher, pytest.raises(Crash):
        files.run(DiesBeforeMoving(tmp_path, LIMIT), publisher, settings, **about)  # type: ignore[arg-type]
    assert tree(tmp_path) == ["a.eml"]
    with Publisher(settings) as publisher:  # the next process, which remembers nothing
        files.run(files.Folder(tmp_path, LIMIT), publisher, settings, **about)  # type: ignore[arg-type]
    assert tree(tmp_path) == ["done/a.eml"]
    first, second = events(deployment)
    assert first.event_id == second.event_id


@pytest.mark.stack
def test_a_killed_process_leaves_mails_waiting_or_published(deployment: Deployment, tmp_path: Path) -> None:
    done, count = tmp_path / "done", 0
    while count == moved(done):  # once more when it was too fast to be killed half-way
        assert count < 4000
        for number in range(count, count + 400):
            (tmp_path / f"{number}.eml").write_bytes(raw_mail(number))
        count += 400
        with producer(deployment, "mail", str(tmp_path), "--watch") as process:
            eventually(lambda most=count - 380: moved(done) > most)
            process.kill()
            process.wait()
    with producer(deployment, "mail", str(tmp_path)) as process:
        assert process.wait(60) == 0
    assert moved(done) == count
    found = events(deployment)
    assert {event.subject for event in found} == {f"S{number}" for number in range(count)}
    assert len({event.event_id for event in found}) == count


def moved(done: Path) -> int:
    return len(list(done.glob("*.eml")))


@pytest.mark.stack
def test_a_watched_folder_waits_for_growing_files_and_drains(deployment: Deployment, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    with producer(deployment, "mail", str(inbox), "--watch") as process:
        logged(process, "connected")
        assert inbox.is_dir()  # made, so that there is somewhere to drop mail
        (inbox / "1.eml").write_bytes(raw_mail(1))
        eventually(lambda: (inbox / "done" / "1.eml").exists())
        number, paused = 1, float("inf")
        while paused >= files.POLL_SECONDS:  # who pauses so long may be taken for finished: that was no slow writer
            number += 1
            assert number < 20, "this machine is too busy for a steady writer"
            paused = write_slowly(inbox / f"{number}.eml", raw_mail(number, "a\nb\nc\nd\ne\nf"))
            eventually((inbox / "done" / f"{number}.eml").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    texts = {event.subject: event.text for event in events(deployment)}
    assert (texts["S1"], texts[f"S{number}"]) == ("Hello", "a\nb\nc\nd\ne\nf")


def write_slowly(path: Path, raw: bytes) -> float:
    """Line by line; the longest time between two writes, in seconds."""
    longest = 0.0
    with path.open("wb", buffering=0) as file:
        wrote = time.monotonic()
        for line in raw.splitlines(keepends=True):
            file.write(line)
            longest, wrote = max(longest, time.monotonic() - wrote), time.monotonic()
            time.sleep(0.1)
    return longest


@pytest.mark.stack
def test_without_kafka_mail_stays_and_the_exit_code_is_3(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(raw_mail(1))
    closed = {"DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with producer(deployment, "mail", str(tmp_path), **closed) as process:
        logged(process, "deskstream: Kafka at .* does not answer")
        assert process.wait(60) == 3
    assert tree(tmp_path) == ["1.eml"]


def test_a_watch_goes_on_while_kafka_is_away(tmp_path: Path) -> None:
    settings = ProducerSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", publish_timeout_seconds=1)
    (tmp_path / "1.eml").write_bytes(raw_mail(1))
    stop, health, before = threading.Event(), Health(), Counts.now()
    with Publisher(settings) as publisher:
        source = files.Folder(tmp_path, LIMIT)
        about = {"watch": True, "imported": False, "health": health, "stop": stop}
        thread = threading.Thread(target=files.run, args=(source, publisher, settings), kwargs=about)
        thread.start()
        eventually(lambda: "does not answer" in health.problem)
        assert health.live()[0] and not health.ready
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
        with pytest.raises(Unavailable):
            files.run(source, publisher, settings, **about | {"watch": False})  # type: ignore[arg-type]
    assert Counts.now() == before
    assert tree(tmp_path) == ["1.eml"]


class Connected:
    """A publisher that has nothing to do."""

    settings = ProducerSettings()

    def connect(self) -> None:
        """Kafka answers."""


def test_a_run_over_an_empty_folder_counts_nothing(tmp_path: Path) -> None:
    health = Health()
    tally = files.run(
        files.Folder(tmp_path, LIMIT),
        Connected(),  # type: ignore[arg-type]
        ProducerSettings(),
        watch=False,
        imported=False,
        health=health,
        stop=threading.Event(),
    )
    assert isinstance(tally, files.Tally)
    assert (health.ready, health.problem) == (True, "")


class Away(Connected):
    """A publisher whose Kafka does not answer."""

    connected = False

    def connect(self) -> None:
        raise Unavailable("Kafka does not answer")


@pytest.mark.parametrize("publisher", [Connected(), Away()], ids=["connected", "away"])
def test_a_watch_that_is_ended_returns_its_tally(publisher: Any, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    tally = files.run(
        files.Folder(tmp_path, LIMIT),
        publisher,
        ProducerSettings(),
        watch=True,
        imported=False,
        health=Health(),
        stop=stop,
    )
    assert isinstance(tally, files.Tally)


def test_a_file_that_grows_between_two_looks_is_left_alone(tmp_path: Path) -> None:
    folder = files.Folder(tmp_path, LIMIT)
    path = tmp_path / "1.eml"
    path.write_bytes(b"From: ann")
    assert list(folder.waiting(settled_only=True)) == []
    assert folder.growing == 1
    path.write_bytes(raw_mail(1))
    assert list(folder.waiting(settled_only=True)) == []
    [mail] = folder.waiting(settled_only=True)
    assert (mail.raw, folder.growing) == (raw_mail(1), 0)


def test_a_settled_file_is_taken_at_once(tmp_path: Path) -> None:
    path = tmp_path / "1.eml"
    path.write_bytes(raw_mail(1))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert len(list(files.Folder(tmp_path, LIMIT).waiting(settled_only=True))) == 1


def test_a_name_that_is_taken_overwrites_nothing(tmp_path: Path) -> None:
    folder = files.Folder(tmp_path, LIMIT)
    for body in ("one", "two", "three"):
        (tmp_path / "a.eml").write_bytes(raw_mail(1, body))
        [mail] = folder.waiting(settled_only=False)
        folder.finish(mail, Receipt(Outcome.PUBLISHED, "E"))
    assert tree(tmp_path) == ["done/a.1.eml", "done/a.2.eml", "done/a.eml"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: make_maildir(path), files.Maildir),
        (lambda path: path.mkdir(), files.Folder),
        (
            lambda path: path.write_bytes(b"From a@b.example Mon Mar  2 10:00:00 2026\nFrom: a@b.example\n\nx\n"),
            files.Mbox,
        ),
        (lambda path: path.write_bytes(raw_mail(1)), files.SingleFile),
    ],
)
def test_what_a_path_is_is_found_by_looking(make: Callable[[Path], object], kind: type, tmp_path: Path) -> None:
    make(tmp_path / "x")
    assert type(files.open_source(tmp_path / "x", max_bytes=LIMIT, imported=False, watched=False)) is kind


def test_a_path_without_mail_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is nothing"):
        files.open_source(tmp_path / "x", max_bytes=LIMIT, imported=False, watched=False)
    (tmp_path / "one.eml").write_bytes(raw_mail(1))
    with pytest.raises(ConfigurationError, match="cannot be watched"):
        files.open_source(tmp_path / "one.eml", max_bytes=LIMIT, imported=False, watched=True)

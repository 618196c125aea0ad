"""In which portions a mailbox is fetched."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from producers.sources.imap import mailbox


class Server:
    """Knows the sizes of mails; uid 4 is gone."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        self.asked.append(list(uids))
        return {uid: 10 * uid for uid in uids if uid != 4}


def test_a_portion_holds_so_many_mails_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_CHUNK_MAILS", 5)
    monkeypatch.setattr(mailbox, "_CHUNK_BYTES", 60)
    server = Server()
    chunks = list(mailbox._chunks(server, range(1, 9), 70))  # type: ignore[arg-type]
    assert chunks == [[(1, 10), (2, 20), (3, 30)], [(5, 50)], [(6, 60)], [(7, 70)], [(8, 80)]]
    assert server.asked == [[1, 2, 3, 4, 5], [6, 7, 8]]


def test_a_mail_counts_with_as_much_as_is_fetched_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_CHUNK_BYTES", 60)
    assert list(mailbox._chunks(Server(), [7, 8, 9], 30)) == [[(7, 70), (8, 80)], [(9, 90)]]  # type: ignore[arg-type]
    assert list(mailbox._chunks(Server(), [4], 30)) == []  # type: ignore[arg-type]

"""What servers mean by a bounce without a telling status code."""

from __future__ import annotations

import pytest

from producers.mail.bounce_words import status_code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("smtp; 550 no such user here", "5.1.1"),
        ("smtp; 550 Requested action not taken: mailbox unavailable", "5.1.1"),
        ("smtp; 554 delivery error: dd This user doesn't have a yahoo.example account (ann@yahoo.example) [0]", "5.1.1"),
        ("smtp; 550 <ann@example.org>: Recipient address rejected: User unknown in virtual mailbox table", "5.1.1"),
        ("smtp; 550 Unknown recipient", "5.1.1"),
        ("smtp; 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)", "5.1.1"),
        ("smtp; 550 Invalid recipient ann@example.org", "5.1.1"),
        ("smtp; 553 sorry, that domain isn't in my list; not our customer", "5.1.1"),
        ("smtp; 550 The email account that you tried to reach does not exist.", "5.1.1"),
        ("gone@customer.example\n    Unrouteable address", "5.1.1"),
        ("smtp; 550 Account ann is disabled", "5.2.1"),
        ("smtp; 550 This address is no longer in use", "5.2.1"),
        ("smtp; 552 Mailbox is full", "5.2.2"),
        ("smtp; 452 The user you are trying to contact is over quota", "5.2.2"),
        ("Unrouteable mail domain \"exmaple.org\"", "5.1.2"),
        ("Host or domain name not found. Name service error for name=exmaple.org type=MX", "5.1.2"),
        ("smtp; 552 Message too large", "5.3.4"),
        ("smtp; 550 Message rejected as spam", "5.7.1"),
        ("smtp; 554 Service unavailable; client host [192.0.2.1] blocked using zen.example", "5.7.1"),
        ("smtp; 550 relaying denied", "5.7.1"),
        ("smtp; 550 mailbox unavailable: your IP is on a blocklist", "5.7.1"),
        ("smtp; 550 SPF check failed, mailbox unavailable", "5.7.1"),
        ("smtp; 550 5.4.1 All recipient addresses rejected : Access denied", "5.4.1"),
        ("smtp; 554 transaction failed", "5.0.0"),
        ("", "5.0.0"),
    ],
)  # fmt: skip
def test_words_tell_what_a_general_code_does_not(words: str, code: str) -> None:
    assert status_code("5.0.0", words) == code
    assert status_code("5.0.0", "", words) == code
    assert status_code("", words) == ("" if code == "5.0.0" else code)


def test_a_telling_code_is_not_overruled() -> None:
    assert status_code("5.7.1", "no such user") == "5.7.1"
    assert status_code("4.4.7", "no such user") == "4.4.7"


def test_a_temporary_code_stays_temporary() -> None:
    assert status_code("4.0.0", "smtp; 452 mailbox is full") == "4.2.2"


def test_the_answer_of_the_server_counts_before_the_text_to_people() -> None:
    assert status_code("5.0.0", "smtp; 550 blocked", "If the address does not exist, correct it.") == "5.7.1"

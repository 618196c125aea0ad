"""Who wrote a mail: every way of writing a From header, and that no name is taken for an address."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.mail import event as email
from producers.mail.addresses import addresses
from schemas.errors import Refused
from tests.support.each import each
from tests.support.producers.mail_senders import FORMS, UNUSABLE, written_senders

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
STRANGE = st.lists(
    st.sampled_from(['"', "<", ">", "(", ")", ",", ";", ":", "\\", "@", "=?utf-8?Q?", "?=", "a", "a@x.example", "<b@y.example>", " ", "&lt;", "\x01", "ü", "[", "]"]),
    max_size=20,
).map("".join)  # fmt: skip


def in_a_mail(header: str | bytes) -> bytes:
    return b"From: " + (header if isinstance(header, bytes) else header.encode()) + b"\nSubject: x\n\nHello\n"


@each(("header", "name", "address"), FORMS)
def test_a_from_header_names_its_sender(header: str | bytes, name: str, address: str) -> None:
    event = email.normalise(in_a_mail(header), now=NOW)
    assert (event.address, event.customer_name) == (address, name)


@pytest.mark.parametrize("header", UNUSABLE, ids=lambda each: each[:60])
def test_a_header_without_a_usable_address_names_nobody(header: str) -> None:
    with pytest.raises(Refused) as refused:
        email.normalise(in_a_mail(header), now=NOW)
    assert refused.value.reason == "no_sender"


def idn(address: str) -> str:
    return address.replace("münchen", "xn--mnchen-3ya")


@settings(max_examples=600, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(written_senders())
def test_any_name_beside_an_address_leaves_the_address(written: tuple[str, str]) -> None:
    header, address = written
    found = addresses([header.encode().decode("ascii", "surrogateescape")])
    assert found and found[0][1] == idn(address)


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(STRANGE)
def test_what_stands_in_brackets_last_is_the_only_sender(words: str) -> None:
    """Unless separators, brackets or encoded words of its own are among the words, which may say something else."""
    found = addresses([words])
    assert all(address.count("@") >= 1 for _, address in found)
    if not any(sign in words for sign in '",;<=(&'):
        assert [address for _, address in addresses([f"{words} <c@z.example>"])] == ["c@z.example"]


@pytest.mark.parametrize(
    "piece",
    ["a,", "a@x.example,", "(", "()", '"\\"', "<a,", "=?a?b?", "a;:", "<a@x.example>", "((a", '"<', "a@", "@a."],
)
def test_twenty_thousand_characters_are_read_at_once(piece: str) -> None:
    began = time.process_time()
    addresses([piece * (20_000 // len(piece))])
    assert time.process_time() - began < 1.0

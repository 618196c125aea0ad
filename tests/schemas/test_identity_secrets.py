"""Names that nobody outside can make: tags keyed with a secret, and ticket tokens with a MAC."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import identity
from schemas.errors import ConfigurationError
from schemas.settings import Settings, load
from tests.support.secrets import FIRST, SECOND, secrets

ANN, TEL = "email:ann@example.org", "tel:+15550100"
TICKET = "ABCDEFGHIJ23-7"
_TEXT = st.text(max_size=40)
_TICKETS = st.builds("{}-{}".format, st.from_regex(r"[A-Z2-7]{12}", fullmatch=True), st.integers(1, 999_999_999))


@pytest.fixture
def keyed() -> Iterator[None]:
    with secrets(FIRST):
        yield


def in_mail(text: str) -> set[str]:
    """The ticket of a mail that has the token in its address, its subject, or a Message-ID that it answers."""
    return {
        identity.ticket_in_mail("", [f"Support <support+{text}@shop.example>"], []),
        identity.ticket_in_mail(f"Re: Parcel [#{text}]", [], []),
        identity.ticket_in_mail("", [], [f"<ds.{text}.ack.1@shop.example>"]),
    }


# -- tags ---------------------------------------------------------------------------------------------------------


def test_a_list_of_telephone_numbers_finds_no_keyed_tag() -> None:
    """The attack: whoever has tags hashes every number of an area, and looks which of them comes out."""
    numbers = [f"tel:+1555{number:04}" for number in range(2_000)]
    with secrets(FIRST):
        stolen = {identity.customer_tag(number) for number in numbers[::100]}
    assert not stolen.intersection(map(identity.customer_tag, numbers))
    with secrets(SECOND):
        assert not stolen.intersection(map(identity.customer_tag, numbers))


def test_tags_are_the_same_in_every_process_with_the_secret(keyed: None) -> None:
    tag = identity.customer_tag(TEL)
    assert re.fullmatch(r"[A-Z2-7]{12}", tag)
    with secrets(FIRST, SECOND):
        assert identity.customer_tag(TEL) == tag


def test_a_tag_of_an_earlier_secret_is_recognised_as_the_customers() -> None:
    unkeyed = identity.customer_tag(ANN)
    with secrets(FIRST):
        earlier = identity.customer_tag(ANN)
    with secrets(SECOND, FIRST):
        tags = {identity.customer_tag(ANN), earlier, unkeyed}
        assert len(tags) == 3
        assert all(identity.is_tag_of(tag, ANN) for tag in tags)
        assert not any(identity.is_tag_of(tag, TEL) for tag in tags)
    with secrets(SECOND):
        assert not identity.is_tag_of(earlier, ANN)


def test_what_an_erased_customer_stopped_is_known_by_a_keyed_digest() -> None:
    unkeyed = identity.seals("+15550100")
    with secrets(FIRST):
        today, *earlier = identity.seals("+15550100")
        assert today not in unkeyed
        assert set(earlier) == set(unkeyed)


# -- tokens -------------------------------------------------------------------------------------------------------


@given(_TICKETS)
def test_a_token_of_ours_names_its_ticket_wherever_it_stands(ticket: str) -> None:
    with secrets(FIRST):
        token = identity.ticket_token(ticket)
        assert in_mail(token) == in_mail(token.lower()) == in_mail(token.swapcase()) == {ticket}
        made = identity.reply_address(ticket, "s.example"), identity.subject_token(ticket)
        assert made == (f"support+{token}@s.example", f"[#{token}]")
        assert identity.mail_message_id(ticket, "u1", "s.example") == f"<ds.{token}.u1@s.example>"


@given(_TICKETS)
def test_a_ticket_id_alone_is_no_token(ticket: str) -> None:
    """The attack: an id that was overheard, or reckoned from a telephone number, as the address of a mail."""
    with secrets(FIRST):
        assert in_mail(ticket) == {""}


@given(_TICKETS, _TICKETS)
def test_the_mac_of_one_ticket_is_none_for_another(ticket: str, other: str) -> None:
    assume(ticket != other)
    with secrets(FIRST):
        mac = identity.ticket_token(ticket).rpartition("-")[2]
        assert in_mail(f"{other}-{mac}") == {""}


@given(_TICKETS, st.data())
def test_a_changed_mac_is_none(ticket: str, data: st.DataObject) -> None:
    with secrets(FIRST):
        token = identity.ticket_token(ticket)
        place = data.draw(st.integers(len(token) - identity.MAC_LENGTH, len(token) - 1))
        other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").filter(lambda each: each != token[place]))
        assert in_mail(token[:place] + other + token[place + 1 :]) == {""}


@given(st.from_regex(r"[A-Z2-7]{1,40}", fullmatch=True))
def test_no_text_behind_a_ticket_id_is_guessed(keyed_text: str) -> None:
    with secrets(FIRST):
        assume(identity.ticket_token(TICKET) != f"{TICKET}-{keyed_text}")
        assert in_mail(f"{TICKET}-{keyed_text}") == {""}


@given(_TEXT, st.lists(_TEXT, max_size=3), st.lists(_TEXT, max_size=3))
def test_anything_else_in_a_mail_names_no_ticket(subject: str, recipients: list[str], ids: list[str]) -> None:
    with secrets(FIRST):
        assert identity.ticket_in_mail(subject, recipients, ids) == ""


def test_a_token_behind_a_false_one_is_found(keyed: None) -> None:
    token = identity.ticket_token(TICKET)
    assert identity.ticket_in_mail(f"[#ZZZZZZ777777-12] Re: [#{token}]", [], []) == TICKET
    assert identity.ticket_in_mail("", ["a+ZZZZZZ777777-1@s.example", f"a+{token}@s.example"], []) == TICKET
    assert identity.ticket_in_mail(f"[#{token}]", ["a+ZZZZZZ777777-1@s.example"], ["<ds.ZZZZZZ777777-1.u@s>"]) == TICKET


def test_an_address_with_a_token_fits_into_a_local_part(keyed: None) -> None:
    assert len(identity.reply_address("ABCDEFGHIJ23-999999999", "x").partition("@")[0]) <= 64  # RFC 5321, 4.5.3.1.1


def test_tokens_signed_with_an_earlier_secret_still_count() -> None:
    with secrets(FIRST, tokens=(SECOND,)):
        token = identity.ticket_token(TICKET)
    with secrets(FIRST, tokens=(FIRST, SECOND)):
        assert identity.ticket_token(TICKET) != token
        assert in_mail(token) == {TICKET}
    with secrets(FIRST, tokens=(FIRST,)):
        assert in_mail(token) == {""}


def test_a_rotation_of_the_tokens_leaves_the_tags_alone() -> None:
    with secrets(FIRST):
        tag = identity.customer_tag(ANN)
    with secrets(FIRST, tokens=(SECOND,)):
        assert identity.customer_tag(ANN) == tag


def test_without_secrets_names_are_those_of_before() -> None:
    with secrets():
        assert identity.ticket_token(TICKET) == TICKET
        assert in_mail(TICKET) == {TICKET}


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DESKSTREAM_TAG_SECRETS", "DESKSTREAM_TOKEN_SECRETS"])
def test_a_short_secret_is_refused_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f"{FIRST},hunter2")
    with pytest.raises(ConfigurationError, match="16 characters") as refused:
        load(Settings)
    assert "hunter2" not in str(refused.value)
    assert name in str(refused.value)


def test_a_fingerprint_tells_secrets_apart_and_is_none() -> None:
    assert identity.fingerprint(FIRST) != identity.fingerprint(SECOND)
    assert FIRST not in identity.fingerprint(FIRST)

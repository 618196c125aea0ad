"""Names that two processes derive in the same way, and the ticket tokens that people's mail programs mangle."""

from __future__ import annotations

import base64
import re
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import identity

TAG = "ABCDEFGHIJ23"
TICKET = f"{TAG}-7"
OTHER = "ZZZZZZ777777-12"
ANY_TEXT = st.text(st.characters())  # lone surrogates too: sources send them


@given(ANY_TEXT)
def test_a_customer_tag_is_12_base32_characters_and_always_the_same(customer: str) -> None:
    tag = identity.customer_tag(customer)
    assert re.fullmatch(r"[A-Z2-7]{12}", tag)
    assert identity.customer_tag(customer) == tag


def test_a_customer_tag_is_the_start_of_blake2b_in_base32() -> None:
    digest = blake2b(b"email:ann@example.org", digest_size=8).digest()
    assert identity.customer_tag("email:ann@example.org") == base64.b32encode(digest)[:12].decode()


def test_a_customer_tag_gives_nothing_of_the_customer_away() -> None:
    assert "ANN" not in identity.customer_tag("email:ann@example.org")


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("email", " Ann@Example.ORG\n", "email:ann@example.org"),
        ("tel", "+15550100 ", "tel:+15550100"),
        ("chat", "AbC", "chat:AbC"),  # the handles of other channels may differ in case alone
    ],
)
def test_a_customer_has_one_canonical_id(kind: str, value: str, canonical: str) -> None:
    assert identity.canonical_customer_id(kind, value) == canonical


# -- ticket ids ---------------------------------------------------------------------------------------------------


@given(ANY_TEXT, st.integers(1, 999_999_999))
def test_a_ticket_id_splits_into_what_it_was_made_of(customer: str, number: int) -> None:
    tag = identity.customer_tag(customer)
    assert identity.split_ticket_id(identity.ticket_id(tag, number)) == (tag, number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TAG,
        f"{TAG}-",
        f"{TAG}-0",
        f"{TAG}-07",  # another spelling of 7
        f"{TAG}-٧",  # the digit seven of another script
        f"{TAG}-1234567890",
        f"{TICKET}\n",
        f" {TICKET}",
        TICKET.lower(),
        "ABCDEFGHIJ18-7",  # 1 and 8 are not base32
        f"X{TICKET}",
    ],
)
def test_what_is_not_a_ticket_id_is_not_split(text: str) -> None:
    assert identity.split_ticket_id(text) is None


# -- event ids ----------------------------------------------------------------------------------------------------


@given(st.lists(ANY_TEXT | st.binary(), min_size=1), st.lists(ANY_TEXT | st.binary(), min_size=1))
def test_two_event_ids_are_equal_exactly_when_their_parts_are(
    first: list[str | bytes], second: list[str | bytes]
) -> None:
    def raw(parts: list[str | bytes]) -> list[bytes]:
        return [part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in parts]

    assert (identity.event_id("test", *first) == identity.event_id("test", *second)) == (raw(first) == raw(second))


def test_parts_of_event_ids_do_not_run_together() -> None:
    ids = [
        identity.event_id("mail", "a", "b"),
        identity.event_id("mail", "ab"),
        identity.event_id("mail", "ab", ""),
        identity.event_id("mail", "a\x00b"),
        identity.event_id("mail", "b", "a"),
        identity.event_id("maila", "b"),
    ]
    assert len(set(ids)) == len(ids)


@given(st.binary(max_size=40))
def test_an_event_id_is_the_start_of_blake2b_in_base32(part: bytes) -> None:
    hashed = b"".join(len(each).to_bytes(8, "big") + each for each in (b"tick", part))
    digest = blake2b(hashed, digest_size=16).digest()
    assert identity.event_id("tick", part) == base64.b32encode(digest).decode()[:26]


@given(ANY_TEXT, ANY_TEXT)
def test_an_event_id_is_26_base32_characters(source: str, part: str) -> None:
    assert re.fullmatch(r"[A-Z2-7]{26}", identity.event_id(source, part))


# -- tokens in mail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "recipients", "message_ids", "found"),
    [
        pytest.param("", [], [], "", id="nothing"),
        pytest.param(f"Re: Order [#{TICKET}]", [], [], TICKET, id="subject"),
        pytest.param(f"re: order [#{TICKET.lower()}] urgent", [], [], TICKET, id="subject in lower case"),
        pytest.param(f"Re: [#{TICKET}] was [#{OTHER}]", [], [], TICKET, id="the first token of a subject"),
        pytest.param(f"Re: Order #{TICKET}", [], [], "", id="no brackets, no token"),
        pytest.param(f"Re: Order [#{TICKET}5555555555]", [], [], "", id="too long a number"),
        pytest.param(f"Re: Order [#{TAG}-0]", [], [], "", id="no ticket has number 0"),
        pytest.param("Re: Order [#ABCDEFGHIJ18-7]", [], [], "", id="no tag has the digits 1 and 8"),
        pytest.param("Re: [#\u212aBCDEFGHIJ23-7]", [], [], "", id="the Kelvin sign is not a K"),
        pytest.param("Re: [#ABCDEFGHIJ2\u017f-7]", [], [], "", id="the long s is not an S"),
        pytest.param("", [f"support+{TICKET}@shop.example"], [], TICKET, id="recipient"),
        pytest.param("", [f"Support <support+{TICKET.lower()}@shop.example>"], [], TICKET, id="recipient with a name"),
        pytest.param("", ["ann@example.org", f"support+{TICKET}@shop.example"], [], TICKET, id="the second recipient"),
        pytest.param("", ["support+sales@shop.example"], [], "", id="another plus address"),
        pytest.param("", [f"support+{TICKET}"], [], "", id="a recipient without domain"),
        pytest.param("", [], [f"<ds.{TICKET}.u1@shop.example>"], TICKET, id="our Message-ID"),
        pytest.param("", [], [f"<DS.{TICKET}.U1@SHOP.EXAMPLE>"], TICKET, id="our Message-ID in upper case"),
        pytest.param("", [], [f"<ds.{TICKET}@shop.example>"], "", id="a Message-ID without its unique part"),
        pytest.param("", [], [f"<xds.{TICKET}.u1@shop.example>"], "", id="somebody else's Message-ID"),
        pytest.param(
            "", [], [f"<ds.{OTHER}.u1@shop.example>", "<x@y.example>", f"<ds.{TICKET}.u2@shop.example>"], TICKET,
            id="the last of several references is the nearest",
        ),
        pytest.param(f"[#{OTHER}]", [f"support+{TICKET}@shop.example"], [f"<ds.{OTHER}.u@s.example>"], TICKET,
                     id="the recipient goes before all"),
        pytest.param(f"[#{OTHER}]", [], [f"<ds.{TICKET}.u@s.example>"], TICKET, id="a Message-ID goes before the subject"),
    ],
)  # fmt: skip
def test_the_ticket_of_a_mail(subject: str, recipients: list[str], message_ids: list[str], found: str) -> None:
    assert identity.ticket_in_mail(subject, recipients, message_ids) == found


@given(ANY_TEXT, st.integers(1, 999_999_999), st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_a_ticket_is_found_again_in_whatever_we_sent(
    customer: str, number: int, before: str, after: str, lower: bool
) -> None:
    ticket = identity.ticket_id(identity.customer_tag(customer), number)
    case = str.lower if lower else str.upper
    subject = f"{before}{case(identity.subject_token(ticket))}{after}"
    assert identity.ticket_in_mail(subject, [], []) == ticket
    assert identity.ticket_in_mail("", [], [case(identity.mail_message_id(ticket, "u1", "shop.example"))]) == ticket
    assert identity.ticket_in_mail("", [case(f"support+{ticket}@shop.example")], []) == ticket


@given(ANY_TEXT, st.lists(ANY_TEXT), st.lists(ANY_TEXT))
def test_what_is_found_in_any_mail_is_a_ticket_id(subject: str, recipients: list[str], ids: list[str]) -> None:
    found = identity.ticket_in_mail(subject, recipients, ids)
    assert found == "" or identity.split_ticket_id(found)

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import signed_token, survey_link
from schemas.errors import Refused
from schemas.events import LOCALES
from schemas.survey_link import SurveyLink

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
EXPIRES = 1775037600_000000  # thirty days later
LINK = SurveyLink("ABCDEFGHIJKL-1", 2, "mei", EXPIRES, "ja")
SECRETS = ("new-secret", "old-secret")


def refused(token: str, *, secrets: tuple[str, ...] = SECRETS, now: int = NOW) -> str:
    with pytest.raises(Refused) as caught:
        survey_link.read(token, secrets, now=now)
    return caught.value.reason


def test_a_link_of_before_that_could_be_read_works_until_it_expires() -> None:
    # printf '[1,"ABCDEFGHIJKL-1",2,"mei",1775037600000000,"ja"]' | base64; the same after
    # printf 'deskstream-survey-link\n', through openssl dgst -sha256 -hmac new-secret -binary | base64
    token = "WzEsIkFCQ0RFRkdISUpLTC0xIiwyLCJtZWkiLDE3NzUwMzc2MDAwMDAwMDAsImphIl0.suBnn0uFZIMpZ_WQ5B6uJCwg-EGIdn_pEHJyri67uEw"
    assert survey_link.read(token, SECRETS, now=NOW) == LINK
    assert refused(token, now=EXPIRES) == "expired_link"


@given(agent=st.text(min_size=3, max_size=40), number=st.integers(100, 999_999_999))
def test_a_link_shows_neither_agent_nor_ticket(agent: str, number: int) -> None:
    """The attack: base64 of the part before the point was the agent's id and the number of the ticket."""
    ticket = f"ABCDEFGHIJKL-{number}"
    token = survey_link.token(SurveyLink(ticket, 2, agent, EXPIRES, "ja"), SECRETS)
    padded = token + "=" * (-len(token) % 4)
    shown = token.encode() + base64.urlsafe_b64decode(padded)
    for secret in (agent, ticket, ticket[:12], msgspec.json.encode(agent).decode()):
        assert secret.encode("utf-8", "surrogatepass") not in shown


def test_two_links_of_one_ticket_have_nothing_in_common() -> None:
    first, second = (survey_link.token(SurveyLink("ABCDEFGHIJKL-1", n, "mei", EXPIRES), SECRETS) for n in (1, 2))
    assert sum(one == other for one, other in zip(first, second, strict=True)) < len(first) / 4


def test_a_link_is_the_same_whenever_a_record_is_folded_again() -> None:
    assert survey_link.token(LINK, SECRETS) == survey_link.token(LINK, SECRETS)


@pytest.mark.parametrize("signer", [("new-secret", "old-secret"), ("old-secret",)])
def test_a_link_of_either_secret_is_read_as_it_was_written(signer: tuple[str, ...]) -> None:
    assert survey_link.read(survey_link.token(LINK, signer), SECRETS, now=NOW) == LINK


def test_a_link_of_a_secret_that_was_taken_away_is_forged() -> None:
    assert refused(survey_link.token(LINK, ("old-secret",)), secrets=("new-secret",)) == "forged_link"


def test_a_link_is_valid_until_the_moment_that_it_expires_at() -> None:
    token = survey_link.token(LINK, SECRETS)
    assert survey_link.read(token, SECRETS, now=EXPIRES - 1) == LINK
    assert refused(token, now=EXPIRES) == "expired_link"


@pytest.mark.parametrize(
    "token", ["", ".", "abc", "abc.", ".abc", "a.b.c", "a b.c", "é.é", "Wz.Wz=", "x" * 5000, "\udc80.a"]
)
def test_what_is_no_token_is_garbled(token: str) -> None:
    assert refused(token) == "garbled_link"


def test_a_signed_token_is_of_no_use_for_another_purpose() -> None:
    payload = b'[1,"ABCDEFGHIJKL-1",2,"mei",1775037600000000,"ja"]'
    for make in (signed_token.sign, signed_token.encrypt):
        assert refused(make(b"deskstream-survey-page\n", payload, SECRETS)) == "forged_link"


@pytest.mark.parametrize("payload", [b"[]", b"{", b'[2,"ABCDEFGHIJKL-1",2,"mei",1,"ja"]', b'[1,"X-1",2,"mei",1,"ja"]'])
def test_what_another_version_of_ours_signed_is_garbled(payload: bytes) -> None:
    for make in (signed_token.sign, signed_token.encrypt):
        assert refused(make(b"deskstream-survey-link\n", payload, SECRETS)) == "garbled_link"


@given(st.integers(0, 116), st.characters(codec="ascii"))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    token = survey_link.token(LINK, SECRETS)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        assert refused(changed) in ("garbled_link", "forged_link")


@given(
    number=st.integers(1, 999_999_999), episode=st.integers(1, 1000), agent=st.text(max_size=40),
    expires=st.integers(NOW + 1, 2**62), locale=st.sampled_from(LOCALES),
)  # fmt: skip
def test_every_link_comes_back_and_is_safe_in_an_address(
    number: int, episode: int, agent: str, expires: int, locale: str
) -> None:
    link = SurveyLink(f"ABCDEFGHIJKL-{number}", episode, agent, expires, locale)
    token = survey_link.token(link, SECRETS)
    assert survey_link.read(token, SECRETS, now=NOW) == link
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_there_is_one_survey_for_an_episode_whoever_solved_it_and_however_often_it_is_sent() -> None:
    again = SurveyLink("ABCDEFGHIJKL-1", 2, "ken", EXPIRES + 1, "en")
    other = SurveyLink("ABCDEFGHIJKL-1", 3, "mei", EXPIRES, "ja")
    assert survey_link.survey_id(again) == survey_link.survey_id(LINK) != survey_link.survey_id(other)


def test_the_address_is_that_of_the_pages_with_the_token() -> None:
    token = survey_link.token(LINK, SECRETS)
    assert survey_link.url("https://help.example/ask/", LINK, SECRETS) == f"https://help.example/ask/s/{token}"

"""Addresses that a service reports to: bound to an id and to a time."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import signed_callback
from schemas.errors import Refused

AT, BASE = 1_772_445_600, "https://hooks.example/v1/sms/status"


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=40),
    st.sampled_from([BASE, f"{BASE}?a=1"]),
)
def test_an_address_of_ours_is_accepted_and_says_its_time(own_id: str, base: str) -> None:
    query = query_of(signed_callback.url(base, own_id, "new", AT))
    signed_callback.verify(query, ("older", "new"))
    assert signed_callback.made_at(query) == AT and query["id"] == own_id and not signed_callback.is_unbound(query)


@pytest.mark.parametrize(
    "changed", [{"id": "OUT2"}, {"t": str(AT + 1)}, {"t": f"0{AT}"}, {"m": "00"}, {"m": ""}, {"t": ""}, {"id": ""}]
)
def test_another_id_time_or_mac_is_refused(changed: dict[str, str]) -> None:
    query = query_of(signed_callback.url(BASE, "OUT1", "new", AT))
    with pytest.raises(Refused, match="bad_signature"):
        signed_callback.verify(query | changed, ("new",))
    with pytest.raises(Refused, match="bad_signature"):
        signed_callback.verify(query, ("guess",))


def test_one_of_the_release_before_is_told_apart() -> None:
    for query, unbound in (({"id": "OUT1"}, True), ({}, False), ({"id": ""}, False)):
        signed_callback.verify(query, ("new",))
        assert (signed_callback.is_unbound(query), signed_callback.made_at(query)) == (unbound, 0)

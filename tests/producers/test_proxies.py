"""Who a request comes from, and whose share it counts against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.security.proxies import Proxies, share_of
from schemas.errors import ConfigurationError

OURS = Proxies.parse("10.1.0.0/16, 192.0.2.7, fd00::/8", "DESKSTREAM_TRUSTED_PROXIES")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", "", "198.51.100.1"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),  # no proxy of ours: it may say what it likes
        ("10.1.4.5", "203.0.113.9", "203.0.113.9"),
        ("10.1.4.5", "", "10.1.4.5"),
        ("10.2.4.5", "203.0.113.9", "10.2.4.5"),
        ("10.1.4.5", "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the first was made up by the second
        ("10.1.4.5", "203.0.113.9, 192.0.2.7", "203.0.113.9"),  # two of our proxies, one behind the other
        ("::ffff:10.1.4.5", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("10.1.4.5", "not an address", "not an address"),
        ("10.1.4.5", " , ,", "10.1.4.5"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_client_is_the_last_address_not_added_by_our_proxies(peer: str, forwarded: str, client: str) -> None:
    assert OURS.client(peer, forwarded) == client


def test_without_proxies_nobody_is_believed() -> None:
    assert Proxies.parse("", "X").client("10.1.4.5", "203.0.113.9") == "10.1.4.5"


def test_a_proxy_that_is_no_address_is_refused_with_the_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"DESKSTREAM_TRUSTED_PROXIES.*ingress"):
        Proxies.parse("10.0.0.1, ingress", "DESKSTREAM_TRUSTED_PROXIES")


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
        ("", ""),
    ],
)
def test_a_household_has_one_share_however_many_addresses_it_has(address: str, share: str) -> None:
    assert share_of(address) == share


@given(st.text(max_size=60), st.text(max_size=120))
def test_any_header_is_read_and_cut_to_the_length_of_an_address(peer: str, forwarded: str) -> None:
    assert len(OURS.client(peer, forwarded)) <= max(len(peer), 64)
    share_of(forwarded)

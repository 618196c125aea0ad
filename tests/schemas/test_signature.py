from __future__ import annotations

import pytest

from schemas import signature
from schemas.errors import Refused

AT = 1_772_445_600


def refused(
    header: str | None, body: bytes = b"{}", secrets: tuple[str, ...] = ("new", "old"), wall: float = AT
) -> str:
    with pytest.raises(Refused) as caught:
        signature.verify(header, body, secrets, wall=wall)
    return caught.value.reason


def test_the_signature_is_what_the_documentation_says() -> None:
    # printf '1772445600.{}' | openssl dgst -sha256 -hmac new
    assert signature.sign("new", b"{}", AT) == (
        "t=1772445600,v1=59525a1070b33be30131562aca84f836148622ebf4a08681640be943f82bb27d"
    )


@pytest.mark.parametrize("secret", ["new", "old"])
@pytest.mark.parametrize("late", [-300, 0, 299.9])
def test_both_secrets_are_valid_for_five_minutes_either_way(secret: str, late: float) -> None:
    signature.verify(signature.sign(secret, b"{}", AT), b"{}", ("new", "old"), wall=AT + late)


@pytest.mark.parametrize("late", [-301, 301])
def test_a_signature_out_of_its_window_is_stale(late: int) -> None:
    assert refused(signature.sign("new", b"{}", AT), wall=AT + late) == "stale_signature"


def test_another_body_time_or_secret_is_a_bad_signature() -> None:
    good = signature.sign("new", b"{}", AT)
    assert refused(good, body=b"{ }") == "bad_signature"
    assert refused(good.replace(str(AT), str(AT + 1))) == "bad_signature"
    assert refused(signature.sign("guess", b"{}", AT)) == "bad_signature"


@pytest.mark.parametrize(
    "header", ["t=1", "v1=00", "t=x,v1=00", "t=1,t=2,v1=00", "t=-1,v1=00", "t=１,v1=0", ",,,", "t=9999999999999,v1=0"]
)
def test_a_malformed_header_is_told_apart(header: str) -> None:
    assert refused(header) == "malformed_signature"


@pytest.mark.parametrize("header", [None, ""])
def test_a_missing_header_is_told_apart(header: str | None) -> None:
    assert refused(header) == "missing_signature"


def test_each_secret_adds_a_signature_that_stands_alone() -> None:
    header = signature.sign(("new", "old"), b"{}", AT)
    assert header == signature.sign("new", b"{}", AT) + "," + signature.sign("old", b"{}", AT).partition(",")[2]
    for secret in ("new", "old"):
        signature.verify(header, b"{}", (secret,), wall=AT)
    assert refused(header, secrets=("guess",)) == "bad_signature"

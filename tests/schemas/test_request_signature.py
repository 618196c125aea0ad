"""The signature of a request: every part of it is bound, and no two requests share one."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import shutil
import subprocess

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import signature
from schemas.errors import Refused
from schemas.signature import RequestHead, RequestSignature, sign_request, verify_request

AT = 1_772_445_600
KEY, SECRET = "help-desk", "0123456789abcdef"
HEAD = RequestHead("POST", "/v1/agents/notes?dry=1", "n-17")
BODY = b'{"text":"hello"}'
GOOD = sign_request(KEY, SECRET, HEAD, BODY, AT)

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
heads = st.builds(
    RequestHead,
    st.sampled_from(["POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    visible.map(lambda path: f"/{path}"),
    st.just("") | visible | st.just("with a blank"),
)


def refused(
    header: str | None, head: RequestHead = HEAD, body: bytes = BODY, *, key: str = KEY, wall: float = AT
) -> str:
    with pytest.raises(Refused) as caught:
        verify_request(header, key, (SECRET, "older-secret"), head, body, wall=wall)
    assert SECRET not in str(caught.value)
    return caught.value.reason


def test_the_signature_is_what_the_documentation_says() -> None:
    sha256 = hashlib.sha256(BODY).hexdigest()
    lines = ["deskstream-v2", str(AT), KEY, "POST", "/v1/agents/notes?dry=1", "n-17", sha256]
    mac = hmac.new(SECRET.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    assert f"t={AT},k={KEY},sha256={sha256},v2={mac}" == GOOD


def test_openssl_makes_the_same_signature() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine")
    script = """
        sha256=$(printf %s "$body" | openssl dgst -sha256 -r | cut -d' ' -f1)
        mac=$(printf '%s\\n%s\\n%s\\n%s\\n%s\\n%s\\n%s' deskstream-v2 "$t" "$k" POST "$target" "$idem" "$sha256" |
            openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
        printf 't=%s,k=%s,sha256=%s,v2=%s' "$t" "$k" "$sha256" "$mac"
    """
    env = {"body": BODY.decode(), "t": str(AT), "k": KEY, "target": HEAD.target, "idem": "n-17", "secret": SECRET}
    made = subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin"} | env, capture_output=True, check=True)
    assert made.stdout.decode() == GOOD


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_request_is_valid_for_five_minutes_either_way(late: int) -> None:
    verify_request(GOOD, KEY, (SECRET,), HEAD, BODY, wall=AT + late)


def test_clocks_ten_minutes_apart_are_told_by_how_much() -> None:
    with pytest.raises(Refused) as caught:
        verify_request(GOOD, KEY, (SECRET,), HEAD, BODY, wall=AT + 600)
    assert caught.value.reason == "stale_signature"
    assert "600 s before the time of our clock" in caught.value.detail and "clock right" in caught.value.detail


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (dataclasses.replace(HEAD, method="PUT"), BODY),
        (dataclasses.replace(HEAD, target="/v1/agents/replies?dry=1"), BODY),
        (dataclasses.replace(HEAD, target="/v1/agents/notes"), BODY),
        (dataclasses.replace(HEAD, target="/v1/agents/%6eotes?dry=1"), BODY),
        (dataclasses.replace(HEAD, idempotency_key="n-18"), BODY),
        (dataclasses.replace(HEAD, idempotency_key=""), BODY),
        (HEAD, BODY + b" "),
        (HEAD, b""),
    ],
    ids=["method", "path", "no query", "escaping", "idempotency key", "no idempotency key", "body", "no body"],
)
def test_a_replay_with_another_part_is_refused(head: RequestHead, body: bytes) -> None:
    assert refused(GOOD, head, body) == "bad_signature"


def test_a_replay_as_another_key_is_refused_even_with_its_secret() -> None:
    assert refused(GOOD, key="other") == "bad_signature"
    assert refused(GOOD.replace(f"k={KEY}", "k=other"), key="other") == "bad_signature"


@given(
    heads, heads, st.binary(max_size=30), st.binary(max_size=30), st.integers(0, 10**12 - 1), st.integers(0, 10**12 - 1)
)
def test_no_two_requests_have_the_same_signature(
    one: RequestHead, other: RequestHead, body: bytes, other_body: bytes, at: int, other_at: int
) -> None:
    assume((one, body, at) != (other, other_body, other_at))
    first, second = sign_request(KEY, SECRET, one, body, at), sign_request(KEY, SECRET, other, other_body, other_at)
    assert first.rpartition("v2=")[2] != second.rpartition("v2=")[2]
    verify_request(first, KEY, (SECRET,), one, body, wall=at)


@given(st.data())
def test_any_changed_character_of_the_header_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD) - 1))
    character = data.draw(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    assume(changed.lower() != GOOD)
    assert refused(changed) in ("bad_signature", "malformed_signature")


@given(heads, st.sampled_from(["\n", "\r", "\x00", "é", "\t"]), st.integers(0, 3))
def test_a_part_that_could_be_two_lines_cannot_be_signed(head: RequestHead, sign: str, part: int) -> None:
    key = KEY
    match part:
        case 0:
            head = dataclasses.replace(head, method=f"POST{sign}/x")
        case 1:
            head = dataclasses.replace(head, target=f"/a{sign}b")
        case 2:
            head = dataclasses.replace(head, idempotency_key=f"a{sign}b")
        case _:
            key = f"a{sign}b"
    with pytest.raises(ValueError, match="cannot be signed"):
        sign_request(key, SECRET, head, BODY, AT)
    if part != 3:
        assert refused(GOOD, head) == "malformed_signature"


@pytest.mark.parametrize(
    "header",
    [
        GOOD.replace(f"t={AT},", ""),
        GOOD.replace(f"t={AT}", f"t=0{AT}"),
        GOOD.replace(f"t={AT}", f"t={AT},t={AT}"),
        GOOD.replace("k=help-desk", "k=help-desk,k=other"),
        GOOD.replace("k=help-desk", "k=Help Desk"),
        GOOD.replace("k=help-desk", "k="),
        GOOD.replace("sha256=", "sha256=00"),
        GOOD.partition(",v2=")[0],
        GOOD + ",v2=zz",
        GOOD + "," * 1_000,
        "t=１,k=a,sha256=,v2=",
        ",,,",
    ],
)
def test_a_malformed_header_is_told_apart(header: str) -> None:
    assert refused(header) == "malformed_signature"


def test_a_missing_header_says_what_to_send() -> None:
    for header in (None, ""):
        with pytest.raises(Refused, match=r"missing_signature: send Deskstream-Signature: t=.*k=<key id>"):
            RequestSignature.parse(header)


def test_each_secret_adds_a_signature_and_either_is_accepted() -> None:
    header = sign_request(KEY, ("new-secret", "older-secret"), HEAD, BODY, AT)
    for place, secrets in enumerate([("older-secret", "x"), ("x", "older-secret")]):
        assert RequestSignature.parse(header).verify_head(HEAD, secrets, wall=AT) == place
    assert header.count("v2=") == 2


def test_the_head_is_proved_before_the_body_is_there() -> None:
    given_signature = RequestSignature.parse(GOOD)
    given_signature.verify_head(HEAD, (SECRET,), wall=AT)
    given_signature.verify_body(BODY)
    with pytest.raises(Refused, match="SHA-256 is another"):
        given_signature.verify_body(BODY + b" ")


def test_an_old_signature_is_no_new_one_and_the_reverse() -> None:
    old = signature.sign(SECRET, BODY, AT)
    assert RequestSignature.is_old(old) and not RequestSignature.is_old(GOOD) and not RequestSignature.is_old(None)
    assert not RequestSignature.is_old(f"{old},v2=00"), "what has both is judged by the new one"
    assert refused(old) == "malformed_signature"
    with pytest.raises(Refused):
        signature.verify(GOOD, BODY, (SECRET,), wall=AT)
    with pytest.raises(Refused):
        signature.verify(GOOD.replace("v2=", "v1="), BODY, (SECRET,), wall=AT)

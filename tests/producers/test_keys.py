"""The file of keys: what it holds, what is wrong with it, and the commands that write it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.__main__ import app
from producers.channels import agents
from producers.channels.generic_fields import KINDS
from producers.endpoint import endpoints
from producers.security import keys
from producers.security.device import DeviceToken
from producers.security.grants import EVENT_SCOPES, SCOPES, expanded, scope_of
from producers.security.keys import KeyFile
from producers.sources.http import key_store
from schemas.errors import ConfigurationError, Refused
from schemas.signature import RequestHead, verify_request

SECRET = "0123456789abcdef"
PAGE = (Path(__file__).parents[2] / "deploy/docs/signed-requests.md").read_text("utf-8")
GOOD: dict[str, Any] = {"id": "desk", "secrets": [SECRET], "scopes": ["agents:*"]}


def read(tmp_path: Path, *entries: Any, **more: Any) -> KeyFile:
    file = tmp_path / "keys.yaml"
    file.write_text(yaml.safe_dump({"keys": list(entries), **more}))
    return keys.read(file)


def test_a_key_has_what_the_file_says(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        GOOD | {"agents": ["mei"], "expires": "2027-01-01"},
        {"id": "old", "revoked": "2026-01-01", "scopes": ["*"]},
    )
    desk = found.keys["desk"]
    assert desk.grant.scopes == {scope for scope in SCOPES if scope.startswith("agents:")}
    assert (desk.secrets, desk.grant.agents, desk.expires) == ((SECRET,), {"mei"}, 1798761600.0)
    assert found.scopes == desk.grant.scopes and SECRET not in repr(found)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (GOOD | {"id": "Desk"}, "id: is needed"),
        (GOOD | {"id": "a,k=b"}, "id: is needed"),
        (GOOD | {"id": ""}, "id: is needed"),
        (GOOD | {"id": 7}, "id: is needed"),
        (GOOD | {"secrets": []}, "secrets: must be a list of one"),
        (GOOD | {"secrets": SECRET}, "secrets: must be a list of one"),
        (GOOD | {"secrets": [SECRET, SECRET + "1", SECRET + "2"]}, "secrets: must be a list of one"),
        (GOOD | {"secrets": ["short"]}, "at least 16 characters"),
        (GOOD | {"secrets": [1234567890123456]}, "in quotes if it is a number"),
        (GOOD | {"scopes": []}, "scopes: must be a list"),
        (GOOD | {"scopes": ["agents:replay"]}, "did you mean agents:reply?"),
        (GOOD | {"scopes": ["nothing:*"]}, "is no scope"),
        (GOOD | {"agents": []}, "agents: must be a list"),
        (GOOD | {"expires": "tomorrow"}, "expires: must be a day"),
        (GOOD | {"scope": ["*"]}, "'scope' is not known here"),
        ("desk", "a mapping is expected"),
    ],
)  # fmt: skip
def test_a_wrong_key_names_its_line_and_shows_no_secret(tmp_path: Path, entry: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, {"id": "first", "secrets": ["first-0123456789"], "scopes": ["*"]}, entry)
    assert problem in str(caught.value) and re.search(r"keys\.yaml:\d+", caught.value.where)
    assert SECRET not in str(caught.value) and "short'" not in str(caught.value)


def test_two_keys_share_no_id_and_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is there already"):
        read(tmp_path, GOOD, GOOD)
    with pytest.raises(ConfigurationError, match="'other' and 'desk' have the same secret"):
        read(tmp_path, GOOD, GOOD | {"id": "other"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["keys", "id", "secrets", "scopes", "revoked_tokens", "device"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_yaml_is_keys_or_an_error_with_its_place(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    file = tmp_path_factory.mktemp("keys") / "keys.yaml"
    file.write_text(yaml.safe_dump(data))
    try:
        found = keys.read(file)
    except ConfigurationError as error:
        assert str(file) in str(error)
    else:
        assert isinstance(found, KeyFile)


def test_every_signed_address_and_kind_of_event_has_a_scope() -> None:
    scopes = {endpoint.scope for endpoint in endpoints() if endpoint.scope}
    assert {scope_of(kind) for kind in KINDS.values()} == EVENT_SCOPES
    assert scopes | EVENT_SCOPES == set(SCOPES)
    for endpoint in endpoints("agents"):
        resource = endpoint.path.rpartition("/")[2]
        assert endpoint.scope == scope_of(KINDS[agents.RESOURCES[resource]])


def test_our_scheme_reads_no_header_that_is_not_signed() -> None:
    for endpoint in endpoints():
        if endpoint.scope:
            assert set(endpoint.reads) <= {"idempotency-key"} and not endpoint.asks, endpoint.name


def test_a_pattern_stands_for_the_scopes_that_begin_so() -> None:
    assert expanded("*") == set(SCOPES)
    assert expanded("agents:note") == {"agents:note"}
    assert expanded("customers:*") == {"customers:erase", "customers:merge"}
    assert expanded(":*") == expanded("") == expanded("agents") == frozenset()


def test_tokens_are_revoked_one_by_one_or_by_device(tmp_path: Path) -> None:
    found = read(
        tmp_path, revoked_tokens=[{"id": "k7q2m4x9aa"}, {"device": "dublin-1", "before": "2026-12-01T09:00:00Z"}]
    )
    instant = 1796115600

    def revoked(token: DeviceToken) -> bool:
        try:
            found.require_token(token)
        except Refused as refused:
            assert refused.reason == "revoked_token"
            return True
        return False

    assert revoked(DeviceToken("cork-1", "k7q2m4x9aa", instant, instant + 9))
    assert revoked(DeviceToken("dublin-1", "other", instant - 1, instant + 9))
    assert revoked(DeviceToken("dublin-1")), "one of the release before was made before"
    assert not revoked(DeviceToken("dublin-1", "other", instant, instant + 9))
    assert not revoked(DeviceToken("cork-1", "other", 1, instant + 9)) and not revoked(DeviceToken("cork-1"))


@pytest.mark.parametrize(
    "entry", [{}, {"id": "a", "device": "b"}, {"device": "b"}, {"id": "a", "before": "2026-12-01"}, 7]
)
def test_a_wrong_revocation_is_refused(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"keys\.yaml:\d+"):
        read(tmp_path, GOOD, revoked_tokens=[entry])


# -- the commands ---------------------------------------------------------------------------------------------------


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    environment = {"DESKSTREAM_KEYS_FILE": str(tmp_path / "made" / "keys.yaml"), "DESKSTREAM_KIOSK_SECRETS": "k"}

    def call(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, list(arguments), env=environment)
        return done.exit_code, done.stdout, done.stderr

    return call


def test_a_key_is_made_changed_and_revoked_by_commands(tmp_path: Path, call: Callable[..., Any]) -> None:
    file = tmp_path / "made" / "keys.yaml"
    code, first, _ = call("keys", "new", "desk", "--scope", "agents:*", "--agent", "mei", "--expires", "2027-12-31")
    assert (code, len(first.strip())) == (0, 64)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    _, second, _ = call("keys", "rotate", "desk")
    assert keys.read(file).keys["desk"].secrets == (second.strip(), first.strip())
    assert call("keys", "rotate", "desk")[0] == 2
    assert call("keys", "rotate", "desk", "--finish")[0] == 0
    assert keys.read(file).keys["desk"].secrets == (second.strip(),)
    _, listed, _ = call("keys", "list")
    assert listed == "desk\tvalid until 2027-12-31\tagents:*\tmei\n"
    assert call("keys", "revoke", "desk")[0] == 0
    assert second.strip() not in file.read_text()
    assert call("keys", "new", "desk", "--scope", "*")[0] == 2, "an id is not used again"
    assert [path.name for path in file.parent.iterdir()] == ["keys.yaml"]


def test_a_wrong_command_changes_nothing_and_says_why(tmp_path: Path, call: Callable[..., Any]) -> None:
    call("keys", "new", "desk", "--scope", "*")
    before = (tmp_path / "made" / "keys.yaml").read_bytes()
    for arguments, told in (
        (("new", "desk", "--scope", "*"), "already"),
        (("new", "a=b", "--scope", "*"), "id: is needed"),
        (("new", "other", "--scope", "agent:reply"), "did you mean agents:reply?"),
        (("new", "other", "--scope", "*", "--expires", "soon"), "is no day"),
        (("rotate", "nobody"), "no valid key"),
        (("rotate", "desk", "--finish"), "only one secret"),
        (("revoke", "nobody"), "no valid key"),
        (("revoke-token",), "name a token or a device"),
        (("curl", "nobody", "/v1/events"), "no valid key"),
        (("curl", "desk", "/v1/évents"), "cannot be signed"),
    ):
        code, _, error = call("keys", *arguments)
        assert code == 2 and told in error, (arguments, error)
    assert (tmp_path / "made" / "keys.yaml").read_bytes() == before


def test_a_token_is_made_with_an_id_that_revokes_it(tmp_path: Path, call: Callable[..., Any]) -> None:
    _, token, told = call("kiosk-token", "dublin-1", "--days", "2")
    token_id = re.match(r"id (\w{10}), valid until 20", told)
    assert token_id and "." in token
    assert call("keys", "revoke-token", token_id[1])[0] == 0
    assert call("keys", "revoke-token", "--device", "cork-1")[0] == 0
    found = keys.read(tmp_path / "made" / "keys.yaml")
    assert found.revoked_tokens == {token_id[1]} and list(found.revoked_devices) == ["cork-1"]
    assert "token " + token_id[1] in call("keys", "list")[1]


def test_other_keys_and_revocations_survive_a_change(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    entries = [GOOD, {"id": "gone", "revoked": "2026-01-01", "scopes": ["*"]}]
    file.write_text(yaml.safe_dump({"keys": entries, "revoked_tokens": [{"id": "k7q2m4x9aa"}]}))
    file.chmod(0o640)
    key_store.add(file, "new", ["*"])
    written = yaml.safe_load(file.read_text())
    assert written["keys"][:2] == entries and written["revoked_tokens"] == [{"id": "k7q2m4x9aa"}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("process", "text", "told"),
    [
        ("http", "keys:\n- id: a\n", "keys.yaml:2"),
        ("agents", "keys: {", "is not YAML"),
        ("kiosk", None, "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line_before_a_server_starts(
    tmp_path: Path, process: str, text: str | None, told: str
) -> None:
    file = tmp_path / "keys.yaml"
    if text is not None:
        file.write_text(text)
    environment = {**os.environ, "DESKSTREAM_KEYS_FILE": str(file)}
    arguments = [sys.executable, "-m", "producers", process, "--check"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1


# -- the page -------------------------------------------------------------------------------------------------------


def test_the_page_names_every_scope_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(SCOPES)


def test_the_shell_of_the_page_makes_a_signature_that_is_accepted() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine")
    [script] = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "openssl" in block]
    before = f"secret={SECRET}; server=http://site\ncurl() {{ for each; do printf '%s\\0' \"$each\"; done; }}\n"
    done = subprocess.run(["sh", "-c", before + script], capture_output=True, check=True)
    arguments = done.stdout.decode().split("\0")[:-1]
    headers = dict(value.split(": ", 1) for name, value in pairwise(arguments) if name == "-H")
    body = arguments[arguments.index("--data-binary") + 1].encode()
    assert arguments[-1] == "http://site/v1/agents/notes"
    head = RequestHead("POST", "/v1/agents/notes", headers["Idempotency-Key"])
    verify_request(headers["Deskstream-Signature"], "help-desk", [SECRET], head, body, wall=time.time())

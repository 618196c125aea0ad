"""Holds the commands `python -m producers keys ...`, which write the file of keys, and `kiosk-token`."""

from __future__ import annotations

import secrets as random
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from producers.security import device
from producers.security.grants import SCOPES
from producers.security.keys import Key
from producers.sources.http import key_store
from schemas import signature
from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.settings import ProducerSettings, load

__all__ = ["HELP", "app", "curl_example", "kiosk_token"]

DAY_SECONDS = 86_400
#: Of token ids: no letter or digit that is taken for another on the telephone.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
HELP = f"""
Make, list and revoke the keys that requests are signed with. They are in the YAML file of DESKSTREAM_KEYS_FILE.

A running server takes a change within a second or two. The file is written anew each time, so comments in it are lost. A
secret is printed once, when it is made.

**Scopes** (`agents:*` for all that begin so, `*` for all)

{chr(10).join(f"- {scope}: {meaning}" for scope, meaning in SCOPES.items())}

Example

python -m producers keys new help-desk --scope agents:reply --scope agents:note --agent mei
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=HELP)
File = Annotated[Path | None, typer.Option("--file", help="instead of DESKSTREAM_KEYS_FILE")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="the key's id, as in k=ID of a signature")]


@app.command("list")
def list_keys(file: File = None) -> None:
    """Show the keys and the revoked tokens, without secrets."""

    def work() -> int:
        found = key_store.load(_path(file))
        for key in found.keys.values():
            print("\t".join((key.id, _state(key, time.time()), ",".join(key.patterns), ",".join(key.agents) or "-")))
        for token in sorted(found.revoked_tokens):
            print(f"token {token}\trevoked")
        for name, before in sorted(found.revoked_devices.items()):
            print(f"tokens of {name}\trevoked if made before {datetime.fromtimestamp(before, UTC):%Y-%m-%dT%H:%M:%SZ}")
        return 0

    _run(work)


@app.command()
def new(
    key_id: KeyId,
    scope: Annotated[list[str], typer.Option(help="what it may do; may be given more than once")],
    agent: Annotated[list[str] | None, typer.Option(help="an agent that it may speak for; without, all")] = None,
    expires: Annotated[str, typer.Option(metavar="DAY", help="the first day (UTC) on which it is not valid")] = "",
    file: File = None,
) -> None:
    """Make a key and print its secret, which is shown nowhere else."""
    _run(lambda: print(key_store.add(_path(file), key_id, scope, agent or (), _day(expires))))


@app.command()
def rotate(
    key_id: KeyId,
    finish: Annotated[bool, typer.Option("--finish", help="take the old secret away instead")] = False,
    file: File = None,
) -> None:
    """Give a key a second secret and print it; the first stays valid until `--finish`."""

    def work() -> None:
        if finish:
            key_store.drop_previous(_path(file), key_id)
            print(f"the old secret of {key_id} is no longer valid", file=sys.stderr)
        else:
            print(key_store.rotate(_path(file), key_id))

    _run(work)


@app.command()
def revoke(key_id: KeyId, file: File = None) -> None:
    """Revoke a key: its signatures are refused, its id is not used again."""
    _run(lambda: key_store.revoke(_path(file), key_id, date.fromtimestamp(time.time()).isoformat()))


@app.command()
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="[TOKEN_ID]", help="as `kiosk-token` printed it")] = "",
    device_name: Annotated[str, typer.Option("--device", help="instead: all tokens that a device has until now")] = "",
    file: File = None,
) -> None:
    """Revoke one token of a kiosk, or all that its device has."""

    def work() -> None:
        if bool(token) == bool(device_name):
            raise ConfigurationError("name a token or a device", where="revoke-token", fix="TOKEN_ID, or --device NAME")
        if token:
            key_store.revoke_token(_path(file), token)
        else:
            now = datetime.fromtimestamp(int(time.time()) + 1, UTC)
            key_store.revoke_device(_path(file), device_name, f"{now:%Y-%m-%dT%H:%M:%SZ}")

    _run(work)


@app.command()
def curl(
    key_id: KeyId,
    path: Annotated[str, typer.Argument(help="such as /v1/agents/notes")],
    data: Annotated[str, typer.Option(help="the body; - reads it from standard input")] = "{}",
    url: Annotated[str, typer.Option(help="the server")] = "",
    idempotency_key: Annotated[str, typer.Option(help="the header Idempotency-Key")] = "",
    file: File = None,
) -> None:
    """Print a `curl` command that is signed now, and so valid for five minutes."""

    def work() -> None:
        settings = load(ProducerSettings)
        server = url or settings.public_url or f"http://{settings.http_host}:{settings.http_port}"
        found = key_store.load(_path(file)).keys.get(key_id)
        if found is None or not found.secrets:
            raise ConfigurationError(f"there is no valid key {key_id!r}", fix="`python -m producers keys list`")
        body = sys.stdin.read() if data == "-" else data
        print(curl_example(found.id, found.secrets[:1], server, path, body, idempotency_key=idempotency_key))

    _run(work)


def curl_example(
    key_id: str, secrets: Sequence[str], server: str, path: str, body: str, *, idempotency_key: str = ""
) -> str:
    """Returns a `curl` command that posts a body, signed now.

    Raises:
        ConfigurationError: the path or the idempotency key cannot be signed.
    """
    head = signature.RequestHead("POST", path, idempotency_key)
    try:
        signed = signature.sign_request(key_id, secrets, head, body.encode(), int(time.time()))
    except ValueError as error:
        raise ConfigurationError(str(error)[:200], fix="a path is such as /v1/agents/notes, in ASCII") from error
    headers = {"Content-Type": "application/json", signature.HEADER: signed}
    headers |= {signature.KEY_HEADER: idempotency_key} if idempotency_key else {}
    told = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items())
    return f"curl {told} --data-binary {shlex.quote(body)} {shlex.quote(server.rstrip('/') + path)}"


def kiosk_token(
    name: Annotated[str, typer.Argument(help="the device's name, such as dublin-1: it is the place")],
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="how long it is valid")] = 365.0,
) -> None:
    """Print the token of a kiosk, to be sent as `Authorization: Bearer TOKEN`. Needs DESKSTREAM_KIOSK_SECRETS.

    Its id and its end are printed beside it: `python -m producers keys revoke-token ID` revokes this one token.
    """

    def work() -> None:
        secrets = load(ProducerSettings).kiosk_secrets.get_secret_value().split(",")
        secrets = [secret.strip() for secret in secrets if secret.strip()]
        if not secrets:
            raise ConfigurationError("it is empty", where="DESKSTREAM_KIOSK_SECRETS", fix="set a long random text")
        now = int(time.time())
        token = device.DeviceToken(name.strip()[:100], _new_token_id(), now, now + int(days * DAY_SECONDS))
        print(device.device_token(token, secrets))
        print(
            f"id {token.id}, valid until {datetime.fromtimestamp(token.expires, UTC):%Y-%m-%d %H:%MZ}", file=sys.stderr
        )

    _run(work)


def _new_token_id() -> str:
    return "".join(random.choice(_ALPHABET) for _ in range(10))


def _run(work: Callable[[], int | None]) -> None:
    raise SystemExit(guarded(work))


def _path(file: Path | None) -> Path:
    path = file or load(ProducerSettings).keys_file
    if path is None:
        raise ConfigurationError(
            "it is not set", where="DESKSTREAM_KEYS_FILE", fix="name the file of keys, or use --file"
        )
    return path


def _state(key: Key, wall: float) -> str:
    if key.revoked:
        return f"revoked {key.revoked}"
    if key.expires is not None:
        day = f"{datetime.fromtimestamp(key.expires, UTC):%Y-%m-%d}"
        return f"expired {day}" if wall >= key.expires else f"valid until {day}"
    return "valid, two secrets" if len(key.secrets) > 1 else "valid"


def _day(text: str) -> str:
    if text:
        try:
            date.fromisoformat(text)
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is no day", where="--expires", fix="such as 2027-12-31") from error
    return text

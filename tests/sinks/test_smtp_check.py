"""`python -m sinks delivery --check --connect`: it connects, encrypts and logs in, and says what to do when that fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from schemas.errors import ConfigurationError, Unavailable
from schemas.settings import SinkSettings
from sinks.delivery.channels.email import connect
from tests.support.producers.certificate import self_signed
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import Outcome
from tests.support.sinks.examples import outbound
from tests.support.sinks.scripted_smtp import SILENCE, scripted_smtp

PASSWORD = "open sesame"
TIMEOUT = 0.5


class Inbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 ok"


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data.login == b"desk" and data.password == PASSWORD.encode(), handled=False)


@contextmanager
def serving(certificate: Path | None = None, *, login: bool = False) -> Iterator[tuple[Inbox, int]]:
    """A server of aiosmtpd; with a certificate it wants STARTTLS."""
    inbox, options = Inbox(), dict[str, Any]()
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        options |= {"tls_context": context, "require_starttls": True}
    if login:
        options |= {"authenticator": _login, "auth_required": True}
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "another.pem")


def settings(port: int, **fields: Any) -> SinkSettings:
    return SinkSettings(**{"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_timeout_seconds": TIMEOUT} | fields)


def checked(port: int, **fields: Any) -> str:
    return asyncio.run(connect(settings(port, **fields)).check())


def advice(port: int, **fields: Any) -> str:
    with pytest.raises(Unavailable) as failed:
        checked(port, **fields)
    assert str(failed.value).startswith("SMTP at ")
    return str(failed.value).partition("; next: ")[2]


def test_a_server_without_tls_and_login_is_described() -> None:
    with serving() as (inbox, port):
        line = checked(port)
    assert line == (
        f"SMTP at 127.0.0.1:{port}: not encrypted, no login, takes mail from support@support.example, "
        "offers 8BITMIME SMTPUTF8 SIZE"
    )
    assert inbox.mails == [], "it sends nothing"


def test_it_encrypts_checks_the_certificate_and_logs_in(certificate: Path) -> None:
    login = {"smtp_username": "desk", "smtp_password": PASSWORD}
    with serving(certificate, login=True) as (inbox, port):
        secured = {"smtp_host": "localhost", "smtp_starttls": True, "smtp_ca_file": certificate} | login
        assert "TLSv1.3, logged in as desk, takes mail from" in checked(port, **secured)

        async def send() -> str:
            adapter = connect(settings(port, **secured))
            try:
                return await adapter.deliver(outbound())
            finally:
                await adapter.close()

        assert asyncio.run(send()) == "ok"
        assert len(inbox.mails) == 1, "a mail goes the same way"
        wrong = advice(port, **(secured | {"smtp_password": "guessed"}))
        assert wrong.startswith("correct DESKSTREAM_SMTP_USERNAME and DESKSTREAM_SMTP_PASSWORD")
        assert advice(port, **(secured | {"smtp_username": ""})).startswith("set DESKSTREAM_SMTP_USERNAME")
        assert advice(port, **login).startswith(
            "the server takes no login without encryption: set DESKSTREAM_SMTP_STARTTLS"
        )
        assert advice(port).startswith("set DESKSTREAM_SMTP_STARTTLS=true")


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, another: Path) -> None:
    with serving(certificate) as (_, port):
        starttls = {"smtp_host": "localhost", "smtp_starttls": True}
        assert "DESKSTREAM_SMTP_CA_FILE" in advice(port, **starttls)
        told = advice(port, **starttls, smtp_ca_file=another)
        assert told == (
            f"{another} does not hold the authority that signed the certificate: correct DESKSTREAM_SMTP_CA_FILE"
        )
        by_number = advice(port, smtp_host="127.0.0.1", smtp_starttls=True, smtp_ca_file=certificate)
        assert by_number.startswith("set DESKSTREAM_SMTP_HOST to a name that is in the certificate")


def test_a_file_that_is_no_certificate_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(ConfigurationError, match="DESKSTREAM_SMTP_CA_FILE: cannot read"):
            connect(SinkSettings(smtp_starttls=True, smtp_ca_file=path))


@pytest.mark.parametrize(
    ("script", "fields", "told"),
    [
        ({}, {"smtp_starttls": True}, "the server offers no STARTTLS on port"),
        ({"greeting": SILENCE}, {}, "nothing answers: a firewall or NetworkPolicy may block port"),
        ({"MAIL": "550 not you"}, {}, "let the server relay mail from this machine"),
        ({"MAIL": SILENCE}, {}, "the server fell silent in the middle"),
        ({"MAIL": "530 log in first"}, {}, "set DESKSTREAM_SMTP_USERNAME and DESKSTREAM_SMTP_PASSWORD"),
        ({"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}, {}, "set DESKSTREAM_SMTP_STARTTLS=true"),
        ({"MAIL": "451 later"}, {}, "the server is busy or limits us"),
        ({"greeting": "554 go away"}, {}, "let the server relay mail from this machine"),
        ({"greeting": "421 too many"}, {}, "the server is busy or limits us"),
        ({"EHLO": "250-hello\r\n250 AUTH PLAIN", "AUTH": "535 no"}, {"smtp_username": "u"}, "correct DESKSTREAM_SMTP_USERNAME"),
        ({"EHLO": "250-hello\r\n250 AUTH PLAIN", "AUTH": "534 weak"}, {"smtp_username": "u"}, "the provider wants another kind of login"),
        ({"EHLO": "250-hello\r\n250 AUTH GSSAPI", "AUTH": "504 no"}, {"smtp_username": "u"}, "the server offers none of PLAIN"),
        ({"EHLO": "250-hello\r\n250 AUTH PLAIN", "AUTH": "235 ok", "MAIL": "553 not yours"}, {"smtp_username": "u"}, "let u send as DESKSTREAM_MAIL_FROM"),
    ],
)  # fmt: skip
def test_each_failure_has_its_next_step(script: dict[str, str], fields: dict[str, Any], told: str) -> None:
    async def run() -> str:
        async with scripted_smtp(script) as smtp:
            try:
                return await connect(settings(smtp.port, **fields)).check()
            except Unavailable as error:
                return str(error).partition("; next: ")[2]

    assert asyncio.run(run()).startswith(told)


def test_no_server_and_no_such_name_have_their_next_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert advice(port := free_port()).startswith(f"nothing listens there: correct DESKSTREAM_SMTP_PORT ({port};")

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert advice(25, smtp_host="mail.invalid") == "no DNS entry for mail.invalid: correct DESKSTREAM_SMTP_HOST"


def test_the_command_says_ok_or_the_next_step(cli: Callable[..., Outcome]) -> None:
    with serving() as (_, port):
        env = {"DESKSTREAM_SMTP_PORT": str(port)}
        done = cli(env, "delivery", "--check", "--connect")
        assert (done.returncode, done.stderr.splitlines()[0].split(":")[0]) == (0, "ok")
        assert f"SMTP at 127.0.0.1:{port}: not encrypted" in done.stderr
    failed = cli(env, "delivery", "--check", "--connect")
    assert (failed.returncode, "next: nothing listens there" in failed.stderr) == (3, True)
    assert cli(env, "delivery", "--check").returncode == 0, "without --connect it connects to nothing"
    assert cli(env, "delivery", "--connect").returncode == 2


def oauth_file(
    folder: Path, text: str = "{token_url: 'https://a/', client_id: a, client_secret: SECRET, scope: s}"
) -> Path:
    (folder / "oauth.yaml").write_text(text)
    return folder / "oauth.yaml"


@pytest.mark.parametrize(
    ("fields", "text", "says"),
    [
        ({}, None, "needs DESKSTREAM_SMTP_USERNAME"),
        ({"smtp_username": "a", "smtp_password": "SECRET"}, None, "and no DESKSTREAM_SMTP_PASSWORD"),
        ({"smtp_username": "a", "smtp_host": "mail.example"}, None, "would travel in plain text"),
        ({"smtp_username": "a"}, "[SECRET", "is not valid YAML"),
        ({"smtp_username": "a"}, "- SECRET", "is not an object"),
        ({"smtp_username": "a"}, "{auth: login, client_secret: SECRET}", "auth is one of xoauth2, oauthbearer"),
        ({"smtp_username": "a"}, "{client_secret: SECRET}", "oauth needs token_url"),
    ],
)
def test_a_wrong_file_for_tokens_is_told_at_the_start(
    tmp_path: Path, fields: dict[str, Any], text: str | None, says: str
) -> None:
    file = oauth_file(tmp_path) if text is None else oauth_file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=says) as error:
        connect(SinkSettings(smtp_oauth_file=file, **fields))
    assert "SECRET" not in str(error.value)


def test_a_file_for_tokens_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"DESKSTREAM_SMTP_OAUTH_FILE: .*cannot be read"):
        connect(SinkSettings(smtp_oauth_file=tmp_path / "none.yaml", smtp_username="a"))

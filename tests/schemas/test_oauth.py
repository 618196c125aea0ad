"""Access tokens for mail servers: got, kept, renewed; and what a person reads when they are refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog

from schemas import metrics
from schemas.errors import ConfigurationError, Unavailable
from schemas.oauth import TokenRefused, Tokens, begin_at_zero, configured
from tests.support.mail.token_server import CLIENT, REFRESH, SECRET, TokenServer, token_server
from tests.support.producers.certificate import self_signed
from tests.support.producers.log_reader import free_port

OPTIONS = {"token_url": "https://login.example/token", "client_id": CLIENT, "client_secret": SECRET, "scope": "mail"}


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server() as server:
        yield server


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def tokens(server: TokenServer, clock: Clock | None = None, **options: Any) -> Tokens:
    return Tokens(
        configured(OPTIONS | {"token_url": server.token_url} | options, "test"), "imap:a@b", now=clock or Clock()
    )


def counted(outcome: str) -> float:
    return float(metrics.OAUTH_TOKEN_REQUESTS.labels("imap:a@b", outcome)._value.get())


def test_the_clients_own_credentials_are_a_grant(server: TokenServer) -> None:
    before = counted("issued")
    assert tokens(server).token() == "token-1"
    assert server.requests == [
        {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": "mail"}
    ]
    assert counted("issued") == before + 1


@pytest.mark.parametrize(
    ("life", "seconds"),
    [(3600, 3300), ("3600", 3300), (60, 54), (0, 270), (None, 270), (-5, 270), ("soon", 270), (1e12, 270)],
)
def test_a_token_is_kept_until_shortly_before_its_end(server: TokenServer, life: Any, seconds: float) -> None:
    server.life, clock = life, Clock()
    source = tokens(server, clock)
    assert source.token() == "token-1"
    clock.seconds += seconds - 1
    assert source.token() == "token-1"
    clock.seconds += 1
    assert source.token() == "token-2"


def test_a_token_that_the_mail_server_did_not_take_is_dropped(server: TokenServer) -> None:
    source = tokens(server)
    source.token()
    source.forget()
    assert source.token() == "token-2"


def test_a_refresh_token_is_the_grant_where_there_is_one(server: TokenServer) -> None:
    assert tokens(server, refresh_token=REFRESH, scope="mail").token() == "token-1"
    assert (server.requests[0]["grant_type"], server.requests[0]["refresh_token"]) == ("refresh_token", REFRESH)


def test_a_replaced_refresh_token_outlives_the_process(server: TokenServer, tmp_path: Path) -> None:
    file = tmp_path / "refresh"
    file.write_text(f"{REFRESH}\n")
    server.rotates, server.life, clock = True, 60, Clock()
    source = tokens(server, clock, refresh_token_file=str(file))
    for _ in range(3):
        source.token()
        clock.seconds += 60
    assert file.read_text() == "r3fresh-3\n"
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    assert tokens(server, refresh_token_file=str(file)).token() == "token-4"


def test_a_replaced_refresh_token_is_used_where_its_file_cannot_be_written(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "refresh"
    file.write_text(REFRESH)

    def read_only(**_: Any) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("schemas.oauth.tempfile.mkstemp", read_only)
    server.rotates, server.life, clock = True, 60, Clock()
    source = tokens(server, clock, refresh_token_file=str(file))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            source.token()
            clock.seconds += 60
    assert {line["event"] for line in lines} == {"refresh_token_not_stored"}
    assert "r3fresh" not in str(lines)
    file.write_text("by-hand")
    with pytest.raises(TokenRefused):
        source.token()
    assert server.requests[-1]["refresh_token"] == "by-hand"


def test_a_rotated_secret_needs_no_restart(server: TokenServer, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    options = {name: value for name, value in OPTIONS.items() if name != "client_secret"}
    client = configured(options | {"token_url": server.token_url, "client_secret_file": str(file)}, "test")
    source = Tokens(client, "imap:a@b")
    with pytest.raises(Unavailable, match="cannot be read"):
        source.token()
    file.write_text("wrong")
    with pytest.raises(TokenRefused):
        source.token()
    file.write_text(f"{SECRET}\n")
    assert source.token() == "token-2"


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((401, {"error": "invalid_client", "error_description": f"expired: {SECRET}"}), TokenRefused, "make a new one"),
        ((400, {"error": "invalid_grant"}), TokenRefused, "consent again"),
        ((400, {"error": "unauthorized_client"}), TokenRefused, "may not use this grant"),
        ((400, {"error": f"odd {SECRET}\n"}), TokenRefused, "odd"),
        ((403, "<html>"), TokenRefused, "403"),
        ((302, {}), Unavailable, "302"),
        ((429, {}), Unavailable, "429"),
        ((503, "<html>"), Unavailable, "503"),
        ((200, "<html>"), Unavailable, "without an access token"),
        ((200, []), Unavailable, "without an access token"),
        ((200, {"access_token": 5}), Unavailable, "without an access token"),
        ((200, {"access_token": "a\r\nb"}), Unavailable, "without an access token"),
    ],
)
def test_a_refusal_says_what_to_do_and_no_secret(
    server: TokenServer, answer: tuple[int, Any], kind: type[Exception], says: str
) -> None:
    server.answer = answer
    source = tokens(server)
    with pytest.raises(kind, match=says) as error:
        source.token()
    assert str(error.value).startswith("imap:a@b: ")
    assert SECRET not in str(error.value) and "\n" not in str(error.value)
    assert source.token() == "token-2"


def test_a_token_server_that_is_not_there_is_tried_again() -> None:
    client = configured(OPTIONS | {"token_url": f"http://127.0.0.1:{free_port()}/"}, "test")
    with pytest.raises(Unavailable, match=r"no token from 127\.0\.0\.1"):
        Tokens(client, "imap:a@b").token()


def test_the_token_server_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "certificate.pem")
    with token_server(certificate=certificate) as server:
        url = f"https://localhost:{server.port}/token"
        assert tokens(server, token_url=url, ca_file=str(certificate)).token() == "token-1"
        with pytest.raises(Unavailable, match="certificate verify failed"):
            tokens(server, token_url=url).token()


def test_the_dates_of_secrets_are_metrics(server: TokenServer) -> None:
    tokens(
        server,
        client_secret_expires="2027-03-01",
        refresh_token=REFRESH,
        refresh_token_expires="2027-03-01T00:00:00+01:00",
    )
    seen = {
        kind: metrics.CREDENTIAL_EXPIRY_SECONDS.labels("imap:a@b", kind)._value.get()
        for kind in ("client_secret", "refresh_token")
    }
    assert seen == {"client_secret": 1803859200.0, "refresh_token": 1803855600.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (None, "is not an object of"),
        (["SECRET"], "is not an object of"),
        ({**OPTIONS, "secret": "SECRET"}, "is not an object of"),
        ({**OPTIONS, "client_secret": 12345}, "must be text"),
        ({**OPTIONS, "client_secret": ""}, "must be text"),
        ({**OPTIONS, "client_secret_file": "/x"}, "one of client_secret and client_secret_file"),
        ({"client_id": "a", "client_secret": "SECRET", "scope": "s"}, "needs token_url"),
        ({"token_url": "https://a/", "client_secret": "SECRET", "scope": "s"}, "needs client_id"),
        ({"token_url": "https://a/", "client_id": "a", "scope": "s"}, "needs client_secret_file or refresh_token_file"),
        ({"token_url": "https://a/", "client_id": "a", "client_secret": "SECRET"}, "needs a scope"),
        ({**OPTIONS, "token_url": "http://login.example/SECRET"}, "must be https"),
        ({**OPTIONS, "token_url": "http://localhost.evil.example/"}, "must be https"),
        ({**OPTIONS, "token_url": "https://u:SECRET@login.example/"}, "must be https"),
        ({**OPTIONS, "token_url": "https://[/"}, "must be https"),
        ({**OPTIONS, "client_secret_expires": "soon"}, "is not a date"),
    ],
)
def test_a_wrong_configuration_is_one_line_without_secrets(options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        configured(options, "boxes.yaml: entry 1")
    assert str(error.value).startswith("boxes.yaml: entry 1: ")
    assert not {"SECRET", SECRET, "12345"} & set(str(error.value).replace("/", " ").replace(":", " ").split())
    assert "SECRET" not in str(error.value)


def test_a_date_of_yaml_is_a_date() -> None:
    client = configured(OPTIONS | {"client_secret_expires": date(2027, 3, 1)}, "test")
    assert client.expires == {"client_secret": 1803859200.0}


def test_secrets_are_not_in_a_repr() -> None:
    client = configured(OPTIONS | {"refresh_token": REFRESH}, "test")
    assert SECRET not in repr(client) and REFRESH not in repr(client)


def test_the_counts_of_requests_begin_at_0() -> None:
    begin_at_zero(configured(OPTIONS, "test"), "imap:zero@b")
    began = {outcome for name, outcome in metrics.OAUTH_TOKEN_REQUESTS._metrics if name == "imap:zero@b"}
    assert began == {"issued", "refused", "unavailable"}

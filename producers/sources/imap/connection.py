"""Connects to one folder of one IMAP server: lists waiting mails, fetches their bytes, waits for more.

IMAPClient speaks the protocol. One of its methods is replaced: its IDLE takes the first line of the server for the
answer, but a server may send `* 5 EXISTS` before it.
"""

from __future__ import annotations

import contextlib
import imaplib
import select
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from imapclient import SEEN, IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from producers.sources.imap.accounts import Account
from schemas.errors import DeskstreamError
from schemas.oauth import TokenRefused, Tokens
from schemas.text import error_line

__all__ = ["Connection", "Folder", "ImapProblem", "LoginRefused"]

# The answer to a search is one line; a mailbox of a million unread mails has one of 8 MB.
imaplib._MAXLINE = max(getattr(imaplib, "_MAXLINE", 0), 20_000_000)  # type: ignore[attr-defined]
_CONNECT_SECONDS = 20.0


class ImapProblem(DeskstreamError):
    """The server does not answer, or answers wrongly; connect again later."""


class LoginRefused(ImapProblem):
    """The server refuses user and secret. Frequent attempts would lock the account."""


@dataclass(frozen=True)
class Folder:
    """A selected folder. `next_uid` is above the UID of everything in it; None when the server does not say."""

    uid_validity: int
    next_uid: int | None
    can_flag: bool


class Connection:
    """A logged-in connection. Every method blocks for `timeout` seconds at most and raises `ImapProblem`."""

    def __init__(
        self, account: Account, *, timeout: float, ca_file: str | None = None, tokens: Tokens | None = None
    ) -> None:
        self.account, self._timeout, self._tokens = account, timeout, tokens
        context = ssl.create_default_context(cafile=ca_file)
        with self._problems("connect"):
            self._client: Any = IMAPClient(
                account.host,
                account.port,
                ssl=account.tls == "imaps",
                ssl_context=context,
                timeout=min(timeout, _CONNECT_SECONDS),
            )
        try:
            with self._problems("log in"):
                if account.tls == "imap+starttls":
                    self._client.starttls(context)
                self._log_in()
                self._client.socket().settimeout(timeout)
                self._can_idle = bool(self._client.has_capability("IDLE"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Says goodbye if the server still listens."""
        with contextlib.suppress(Exception):
            self._client.socket().settimeout(min(self._timeout, 2.0))
            self._client.logout()
        with contextlib.suppress(Exception):
            self._client.shutdown()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Folder:
        """Selects the folder anew, to learn if it was replaced, and its mails."""
        with self._problems(f"select {self.account.folder}"):
            answer = self._client.select_folder(self.account.folder)
            if b"UIDVALIDITY" not in answer:
                raise IMAPClientError("the server keeps no UIDs for it")
            # A server that lists no permanent flags keeps all of them (RFC 3501, 7.1).
            permanent = [bytes(flag).lower() for flag in answer.get(b"PERMANENTFLAGS", (SEEN,))]
            can_flag = b"READ-ONLY" not in answer and SEEN.lower() in permanent
            return Folder(int(answer[b"UIDVALIDITY"]), answer.get(b"UIDNEXT"), can_flag)

    def unread(self) -> set[int]:
        """Returns the UIDs of unread mails."""
        return self._search(["UNSEEN"])

    def since(self, day: date) -> set[int]:
        """Returns the mails that the server received on that day or later, read or not."""
        return self._search(["SINCE", day])

    def from_uid(self, uid: int) -> set[int]:
        """Returns the mails with this UID or a higher one, read or not."""
        found = self._search(["UID", f"{uid}:*"])
        return {each for each in found if each >= uid}  # `5:*` also means the last mail when that is 4

    def sizes(self, uids: Iterable[int]) -> dict[int, int]:
        """Returns the bytes of each mail, as the server says; those that are gone meanwhile are left out."""
        with self._problems("fetch sizes"):
            answer = self._client.fetch(list(uids), ["RFC822.SIZE"])
        return {uid: int(items[b"RFC822.SIZE"]) for uid, items in answer.items() if b"RFC822.SIZE" in items}

    def fetch(self, uid: int, max_bytes: int) -> bytes | None:
        """Returns the first `max_bytes` of a mail, without marking it as read; None when it is gone."""
        with self._problems(f"fetch mail {uid}"):
            items = self._client.fetch([uid], [f"BODY.PEEK[]<0.{max_bytes}>"]).get(uid, {})
        raw = items.get(b"BODY[]<0>", items.get(b"BODY[]"))
        return None if raw is None else bytes(raw)[:max_bytes]

    def mark_seen(self, uids: Iterable[int]) -> None:
        """Marks mails as read."""
        with self._problems("mark as seen"):
            self._client.add_flags(list(uids), [SEEN], silent=True)

    @property
    def can_idle(self) -> bool:
        """Says if the server offers IDLE and did not refuse it."""
        return self._can_idle

    def idle(self) -> None:
        """Asks to be told of news. A server that offers IDLE and then refuses it is not asked again."""
        client = self._client._imap
        with self._problems("idle"):
            tag = client._command("IDLE")
            while client._get_response() is not None:  # None: the server waits for us
                if client.tagged_commands[tag]:
                    del client.tagged_commands[tag]
                    self._can_idle = False
                    return
            self._client._idle_tag = tag

    def news(self, seconds: float) -> bool:
        """Says if the server sent anything within so many seconds of idling."""
        with self._problems("idle"):
            return self._read_ahead() or bool(select.select([self._client.socket()], [], [], seconds)[0])

    def end_idle(self) -> None:
        """Ends idling, so that commands can be sent again."""
        with self._problems("end idle"):
            self._client.idle_done()

    def _read_ahead(self) -> bool:
        """Says if something was read from the socket along with an earlier line."""
        client = self._client._imap
        client.sock.settimeout(0)
        try:
            return bool(client.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            client.sock.settimeout(self._timeout)

    def _log_in(self) -> None:
        user = self.account.user
        secret = self.account.secret() if self._tokens is None else self._token(self._tokens)
        try:
            if self.account.auth == "xoauth2":
                self._client.oauth2_login(user, secret)
            elif self.account.auth == "oauthbearer":
                self._client.oauthbearer_login(user, secret)
            else:
                self._client.login(user, secret)
        except LoginError:
            if self._tokens is not None:
                self._tokens.forget()  # it may have been revoked
            raise

    def _token(self, tokens: Tokens) -> str:
        try:
            return tokens.token()
        except TokenRefused as error:
            raise LoginRefused(str(error)) from None

    def _search(self, criteria: list[Any]) -> set[int]:
        with self._problems("search"):
            return {int(uid) for uid in self._client.search(criteria)}

    @contextlib.contextmanager
    def _problems(self, doing: str) -> Any:
        try:
            yield
        except LoginError as error:
            raise LoginRefused(f"{self.account.name}: login refused: {error_line(error, 200)}") from None
        except (IMAPClientError, OSError, EOFError, ValueError, KeyError) as error:
            raise ImapProblem(f"{self.account.name}: cannot {doing}: {error_line(error, 200)}") from error

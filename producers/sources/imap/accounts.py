"""Reads the setting `DESKSTREAM_IMAP_ACCOUNTS`: a list of the URLs of mailboxes, or a file with such a list.

A URL is `imaps://user:password@host:993/INBOX`. `imap+starttls://` begins without TLS, `imap://` has none (for a
server on this machine). Reserved characters of a URL are percent-encoded: `@` is %40, `,` is %2C.

A `.yaml` or `.json` file is a list whose entries are URLs, or keep the secret elsewhere:

    - imaps://orders%40shop.example:secret@imap.example.org/INBOX
    - url: imaps://support%40shop.example@imap.example.org/INBOX
      password_file: /run/secrets/support   # read at every login, so a rotated secret needs no restart
      brand: acme                           # a slug of `brands.yaml`: what is written to here is written to that brand
    - url: imaps://help%40shop.example@outlook.office365.com/INBOX
      auth: xoauth2                         # or oauthbearer; default: login
      oauth:                                # `schemas.oauth`; without it the password is an access token
        token_url: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token
        client_id: 00000000-0000-0000-0000-000000000000
        client_secret_file: /run/secrets/help
        client_secret_expires: 2027-03-01   # an alert comes three weeks before
        scope: https://outlook.office365.com/.default
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import yaml

from schemas import oauth
from schemas.errors import ConfigurationError, Unavailable

__all__ = ["Account", "parse"]

_SETTING = "DESKSTREAM_IMAP_ACCOUNTS"
_PORTS = {"imaps": 993, "imap+starttls": 143, "imap": 143}
_KEYS = {"url", "password", "password_file", "auth", "oauth", "brand"}
_AUTHS = ("login", "xoauth2", "oauthbearer")
_BRAND = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SHAPE = "imaps://user:password@host:993/INBOX"


@dataclass(frozen=True)
class Account:
    """One folder of one mailbox. `tls` is one of `imaps`, `imap+starttls` and `imap` (none)."""

    tls: str
    host: str
    port: int
    user: str
    folder: str = "INBOX"
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    auth: str = "login"
    brand: str = ""
    tokens: oauth.Client | None = None

    @property
    def name(self) -> str:
        """The name for people, logs and metrics: `user@host/folder`, and the port when it is unusual."""
        port = "" if self.port == _PORTS[self.tls] else f":{self.port}"
        return f"{self.user}@{self.host}{port}/{self.folder}"

    def message_url(self, uid_validity: int, uid: int) -> str:
        """Returns the address of a mail on its server, as RFC 5092 writes it."""
        user, folder = quote(self.user, safe=""), quote(self.folder)
        return f"imap://{user}@{self.host}:{self.port}/{folder};UIDVALIDITY={uid_validity}/;UID={uid}"

    def secret(self) -> str:
        """Returns the password or token, read anew from its file.

        Raises:
            Unavailable: the file cannot be read now.
        """
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the password file of {self.name} cannot be read: {error}") from error


def parse(setting: str) -> list[Account]:
    """Returns the mailboxes that the setting names, at least one. No message of an error holds any part of a URL.

    Raises:
        ConfigurationError: with the number of the entry that is wrong, counted from 1.
    """
    setting = setting.strip()
    if not setting:
        raise ConfigurationError("no mailbox is named", where=_SETTING, fix=f"give {_SHAPE}, or a .yaml or .json file")
    if "://" not in setting:
        where, entries = setting, _read(Path(setting))
    else:
        where, entries = _SETTING, [part.strip() for part in setting.split(",")]
    accounts = [_account(entry, f"{where}: entry {number}") for number, entry in enumerate(entries, 1)]
    for double in _doubles([account.name for account in accounts]):
        raise ConfigurationError(f"{double} is named twice", where=where)
    return accounts


def _read(path: Path) -> list[Any]:
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))  # JSON is YAML
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(path), fix=f"give a file of mailboxes, or {_SHAPE}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError("is not valid YAML", where=f"{path}{line}") from None  # its text quotes the file
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError("is not a list of mailboxes", where=str(path), fix=f"write - {_SHAPE}")
    return entries


def _account(entry: Any, where: str) -> Account:
    options = {"url": entry} if isinstance(entry, str) else entry
    if not isinstance(options, dict) or not isinstance(options.get("url"), str) or set(options) - _KEYS:
        raise ConfigurationError(f"is not a URL, nor an object of {', '.join(sorted(_KEYS))}", where=where)
    options = dict(options)
    tokens = oauth.configured(options.pop("oauth"), where) if "oauth" in options else None
    if not all(isinstance(value, str) for value in options.values()):
        raise ConfigurationError("every value must be text", where=where, fix="write it in quotation marks")
    try:
        url = urlsplit(options["url"])
        port, host = url.port, url.hostname
    except ValueError:
        url, port, host = urlsplit(""), None, None
    if url.scheme not in _PORTS or not host or not url.username:
        raise ConfigurationError(f"is not {_SHAPE}", where=where, fix="@ in a name is %40, a comma in it is %2C")
    file = options.get("password_file")
    password = options.get("password") or unquote(url.password or "")
    if tokens is None and bool(file) == bool(password):
        raise ConfigurationError("needs one of password and password_file, or oauth", where=where)
    if tokens is not None and (file or password):
        raise ConfigurationError("needs no password beside oauth", where=where)
    if (auth := options.get("auth", "login" if tokens is None else "xoauth2")) not in _AUTHS:
        raise ConfigurationError(f"auth is one of {', '.join(_AUTHS)}", where=where)
    if tokens is not None and auth == "login":
        raise ConfigurationError("auth is xoauth2 or oauthbearer where oauth stands", where=where)
    if (brand := options.get("brand", "")) and not _BRAND.fullmatch(brand):
        raise ConfigurationError("brand is not a slug of brands.yaml, such as acme", where=where)
    return Account(
        tls=url.scheme,
        host=host,
        port=port or _PORTS[url.scheme],
        user=unquote(url.username),
        folder=unquote(url.path.strip("/")) or "INBOX",
        password=password,
        password_file=Path(file) if file else None,
        auth=auth,
        brand=brand,
        tokens=tokens,
    )


def _doubles(names: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)

"""Reads how our own mail server verified the sender of a mail: Authentication-Results (RFC 8601).

Anybody can write such a header, so only the topmost one with the name of a server of ours counts
(`DESKSTREAM_MAIL_AUTHSERV_ID`), and our server must remove those that come from outside with its name (RFC 8601,
section 5). All others are dropped. A header that cannot be read to its end says nothing.

A result counts only for the domain of the From address: `dmarc` with that domain, `dkim` with a signature of that domain or
of one above it, `spf` with an envelope sender of that domain or of one above it. A result that is given twice, or a From
header in which more than one mailbox could be read, says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from producers.mail.headers import Headers, addresses
from schemas.events import UNVERIFIED

__all__ = ["names", "verified"]

HEADER = "authentication-results"
#: Servers write a few hundred characters; headers with names of ours among the first of many.
_MOST_CHARACTERS, _MOST_HEADERS, _LONGEST_FROM = 8_000, 50, 1_000
_SPECIAL = frozenset(';=()"')
_BLANK = frozenset(" \t\r\n")
#: A word of the header, or one of `;` and `=`. Words in quotes are not told apart from others once they are read.
_Token = tuple[str, bool]
_END, _EQUALS = (";", True), ("=", True)
#: `method`, `method/1`.
_METHOD = re.compile(r"([a-z][a-z0-9-]{0,30})(?:/[0-9]{1,3})?")
_COMMENT_OR_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\([^()]*\)')
_MAILBOX = re.compile(r"[^\s<>,;:\"()@]+@[^\s<>,;:\"()@]+")


class _Result:
    """Holds one result: `dkim=pass header.d=example.org`."""

    __slots__ = ("method", "properties", "value")

    def __init__(self, method: str, value: str) -> None:
        self.method, self.value = method, value
        self.properties: dict[str, str] = {}


def names(setting: str) -> frozenset[str]:
    """Returns the names of our mail servers from the setting, in lower case."""
    return frozenset(name.strip().lower() for name in setting.split(",") if name.strip())


def verified(headers: Headers, sender: str, servers: Collection[str]) -> str:
    """Returns how the server of ours that took the mail verified `sender`: `dmarc`, `dkim`, `spf` or `none`."""
    if not servers or HEADER not in headers or not _is_only_sender(headers, sender):
        return UNVERIFIED
    domain = sender.rpartition("@")[2].lower()
    for value in headers[HEADER][:_MOST_HEADERS]:
        tokens = _tokens(value)
        if tokens and not tokens[0][1] and tokens[0][0].lower() in servers:
            return _judged(_results(tokens), domain)
        if tokens is None and _may_be_ours(value, servers):
            return UNVERIFIED
    return UNVERIFIED


def _is_only_sender(headers: Headers, sender: str) -> bool:
    """Returns true when whoever reads the From header finds this mailbox and no other."""
    values = headers.get("from", [])
    if len(values) != 1 or len(values[0]) > _LONGEST_FROM:
        return False
    if [address for _, address in addresses(values)] != [sender]:
        return False
    unquoted = _COMMENT_OR_QUOTED.sub(" ", values[0])
    return all(each.lower() == sender.lower() for each in _MAILBOX.findall(unquoted))


def _may_be_ours(value: str, servers: Collection[str]) -> bool:
    """Returns true for a header that cannot be read and may have been written by a server of ours."""
    begins = value[:500].lower()
    return any(name in begins for name in servers)


def _judged(results: list[_Result], domain: str) -> str:
    dmarc = [each for each in results if each.method == "dmarc"]
    if dmarc and (len(dmarc) > 1 or dmarc[0].value not in ("pass", "none", "bestguesspass")):
        return UNVERIFIED
    if dmarc and dmarc[0].value == "pass":
        return "dmarc" if _domain(dmarc[0].properties.get("header.from", "")) == domain else UNVERIFIED
    if any(each.value == "pass" and _covers(_signer(each), domain) for each in results if each.method == "dkim"):
        return "dkim"
    spf = [each for each in results if each.method == "spf" and "smtp.mailfrom" in each.properties]
    if len(spf) == 1 and spf[0].value == "pass" and _covers(_domain(spf[0].properties["smtp.mailfrom"]), domain):
        return "spf"
    return UNVERIFIED


def _signer(result: _Result) -> str:
    return _domain(result.properties.get("header.d", "") or result.properties.get("header.i", ""))


def _domain(value: str) -> str:
    return value.rpartition("@")[2].strip().rstrip(".").lower()


def _covers(proved: str, domain: str) -> bool:
    """Returns true for the domain itself and those above it, which are in the same hands; never for a top-level domain."""
    return "." in proved and (domain == proved or domain.endswith(f".{proved}"))


# -- the header -------------------------------------------------------------------------------------------------------


def _tokens(value: str) -> list[_Token] | None:
    """Returns the words of the header; comments are left out. None for a header that does not end as it should."""
    if len(value) > _MOST_CHARACTERS:
        return None
    tokens: list[_Token] = []
    place, end, glued = 0, len(value), False
    while place < end:
        character = value[place]
        if character in _BLANK:
            place, glued = place + 1, False
        elif character == "(":
            if (place := _after_comment(value, place)) < 0:
                return None
            glued = False
        elif character == ")":
            return None
        elif character in ";=":
            tokens.append((character, True))
            place, glued = place + 1, False
        else:
            word, place = _quoted(value, place) if character == '"' else _plain(value, place)
            if place < 0:
                return None
            if glued:  # "local part"@example.org
                tokens[-1] = (tokens[-1][0] + word, False)
            else:
                tokens.append((word, False))
            glued = True
    return tokens


def _plain(value: str, place: int) -> tuple[str, int]:
    start = place
    while place < len(value) and value[place] not in _SPECIAL and value[place] not in _BLANK:
        place += 1
    return value[start:place], place


def _quoted(value: str, place: int) -> tuple[str, int]:
    """Returns a text in quotes and the place behind it, -1 when it does not end."""
    found: list[str] = []
    place += 1
    while place < len(value):
        character = value[place]
        if character == '"':
            return "".join(found), place + 1
        if character == "\\":
            place += 1
            character = value[place : place + 1]
        found.append(character)
        place += 1
    return "", -1


def _after_comment(value: str, place: int) -> int:
    """Returns the place behind a comment, within which there may be others; -1 when it does not end."""
    depth = 0
    while place < len(value):
        character = value[place]
        if character == "\\":
            place += 1
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return place + 1
        place += 1
    return -1


def _results(tokens: list[_Token]) -> list[_Result]:
    """Returns the results behind the server's name. One that is not `method=result property=value ...` is left out."""
    found: list[_Result] = []
    group: list[_Token] = []
    begin = tokens.index(_END) + 1 if _END in tokens else len(tokens)  # behind the name, and perhaps a version
    for token in (*tokens[begin:], _END):
        if token == _END:
            if (result := _result(group)) is not None:
                found.append(result)
            group = []
        else:
            group.append(token)
    return found


def _result(group: list[_Token]) -> _Result | None:
    pairs = [group[place : place + 3] for place in range(0, len(group), 3)]
    if not pairs or any(len(pair) != 3 or pair[1] != _EQUALS or pair[0][1] or pair[2][1] for pair in pairs):
        return None
    method = _METHOD.fullmatch(pairs[0][0][0].lower())
    if method is None:
        return None
    result = _Result(method[1], pairs[0][2][0].lower())
    for (name, _), _, (value, _) in pairs[1:]:
        if (lower := name.lower()) in result.properties:
            return None
        result.properties[lower] = value
    return result

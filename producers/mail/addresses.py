"""Reads the addresses of a header in every form that mailers and people write, in time linear in its length.

The address in angle brackets is the address, whatever stands before it: a name that looks like an address is a name. Only
where there are no brackets is the address searched among the words. Encoded words, quoted strings and comments are each one
piece, whatever separators are in them. The standard library's `getaddresses` takes `ann@other.org <a@x.de>` for two addresses
and `Big Bug bb@bug.com` for none.

| where                                         | what is read                                                           |
|-----------------------------------------------|------------------------------------------------------------------------|
| brackets with an address                      | that one; of several in a row the last                                 |
| brackets with something else                  | nothing: the words beside them may name anybody                        |
| no brackets                                   | the addresses among the words; else in comments, quotes, encoded words |
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from producers.mail import charsets
from producers.mail.encoded_words import ENCODED_WORD, decode, raw_text
from producers.text.domains import ascii_domain

__all__ = ["addresses"]

_Tokens = list[tuple[str, str]]

#: Characters of headers of one name that are read.
_MAX_PARSED_CHARS = 20_000
#: Characters of a name, and pieces of one that separators cut.
_MAX_NAME, _MOST_WAITING = 200, 20
_LONGEST_DOMAIN = 253
#: Pieces of a quoted string, cut by what is escaped: of many that never end each would be read to the end.
_MOST_ESCAPED = 200
#: Nothing is tried twice: a header of 20,000 blanks would take hours.
_SIMPLE_ADDRESS = re.compile(r'^\s*+"?+([^"<>@,;:\\(]*+)("?+)\s*+<\s*+([^<>\s@,;"]++@[^<>\s@,;"]++)\s*+>\s*+$')
_BARE_ADDRESS = re.compile(r"[\w.+=-]{1,64}@(?:[\w-]+\.)*+[\w-]+\Z", re.ASCII)
_LOCAL = r"(?:[^\s<>@,;:\"()\[\]\\\x01]{1,64}|\"(?:[^\"\\\r\n]|\\.){1,62}\")"
_DOMAIN = r"(?:\[[^\s<>@()\[\]\\]{1,60}\]|[^\s<>@,;:\"()\[\]{}\\\x01]{1,253})"
_ADDRESS = re.compile(f"{_LOCAL}@{_DOMAIN}")
_TOKEN = re.compile(
    r"(?P<plain>[^\"<>(),:;=\\]++)"
    rf"|(?P<word>{ENCODED_WORD})"
    rf"|(?P<quoted>\"(?:[^\"\\]++|\\.){{0,{_MOST_ESCAPED}}}+\")"
    r"|(?P<angle><[^<>]*+>)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
#: Stands for an encoded word or a quoted string while addresses are searched among the words.
_HELD = "\x01"
_AMONG_WORDS = re.compile(rf"(?:{_HELD}(?=@)|[^\s<>@,;:\"()\[\]{{}}\\{_HELD}]{{1,64}})@{_DOMAIN}")
_DOTTED = re.compile(
    r"[^\s<>@,;:\"()\[\]{}\\]{1,64}\s?@\s?[^\s<>@,;:\"()\[\]{}\\.]{1,63}(?:\.[^\s<>@,;:\"()\[\]{}\\.]{1,63})+"
)
_COMMENT = re.compile(r"\([^()]*+\)")
_ROUTE = re.compile(r"@[^:<>\s]{1,500}:")
_SCHEME = re.compile(r"(?:mailto|smtp|e-?mail):\s*", re.IGNORECASE)
_BLANKS_AT_SIGNS = re.compile(r"\s*+([@.])\s*+")
_UNQUOTED = re.compile(r"\"([^\s<>@,;:\"()\[\]\\]{1,64})\"\Z")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BRACKETS = (("&lt;", "<"), ("&gt;", ">"), ("＜", "<"), ("＞", ">"))
_LOOSE_SIGNS = str.maketrans(dict.fromkeys('"()[]{}<>', " "))
#: Marks of direction and invisible characters that copied addresses bring along.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_AROUND_NAME = f"\"' {_INVISIBLE}"


def addresses(values: list[str]) -> list[tuple[str, str]]:
    """Returns `(name, address)` of every usable address; addresses keep their spelling, domains become ASCII."""
    found: list[tuple[str, str]] = []
    left = _MAX_PARSED_CHARS
    for value in values:
        if _BARE_ADDRESS.match(value):
            found.append(("", value))
            continue
        value = raw_text(value)
        simple = _SIMPLE_ADDRESS.match(value)
        if simple and (address := _canonical(simple[3])):
            # blanks at the end belong to a name in quotes only
            found.append((_name(simple[1] if simple[2] else simple[1].rstrip()), address))
            continue
        value = value[:left]
        left -= len(value)
        found += _read(value.replace(_HELD, ""))
    return found


def _read(value: str) -> list[tuple[str, str]]:
    """Returns the mailboxes of a header; of one without any, what can be found in its quotes, comments and encoded words."""
    if "<" not in value:
        for written, sign in _BRACKETS:
            value = value.replace(written, sign)
    found, told = _mailboxes(value)
    if found or not told:
        return found
    plain = decode(value).replace(_HELD, "")
    found, told = _mailboxes(plain[1:-1] if plain[:1] == plain[-1:] == '"' else plain)
    if found or not told or "<>" in plain:
        return found
    plain = plain.translate(_LOOSE_SIGNS)
    match = _DOTTED.search(plain)
    address = _canonical(match[0]) if match else ""
    if match is None or not address:
        return []
    rest = _SCHEME.sub("", f"{plain[: match.start()]} {plain[match.end() :]}")
    return [(_name(" ".join(rest.split())), address)]


# -- one header -------------------------------------------------------------------------------------------------------


def _mailboxes(value: str) -> tuple[list[tuple[str, str]], bool]:
    """Returns the mailboxes, and false if brackets hold something that is no address: then no other place counts."""
    found: list[tuple[str, str]] = []
    told = True
    waiting: _Tokens = []  # the words before a comma: "Lee, Ann <ann@example.org>" is one name
    for segment in _segments(value):
        boxes, usable = _of_segment([*waiting, *segment] if waiting else segment)
        told = told and usable
        found += boxes
        has_words = any(text.strip(" ,;") for _, text in segment)
        waiting = [*waiting, *segment] if has_words and not boxes and usable and len(waiting) < _MOST_WAITING else []
    return found, told


def _segments(value: str) -> Iterator[_Tokens]:
    """Yields the tokens between commas and semicolons. The name of a group, which a semicolon ends, is left out."""
    last_semicolon = value.rfind(";")
    segment: _Tokens = []
    for kind, text, start in _tokens(value):
        if kind == "sign" and text in ",;":
            yield [*segment, (kind, text)]
            segment = []
        elif text == ":" and start < last_semicolon and not any("@" in words for _, words in segment):
            segment = []
        else:
            segment.append((kind, text))
    yield segment


def _tokens(value: str) -> Iterator[tuple[str, str, int]]:
    """Yields `(kind, text, offset)`; a comment is one token, a parenthesis without its other half a sign."""
    found = [(str(match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(value)]
    ends = _comments(found) if "(" in value else {}
    index = 0
    while index < len(found):
        kind, text, start = found[index]
        if index in ends:
            last = ends[index]
            yield "comment", value[start : found[last][2] + 1], start
            index = last + 1
        else:
            yield kind, text, start
            index += 1


def _comments(tokens: list[tuple[str, str, int]]) -> dict[int, int]:
    """Returns index of the first and the last token of every outermost comment."""
    open_at: list[int] = []
    ends: dict[int, int] = {}
    for index, (_, text, _) in enumerate(tokens):
        if text == "(":
            open_at.append(index)
        elif text == ")" and open_at:
            ends[open_at.pop()] = index
    return ends


def _of_segment(tokens: _Tokens) -> tuple[list[tuple[str, str]], bool]:
    """Returns the mailboxes between two commas, and false when there are brackets and none holds an address."""
    found: list[tuple[str, str]] = []
    words: _Tokens = []
    behind: _Tokens = []  # the words behind the last address
    address, brackets, usable = "", "", True
    for kind, text in _with_open_bracket(tokens):
        inner = text[1:-1] if kind == "angle" else ""
        if kind != "angle":
            (behind if address else words).append((kind, text))
        elif not (read := _canonical(inner)):
            usable = usable and not inner.strip()
            (behind if address else words).append(("plain", text if inner.strip() else " "))
        else:
            if address and _name_of(behind).strip("<>. "):  # a comma is missing
                found.append((_name_of(words), address))
                words = behind
            elif address:
                words = [*words, ("plain", brackets), *behind]
            behind, address, brackets = [], read, text
    if address:
        return [*found, (_name_of(words) or _name_of(behind), address)], True
    return ([], False) if not usable else (_among_words(words), True)


def _with_open_bracket(tokens: _Tokens) -> _Tokens:
    """Returns the tokens with `<ann@example.org` as brackets, too, if none of them holds anything."""
    if any(kind == "angle" for kind, _ in tokens):
        return tokens
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index][1] == "<":
            inner = "".join(text for _, text in tokens[index + 1 :]).rstrip(",; ")
            return [*tokens[:index], ("angle", f"<{inner}>")] if _canonical(inner) else tokens
    return tokens


def _among_words(tokens: _Tokens) -> list[tuple[str, str]]:
    """Returns the addresses among words without brackets, the first one with the other words as its name."""
    outside = [token for token in tokens if token[0] != "comment"]
    held = iter([text for kind, text in outside if kind in ("word", "quoted")])
    words = "".join(_HELD if kind in ("word", "quoted") else text for kind, text in outside)
    if "@" not in words:
        return []
    found: list[str] = []
    rest: list[str] = []
    last = 0
    for match in _AMONG_WORDS.finditer(words):
        before = _restored(words[last : match.start()], held)
        written = _restored(match[0], held)
        address = _canonical(written)
        found += [address] if address else []
        rest += [before] if address else [before, written]
        last = match.end()
    rest.append(_restored(words[last:], held))
    name = _SCHEME.sub("", "".join(rest))
    name = _name(" ".join(_unescaped(name.translate(_LOOSE_SIGNS)).split()).strip(".,; "))
    name = name or _name_of([token for token in tokens if token[0] == "comment"])
    return [(name if not index else "", address) for index, address in enumerate(found)]


def _restored(words: str, held: Iterator[str]) -> str:
    if _HELD not in words:
        return words
    pieces = words.split(_HELD)
    return pieces[0] + "".join(next(held) + piece for piece in pieces[1:])


# -- names and addresses ----------------------------------------------------------------------------------------------


def _name_of(tokens: _Tokens) -> str:
    """Returns the name that these words are; of nothing but comments what is in them."""
    only_comments = all(kind == "comment" or not text.strip() for kind, text in tokens)
    pieces: list[str] = []
    for kind, text in tokens:
        if kind == "quoted" or (kind == "comment" and only_comments):
            pieces.append(_unescaped(text[1:-1]))
        elif text != '"':
            pieces.append(text)
    return _name("".join(pieces).strip(" ,;").rstrip("< "))


def _name(words: str) -> str:
    return decode(words)[:_MAX_NAME].strip(_AROUND_NAME)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _canonical(address: str) -> str:
    """Returns the address without what people and mailers put around it, its domain in ASCII; '' when it is none."""
    address = address.strip().strip("<>'").replace("＠", "@")
    if _BARE_ADDRESS.match(address):
        return address
    if "=?" in address:
        address = decode(address)
    address = _COMMENT.sub("", address).strip(f" {_INVISIBLE}")
    if address.startswith('"') and address.endswith('"') and "@" in address:
        address = address.strip('"')
    address = _SCHEME.sub("", address, count=1) if _SCHEME.match(address) else address
    if route := _ROUTE.match(address):
        address = address[route.end() :]
    local, _, domain = charsets.clean(
        _BLANKS_AT_SIGNS.sub(r"\1", address) if '"' not in address else address
    ).rpartition("@")
    if unquoted := _UNQUOTED.match(local):
        local = unquoted[1]
    domain = domain.strip(". ")
    address = f"{local}@{domain if domain.isascii() or len(domain) > _LONGEST_DOMAIN else ascii_domain(domain)}"
    return address if _ADDRESS.fullmatch(address) else ""

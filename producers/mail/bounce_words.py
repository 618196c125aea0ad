"""Reads the reason of a bounce from the words of the server, where its status code is a general one. Pure.

Many servers say `5.0.0`, or only `550`, and mean something that RFC 3463 has a code for. Words about us come first: a server that
blocks our network often calls the recipient unavailable beside it.
"""

from __future__ import annotations

import re

__all__ = ["status_code"]

_GENERAL = re.compile(r"[245]\.[05]\.0|")
_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_LOOKED_AT = 4_000
#: The code that words mean, the first that fits.
_MEANINGS = (
    (
        "5.7.1",
        r"spam|\bblock(?:ed|list|ing)|black ?list|reputation|\bpolicy\b|\bspf\b|\bdkim\b|\bdmarc\b|relay(?:ing)?\b.{0,20}den|"
        r"access denied|greylist|virus|rate limit|too many (?:messages|connections)|authentication required",
    ),
    (
        "5.2.2",
        r"mailbox (?:is )?full|over ?quota|quota exceeded|exceeded .{0,30}(?:quota|storage)|out of storage|insufficient storage|"
        r"mailbox size limit|too full",
    ),
    ("5.3.4", r"message (?:is )?too (?:large|big)|size limit|exceeds .{0,30}size"),
    (
        "5.1.2",
        r"(?:host|domain) (?:name )?(?:not found|unknown|does(?:n't| not) exist)|unknown (?:host|domain)|no such domain|"
        r"unrouteable mail domain|name service error|null ?mx",
    ),
    (
        "5.2.1",
        r"(?:mailbox|account|user) .{0,30}(?:disabled|inactive|suspended|deactivated)|no longer (?:valid|active|in use|works)",
    ),
    (
        "5.1.1",
        r"unrouteable address|"
        r"(?:user|recipient|mailbox|address|account|alias)(?: name)?s? (?:is |was )?(?:unknown|not (?:found|known|exist))|"
        r"unknown (?:user|recipient|mailbox|address|local.?part)|"
        r"no (?:such|mailbox|valid) (?:user|recipient|mailbox|address|account|person|here|by that name)|"
        r"(?:user|recipient|mailbox|address|account).{0,60}does(?:n't| not) (?:exist|have)|"
        r"invalid (?:recipient|mailbox|user|address)|not a valid (?:user|mailbox|recipient|address)|"
        r"(?:mailbox|recipient) unavailable|not our customer",
    ),
)
_WORDS = tuple((code, re.compile(words, re.IGNORECASE)) for code, words in _MEANINGS)


def status_code(code: str, *words: str) -> str:
    """Returns the status code; of a general one, or none, the one that the words mean, those before the others first."""
    if not _GENERAL.fullmatch(code):
        return code
    for text in words:
        text = " ".join(text[:_LOOKED_AT].split())
        if (found := _CODE.search(text)) and not _GENERAL.fullmatch(found[0]):
            return found[0]
        for meant, pattern in _WORDS:
            if pattern.search(text):
                return meant if not code.startswith("4") else f"4{meant[1:]}"
    return code

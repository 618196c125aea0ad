"""Reads the text of RTF, in time linear in its length.

The library that reads it (`striprtf`) searches links and fonts with expressions that take cubic and quadratic time on
text made for that: 190,000 characters keep it busy for hours. Here both are found first, and written so that it finds
them at once.
"""

from __future__ import annotations

import re

from striprtf.striprtf import rtf_to_text

__all__ = ["MAX_RTF_CHARS", "words"]

#: The library takes about half a microsecond for a character.
MAX_RTF_CHARS = 300_000
_LINK = re.compile(
    r'(\{\\field\{\s{0,9}\\\*\\fldinst\{[^{}\n]{0,100}?HYPERLINK\s("[^"\n]{0,2000}")\}\}'
    r"\s{0,9}\{[^\s\n]{0,300}\s[^\n]{0,500}?\}{2,3})",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(r"(\\fldinst)\{", re.IGNORECASE)
_FONTS = re.compile(r"\{[^{}]{0,100}\\fonttbl")
_BRACE = re.compile(r"[{}]")
_FONT = re.compile(r"\\f(\d{1,6})(?!\d)")
_CHARSET = re.compile(r"\\fcharset(\d{1,6})(?!\d)")
_MAX_FONTS_CHARS, _MAX_FONTS = 100_000, 2_000


def words(rtf: str) -> str:
    """Returns the text; '' for what cannot be read."""
    rtf = _with_plain_fonts(rtf[:MAX_RTF_CHARS])
    rtf = _INSTRUCTION.sub(r"\1 {", _LINK.sub(r"\1(\2)", rtf))  # with a blank the library sees no link in it
    try:
        return str(rtf_to_text(rtf, encoding="cp1252", errors="replace"))  # type: ignore[no-untyped-call]
    except Exception:  # broken input makes the library raise anything
        return ""


def _with_plain_fonts(rtf: str) -> str:
    """Returns the RTF with nothing in its table of fonts but the number and character set of each."""
    begins = _FONTS.search(rtf)
    if begins is None:
        return rtf
    depth, end = 1, len(rtf)
    for brace in _BRACE.finditer(rtf, begins.end()):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            end = brace.end()
            break
    fonts = []
    for entry in rtf[begins.end() : min(end, begins.end() + _MAX_FONTS_CHARS)].split(";")[:_MAX_FONTS]:
        number = _FONT.search(entry)
        charset = _CHARSET.search(entry, number.end()) if number else None
        if number and charset:
            fonts.append(f"{{\\f{number[1]}\\fcharset{charset[1]} x;}}")
    closed = "}" if depth == 0 else ""
    return rtf[: begins.end()] + "".join(fonts) + closed + rtf[end:]

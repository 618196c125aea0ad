"""Defines the errors of the local ClickHouse engine, with ClickHouse's codes."""

from __future__ import annotations

import re

__all__ = [
    "ACCESS_DENIED",
    "AUTHENTICATION_FAILED",
    "BAD_ARGUMENTS",
    "CANNOT_DECOMPRESS",
    "NOT_IMPLEMENTED",
    "SYNTAX_ERROR",
    "UNKNOWN_SETTING",
    "EngineError",
]

BAD_ARGUMENTS, SYNTAX_ERROR, CANNOT_DECOMPRESS, UNKNOWN_EXCEPTION = 36, 62, 271, 1001
NOT_IMPLEMENTED, ACCESS_DENIED, AUTHENTICATION_FAILED = 48, 497, 516
UNKNOWN_SETTING = 115

_CODE = re.compile(r"\bCode: (\d+)\b")


class EngineError(Exception):
    """Holds an error with ClickHouse's code, as the HTTP interface reports it."""

    def __init__(self, text: str, code: int | None = None) -> None:
        if code is None:
            found = _CODE.search(text)
            code = int(found[1]) if found else UNKNOWN_EXCEPTION
        self.code = code
        known = text.find("Code: ")
        super().__init__(text[known:] if known >= 0 else f"Code: {code}. DB::Exception: {text}")

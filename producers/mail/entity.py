"""Holds a mail or a part of one: the standard library's message, with its body left where it is, and quick to ask."""

from __future__ import annotations

import email.policy
import re
from email.message import Message
from typing import Any

__all__ = ["Entity"]

_BOUNDARY = re.compile(r"[a-z]+/[a-z]+;\s*boundary=\"([!#-&(-:<-Z^-~]{1,70})\"", re.IGNORECASE)


class Entity(Message):
    """A mail or a part of one: the library's message, whose body stays where it is until somebody asks for it."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(email.policy.compat32)
        self.raw = raw
        self.body_start = self.body_end = 0
        self._fields: dict[str, list[str]] | None = None
        self._kind = ""

    def get_content_type(self) -> str:
        """Returns what the library's method returns, which parses the header each time."""
        self._kind = self._kind or super().get_content_type()
        return self._kind

    def set_default_type(self, ctype: str) -> None:
        """Sets the type of an entity without a Content-Type."""
        super().set_default_type(ctype)
        self._kind = ""

    def get_boundary(self, failobj: Any = None) -> Any:
        """Returns what the library's method returns; a boundary in quotes, as most are, at once."""
        found = _BOUNDARY.fullmatch(self.fields.get("content-type", [""])[0])
        return found[1] if found else super().get_boundary(failobj)

    @property
    def fields(self) -> dict[str, list[str]]:
        """All headers as they stand in the mail: names in lower case, each with its values in their order."""
        if self._fields is None:
            self._fields = {}
            for name, value in self._headers:
                self._fields.setdefault(name.rstrip().lower(), []).append(value)
        return self._fields

    def set_raw(self, name: str, value: str) -> None:
        """Adds a header as the library's method does."""
        self._headers.append((name, value))
        self._fields, self._kind = None, ""

    def set_all_raw(self, headers: list[tuple[str, str]]) -> None:
        """Sets all headers of an entity that has none."""
        self._headers = headers
        self._fields, self._kind = None, ""

    def get(self, name: str, failobj: Any = None) -> Any:
        """Returns what the library's method returns, which searches all headers for each name."""
        values = self.fields.get(name.lower())
        return self.policy.header_fetch_parse(name, values[0]) if values else failobj

    def get_payload(self, i: int | None = None, decode: bool = False) -> Any:
        """Returns what the library's method returns."""
        if getattr(self, "_payload", None) is None:
            self.set_payload(self.body().decode("ascii", "surrogateescape"))
        return super().get_payload(i, decode)  # type: ignore[call-overload]

    @property
    def children(self) -> list[Entity]:
        """The parts inside of this one."""
        payload = getattr(self, "_payload", None)
        return payload if isinstance(payload, list) else []

    def body(self) -> bytes:
        """Returns the bytes below the headers, without the line end that belongs to the boundary below them."""
        return self.raw[self.body_start : self.body_end]

    def end_before_line_end(self) -> None:
        """Leaves the last line end of the body to the boundary below it (RFC 2046, 5.1.1)."""
        last = self.raw[max(self.body_start, self.body_end - 2) : self.body_end]
        self.body_end -= 2 if last == b"\r\n" else 1 if last[-1:] in (b"\r", b"\n") else 0

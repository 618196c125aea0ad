"""Names the marks that mailers leave in HTML around quoted mail and signatures."""

from __future__ import annotations

from enum import Enum

__all__ = ["Mark"]


class Mark(Enum):
    """What begins at a line of the text, as the page says."""

    QUOTE = "quote"
    ATTRIBUTION = "attribution"
    MAIL = "mail"
    SIGNATURE = "signature"

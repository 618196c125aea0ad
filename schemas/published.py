"""The record of a ruleset that was published: one for each version, in the topic `rules`."""

from __future__ import annotations

import msgspec

from schemas.events import Micros


class RulesPublished(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that take effect: everything that a fold may consult besides the event and the state.

    version         12 hex characters over the names and contents of the files and the mail domain; also the key
    effective_from  from when on the log's axis (pipeline time) records are folded with it
    append_by       wall time by which the broker must have stored this record; one that came later never counts, since
                    workers may already have folded records of `effective_from`. 0: counts as the first of the log only
    files           path within the rules' directory -> content
    """

    version: str
    effective_from: Micros
    append_by: Micros
    mail_domain: str
    files: dict[str, bytes]
    published_by: str = ""
    at: Micros = 0

"""The records by which the processes of a deployment agree: on rules (topic `rules`, with incidents) and on secrets (topic `secrets`)."""

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


class IncidentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Says what is out of order, as acknowledgements tell it, or that it is over.

    incident  its name; a later record of that name takes the place of the earlier one
    texts     by language; none when it is over
    tags, channels, brands   who is told: contacts about one of the tags, on one of the channels, to one of the brands;
                    empty for all
    effective_from, append_by   as of RulesPublished; no record counts that the broker stored later than `append_by`
    """

    incident: str
    effective_from: Micros
    append_by: Micros
    texts: dict[str, str] = {}
    tags: list[str] = []
    channels: list[str] = []
    brands: list[str] = []
    published_by: str = ""
    at: Micros = 0


class SecretsRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """Says with which secrets the names of a deployment are made: fingerprints of them, never the secrets.

    tags      of the secret that makes customer tags, or `unkeyed`
    replaces  what was in force before; a record that replaces anything else does not count; '' for the first
    tokens    of the secret that signs ticket tokens, '' for none
    """

    tags: str
    replaces: str
    tokens: str = ""
    at: Micros = 0

"""Refuses SQL that leaves the engine of this machine: files, other servers, programs, other languages.

The engine's grants (`clickhouse_engine`) refuse table functions and table engines that read or write elsewhere. This module
refuses what grants do not know: the function `file`, INFILE and OUTFILE, custom disks, databases of other engines, tables
attached from a path, functions that ask a language model, and other dialects, whose text the tokens here would not show.
It reads tokens, so that a word in a text or a comment is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deploy.local.engine_errors import ACCESS_DENIED, EngineError
from deploy.local.sql_statements import tokens

__all__ = ["require_settings_here", "require_sql_here"]

#: Functions of the engine that grants do not cover.
_FUNCTIONS = frozenset(
    b"file disk python executable catboostevaluate getclienthttpheader"
    b" aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate".split()
)
_KEYWORDS = frozenset((b"infile", b"outfile", b"dialect"))
#: The engines of databases and tables that keep their data here.
_ENGINES = re.compile(
    rb"(?:replacing|summing|aggregating|collapsing|versionedcollapsing|coalescing|graphite)?mergetree"
    rb"|atomic|memory|log|tinylog|stripelog|null|set|join|buffer|merge|view|materializedview|generaterandom"
)
_FIRST = frozenset((b"attach", b"backup", b"restore"))
_SETTINGS = re.compile(
    r"dialect|.*_dialect|.*disk.*|.*infile.*|.*outfile.*|user_files_path|.*_server_url", re.IGNORECASE
)


def require_sql_here(statement: bytes) -> None:
    """Refuses a statement that reads or writes anything but the tables of this engine.

    Raises:
        EngineError: it names what leaves the engine.
    """
    words = [_name(word) for word in tokens(statement)]
    first = words[0] if words else b""
    if first in _FIRST:
        raise _refused(first.decode())
    for number, word in enumerate(words):
        before, after = words[max(0, number - 2) : number], words[number + 1 : number + 3]
        if word in _KEYWORDS:
            raise _refused(word.decode())
        if word in _FUNCTIONS and (after[:1] == [b"("] or b"apply" in before):
            raise _refused(f"the function {word.decode()}")
        if word == b"engine" and first in (b"create", b"alter"):
            engine = next((each for each in after if each != b"="), b"")
            if re.fullmatch(rb"\w+", engine) and not _ENGINES.fullmatch(engine):
                raise _refused(f"the engine {engine.decode()}")


def require_settings_here(names: Iterable[str]) -> None:
    """Refuses settings by which a request reads its SQL otherwise, or writes elsewhere.

    Raises:
        EngineError: it names the setting.
    """
    for name in names:
        if _SETTINGS.fullmatch(name):
            raise _refused(f"the setting {name}")


def _name(word: bytes) -> bytes:
    """Returns a word as the engine compares it: without the quotes of an identifier, in lower case."""
    quoted = len(word) > 1 and word[:1] == word[-1:] and word[:1] in (b"`", b'"')
    return (word[1:-1] if quoted else word).lower()


def _refused(what: str) -> EngineError:
    return EngineError(f"{what}: not for users of this server (ACCESS_DENIED)", ACCESS_DENIED)

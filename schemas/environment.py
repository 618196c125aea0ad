"""Reads the names of the `DESKSTREAM_*` variables: those that were replaced, and those that are misspelt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from pydantic_settings import BaseSettings, EnvSettingsSource

__all__ = ["OTHERS", "PREFIX", "misspelt", "under_old_names", "variables"]

PREFIX = "DESKSTREAM_"
#: Variables that are no settings of a process: of the embedded stack and of the tests.
OTHERS = {
    "DESKSTREAM_CACHE_DIR",
    "DESKSTREAM_MAVEN_URL",
    "DESKSTREAM_TEST_CLICKHOUSE_IMAGE",
    "DESKSTREAM_TEST_KAFKA_IMAGE",
    "DESKSTREAM_TEST_KUBECONFIG",
    "DESKSTREAM_TEST_PYTHON_IMAGE",
    "DESKSTREAM_WORKER_NAME",
}
#: A misspelt name has at least so much in common with a right one.
_LIKENESS = 0.85


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """Returns the variables of the environment whose names begin with `PREFIX`, in capitals, with their values."""
    read = EnvSettingsSource(kind).env_vars
    return {name.upper(): value or "" for name, value in read.items() if name.upper().startswith(PREFIX)}


def under_old_names(present: Mapping[str, str], renamed: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Returns the values set under a replaced name, by their field of today, and a line about each.

    `renamed` maps old fields to new ones. A value under the new name wins.
    """
    values, lines = {}, []
    for old, new in renamed.items():
        was, now = PREFIX + old.upper(), PREFIX + new.upper()
        if was not in present:
            continue
        lines.append(f"{was} is deprecated and works for one more release: set {now}")
        if now not in present:
            values[new] = present[was]
    return values, lines


def misspelt(present: Iterable[str], known: Collection[str]) -> list[str]:
    """Returns a line for each variable that nothing reads and that is almost the name of a known one."""
    lines = []
    for name in sorted(set(present) - set(known)):
        if close := get_close_matches(name, known, n=1, cutoff=_LIKENESS):
            lines.append(f"warning: {name} is no setting and has no effect: did you mean {close[0]}?")
    return lines

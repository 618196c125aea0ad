"""Reads settings from the environment, for entry points only."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError

from schemas import environment
from schemas.errors import ConfigurationError
from schemas.settings.base import Settings, describe

S = TypeVar("S", bound=Settings)
#: Replaced names of settings, and the names that they have now. One more release reads the old names.
RENAMED = {
    "door_requests_per_second": "endpoint_requests_per_second",
    "door_burst_requests": "endpoint_burst_requests",
}


def load(kind: type[S], **overrides: Any) -> S:
    """Reads the settings from the environment; one clear line per problem.

    Raises:
        ConfigurationError: a variable is missing or malformed.
    """
    present = environment.variables(kind)
    renamed = {old: new for old, new in RENAMED.items() if new in kind.model_fields}
    values, lines = environment.under_old_names(present, renamed)
    for line in (*lines, *environment.misspelt(present, known_variables())):
        print(line, file=sys.stderr)
    try:
        return kind(**(values | overrides))
    except ValidationError as error:
        first = error.errors()[0]
        name = "DESKSTREAM_" + "_".join(str(part) for part in first["loc"]).upper()
        problem = first["msg"].removeprefix("Value error, ")
        secret = kind.model_fields.get(str(first["loc"][0])) if first["loc"] else None
        got = "" if secret is not None and secret.annotation is SecretStr else f" (got {first.get('input')!r})"
        raise ConfigurationError(f"{problem}{got}", where=name) from error


def known_variables() -> set[str]:
    """Returns the name of every variable that some process reads, replaced names included."""
    kinds = [Settings]
    for kind in kinds:
        kinds += kind.__subclasses__()
    names = {name for kind in kinds for name, _, _ in describe(kind)}
    return names | {environment.PREFIX + old.upper() for old in RENAMED} | environment.OTHERS

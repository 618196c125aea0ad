"""The rules in force: calendars, policies, taxonomy, templates, teams, each with the version of its content.

`load(directory)` reads and validates them all and either returns a complete `Rules` or raises one
`ConfigurationError` naming file and line: an invalid file never replaces a valid one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stream_processors.acknowledgements import Guards
from stream_processors.calendarfile import Calendars
from stream_processors.notices import Notices
from stream_processors.policies import Policies
from stream_processors.taxonomy import Taxonomy
from stream_processors.teams import Teams
from stream_processors.templates import Templates

SHIPPED = Path(__file__).parent / "config"


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a step may consult besides the event and the state."""

    policies: Policies
    taxonomy: Taxonomy
    templates: Templates
    teams: Teams
    guards: Guards
    mail_domain: str
    calendars: Calendars
    notices: Notices


@cache
def load(directory: Path | None = None, mail_domain: str = "support.example") -> Rules:
    """Read the rules from a directory, by default those that ship with the package.

    Raises:
        ConfigurationError: a file is missing or invalid; nothing is replaced.
    """
    root = directory or SHIPPED
    own = root / "calendars.yaml"  # rules that were copied before there were calendars have none, and need none
    notices = root / "notices.yaml"  # the same
    teams, calendars = Teams.load(root / "teams.yaml"), Calendars.load(own if own.exists() else SHIPPED / own.name)
    return Rules(
        calendars=calendars,
        policies=Policies.load(root / "policies.yaml", teams, calendars),
        taxonomy=Taxonomy.load(root / "taxonomy.yaml", teams),
        templates=Templates.load(root / "templates"),
        teams=teams,
        guards=Guards.load(root / "acknowledgements.yaml", mail_domain),
        mail_domain=mail_domain,
        notices=Notices.load(notices if notices.exists() else SHIPPED / notices.name, mail_domain),
    )

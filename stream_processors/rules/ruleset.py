"""Reads and validates a directory of rules as a whole; each part has the version of its content.

`load(directory)` reads and validates them all and either returns a complete `Rules` or raises one
`ConfigurationError` naming file and line: an invalid file never replaces a valid one. It goes by way of `read_files`
and `of_files`, so that what was validated is what is published, even if somebody saves a file in between.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from schemas import brands_file
from schemas.brands import Brand, Brands
from schemas.calendars_file import Calendars
from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies import answers
from stream_processors.rules import automations_file, incidents, taxonomy_file, teams_file
from stream_processors.rules.automations import NO_AUTOMATIONS, Automations
from stream_processors.rules.incidents import Incident
from stream_processors.rules.loop_guards import Guards
from stream_processors.rules.notices import Notices
from stream_processors.rules.policies import Policies
from stream_processors.rules.roster import Roster
from stream_processors.rules.situations import NO_SITUATIONS, Circumstances, Situations
from stream_processors.rules.surveys import Surveys
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.rules.teams import Teams
from stream_processors.rules.templates import Templates

SHIPPED = Path(__file__).parents[1] / "config"
#: What belongs to the rules in their directory; anything else there, and whatever is hidden, is somebody's notes.
SUFFIXES = (".yaml", ".yml", ".txt", ".html", ".ics")
MOST_BYTES = 4_000_000
#: Rules that were copied before these files existed have none, and get the ones that ship.
_LATER = ("agents.yaml", "calendars.yaml", "notices.yaml", "situations.yaml", "surveys.yaml")
#: Added to the situations that ship, where the taxonomy may be another.
_OF_ANY_TAXONOMY = b"\nskip_unknown_tags: true\n"
_DEPTH = 3
_AGENTS, _GUARDS, _BRANDS, _SITUATIONS = "agents.yaml", "acknowledgements.yaml", "brands.yaml", "situations.yaml"
_AUTOMATIONS = "automations.yaml"
#: The prewritten answers that ship, for rules that name some and have none beside them.
_ANSWERS = Path(answers.__file__).parent / "shipped" / automations_file.ANSWERS
_made: dict[tuple[Any, str], Any] = {}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rules:
    """Holds all that a step may consult besides the event and the state. `version` is that of all the content."""

    policies: Policies
    taxonomy: Taxonomy
    templates: Templates
    teams: Teams
    guards: Guards
    mail_domain: str
    calendars: Calendars
    notices: Notices
    surveys: Surveys
    brands: Brands
    version: str = ""
    roster: Roster = field(default_factory=Roster)
    brand_templates: Mapping[str, Templates] = field(default_factory=dict)
    situations: Situations = NO_SITUATIONS
    incidents: tuple[Incident, ...] = ()
    automations: Automations = NO_AUTOMATIONS

    def incident(self, case: Circumstances, locale: str) -> str:
        """Returns what is told of an incident to a contact, '' when there is none that concerns it."""
        return incidents.told(self.incidents, case, locale) or self.notices.incident(locale)

    def templates_of(self, brand: Brand) -> Templates:
        """Returns the acknowledgements of a brand: those in its folder, the common ones for the rest."""
        return self.brand_templates.get(brand.templates, self.templates)


@cache
def load(directory: Path | None = None, mail_domain: str = "support.example") -> Rules:
    """Reads the rules from a directory, by default those that ship with the package. A directory is read once.

    Raises:
        ConfigurationError: a file is missing or invalid; nothing is replaced.
    """
    root = directory or SHIPPED
    return of_files(read_files(root), mail_domain, shown_as=str(root))


def read_files(directory: Path, brands_file: Path | None = None) -> dict[str, bytes]:
    """Returns the content of every file of the rules by its path within the directory, in order.

    `brands_file` takes the place of `brands.yaml`.

    Raises:
        ConfigurationError: the directory cannot be read, or holds more than `MOST_BYTES`.
    """
    if not directory.is_dir():
        raise ConfigurationError("is not a directory", where=str(directory), fix="name the directory of policies.yaml")
    try:
        files = {path.relative_to(directory).as_posix(): path.read_bytes() for path in _paths(directory)}
        if brands_file is not None:
            files[_BRANDS] = brands_file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(error.filename)) from error
    for name in _LATER:
        files.setdefault(name, (SHIPPED / name).read_bytes() + (_OF_ANY_TAXONOMY if name == _SITUATIONS else b""))
    if automations_file.names_answers(files.get(_AUTOMATIONS, b"")):
        files.setdefault(automations_file.ANSWERS, _ANSWERS.read_bytes())
    if (size := sum(map(len, files.values()))) > MOST_BYTES:
        raise ConfigurationError(f"holds {size:,} bytes, at most {MOST_BYTES:,} are read", where=str(directory))
    return dict(sorted(files.items()))


def content_version(files: Mapping[str, bytes], mail_domain: str) -> str:
    """Returns 12 hex characters of SHA-256 over the names and the content of the files, and the mail domain."""
    digest = sha256(mail_domain.encode())
    for name in sorted(files):
        digest.update(b"\0" + name.encode() + b"\0" + sha256(files[name]).digest())
    return digest.hexdigest()[:12]


def of_files(
    files: Mapping[str, bytes], mail_domain: str, *, shown_as: str = "", brands_file: Path | None = None
) -> Rules:
    """Returns the validated rules of these files and no others. Complaints name a file within `shown_as`, or the `brands_file`.

    Raises:
        ConfigurationError: a file is missing or invalid, with file and line of the first mistake.
    """
    with tempfile.TemporaryDirectory(prefix="deskstream-rules-") as name:
        root = Path(name)
        for path, content in files.items():
            target = root / path
            if not target.resolve().is_relative_to(root.resolve()):
                raise ConfigurationError("is outside of the rules", where=path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            return _load(root, files, mail_domain)
        except ConfigurationError as error:
            within = error.where.removeprefix(name).lstrip("/")
            where = f"{shown_as.rstrip('/')}/{within}" if shown_as else within
            if brands_file is not None and within.startswith(_BRANDS):
                where = f"{brands_file}{within.removeprefix(_BRANDS)}"
            raise ConfigurationError(error.problem, where=where, fix=error.fix) from error


@dataclass(frozen=True, slots=True)
class _Parts:
    """Makes each part of the rules once for the same content: versions share what did not change between them."""

    files: Mapping[str, bytes]
    mail_domain: str

    def __call__(self, maker: Callable[..., T], *arguments: Any, files_of: Callable[[str], bool]) -> T:
        chosen = {name: content for name, content in self.files.items() if files_of(name)}
        key = maker, content_version(chosen, self.mail_domain)
        if key not in _made:
            _made[key] = maker(*arguments)
        made: T = _made[key]
        return made


def _named(*names: str, and_ics: bool = False) -> Callable[[str], bool]:
    return lambda name: name in names or (and_ics and name.endswith(".ics"))


def _load(root: Path, files: Mapping[str, bytes], mail_domain: str) -> Rules:
    made_of = _Parts(files, mail_domain)
    # Rules that were published before there were brands have no such file, and name none.
    brands = (
        made_of(brands_file.load, root / _BRANDS, mail_domain, files_of=_named(_BRANDS))
        if _BRANDS in files
        else Brands.nameless(mail_domain)
    )
    calendars = made_of(Calendars.load, root / "calendars.yaml", files_of=_named("calendars.yaml", and_ics=True))
    teams = made_of(
        teams_file.load,
        *(root / "teams.yaml", calendars, brands.brands),
        files_of=_named("teams.yaml", "calendars.yaml", _BRANDS, and_ics=True),
    )
    roster = _roster(root, files, made_of, teams, calendars)
    taxonomy = made_of(
        taxonomy_file.load, root / "taxonomy.yaml", teams, files_of=_named("taxonomy.yaml", "teams.yaml")
    )
    situations = _situations(root, files, made_of, taxonomy, brands)
    common = made_of(Templates.load, root / "templates", situations.names, files_of=_is_template)
    folders = sorted({each.templates for each in brands.all if each.templates})

    def of_brand(folder: str) -> Templates:
        def its_own(name: str) -> bool:
            return name.startswith(f"{folder}/") or _is_template(name)

        return made_of(Templates.load, root / folder, situations.names, common, files_of=its_own)

    policies = made_of(
        Policies.load,
        *(root / "policies.yaml", teams, calendars, taxonomy.tags, brands.brands),
        files_of=_named("policies.yaml", "teams.yaml", "calendars.yaml", "taxonomy.yaml", _BRANDS, and_ics=True),
    )
    guards = made_of(
        Guards.load,
        *(root / _GUARDS, mail_domain, brands.domains, [own for each in brands.all for own in each.addresses]),
        files_of=_named(_GUARDS, _BRANDS),
    )
    known = automations_file.Known(teams, taxonomy, policies, roster, brands, guards)
    return Rules(
        calendars=calendars,
        policies=policies,
        taxonomy=taxonomy,
        templates=common,
        situations=situations,
        brand_templates={folder: of_brand(folder) for folder in folders},
        teams=teams,
        roster=roster,
        guards=guards,
        automations=_automations(root, files, made_of, known),
        mail_domain=mail_domain,
        notices=made_of(
            Notices.load,
            *(root / "notices.yaml", mail_domain, {slug: each.address for slug, each in brands.brands.items()}),
            files_of=_named("notices.yaml", _BRANDS),
        ),
        surveys=made_of(Surveys.load, root / "surveys.yaml", files_of=_named("surveys.yaml")),
        brands=brands,
        version=content_version(files, mail_domain),
    )


def _roster(root: Path, files: Mapping[str, bytes], made_of: _Parts, teams: Teams, calendars: Calendars) -> Roster:
    if _AGENTS not in files:
        return Roster()  # rules that were published before there was one
    read_by = _named(_AGENTS, "teams.yaml", "calendars.yaml", and_ics=True)
    return made_of(Roster.load, root / _AGENTS, teams, calendars, files_of=read_by)


def _automations(root: Path, files: Mapping[str, bytes], made_of: _Parts, known: automations_file.Known) -> Automations:
    if _AUTOMATIONS not in files:
        return NO_AUTOMATIONS  # none, and none that ship: they would name tags and teams of others
    named = _named(
        *(_AUTOMATIONS, automations_file.ANSWERS, _AGENTS, _GUARDS, _BRANDS),
        *("policies.yaml", "teams.yaml", "calendars.yaml", "taxonomy.yaml"),
        and_ics=True,
    )
    return made_of(automations_file.load, root / _AUTOMATIONS, known, files_of=named)


def _situations(
    root: Path, files: Mapping[str, bytes], made_of: _Parts, taxonomy: Taxonomy, brands: Brands
) -> Situations:
    if _SITUATIONS not in files:
        return NO_SITUATIONS  # rules that were published before there were any
    read_by = _named(_SITUATIONS, "taxonomy.yaml", "teams.yaml", _BRANDS)
    return made_of(Situations.load, root / _SITUATIONS, taxonomy.tags, brands.brands, files_of=read_by)


def _is_template(name: str) -> bool:
    """Returns true for a file that the common templates are made of."""
    if name == _SITUATIONS:
        return True
    folder, *rest = name.split("/")
    return folder == "templates" and (len(rest) == 1 or rest[0] in LOCALES)


def _paths(directory: Path) -> Iterator[Path]:
    """Yields the files of the rules. Links are followed, as the files of a mounted ConfigMap are links; its own `..data` is hidden."""
    for folder, folders, names in os.walk(directory, followlinks=True, onerror=_raise):
        deep = len(Path(folder).relative_to(directory).parts) >= _DEPTH
        folders[:] = [] if deep else [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.endswith(SUFFIXES):
                yield Path(folder) / name


def _raise(error: OSError) -> None:
    raise error

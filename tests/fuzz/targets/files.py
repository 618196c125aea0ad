"""Files that people hand in: exports of other help desks, JSON lines, directories of customers, rules; and dead letters."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from producers.customers.csv_directory import CsvDirectory
from producers.customers.identities import Identities
from producers.imports import exports
from producers.imports.formats import history
from producers.imports.report import Report
from producers.intake import Intake
from producers.replay.handlers import replay_handlers
from producers.replay.replay_one import replay_one
from producers.sources.imap.accounts import parse as mailboxes
from schemas.calendars_file import Calendars
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.errors import ConfigurationError
from schemas.settings import ProducerSettings
from stream_processors.rules import ruleset, teams_file
from stream_processors.rules.loop_guards import Guards
from stream_processors.rules.notices import Notices
from stream_processors.rules.policies import Policies
from stream_processors.rules.roster import Roster
from stream_processors.rules.surveys import Surveys
from stream_processors.rules.taxonomy_file import load as load_taxonomy
from tests.fuzz import mutators, structured
from tests.fuzz.memory_kafka import publisher_in_memory, received
from tests.fuzz.target import EXAMPLES, Mutator, Target
from tests.fuzz.targets.http import ENDPOINTS, SENDERS, _events
from tests.fuzz.targets.mail import MAILS

NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
CONFIG = Path(ruleset.__file__).parents[1] / "config"
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
_DIRECTORY = b"""address,customer_id,name,language,time_zone,tier
ann@example.org,4711,Ann Lee,en,Europe/Dublin,gold
+15550100,4711,"Lee, Ann",ja,Asia/Tokyo,
x:@mei,,Mei,zh-Hans,Asia/Taipei,
"""
_MAILBOXES = b"""
- imaps://orders%40shop.example:s3cr3t@imap.example.org/INBOX
- {url: "imaps://a@imap.example.org:993/Help%20desk", password: s3cr3t, brand: acme, auth: login}
- url: imaps://help%40shop.example@outlook.example/INBOX
  auth: oauthbearer
  oauth:
    token_url: https://login.example/token
    client_id: "1"
    client_secret: s3cr3t
    refresh_token: s3cr3t
    client_secret_expires: 2027-03-01
    scope: https://outlook.example/.default
"""
_YAML = mutators.inserting(
    b"&a [*a]", b"&a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n", b"!!python/object/apply:os.system [id]", b"<<: *a", b"? ", b"- ", b": ", b"\n  ", b"null", b"~", b"1e999", b".inf",
    b"2026-02-30", b"99:99", b"!!binary ", b"|\n", b"'", b'"', b"{", b"[", b"%TAG ! x\n---\n", b"yes", b"0x", b"1:60", b"4e", b"9999999999d", b"-1s", b"00:00-24:00", b"(a+)+$",
)  # fmt: skip
_RULES: tuple[Mutator, ...] = (*mutators.TEXT, *[_YAML] * 8)
_CSV: tuple[Mutator, ...] = (
    *mutators.TEXT,
    mutators.inserting(b",", b'"', b'""', b"\r\n", b'"\n', b";", b"\x00", b"=1+1", b"\xef\xbb\xbf"),
)


def _file(suffix: str) -> Path:
    return _FOLDER / f"input{suffix}"


def _export(kind: str, suffix: str) -> Callable[[], Callable[[bytes], str]]:
    """Reads an export of another help desk to its events."""

    def opened() -> Callable[[bytes], str]:
        settings, path = ProducerSettings(clock=""), _file(f".{kind}{suffix}")
        publisher, kafka = publisher_in_memory(settings)

        def take(raw: bytes) -> str:
            path.write_bytes(raw)
            export = exports.Export(path, kind, zone="Asia/Tokyo")
            try:
                outgoing = list(exports.read(export, settings, Report()))
            except ConfigurationError:
                return "unreadable"
            for each in outgoing:
                received(exports._submit(publisher, export, each))
            kafka.clear()
            return f"{min(len(outgoing), 3)} events"

        return take

    return opened


def _jsonl() -> Callable[[bytes], str]:
    publisher, kafka = publisher_in_memory(ProducerSettings(clock=""))
    intake = Intake(publisher, history.CHANNEL, history.event, source="import:fuzz", imported=True)

    def take(raw: bytes) -> str:
        receipt = received(intake.take(raw, origin="fuzz:1"))
        kafka.clear()
        return f"{receipt.outcome} {receipt.reason}".strip()

    return take


def _directory() -> Callable[[bytes], str]:
    path = _file(".directory.csv")

    def take(raw: bytes) -> str:
        path.write_bytes(raw)
        try:
            return f"{min(3, len(CsvDirectory(path, Identities())))} addresses"
        except ConfigurationError:
            return "unreadable"

    return take


def _rules(name: str) -> Callable[[], Callable[[bytes], str]]:
    """Loads one file of the rules, beside the others as they ship."""

    def opened() -> Callable[[bytes], str]:
        shipped, path = ruleset.load(), _file(f".{name}.yaml")
        load: Callable[[], object] = {
            "calendars": lambda: Calendars.load(path),
            "policies": lambda: Policies.load(path, shipped.teams, shipped.calendars, shipped.taxonomy.tags),
            "taxonomy": lambda: load_taxonomy(path, shipped.teams),
            "teams": lambda: teams_file.load(path, shipped.calendars, shipped.brands.brands),
            "agents": lambda: Roster.load(path, shipped.teams, shipped.calendars),
            "acknowledgements": lambda: Guards.load(path, "support.example"),
            "notices": lambda: Notices.load(path, "support.example"),
            "surveys": lambda: Surveys.load(path),
        }[name]

        def take(raw: bytes) -> str:
            path.write_bytes(raw)
            try:
                load()
            except ConfigurationError:
                return "refused"
            return "loaded"

        return take

    return opened


def _mailboxes() -> Callable[[bytes], str]:
    path = _file(".mailboxes.yaml")

    def take(raw: bytes) -> str:
        path.write_bytes(raw)
        try:
            return f"{min(3, len(mailboxes(str(path))))} mailboxes"
        except ConfigurationError as error:
            assert "s3cr3t" not in str(error), error
            return "refused"

    return take


def _dead_letters() -> Sequence[bytes]:
    """Returns dead letters of each producer, as JSON headers on the first line and the raw bytes below it."""
    found = []
    for endpoint in ENDPOINTS.values():
        kept = InputContext(received_at=NOW, source="here", headers={"content-type": endpoint.media_types[0]})
        found.append((endpoint.name, kept, SENDERS[endpoint.name].body(1)))
    found += [("email", InputContext(received_at=NOW, source="imap"), raw) for raw in MAILS[::40]]
    bodies = [raw.partition(b"\n\n")[2] for raw in _events()]
    found += [
        (name, InputContext(received_at=NOW, source="x"), body) for name in ("generic", "history") for body in bodies
    ]
    return [_story(*each) for each in found]


def _story(name: str, kept: InputContext, raw: bytes) -> bytes:
    written = dead_letter_headers.headers(
        reason="defect", error="x", stage="normalise", origin="here", at=NOW, producer=name, given=kept
    )
    return msgspec.json.encode({key: value.decode("utf-8", "replace") for key, value in written}) + b"\n" + raw


def _replay() -> Callable[[bytes], str]:
    """Takes a dead letter again; nothing but a refusal may come of a broken one."""
    handlers = replay_handlers(ProducerSettings(clock=""), None)

    def take(raw: bytes) -> str:
        head, _, body = raw.partition(b"\n")
        try:
            told = msgspec.json.decode(head, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "no headers"
        story = dead_letter_headers.read([(name, value.encode()) for name, value in told.items()])
        made = replay_one(DeadLetter("contact-events.dlq", 0, 1, None, body, story, 0, len(body)), handlers, named=True)
        if made.refused is None:
            return f"{min(3, len(made.events))} events"
        assert made.refused.reason != "defect", made.refused.detail
        return made.refused.reason

    return take


def _history() -> Sequence[bytes]:
    """Returns events of the generic endpoint as lines of history."""
    bodies = [msgspec.json.decode(raw.partition(b"\n\n")[2]) for raw in _events()]
    return [msgspec.json.encode(body | {"occurred_at": "2026-03-01T10:00:00Z"}) for body in bodies]


def _read(*names: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [
        path.read_bytes() for name in names for path in sorted((EXAMPLES / "import").glob(name)) if path.is_file()
    ]


def _lines_of(name: str) -> Callable[[], Sequence[bytes]]:
    """Returns an export, and each of its lines alone."""
    return lambda: [whole for raw in _read(name)() for whole in (raw, *raw.splitlines())]


def _shipped(name: str) -> bytes:
    """Returns a file of the rules. Of the taxonomy's 182 tags 30: whoever writes more waits for their own file."""
    raw = (CONFIG / f"{name}.yaml").read_bytes()
    if name != "taxonomy":
        return raw
    begin, end = raw.index(b"\ntags:\n") + 7, raw.index(b"\ndissatisfaction:")
    tags = [
        tag
        for tag in re.split(rb"(?=^  [a-z_]+\.[a-z_]+:)", raw[begin:end], flags=re.MULTILINE)
        if b" over:" not in tag
    ]
    return raw[:begin] + b"".join(tags[:30]) + raw[end:]


TARGETS = [
    Target("import_zendesk", _lines_of("zendesk.jsonl"), structured.JSON_LINES, _export("zendesk", ".jsonl"), 0.2),
    Target("import_freshdesk", _read("freshdesk.json"), structured.JSON, _export("freshdesk", ".json"), 0.15),
    Target("import_freshdesk_csv", _read("freshdesk.csv"), _CSV, _export("freshdesk", ".csv"), 0.15),
    Target("import_chatwoot", _read("chatwoot.json"), structured.JSON, _export("chatwoot", ".json"), 0.15),
    Target("import_jsonl", _history, structured.JSON, _jsonl, 2.0),
    Target("directory_csv", lambda: [_DIRECTORY], _CSV, _directory, 1.0),
    Target("dead_letter_replay", _dead_letters, (*mutators.TEXT, *[structured.line_of(structured.json_value)] * 8), _replay, 2.0),
    Target("mailboxes", lambda: [_MAILBOXES], _RULES, _mailboxes, 0.3),
    *(
        Target(f"rules_{name}", lambda name=name: [_shipped(name)], _RULES, _rules(name), weight)  # type: ignore[misc]
        for name, weight in (("calendars", 0.3), ("policies", 0.2), ("taxonomy", 0.02), ("teams", 0.3), ("agents", 0.1), ("acknowledgements", 0.15), ("notices", 0.2), ("surveys", 0.15))
    ),
]  # fmt: skip

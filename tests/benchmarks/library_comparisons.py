"""Compares the code that this project wrote itself with the library of the field: share of right answers, and speed.

Each comparison is a function that returns `Result`s. It raises `ImportError` when its library is not installed: none of
them is a dependency for this. Texts that nobody here wrote are read from `../shared/outside_texts`, if it is there.
"""

from __future__ import annotations

import contextlib
import csv
import io
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from producers.mail import charsets, quotes, tnef
from producers.mail.event import normalise
from schemas import codec
from schemas.calendars import Calendar, Era
from schemas.clock import MICROS
from schemas.errors import Refused
from stream_processors.text import language
from tests.benchmarks import channels_email
from tests.support.producers import tnef_bytes

ROOT = Path(__file__).parents[2]
OUTSIDE_TEXTS = ROOT.parent / "shared" / "outside_texts"
EXAMPLES = ROOT / "tests" / "examples" / "email"
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
_REPEATS, _CASE_SECONDS, _SLOW_SECONDS, _MOST_TEXTS = 3, 5, 0.5, 300


class NoTexts(Exception):
    """The outside texts are not there."""


@dataclass(frozen=True)
class Result:
    """One row: shares of right answers (0 to 1) and microseconds of processor time per case, ours and theirs."""

    topic: str
    library: str
    cases: int
    ours: float
    theirs: float
    our_micros: float
    their_micros: float


def compared(
    topic: str,
    library: str,
    cases: Sequence[tuple[Any, Any]],
    ours: Callable[[Any], Any],
    theirs: Callable[[Any], Any],
    right: Callable[[Any, Any], bool] = lambda found, wanted: found == wanted,
) -> Result:
    """Returns the row of two functions over the same cases. An exception, or five seconds, is a wrong answer."""
    columns = [_measured(cases, take, right) for take in (ours, theirs)]
    return Result(topic, library, len(cases), columns[0][0], columns[1][0], columns[0][1], columns[1][1])


def _measured(cases: Sequence[tuple[Any, Any]], take: Callable[[Any], Any], right: Any) -> tuple[float, float]:
    """Returns the share of right answers, and microseconds per case: of slow cases once, of the others the best round."""
    hits, slow, quick = 0, 0.0, []
    for case, wanted in cases:
        began = time.process_time()
        with contextlib.suppress(Exception), _at_most(_CASE_SECONDS):  # what hostile input makes a library raise
            hits += right(take(case), wanted)
        took = time.process_time() - began
        if took > _SLOW_SECONDS:
            slow += took
        else:
            quick.append(case)
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.process_time()
        for case in quick:
            with contextlib.suppress(Exception):
                take(case)
        best = min(best, time.process_time() - began)
    return hits / len(cases), (slow + best) / len(cases) * 1e6


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def too_slow(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outside_texts() -> dict[str, list[str]]:
    """Returns texts by language, the first so many of each file.

    Raises:
        NoTexts: the folder is not beside this checkout.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(OUTSIDE_TEXTS.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))[:_MOST_TEXTS]
        for row in rows:
            found.setdefault(row["language"], []).append(row["text"].replace("\r\n", "\n").strip())
    if not found:
        raise NoTexts("there is no folder ../shared/outside_texts")
    return found


# -- charsets -----------------------------------------------------------------------------------------------------

_CODECS = {
    "en": ("cp1252",), "zh-Hans": ("gb18030", "utf-8"), "zh-Hant": ("big5hkscs", "utf-8"),
    "ja": ("cp932", "euc_jp", "iso2022_jp", "utf-8"),
}  # fmt: skip
_WESTERN = (
    "Guten Tag, die Größe fällt leider kleiner aus, können Sie sie tauschen?",
    "Où est mon colis ? Il devait être livré hier après-midi.",
    "¿Dónde está mi pedido? Lo pedí el día 3 y todavía no llegó.",
    "Señores: la devolución número 10023 aún no aparece en mi cuenta.",
    "Är storleken på skorna rätt? Jag väntar på svar från er.",
)


def charset_rows() -> list[Result]:
    """Undeclared bytes to text: single sentences, and mails of ten sentences."""
    from charset_normalizer import from_bytes

    rows = []
    for topic, per_text in (("charset of a sentence", 1), ("charset of ten sentences", 10)):
        cases: list[tuple[bytes, str]] = []
        for tongue, texts in (outside_texts() | {"western": list(_WESTERN)}).items():
            for codec_name in _CODECS.get(tongue, ("cp1252",)):
                for at in range(0, len(texts), per_text):
                    text = "\n".join(texts[at : at + per_text])
                    encoded = text.encode(codec_name, "ignore")
                    if encoded.decode(codec_name) == text and (not text.isascii() or at == 0):
                        cases.append((encoded, text))
        rows.append(
            compared(
                topic, "charset-normalizer", cases, charsets.decode,
                lambda data: str(from_bytes(data).best() or ""), lambda found, wanted: found.strip() == wanted,
            )
        )  # fmt: skip
    return rows


# -- quotes -------------------------------------------------------------------------------------------------------


def quote_rows() -> list[Result]:
    """The customer's own words of a reply: outside texts in the frames of mailers, and our examples."""
    from mailparser_reply import EmailReplyParser

    parser = EmailReplyParser(languages=["en", "zh", "ja", "de", "fr", "es"])

    def theirs(text: str) -> tuple[str, ...]:
        read = parser.read(text=text)
        return (_spaces(read.latest_reply or ""), _spaces(read.replies[0].body if read.replies else ""))

    def ours(text: str) -> tuple[str, ...]:
        return (_spaces(quotes.newest_part(text)),)

    framed = [case for tongue, texts in outside_texts().items() for case in _framed(tongue, texts)]
    examples = []
    for path in sorted(EXAMPLES.glob("*.eml")):
        try:
            event = normalise(path.read_bytes(), now=NOW)
        except Refused:
            continue
        if event.text != event.full_text and not event.subject.lower().startswith(("fw", "wg", "转", "轉")):
            examples.append((event.full_text, (_spaces(event.text),)))
    blank = [("Hello" + "\n" * count + "Goodbye", (_spaces("Hello Goodbye"),)) for count in (3_000, 10_000, 30_000)]
    return [
        compared(topic, "mail-parser-reply", cases, ours, theirs, lambda found, wanted: bool(set(found) & set(wanted)))
        for topic, cases in (
            ("quotes, mailers' frames", framed),
            ("quotes, our examples", examples),
            ("quotes, blank lines", blank),
        )
    ]


def _framed(tongue: str, texts: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields replies with a signature and a quote below; right is the text with or without the signature."""
    _, _, _, signature, attribution, quote = channels_email._WORDS[tongue]
    header = {
        "en": "From: Support\nSent: Monday, March 2, 2026 9:00 AM\nTo: Ann\nSubject: Your order\n\n",
        "zh-Hans": "发件人: 客服\n发送时间: 2026年3月2日 9:00\n收件人: 李雷\n主题: 订单\n\n",
        "zh-Hant": "寄件者: 客服\n寄件日期: 2026年3月2日 9:00\n收件者: 陳美玲\n主旨: 訂單\n\n",
        "ja": "差出人: サポート\n送信日時: 2026年3月2日 9:00\n宛先: 佐藤\n件名: ご注文\n\n",
    }[tongue]
    unquoted = quote.replace("> ", "").replace(">", "")
    for number, text in enumerate(texts):
        below = attribution + quote if number % 2 else header + unquoted
        wanted = (_spaces(text), _spaces(f"{text}\n{signature}"))
        yield f"{text}\n\n{signature}\n{below}", wanted


def _spaces(text: str) -> str:
    return " ".join(text.split())


# -- language -----------------------------------------------------------------------------------------------------


def language_rows() -> list[Result]:
    """English, Chinese or Japanese; neither library tells simplified from traditional Chinese, which we need."""
    cases = [(text, tongue[:2]) for tongue, texts in outside_texts().items() for text in texts]
    four = [(text, tongue) for tongue, texts in outside_texts().items() for text in texts]
    rows = []
    import py3langid

    py3langid.set_languages(["en", "zh", "ja"])

    def ours(text: str) -> str:
        return language.detect(text)[:2]

    rows.append(compared("language", "py3langid", cases, ours, lambda text: str(py3langid.classify(text)[0])))
    from lingua import Language, LanguageDetectorBuilder

    names = {Language.ENGLISH: "en", Language.CHINESE: "zh", Language.JAPANESE: "ja"}
    detector = LanguageDetectorBuilder.from_languages(*names).build()
    rows.append(compared("language", "lingua", cases, ours, lambda text: names[detector.detect_language_of(text)]))
    rows.append(
        compared(
            "language, four", "lingua", four, language.detect, lambda text: names[detector.detect_language_of(text)]
        )
    )
    return rows


# -- TNEF ---------------------------------------------------------------------------------------------------------


def tnef_rows() -> list[Result]:
    """Files of whole containers, files of containers that are cut, and an answer for hostile ones."""
    from tnefparse import TNEF

    generator = random.Random(7)
    whole, cut = [], []
    for number in range(200):
        files = [(f"файл-{number}-{n}.bin", generator.randbytes(generator.randint(1, 4000))) for n in range(3)]
        data = tnef_bytes.tnef(
            tnef_bytes.message_props(body="Hello", codepage=1252),
            *(tnef_bytes.attachment(b"FILE.BIN", content, long_name=name) for name, content in files),
        )
        whole.append((data, files))
        cut.append((data[: -generator.randint(1, 60)], files[:2]))
    lies = [
        tnef_bytes.tnef(tnef_bytes.attribute(1, 0x00069003, count), tnef_bytes.attachment(b"a.txt", b"1"))
        for count in (
            (0xFFFFFFFF).to_bytes(4, "little") + b"\x03\x00\x17\x00\x01\x00\x00\x00" * 50_000,
            b"\x01\x00\x00\x00\x1e\x10\x00\x10\xff\xff\xff\xff" + b"\x00" * 400_000,
        )
    ]
    lies.append(tnef_bytes.tnef(tnef_bytes.attribute(1, 0x00010000, b"x") * 300_000))
    hostile = [(data, True) for data in lies]

    def theirs(data: bytes) -> list[tuple[str, bytes]]:
        return [(each.long_filename(), bytes(each.data)) for each in TNEF(data).attachments]

    def begins(found: list[Any], wanted: list[Any]) -> bool:
        return found[: len(wanted)] == wanted

    def answered(data: bytes) -> bool:
        theirs(data)
        return True

    return [
        compared("TNEF, whole", "tnefparse", whole, lambda data: tnef.read(data).files, theirs),
        compared("TNEF, cut short", "tnefparse", cut, lambda data: tnef.read(data).files, theirs, begins),
        compared("TNEF, lying counts", "tnefparse", hostile, lambda data: tnef.read(data) is not None, answered),
    ]


# -- Avro ---------------------------------------------------------------------------------------------------------


def avro_rows() -> list[Result]:
    """The same bytes and the same record, of the events of our example mails."""
    import fastavro

    events = []
    for path in sorted(EXAMPLES.glob("*.eml")):
        try:
            events.append(normalise(path.read_bytes(), now=NOW))
        except Refused:
            continue
    kind = type(events[0])
    known = codec.versions(kind)
    schema = fastavro.parse_schema(codec._plain(known[max(known)]))
    header = len(codec.header(kind))

    def write(event: msgspec.Struct) -> bytes:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, msgspec.to_builtins(event))
        return body.getvalue()

    def read(data: bytes) -> Any:
        return msgspec.convert(fastavro.schemaless_reader(io.BytesIO(data[header:]), schema, None), kind)

    encoded = [(event, codec.encode(event)[header:]) for event in events]
    decoded = [(codec.encode(event), event) for event in events]
    return [
        compared("Avro encode", "fastavro", encoded, lambda event: codec.encode(event)[header:], write),
        compared("Avro decode", "fastavro", decoded, codec.decode, read),
    ]


# -- calendars ----------------------------------------------------------------------------------------------------


def calendar_rows() -> list[Result]:
    """Working seconds between two instants, beside a walk over the minutes of the wall clock."""
    import businesstimedelta
    import pytz

    rows = []
    for topic, spans, days in (
        ("calendar, office hours", (9 * 3600, 18 * 3600), 5),
        ("calendar, night shift", (22 * 3600, 30 * 3600), 7),
    ):
        cases, ours, theirs = [], {}, {}
        for zone in ("Europe/Berlin", "America/New_York", "Asia/Tokyo"):
            week = tuple((spans,) if day < days else () for day in range(7))
            ours[zone] = Calendar("bench", "v", ZoneInfo(zone), (Era(date.min, week, lambda day: False),))
            begin, end = wall_time(spans[0] // 3600), wall_time(spans[1] // 3600 % 24)
            rule = businesstimedelta.WorkDayRule(begin, end, list(range(days)), tz=pytz.timezone(zone))
            theirs[zone] = businesstimedelta.Rules([rule])
            cases += list(_intervals(zone, spans, days))

        def by_library(case: tuple[str, int, int], rules: dict[str, Any] = theirs) -> int:
            zone, since, until = case
            passed = rules[zone].difference(*(datetime.fromtimestamp(at, pytz.utc) for at in (since, until)))
            return int(passed.timedelta.total_seconds())

        def by_us(case: tuple[str, int, int], calendars: dict[str, Calendar] = ours) -> int:
            zone, since, until = case
            return calendars[zone].business_micros(since * MICROS, until * MICROS) // MICROS

        rows.append(compared(topic, "businesstimedelta", cases, by_us, by_library))
    return rows


def _intervals(zone: str, span: tuple[int, int], days: int) -> Iterator[tuple[tuple[str, int, int], int]]:
    """Yields intervals of up to four days around the whole year, with the minutes of work found by walking."""
    generator, info = random.Random(3), ZoneInfo(zone)
    for number in range(60):
        since = 1767225600 + number * 6 * 86_400 + generator.randrange(1440) * 60
        until = since + generator.randrange(4 * 1440) * 60
        minutes = 0
        for at in range(since, until, 60):
            wall = datetime.fromtimestamp(at, info)
            second = wall.hour * 3600 + wall.minute * 60
            yesterday = wall - timedelta(days=1)
            minutes += (wall.weekday() < days and span[0] <= second < span[1]) or (
                yesterday.weekday() < days and second < span[1] - 86_400
            )
        yield (zone, since, until), minutes * 60

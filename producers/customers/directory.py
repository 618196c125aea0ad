"""Who customers are, as the company knows it: a CSV file, or look-ups in a CRM over HTTP.

**CSV** (UTF-8, with a header line; read again within a second when it changes, the old one stays in force meanwhile):

    address,customer_id,name,language,time_zone,tier
    ann@example.org,4711,Ann Lee,en,Europe/Dublin,gold
    +15550100,4711,Ann Lee,en,Europe/Dublin,gold
    x:@mei,,Mei,zh-Hans,Asia/Taipei,

`address` is an e-mail address, a telephone number or a canonical id; rows with the same `customer_id` are one
customer. The other columns may be left out or empty. A line that is wrong is reported and left out; the others count.

**HTTP**: GET of a URL with `{customer_id}` (`email:ann@example.org`) or `{address}` (`ann@example.org`) in it, answered
by 200 and a JSON object with any of `customer_id` (or `id`), `name`, `language`, `time_zone`, `tier`; 404 or 204 for
nobody. Answers are kept for `DESKSTREAM_DIRECTORY_CACHE_SECONDS`, that there is nobody for a fifth of it. No contact
waits longer than `DESKSTREAM_DIRECTORY_TIMEOUT_SECONDS`: then an older answer counts, else the address is the customer.
A server that fails five times in a row is left alone for ten seconds.
"""

from __future__ import annotations

import contextlib
import csv
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httpx
import structlog

from producers.customers.enrichment import Directory, Enricher, Profile
from producers.customers.identities import Identities
from producers.text.fields import prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import metrics
from schemas.circuit_breaker import CircuitBreaker, State
from schemas.errors import ConfigurationError, Refused
from schemas.settings import ProducerSettings
from schemas.text import named_error_line

__all__ = ["CsvDirectory", "HttpDirectory", "check", "enricher", "open_directory"]

COLUMNS = ("address", "customer_id", "name", "language", "time_zone", "tier")
CACHED = 50_000
FAILURES_IN_A_ROW, LEFT_ALONE_SECONDS = 5, 10.0
REQUESTS_AT_ONCE = 16
MOST_ANSWER_BYTES = 65_536
_LOOK_SECONDS = 1.0
_MOST_PROBLEMS_SHOWN = 20
_WHERE = "DESKSTREAM_DIRECTORY_URL"
_NOBODY = Profile()

log = structlog.get_logger("producers.directory")


def enricher(settings: ProducerSettings) -> Enricher:
    """What every publisher of this deployment does to its events.

    Raises:
        ConfigurationError: the directory's file or URL is wrong.
    """
    region = settings.phone_region.strip().upper()
    identities = Identities(region, settings.email_plus_is_same, settings.gmail_dots_are_same)
    return Enricher(identities, open_directory(settings, identities))


def open_directory(settings: ProducerSettings, identities: Identities) -> Directory | None:
    """The directory that the settings name; None when they name none.

    Raises:
        ConfigurationError: its file or URL is wrong.
    """
    url = settings.directory_url.get_secret_value().strip()
    if not url:
        return None
    if url.startswith(("http://", "https://")):
        return HttpDirectory(
            url,
            identities,
            token=settings.directory_token.get_secret_value(),
            timeout=settings.directory_timeout_seconds,
            cache_seconds=settings.directory_cache_seconds,
        )
    return CsvDirectory(_path(url), identities, timeout=settings.directory_timeout_seconds)


def check(settings: ProducerSettings) -> None:
    """Whether the directory's URL, or its file's header, is right; nobody is looked up.

    Raises:
        ConfigurationError: it is not.
    """
    url = settings.directory_url.get_secret_value().strip()
    if url.startswith(("http://", "https://")):
        _check_template(url)
    elif url:
        path = _path(url)
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                _header(csv.DictReader(lines), path)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(path, error) from error


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else Path(url)


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"cannot be read: {getattr(error, 'strerror', '') or error}", where=str(path), fix=f"see {_WHERE}"
    )


def _header(reader: csv.DictReader[str], path: Path) -> list[str]:
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "address" not in names:
        wrong = "there is no column 'address'" if "address" not in names else f"{unknown[0]!r} is not a column"
        raise ConfigurationError(wrong, where=f"{path}:1", fix=f"the header is {','.join(COLUMNS)}")
    return names


def _check_template(url: str) -> None:
    parts = urlsplit(url)
    where = f"{parts.path}?{parts.query}"
    if not parts.hostname or not any(name in where for name in ("{customer_id}", "{address}")):
        raise ConfigurationError(
            "the URL names no customer", where=_WHERE, fix="put {customer_id} or {address} into its path or query"
        )


def profile_of(fields: dict[str, Any], identities: Identities) -> Profile:
    """A profile from texts of any quality.

    Raises:
        ValueError: what is wrong, one plain line.
    """
    texts = {name: str(fields[name]).strip() for name in COLUMNS if fields.get(name) not in (None, "")}
    own = texts.get("customer_id", "")
    if own:
        try:
            own = identities.customer_id(own if _has_kind(own) else f"ext:{own}")
        except Refused as refused:
            raise ValueError(refused.detail) from refused
    language = texts.get("language", "")
    if language and not locale_hint(language):
        raise ValueError(f"{language[:40]!r} is not a language that we answer in: en, zh-Hans, zh-Hant, ja")
    if problem := time_zone_problem(texts.get("time_zone", "")):
        raise ValueError(problem)
    return Profile(
        customer_id=own,
        name=prose(" ".join(texts.get("name", "").split()), 200),
        language=locale_hint(language) if language else "",
        time_zone=texts.get("time_zone", ""),
        tier=texts.get("tier", "").lower()[:40],
    )


def _has_kind(text: str) -> bool:
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind.isidentifier()


# -- CSV --------------------------------------------------------------------------------------------------------------


class CsvDirectory:
    """A file in memory. Answers at once; a change is read on a thread of its own while the old content counts."""

    def __init__(self, path: Path, identities: Identities, *, timeout: float = 0.3) -> None:
        self.path, self.timeout = path, timeout
        self._identities = identities
        self._looked_at = time.monotonic()
        self._lock = threading.Lock()
        self._reading = False
        self._stamp = self._stamped()
        try:
            self._profiles = self._read()
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(path, error) from error

    def __len__(self) -> int:
        return len(self._profiles)

    def ask(self, customer_id: str) -> Future[Profile]:
        self._look()
        profile = self._profiles.get(customer_id)
        metrics.DIRECTORY_LOOKUPS.labels("unknown" if profile is None else "found").inc()
        return _done(profile or _NOBODY)

    def give_up(self, customer_id: str) -> Profile:
        return self._profiles.get(customer_id, _NOBODY)

    def close(self) -> None:
        """Nothing is open."""

    def _look(self) -> None:
        """Once a second: has the file changed?"""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        with self._lock:
            if self._reading or now - self._looked_at < _LOOK_SECONDS:
                return
            self._looked_at = now
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._reading, self._stamp = True, stamp
        threading.Thread(target=self._read_again, name="directory", daemon=True).start()

    def _read_again(self) -> None:
        try:
            self._profiles = self._read()
            log.info("directory_read", path=str(self.path), addresses=len(self._profiles))
        except (OSError, UnicodeDecodeError, csv.Error, ConfigurationError) as error:
            log.warning("directory_unreadable", path=str(self.path), problem=str(error), fix="the old content counts")
        finally:
            self._reading = False

    def _stamped(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[str, Profile]:
        profiles: dict[str, Profile] = {}
        problems = 0
        with self.path.open(encoding="utf-8-sig", newline="") as lines:
            for line, problem in self._rows(csv.DictReader(lines), profiles):
                problems += 1
                if problems <= _MOST_PROBLEMS_SHOWN:
                    log.warning("directory_line", where=f"{self.path}:{line}", problem=problem, fix="it is left out")
        if problems > _MOST_PROBLEMS_SHOWN:
            log.warning("directory_lines", path=str(self.path), wrong=problems, shown=_MOST_PROBLEMS_SHOWN)
        return profiles

    def _rows(self, reader: csv.DictReader[str], profiles: dict[str, Profile]) -> Iterator[tuple[int, str]]:
        """Fill `profiles`; yields the line and the problem of what cannot be used."""
        names = reader.fieldnames = _header(reader, self.path)
        for row in reader:
            if None in row:
                yield reader.line_num, f"has more fields than the header, which has {len(names)}"
                continue
            try:
                address = self._address((row.get("address") or "").strip())
                profile = profile_of(row, self._identities)
            except ValueError as error:
                yield reader.line_num, str(error)
                continue
            if address in profiles:
                yield reader.line_num, f"{row['address']!r} is there already, the first line counts"
                continue
            profiles[address] = profile
            if profile.customer_id:
                profiles.setdefault(profile.customer_id, profile)

    def _address(self, text: str) -> str:
        kind = "" if _has_kind(text) else "email:" if "@" in text.lstrip("@") else "tel:"
        try:
            return self._identities.customer_id(f"{kind}{text}")
        except Refused as refused:
            raise ValueError(refused.detail or "there is no address") from refused


# -- HTTP -------------------------------------------------------------------------------------------------------------


class _Kept(NamedTuple):
    profile: Profile
    until: float


class HttpDirectory:
    """Look-ups in a CRM: cached, bounded in number and time, and left alone while they fail.

    Threads: `ask` is called from any; requests run on a few threads of their own.
    """

    def __init__(
        self,
        url: str,
        identities: Identities,
        *,
        token: str = "",
        timeout: float = 0.3,
        cache_seconds: float = 300.0,
        cached: int = CACHED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_template(url)
        self.timeout = timeout
        self._url, self._identities, self._clock = url, identities, clock
        self._cache_seconds, self._cached = cache_seconds, cached
        self._cache: OrderedDict[str, _Kept] = OrderedDict()
        self._asked: dict[str, Future[Profile]] = {}
        self._lock = threading.Lock()
        self._breaker = CircuitBreaker(FAILURES_IN_A_ROW, LEFT_ALONE_SECONDS, longest=LEFT_ALONE_SECONDS)
        self._client = httpx.Client(
            timeout=timeout,
            headers={"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})},
            limits=httpx.Limits(max_connections=REQUESTS_AT_ONCE),
            follow_redirects=False,
            trust_env=False,
        )
        self._threads = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="directory")

    def ask(self, customer_id: str) -> Future[Profile]:
        now = self._clock()
        with self._lock:
            kept = self._cache.get(customer_id)
            if kept is not None and kept.until > now:
                self._cache.move_to_end(customer_id)
                metrics.DIRECTORY_LOOKUPS.labels("cached").inc()
                return _done(kept.profile)
            if (asked := self._asked.get(customer_id)) is not None:
                return asked
            if self._breaker.wait_seconds(now) > 0:
                metrics.DIRECTORY_LOOKUPS.labels("open" if kept is None else "stale").inc()
                return _done(_NOBODY if kept is None else kept.profile)
            attempt = self._breaker.begin(now)
            asked = self._asked[customer_id] = Future()
        try:
            self._threads.submit(self._look_up, customer_id, asked, now, attempt)
        except RuntimeError:  # closed
            with self._lock:
                self._asked.pop(customer_id, None)
                self._breaker.abandoned(attempt)
            asked.set_result(self._stale(customer_id))
        return asked

    def give_up(self, customer_id: str) -> Profile:
        metrics.DIRECTORY_LOOKUPS.labels("timeout").inc()
        return self._stale(customer_id)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _stale(self, customer_id: str) -> Profile:
        with self._lock:
            kept = self._cache.get(customer_id)
        return _NOBODY if kept is None else kept.profile

    def _look_up(self, customer_id: str, asked: Future[Profile], asked_at: float, attempt: int) -> None:
        """Makes one request, on a thread of ours. Whatever happens, the future gets its result."""
        began = self._clock()
        if (
            began - asked_at > self.timeout
        ):  # nobody waits for it any more, and others do: a queue must not grow for ever
            with self._lock:
                self._breaker.abandoned(attempt)
            self._answer(customer_id, asked, self._stale(customer_id))
            return
        try:
            profile = self._fetch(customer_id)
            late = self._clock() - began > self.timeout
            outcome = "unknown" if profile is None else "found"
            self._keep(customer_id, profile)
            self._settle(attempt, "it is slow" if late else "")
            result = profile or _NOBODY
        except Exception as error:
            outcome, result = "error", self._stale(customer_id)
            self._settle(attempt, named_error_line(error, 200))
        metrics.DIRECTORY_SECONDS.observe(self._clock() - began)
        metrics.DIRECTORY_LOOKUPS.labels(outcome).inc()
        self._answer(customer_id, asked, result)

    def _answer(self, customer_id: str, asked: Future[Profile], result: Profile) -> None:
        with self._lock:
            self._asked.pop(customer_id, None)
        with contextlib.suppress(InvalidStateError):  # whoever waited went away
            asked.set_result(result)

    def _fetch(self, customer_id: str) -> Profile | None:
        """What the server says; None for nobody.

        Raises:
            httpx.HTTPError, ValueError: it fails, or says nothing that can be understood.
        """
        address = customer_id.partition(":")[2]
        url = self._url.replace("{customer_id}", quote(customer_id, safe="")).replace(
            "{address}", quote(address, safe="")
        )
        ends, body = self._clock() + self.timeout, bytearray()
        with self._client.stream("GET", url) as answer:
            if answer.status_code in (204, 404):
                return None
            if answer.status_code != 200:
                raise ValueError(f"the directory answers {answer.status_code}")
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_ANSWER_BYTES:
                    raise ValueError(f"the answer has more than {MOST_ANSWER_BYTES} bytes")
                if self._clock() > ends:
                    raise httpx.ReadTimeout("the answer trickles")
        said = json.loads(body)
        if not isinstance(said, dict):
            raise ValueError("the answer is no JSON object")
        if said.get("customer_id") is None and said.get("id") is not None:
            said["customer_id"] = said["id"]
        return profile_of(said, self._identities)

    def _keep(self, customer_id: str, profile: Profile | None) -> None:
        seconds = self._cache_seconds if profile is not None else self._cache_seconds / 5
        with self._lock:
            self._cache[customer_id] = _Kept(profile or _NOBODY, self._clock() + seconds)
            self._cache.move_to_end(customer_id)
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)

    def _settle(self, attempt: int, problem: str) -> None:
        """Tells the circuit breaker how an attempt ended; '' is no problem."""
        with self._lock:
            before, now = self._breaker.state, self._clock()
            if problem:
                self._breaker.failed(attempt, now)
            else:
                self._breaker.succeeded(attempt, now)
            after = self._breaker.state
        if before is State.CLOSED and after is State.OPEN:
            log.warning("directory_left_alone", problem=problem, seconds=LEFT_ALONE_SECONDS)
        elif before is not State.CLOSED and after is State.CLOSED:
            log.info("directory_answers")


def _done(profile: Profile) -> Future[Profile]:
    future: Future[Profile] = Future()
    future.set_result(profile)
    return future

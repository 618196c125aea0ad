"""Knows customers by looking them up in a CRM over HTTP. Its requests and answers: `directory.py`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import structlog

from producers.customers.identities import Identities
from producers.customers.profiles import UNKNOWN, Profile, answered, profile_of
from schemas import metrics
from schemas.circuit_breaker import CircuitBreaker, State
from schemas.errors import ConfigurationError
from schemas.text import named_error_line

__all__ = ["REQUESTS_AT_ONCE", "HttpDirectory", "check_template"]

CACHED = 50_000
FAILURES_IN_A_ROW, LEFT_ALONE_SECONDS = 5, 10.0
REQUESTS_AT_ONCE = 16
MOST_ANSWER_BYTES = 65_536

log = structlog.get_logger("producers.directory")


def check_template(url: str) -> None:
    """Checks that a URL names the customer.

    Raises:
        ConfigurationError: it does not.
    """
    parts = urlsplit(url)
    where = f"{parts.path}?{parts.query}"
    if not parts.hostname or not any(name in where for name in ("{customer_id}", "{address}")):
        raise ConfigurationError(
            "the URL names no customer",
            where="DESKSTREAM_DIRECTORY_URL",
            fix="put {customer_id} or {address} into its path or query",
        )


class _Kept(NamedTuple):
    profile: Profile
    until: float


class HttpDirectory:
    """Looks customers up in a CRM: cached, bounded in number and time, and not at all while the CRM fails.

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
        check_template(url)
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
        """Returns the profile: from the cache, of the request under way, or of a new one."""
        now = self._clock()
        with self._lock:
            kept = self._cache.get(customer_id)
            if kept is not None and kept.until > now:
                self._cache.move_to_end(customer_id)
                metrics.DIRECTORY_LOOKUPS.labels("cached").inc()
                return answered(kept.profile)
            if (asked := self._asked.get(customer_id)) is not None:
                return asked
            if self._breaker.wait_seconds(now) > 0:
                metrics.DIRECTORY_LOOKUPS.labels("open" if kept is None else "stale").inc()
                return answered(UNKNOWN if kept is None else kept.profile)
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
        """Counts a timeout. Returns an older answer, or a profile that says nothing."""
        metrics.DIRECTORY_LOOKUPS.labels("timeout").inc()
        return self._stale(customer_id)

    def close(self) -> None:
        """Cancels what waits and closes the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _stale(self, customer_id: str) -> Profile:
        with self._lock:
            kept = self._cache.get(customer_id)
        return UNKNOWN if kept is None else kept.profile

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
            result = profile or UNKNOWN
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
        """Returns what the server answers; None for nobody.

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
            self._cache[customer_id] = _Kept(profile or UNKNOWN, self._clock() + seconds)
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

"""Decides which brand an event came to, of those in `DESKSTREAM_BRANDS_FILE`; the file is read again when it changes.

Sources say what they know in the event's `brand`: a slug, or what tells it (a number, an account such as `facebook:10215`, a
host or a page). Messages are decided by their recipients, chats by the page that they were on. What leads to no brand is left
to the worker, which takes it for the default brand's; without a file a slug is believed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import structlog

from schemas import brands_file, metrics
from schemas.brands import Brand, Brands
from schemas.errors import ConfigurationError
from schemas.events import CHANNELS, EVENTS, Event, MessageReceived

__all__ = ["BrandChooser", "brand_of", "check"]

log = structlog.get_logger("producers.brands")
#: Between two looks at the file.
LOOK_SECONDS = 2.0
_HAVE_BRAND = frozenset(kind for kind in EVENTS if "brand" in kind.__struct_fields__)
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_PAGE_FIELD = "page_url"
#: Source of social messages, by the first word of `thread_id`, to the network of an account.
_NETWORKS = ("facebook", "messenger", "instagram", "x")


def brand_of(event: Event, brands: Brands | None) -> str:
    """Returns the slug of the brand that an event came to, '' where nothing says it. `brands` None: no file is set."""
    said: str = getattr(event, "brand", "")
    if brands is None:
        return said if _SLUG.fullmatch(said) else ""
    if said and (found := said if said in brands else _by_place(said, brands)):
        return found
    if type(event) is not MessageReceived:
        return ""
    if event.channel == "email":
        return brands.of_mail(event.recipients)
    by_recipient = next(filter(None, (_by_place(each, brands) for each in event.recipients)), "")
    return by_recipient or brands.of_site(event.fields.get(_PAGE_FIELD, ""))


def _by_place(place: str, brands: Brands) -> str:
    """Returns the brand of a number, an account on any network, a host or a page; '' for none."""
    if found := brands.of_number(place):
        return found
    for network in _NETWORKS:
        if found := brands.of_account(network, place):
            return found
    return brands.of_site(place) or brands.of_mail((place,))


def check(path: Path | None) -> None:
    """Reads the file once.

    Raises:
        ConfigurationError: it is missing or invalid, with its line.
    """
    if path is not None:
        brands_file.load(path, "support.example")


class BrandChooser:
    """Holds the brands of a file, and decides. A change that is invalid is logged and leaves what was read before."""

    def __init__(self, path: Path | None, mail_domain: str) -> None:
        self._path, self._mail_domain = path, mail_domain
        self._brands = Brands.nameless(mail_domain)
        self._seen: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")

    @property
    def brands(self) -> Brands:
        """The brands as they are in the file now, or were when it was valid."""
        if self._path is not None and time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._look(self._path)
        return self._brands

    def of_site(self, site: str, slug: str = "") -> Brand:
        """Returns the brand of a page: the one that is named, else that of the host, else the default one."""
        brands = self.brands
        return brands.get(slug if slug in brands else brands.of_site(site))

    def decided(self, event: Event) -> Event:
        """Returns the event with the slug of its brand."""
        if type(event) not in _HAVE_BRAND:
            return event
        said: str = event.brand  # type: ignore[attr-defined]
        if self._path is None and not said:
            return event
        slug = brand_of(event, self.brands if self._path is not None else None)
        if not slug and _SLUG.fullmatch(said):
            metrics.BRANDS_UNKNOWN.labels(event.channel if event.channel in CHANNELS else "other").inc()
        return event if slug == said else msgspec.structs.replace(event, brand=slug)

    def _look(self, path: Path) -> None:
        try:
            found = path.stat()
            seen = found.st_ino, found.st_mtime_ns, found.st_size
            if seen == self._seen:
                return
            self._seen = seen
            self._brands = brands_file.load(path, self._mail_domain)
        except OSError as error:
            if self._seen is not None:
                log.error("brands_unreadable", path=str(path), error=str(error))
                self._seen = None
        except ConfigurationError as error:
            log.error("brands_invalid", error=str(error), in_force=self._brands.version)
        else:
            log.info("brands_read", version=self._brands.version, brands=len(self._brands.brands))

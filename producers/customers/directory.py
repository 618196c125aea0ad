"""Opens the directory of customers that a company has: a CSV file, or look-ups in a CRM over HTTP.

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
A server that fails five times in a row gets no request for ten seconds.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from producers.customers.csv_directory import CsvDirectory, check_file
from producers.customers.enrichment import Directory, Enricher
from producers.customers.http_directory import HttpDirectory, check_template
from producers.customers.identities import Identities
from schemas.settings import ProducerSettings

__all__ = ["check", "enricher", "open_directory"]


def enricher(settings: ProducerSettings) -> Enricher:
    """Returns what every publisher of this deployment does to its events.

    Raises:
        ConfigurationError: the directory's file or URL is wrong.
    """
    region = settings.phone_region.strip().upper()
    identities = Identities(region, settings.email_plus_is_same, settings.gmail_dots_are_same)
    return Enricher(identities, open_directory(settings, identities))


def open_directory(settings: ProducerSettings, identities: Identities) -> Directory | None:
    """Returns the directory that the settings name; None when they name none.

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
    """Checks the directory's URL, or its file's header; nobody is looked up.

    Raises:
        ConfigurationError: it is wrong.
    """
    url = settings.directory_url.get_secret_value().strip()
    if url.startswith(("http://", "https://")):
        check_template(url)
    elif url:
        check_file(_path(url))


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else Path(url)

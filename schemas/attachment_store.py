"""Opens the store of attachments, which producers fill and the delivery sink reads: any file system that fsspec knows by URL."""

from __future__ import annotations

from typing import Any

import fsspec

from schemas.errors import ConfigurationError
from schemas.text import error_line

__all__ = ["SETTING", "opened"]

SETTING = "DESKSTREAM_ATTACHMENTS_URL"


def opened(url: str) -> tuple[Any, str]:
    """Returns the file system of a store and the path of its root in it, without a slash at the end.

    Raises:
        ConfigurationError: the URL names no kind of store that is installed, or it cannot be opened.
    """
    try:
        files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"{url.partition(':')[0]!r} is no kind of store here: {error_line(error, 200)}",
            where=SETTING,
            fix="give a folder, file:///path, or s3://bucket/prefix with the extra `s3` installed",
        ) from error
    except Exception as error:  # each kind of store has errors of its own
        raise ConfigurationError(error_line(error, 200), where=SETTING) from error
    return files, str(root).rstrip("/")

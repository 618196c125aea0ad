"""Refuses manifests with an image that is not named by its digest.

`kubectl kustomize OVERLAY | python -m deploy.kubernetes.pinned`: a tag can be moved to other content, a digest cannot. It reads
what `kubectl apply -k OVERLAY` would send, and prints each image without a digest, with the command that finds it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from schemas.errors import ConfigurationError
from schemas.process import guarded

__all__ = ["images", "unpinned"]

_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def images(documents: Iterable[Any]) -> Iterator[str]:
    """Yields the value of every `image` of a container, init containers included, wherever it stands in a document."""
    for document in documents:
        if isinstance(document, Mapping):
            for key, value in document.items():
                if key == "image" and isinstance(value, str):
                    yield value
                else:
                    yield from images([value])
        elif isinstance(document, list):
            yield from images(document)


def unpinned(documents: Iterable[Any]) -> list[str]:
    """Returns the images that are named by a tag, or by nothing; sorted."""
    return sorted({image for image in images(documents) if not _DIGEST.fullmatch(image)})


def main() -> int:
    """Reads manifests from standard input.

    Raises:
        ConfigurationError: an image has no digest, or there are no images at all.
    """
    documents = [each for each in yaml.safe_load_all(sys.stdin) if each]
    if not any(images(documents)):
        raise ConfigurationError(
            "there is no image in it",
            where="standard input",
            fix="kubectl kustomize OVERLAY | python -m deploy.kubernetes.pinned",
        )
    for image in (found := unpinned(documents)):
        print(f"{image}: docker buildx imagetools inspect --format '{{{{.Manifest.Digest}}}}' {image}", file=sys.stderr)
    if found:
        raise ConfigurationError(
            f"{len(found)} images have no digest",
            where="standard input",
            fix="set `digest` under `images` of your overlay",
        )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))

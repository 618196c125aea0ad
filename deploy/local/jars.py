"""Downloads the jars of Kafka once into a user cache, with jgo, and checks each against `kafka.lock`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigurationError, Unavailable

KAFKA = ("org.apache.kafka", "kafka_2.13", "4.1.0")
#: Kafka speaks SLF4J; without this binding it has no log. Resolved apart from Kafka, because the BOM that it imports
#: would turn Kafka's own clients back to an older version.
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")
LOCK = Path(__file__).with_name("kafka.lock")
_DOWNLOADS = 8


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar: its Maven coordinates and checksum."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its path below a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def cache_dir() -> Path:
    """Returns `DESKSTREAM_CACHE_DIR`, otherwise `deskstream` in the user's cache directory."""
    if chosen := os.environ.get("DESKSTREAM_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deskstream"


def locked_jars() -> tuple[Jar, ...]:
    """Returns the jars of `kafka.lock`."""
    jars = []
    for line in LOCK.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, digest = line.split(" sha256:")
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, digest))
    return tuple(jars)


def classpath(cache: Path | None = None) -> list[Path]:
    """Returns every jar of Kafka; downloads them if they are not in the cache (about 43 MB).

    Raises:
        Unavailable: there is no network, or the repository lacks a jar.
        ConfigurationError: a jar differs from the locked one, or the cache cannot be written.
    """
    cache, jars = cache or cache_dir(), locked_jars()
    home = cache / f"kafka-{KAFKA[2]}-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]}"
    if not home.is_dir():  # it is renamed to this name when it is complete
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with alone(cache / "download.lock"):
                if not home.is_dir():
                    _download(jars, home)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {cache}: {error.strerror or error}",
                where="DESKSTREAM_CACHE_DIR",
                fix="choose another directory",
            ) from error
    return [home / jar.path for jar in jars]


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lets one process at a time into its block; the others wait."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: tuple[Jar, ...], home: Path) -> None:
    from jgo.maven import MavenContext

    partial = home.with_name(home.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    mirror = os.environ.get("DESKSTREAM_MAVEN_URL")
    context = MavenContext(repo_cache=partial, remote_repos={"mirror": mirror} if mirror else None, timeout=20)
    progress = _Progress(len(jars))

    def fetch(jar: Jar) -> None:
        path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
            raise ConfigurationError(
                f"{path.name} is not the jar that was locked", where=LOCK.name, fix="check the mirror"
            )
        progress.one_more()

    try:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            for _ in pool.map(fetch, jars):
                pass
    except ConfigurationError:
        raise
    except Exception as error:  # jgo raises RuntimeError for a 404 and whatever requests raises for the network
        raise Unavailable(
            f"cannot download Apache Kafka ({_reason(error)}); the first start needs the network, "
            f"or DESKSTREAM_MAVEN_URL for a mirror, or DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS for your own Kafka"
        ) from error
    finally:
        progress.end()
    partial.rename(home)


def _reason(error: Exception) -> str:
    """Returns the innermost cause of a network error, without the URL that requests repeats."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error).split(" (")[0][:120] or type(error).__name__


class _Progress:
    """Prints one line on stderr that counts up; where that is no terminal, only its beginning."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._lock = total, 0, threading.Lock()
        self._say(f"downloading Apache Kafka {KAFKA[2]} once: {total} jars, 43 MB")

    def one_more(self) -> None:
        with self._lock:
            self._done += 1
            if sys.stderr.isatty():
                self._say(f"\rdownloading Apache Kafka {KAFKA[2]} once: {self._done} of {self._total} jars  ", end="")

    def end(self) -> None:
        if sys.stderr.isatty():
            self._say("")

    def _say(self, text: str, end: str = "\n") -> None:
        print(text, file=sys.stderr, end=end, flush=True)


def write_lock(scratch: Path) -> None:
    """Resolves Kafka afresh and writes `kafka.lock`; run it to upgrade Kafka."""
    from jgo.maven import Dependency, MavenContext

    context = MavenContext(repo_cache=scratch)

    def dependency(group: str, artifact: str, version: str) -> Dependency:
        return Dependency(context.project(group, artifact).at_version(version).artifact())

    inputs, transitive = context.resolver.resolve([dependency(*KAFKA)])
    artifacts = [found.artifact for found in inputs + transitive if found.scope in ("compile", "runtime", None)]
    lines = []
    for artifact in [*artifacts, dependency(*LOGGING).artifact]:
        digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} sha256:{digest}")
    head = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    LOCK.write_text("\n".join([*head, *sorted(lines)]) + "\n")


if __name__ == "__main__":
    write_lock(Path(sys.argv[1]))

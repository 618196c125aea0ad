"""Java's ahead-of-time cache is made once, and never stands in the way of a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import ahead_of_time_cache, jars


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    path = tmp_path / "kafka-9.9.9-abc" / "org" / "a.jar"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


JAVA = Path("/opt/java/bin/java")


def test_the_cache_is_made_once_and_lies_beside_the_jars(jar: Path) -> None:
    runs: list[str] = []

    def train(directory: Path, option: str) -> None:
        runs.append(option)
        Path(option.removeprefix("-XX:AOTCacheOutput=")).write_bytes(b"cache")
        assert directory.is_dir()

    first = ahead_of_time_cache.options([jar], JAVA, train)
    assert ahead_of_time_cache.options([jar], JAVA, train) == first
    assert len(runs) == 1
    cache = Path(first[0].removeprefix("-XX:AOTCache="))
    assert cache.parent == jar.parents[1]
    assert cache.read_bytes() == b"cache"


def test_another_java_gets_a_cache_of_its_own(jar: Path) -> None:
    def train(_: Path, option: str) -> None:
        Path(option.removeprefix("-XX:AOTCacheOutput=")).write_bytes(b"cache")

    assert ahead_of_time_cache.options([jar], JAVA, train) != ahead_of_time_cache.options(
        [jar], Path("/opt/newer/bin/java"), train
    )


def test_when_it_cannot_be_made_kafka_starts_without_and_it_is_not_tried_again(
    jar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []

    def train(directory: Path, option: str) -> None:
        runs.append(option)
        raise RuntimeError("no luck")

    assert ahead_of_time_cache.options([jar], JAVA, train) == []
    assert "Kafka will start more slowly: no luck" in capsys.readouterr().err
    assert ahead_of_time_cache.options([jar], JAVA, train) == []
    assert len(runs) == 1


def test_every_jar_is_locked_with_its_digest_and_kafka_is_the_version_that_is_named() -> None:
    locked = jars.locked_jars()
    assert {(jar.group, jar.artifact, jar.version) for jar in locked} >= {jars.KAFKA, jars.LOGGING}
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert len({jar.path for jar in locked}) == len(locked) == 46

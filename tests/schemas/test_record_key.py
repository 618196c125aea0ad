"""Keys of Kafka records: unique, in the partition of their name, readable beside those of earlier builds."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from schemas.record_key import BY_NAME, is_unique, name_of, partition_of, record_key

NAMES = st.text(min_size=1, max_size=40).map(str.encode)


@given(NAMES, st.integers(1, 64))
def test_a_key_gives_its_name_and_its_partition(name, partitions):
    key, every = record_key(name), list(range(partitions))
    expected = DefaultPartitioner()(name, every, every)
    assert name_of(key) == name
    assert is_unique(key)
    assert BY_NAME(key, every, every) == partition_of(name, partitions) == expected


def test_no_two_keys_are_equal_in_a_process_and_its_fork():
    import os

    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, record_key(b"A"))
        os._exit(0)
    os.waitpid(child, 0)
    keys = [os.read(reader, 100), *(record_key(b"A") for _ in range(1000))]
    assert len(set(keys)) == 1001


def test_a_bare_name_is_the_key_of_an_earlier_build():
    assert (name_of(b"ABCDEFGHIJKL"), name_of(None), name_of(b"")) == (b"ABCDEFGHIJKL", b"", b"")
    assert not is_unique(b"ABCDEFGHIJKL") and not is_unique(None)

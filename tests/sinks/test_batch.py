"""What is collected between two inserts."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.batch import Batch, token


def record(offset, value=b"\xc3\x01AAAAAAAAbody", topic="t", partition=0):
    return SimpleNamespace(topic=topic, partition=partition, offset=offset, key=b"k", value=value)


def test_records_are_grouped_by_their_header_in_log_order():
    batch = Batch()
    a, b, c = record(5), record(6, b"\xc3\x01BBBBBBBBbody"), record(9)
    batch.add(("t", 0), [a, b])
    batch.add(("t", 0), [c])
    assert list(batch.groups.values()) == [[a, c], [b]]
    assert batch.rows == 3


def test_what_is_committed_is_the_offset_after_the_last_record_of_each_partition():
    batch = Batch()
    batch.add(("t", 0), [record(5), record(9)])
    batch.add(("t", 1), [record(2, partition=1)])
    assert batch.commits() == {("t", 0): 10, ("t", 1): 3}


def test_a_tombstone_is_committed_and_no_row_and_no_error():
    batch = Batch()
    batch.add(("t", 0), [record(1, b""), record(2, b"short"), record(3, None)])
    assert list(batch.groups) == [b"", b"short"]
    assert batch.commits() == {("t", 0): 4}


def test_the_same_records_have_the_same_token_and_others_another():
    some = [record(1), record(2), record(7, partition=1)]
    assert token("tickets", some) == token("tickets", list(some)) == "tickets:t/0:1-2#2;t/1:7-7#1"
    assert token("tickets", some[:2]) != token("tickets", some)
    assert token("tags", some) != token("tickets", some)


@given(st.sets(st.integers(0, 60), min_size=1, max_size=40), st.sets(st.integers(0, 60), min_size=1, max_size=40))
def test_two_halves_of_a_block_never_share_a_token_with_the_whole(first, second):
    whole = sorted(first | second)
    part = sorted(first)
    same = token("t", [record(o) for o in whole]) == token("t", [record(o) for o in part])
    assert same == (whole == part)

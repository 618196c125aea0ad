"""Single-object values become a container file that any Avro reader reads, without being decoded on the way."""

from io import BytesIO

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, facts
from sinks.clickhouse.avro_file import long, shape_of, shapes
from sinks.clickhouse.table import Table, tables
from tests.support.sinks.examples import example, sparse


def plain(record):
    return msgspec.structs.asdict(record)


def without_logical_types(rows):
    """fastavro turns timestamps into datetimes; here they are compared as the microseconds they are."""
    from schemas.clock import to_micros

    return [{name: to_micros(v) if hasattr(v, "isoformat") else v for name, v in row.items()} for row in rows]


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_a_file_holds_the_records_in_order(table):
    columns = {name: table.column(name) for name in table.record.__struct_fields__}
    records = [example(table.record, number) for number in range(3)] + [sparse(table.record, 3)]
    shape = shapes()[codec.header(table.record)]
    file = shape.file([codec.encode(record) for record in records])
    assert without_logical_types(fastavro.reader(BytesIO(file))) == [
        {columns[name]: value for name, value in plain(record).items()} for record in records
    ]


texts = st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            facts.ContactFact,
            customer_tag=texts,
            version=st.integers(0, 2**62),
            partition=st.integers(0, 100),
            at=st.integers(0, 2**52),
            event_id=texts,
            kind=texts,
            direction=texts,
            received_at=st.integers(0, 2**52),
            text=st.text(max_size=20_000),
            amount=st.none() | st.integers(-(2**60), 2**60),
            public=st.booleans(),
        ),
        max_size=5,
    )
)
def test_any_record_survives_the_container(records):
    file = shapes()[codec.header(facts.ContactFact)].file([codec.encode(record) for record in records])
    assert without_logical_types(fastavro.reader(BytesIO(file))) == [plain(record) for record in records]


@pytest.mark.parametrize("value", [0, 1, 63, 64, 8191, 8192, 16383, 16384, 2**20, 2**40])
def test_numbers_are_written_as_avro_writes_them(value):
    expected = BytesIO()
    fastavro.schemaless_writer(expected, "long", value)
    assert long(value) == expected.getvalue()


def test_a_renamed_field_has_the_name_of_its_column_in_the_file():
    table = Table("x", facts.TagFact, ("ticket_id",), rename={"at": "seen_at"}, omit=frozenset({"evidence"}))
    shape = shape_of(table, codec.versions(facts.TagFact)[1])
    record = example(facts.TagFact)
    row = next(iter(without_logical_types(fastavro.reader(BytesIO(shape.file([codec.encode(record)]))))))
    assert row["seen_at"] == record.at
    assert "evidence" not in shape.columns
    assert "seen_at" in shape.columns


def test_an_older_version_names_only_the_columns_that_it_knows():
    newest = codec.versions(facts.TagFact)[1]
    older = {**newest, "fields": [entry for entry in newest["fields"] if entry["name"] != "quadrant"]}
    assert "quadrant" not in shape_of(tables()[facts.TagFact], older).columns


def test_a_body_that_is_too_short_breaks_its_own_record_only():
    """Each record has a block of its own, so a reader fails at the broken one and has read those before it intact."""
    records = [example(facts.TagFact, number) for number in range(3)]
    values = [codec.encode(record) for record in records]
    values[1] = values[1][:-3]
    read = []
    with pytest.raises(Exception):  # noqa: B017 - fastavro has several
        for row in fastavro.reader(BytesIO(shapes()[codec.header(facts.TagFact)].file(values))):
            read.append(row["version"])
    assert read == [0]

"""The wire layouts: aligned, complete, stable."""

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.layout import (
    U32,
    MalformedRecordError,
    Record,
    Vocabulary,
    fields_reader,
    reader,
)
from messages.trading.commands import COMMANDS, CancelOrder, PlaceOrder
from messages.trading.events import EVENTS
from messages.trading.identity import client_id, event_number_of, execution_id

RECORDS = [*COMMANDS.by_kind.values(), *EVENTS.by_kind.values()]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_stands_on_its_natural_alignment(record: type[Record]) -> None:
    for field in record.FIELDS:
        alignment = 8 if field.code.endswith("s") else field.size
        assert field.offset % alignment == 0, field
    assert record.LENGTH % 8 == 0


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_survives_its_own_bytes(record: type[Record]) -> None:
    values: dict[str, int | bytes] = {
        field.name: b"x" * field.size if field.code.endswith("s") else number + 1
        for number, field in reversed(list(enumerate(record.FIELDS[3:])))
    }
    filled = record.make(**values)
    assert record.unpack(filled.pack()) == filled
    assert record.packed(values) == filled.pack()
    assert record.packed({}) == record.make().pack()


@given(st.binary(max_size=400))
def test_garbage_is_refused_or_walked_but_never_misread(data: bytes) -> None:
    try:
        lengths = [cls.LENGTH for _, cls in COMMANDS.walk(data)]
    except MalformedRecordError:
        return
    assert sum(lengths) == len(data)


def test_a_stream_is_walked_record_by_record() -> None:
    stream = PlaceOrder.make(account=7).pack() + CancelOrder.make(account=8).pack()
    assert [record.__class__ for record in COMMANDS.unpack(stream)] == [PlaceOrder, CancelOrder]


@pytest.mark.parametrize("cut", [1, 3, 4, 100])
def test_a_record_cut_short_names_its_byte(cut: int) -> None:
    stream = PlaceOrder.make().pack() + CancelOrder.make().pack()[:cut]
    with pytest.raises(MalformedRecordError, match=f"byte {PlaceOrder.LENGTH}"):
        list(COMMANDS.walk(stream))


class SeenOrder(NamedTuple):
    """An order's place in a book."""

    account: int
    price_ticks: int


def test_some_fields_of_a_record_are_read_wherever_it_stands() -> None:
    stream = b"before" + PlaceOrder.make(account=7, price_ticks=-8, quantity_lots=9).pack()
    names = SeenOrder._fields
    assert fields_reader(PlaceOrder, names)(stream, 6) == (7, -8)
    assert reader(PlaceOrder, SeenOrder)(stream, 6) == SeenOrder(account=7, price_ticks=-8)
    with pytest.raises(AssertionError, match="PlaceOrder"):
        fields_reader(PlaceOrder, names[::-1])
    with pytest.raises(AssertionError, match="CancelOrder"):
        reader(CancelOrder, SeenOrder)


def test_records_that_are_read_as_one_have_their_fields_at_the_same_places() -> None:
    made = Vocabulary("test")

    @made.record(1)
    class First(Record, frozen=True, gc=False):
        """The one that is read."""

        spare: U32
        account: U32
        price_ticks: U32

    @made.record(2)
    class Alike(Record, frozen=True, gc=False):
        """Another, which goes on where it ends."""

        other: U32
        account: U32
        price_ticks: U32
        more: U32

    @made.record(3)
    class Moved(Record, frozen=True, gc=False):
        """Another, with one of its fields elsewhere."""

        account: U32
        spare: U32
        price_ticks: U32

    read = reader(First, SeenOrder, Alike)
    assert read(Alike(other=1, account=7, price_ticks=8, more=2).pack(), 0) == SeenOrder(7, 8)
    for record in (Moved, CancelOrder):
        with pytest.raises(AssertionError, match=f"First.*{record.__name__}"):
            reader(First, SeenOrder, Alike, record)


def test_a_kind_is_given_once() -> None:
    vocabulary = Vocabulary("test")

    class Twice(Record, frozen=True, gc=False):
        pass

    vocabulary.record(1)(Twice)
    with pytest.raises(AssertionError, match="kind 1 is taken"):
        vocabulary.record(1)(Twice)


def test_a_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="no field prise"):
        PlaceOrder.make(prise=1)
    with pytest.raises(TypeError, match="no field prise"):
        PlaceOrder.packed({"prise": 1})


def test_a_value_out_of_its_field_is_refused() -> None:
    with pytest.raises(struct.error):
        PlaceOrder.make(side=256).pack()


@pytest.mark.parametrize("text", ["", "x" * 37, "a\nb", "é"])
def test_a_client_id_is_1_to_36_printable_ascii(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        client_id(text)


def test_an_execution_id_leads_back_to_its_event() -> None:
    assert [execution_id(17), execution_id(17, 1), execution_id(17, 2)] == ["17", "17B", "17S"]
    assert [event_number_of(text) for text in ("17", "17B", "17S")] == [17, 17, 17]

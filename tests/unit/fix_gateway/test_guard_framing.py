"""Bytes as they come are cut into messages strictly, and whatever is no message harms nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.guard.framing import (
    GarbledError,
    byte_sum,
    check_fields,
    frame,
    next_begin,
    number_value,
    read_frame,
    read_trusted_frame,
)
from fix_gateway.guard.settings import Limits

BYTES_MAX = 8192
ORDER = frame(b"35=D\x0134=7\x0149=MM1\x0156=RIALTO\x0111=a\x01")


def framed(data: bytes) -> list[bytes]:
    """Cut a stream, skipping what is garbled as the guard does."""
    found, at = [], 0
    while at < len(data):
        try:
            extent = read_frame(data, at, bytes_max=BYTES_MAX)
        except GarbledError:
            at = next_begin(data, at)
            continue
        if extent is None:
            break
        found.append(data[at : extent[1]])
        at = extent[1]
    return found


def test_a_message_is_found_with_its_third_field() -> None:
    body, end = read_frame(ORDER + ORDER, 0, bytes_max=BYTES_MAX) or (0, 0)
    assert end == len(ORDER)
    assert ORDER[body : body + 5] == b"35=D\x01"
    assert read_trusted_frame(ORDER, 0) == (body, end)
    assert number_value(ORDER, b"\x0134=", body, end) == 7


@given(st.binary(max_size=2000))
def test_the_sum_is_that_of_the_slow_way(data: bytes) -> None:
    assert byte_sum(data, 0, len(data)) == sum(data)


@given(st.binary(max_size=4000))
def test_the_sum_of_the_largest_bytes(data: bytes) -> None:
    data = bytes(b | 0xF0 for b in data)
    assert byte_sum(data, 0, len(data)) == sum(data)


@given(
    st.lists(st.text("abc=|0123456789", max_size=40), min_size=1, max_size=6),
    st.data(),
)
def test_however_a_stream_is_cut_its_messages_are_the_same(
    texts: list[str], data: st.DataObject
) -> None:
    messages = [frame(f"35=D\x0158={text}x\x01".encode()) for text in texts]
    stream = b"".join(messages)
    found, rest, at = [], b"", 0
    while at < len(stream):
        size = data.draw(st.integers(1, 50))
        rest += stream[at : at + size]
        at += size
        for message in framed(rest):
            found.append(message)
            rest = rest[len(message) :]
    assert found == messages
    assert rest == b""


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_not_yet_or_garbled(data: bytes) -> None:
    for prefix in (b"", b"8=FIX.4.4\x01", b"8=FIX.4.4\x019=", b"8=FIX.4.4\x019=5\x01"):
        framed(prefix + data)
        try:
            found = read_frame(prefix + data, 0, bytes_max=BYTES_MAX)
        except GarbledError:
            continue
        assert found is None or found[1] <= len(prefix + data)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_message_after_garbage_is_found(before: bytes, after: bytes) -> None:
    junk = before.replace(b"8=", b"..")
    assert framed(junk + b"\x01" + ORDER + after.replace(b"8=", b".."))[:1] == [ORDER]


def test_a_beginning_cut_in_two_after_garbage_is_kept() -> None:
    for cut in range(1, 6):
        data = b"x" * 10 + b"\x01" + ORDER[:cut]
        assert data[next_begin(data, 1) :] == ORDER[:cut]


def altered(old: bytes, new: bytes) -> bytes:
    assert old in ORDER
    return ORDER.replace(old, new)


BAD = [
    (altered(b"10=", b"11="), "CheckSum does not stand"),
    (ORDER[:-2] + b"\x00\x01", "CheckSum does not stand"),
    (altered(b"11=a", b"11=b"), "checksum is wrong"),
    (altered(b"\x019=", b"\x019=0"), "no plain number"),
    (altered(b"\x019=", b"\x019=+"), "no plain number"),
    (altered(b"\x019=", b"\x019=-"), "no plain number"),
    (altered(b"\x019=", b"\x019= "), "no plain number"),
    (b"8=FIX.4.4\x019=\x0135=0\x01", "empty"),
    (b"8=FIX.4.4\x019=0\x0110=000\x01", "no plain number"),
    (b"8=FIX.4.4\x019=4\x0135=0\x0110=000\x01", "below that of any"),
    (b"8=FIX.4.4\x0135=A\x019=5\x01", "not the second field"),
    (b"9=5\x0135=0\x01", "does not begin"),
    (b"GET / HTTP/1.1\r\n\r\n", "does not begin"),
    (b"\x16\x03\x01\x02\x00\x01", "does not begin"),
    (b"8=" + b"F" * 40, "no end"),
    (frame(b"34=1\x0135=0\x01"), "not the third"),
]


@pytest.mark.parametrize(("data", "said"), BAD)
def test_what_is_garbled_is_told(data: bytes, said: str) -> None:
    with pytest.raises(GarbledError, match=said) as caught:
        read_frame(data, 0, bytes_max=BYTES_MAX)
    assert not caught.value.is_fatal


@pytest.mark.parametrize("length", [b"2147483000", b"9999999", b"999999", b"8193"])
def test_a_huge_length_is_refused_before_its_bytes_have_come(length: bytes) -> None:
    with pytest.raises(GarbledError) as caught:
        read_frame(b"8=FIX.4.4\x019=" + length + b"\x01", 0, bytes_max=BYTES_MAX)
    assert caught.value.is_fatal


def test_digits_without_end_are_refused_before_they_end() -> None:
    with pytest.raises(GarbledError) as caught:
        read_frame(b"8=FIX.4.4\x019=1234567", 0, bytes_max=BYTES_MAX)
    assert caught.value.is_fatal


@pytest.mark.parametrize("size", range(len(ORDER)))
def test_a_part_is_no_message_yet(size: int) -> None:
    assert read_frame(ORDER[:size], 0, bytes_max=BYTES_MAX) is None


def test_the_largest_message_fits_and_one_byte_more_does_not() -> None:
    assert read_frame(ORDER, 0, bytes_max=len(ORDER)) is not None
    with pytest.raises(GarbledError):
        read_frame(ORDER, 0, bytes_max=len(ORDER) - 1)


def test_another_begin_string_is_framed_for_quickfix_to_refuse() -> None:
    other = frame(b"35=D\x0134=7\x01", begin_string=b"FIX.4.2")
    assert read_frame(other, 0, bytes_max=BYTES_MAX) == (
        other.index(b"35=D"),
        len(other),
    )


def test_too_many_and_too_long_fields_are_told() -> None:
    limits = Limits(fields_max=5, field_bytes_max=64)
    assert check_fields(b"1=a\x01" * 5, 0, 20, limits) == ""
    assert "more than 5 fields" in check_fields(b"1=a\x01" * 6, 0, 24, limits)
    long = b"58=" + b"x" * 61
    assert check_fields(long + b"\x01", 0, 65, limits) == ""
    assert "a field of 65 bytes" in check_fields(long + b"x\x01", 0, 66, limits)


@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+1", b"1.0", b" 1", b"1" * 19, b"\xd9\xa1", b"1e3"]
)
def test_what_is_no_number_is_none(value: bytes) -> None:
    message = frame(b"35=D\x0134=" + value + b"\x01")
    assert number_value(message, b"\x0134=", 0, len(message)) is None

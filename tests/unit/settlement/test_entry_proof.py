"""The proof over encoded entries, beside sums by hand."""

import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core._native import EntryProof
from settlement.binary_copy import encode_entries

Row = tuple[int, int, int, int, int, int, int, int]

LARGE = (1 << 63) - 1


def event(number: int, moves: list[tuple[int, int, int]]) -> list[Row]:
    """Make entries that move each amount of an asset from one account to the next."""
    return [
        (number, 2 * index + side, 1, 1, account + side, asset, (1 - 2 * side) * -amount, 7)
        for index, (account, asset, amount) in enumerate(moves)
        for side in (0, 1)
    ]


MOVES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 1 << 50)), min_size=1, max_size=5
)
EVENTS = st.lists(MOVES, max_size=6).map(
    lambda all_moves: [row for at, moves in enumerate(all_moves, 1) for row in event(at, moves)]
)


@given(EVENTS, EVENTS)
def test_balanced_entries_pass_and_add_up_over_several_readings(
    first: list[Row], second: list[Row]
) -> None:
    proof = EntryProof()
    for rows in (first, second):
        assert proof.read(encode_entries(rows)) is None

    atoms: Counter[tuple[int, int, int]] = Counter()
    entries: Counter[tuple[int, int, int]] = Counter()
    for _, _, kind, _, account, asset, amount, _ in [*first, *second]:
        atoms[kind, account, asset] += amount
        entries[kind, account, asset] += 1
    assert sorted(proof.moved()) == sorted((*key, atoms[key], entries[key]) for key in entries)


@given(EVENTS.filter(bool), st.data(), st.integers(1, 1 << 50))
def test_an_event_that_does_not_balance_is_named(
    rows: list[Row], data: st.DataObject, excess: int
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    number, leg, kind, cause, account, asset, amount, time_ns = rows[at]
    rows[at] = number, leg, kind, cause, account, asset, amount + excess, time_ns
    assert EntryProof().read(encode_entries(rows)) == (number, asset, excess)


def test_what_balances_over_two_events_or_two_assets_does_not_pass() -> None:
    one, other = (5, 1, 1, 1, 1, 1, 9, 7), (6, 1, 1, 1, 2, 1, -9, 7)
    assert EntryProof().read(encode_entries([one, other])) == (5, 1, 9)
    other = (5, 2, 1, 1, 2, 2, -9, 7)
    assert EntryProof().read(encode_entries([one, other])) is not None


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 7), (2, 4), (44, 9)],
    ids=["number of fields", "length of the event's number", "length of the asset"],
)
def test_what_is_no_row_of_entries_is_refused(at: int, value: int) -> None:
    rows = bytearray(encode_entries(event(1, [(1, 1, 1)])))
    assert EntryProof().read(bytes(rows)) is None
    struct.pack_into(">h" if at == 0 else ">i", rows, at, value)
    with pytest.raises(ValueError, match=r"an entry|a field"):
        EntryProof().read(bytes(rows))
    with pytest.raises(ValueError, match="whole rows"):
        EntryProof().read(bytes(rows[:-1]))


def test_a_sum_beyond_64_bits_is_refused() -> None:
    rows = encode_entries(event(1, [(1, 1, LARGE), (1, 1, 2)]))
    with pytest.raises(OverflowError, match="64 bits"):
        EntryProof().read(rows)

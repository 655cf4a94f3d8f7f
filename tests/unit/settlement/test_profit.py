"""Realised profit by average cost."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from settlement.profit import FLAT, CostPosition, Fill, after_fill, position_after

BASES = st.integers(-(1 << 40), 1 << 40).filter(bool)
VALUES = st.integers(1, 1 << 50)
FILLS = st.lists(
    st.builds(lambda base, value: Fill(0, base, -value if base > 0 else value), BASES, VALUES),
    max_size=30,
)


def buy(base: int, value: int) -> Fill:
    return Fill(0, base, -value)


def sell(base: int, value: int) -> Fill:
    return Fill(0, -base, value)


def test_a_sale_takes_the_average_cost_with_it() -> None:
    held = position_after([buy(10, 1_000), buy(10, 1_200)])
    assert held == CostPosition(20, 2_200, 0)
    held = after_fill(held, sell(5, 600))
    assert held == CostPosition(15, 1_650, 50)
    assert after_fill(held, sell(15, 1_500)) == CostPosition(0, 0, -100)


def test_a_short_position_gains_when_it_is_bought_back_for_less() -> None:
    held = position_after([sell(10, 1_000), buy(4, 360)])
    assert held == CostPosition(-6, 600, 40)


def test_a_fill_larger_than_the_position_turns_it_round() -> None:
    held = position_after([buy(10, 1_000), sell(15, 1_650)])
    assert held == CostPosition(-5, 550, 100)


def test_a_bust_of_the_only_trade_leaves_nothing() -> None:
    assert position_after([buy(7, 333), sell(7, 333)]) == FLAT


def test_what_rounding_leaves_stays_with_the_position() -> None:
    held = position_after([buy(3, 100), sell(1, 40)])
    assert held == CostPosition(2, 67, 7)
    assert after_fill(held, sell(2, 60)) == CostPosition(0, 0, 0)


@given(FILLS)
def test_money_that_moved_is_what_was_realised_and_what_is_held(fills: list[Fill]) -> None:
    held = position_after(fills)
    way = 1 if held.base_atoms > 0 else -1
    assert sum(fill.quote_atoms for fill in fills) == held.realised_atoms - way * held.cost_atoms
    assert sum(fill.base_atoms for fill in fills) == held.base_atoms
    assert held.cost_atoms >= 0
    assert held.base_atoms or not held.cost_atoms


@given(FILLS)
def test_rounding_is_less_than_an_atom_for_each_fill(fills: list[Fill]) -> None:
    """The same with fractions, which round nothing."""
    base, cost, realised = 0, Fraction(), Fraction()
    for fill in fills:
        value = Fraction(abs(fill.quote_atoms))
        if base * fill.base_atoms >= 0:
            base, cost = base + fill.base_atoms, cost + value
            continue
        closed = min(abs(base), abs(fill.base_atoms))
        out, worth = cost * closed / abs(base), value * closed / abs(fill.base_atoms)
        realised += worth - out if base > 0 else out - worth
        base, cost = base + fill.base_atoms, cost - out + value - worth
    held = position_after(fills)
    assert held.base_atoms == base
    assert abs(held.cost_atoms - cost) <= 4 * len(fills)
    assert abs(held.realised_atoms - realised) <= 4 * len(fills)

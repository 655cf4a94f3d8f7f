"""Realised profit and loss by average cost, exactly, as a pure function of fills.

``docs/statements.md`` has the same as one query, and a test holds the two together.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec


class Fill(NamedTuple):
    """What a trade, or the undoing of one, did to an account in an instrument.

    ``base_atoms`` is above zero for what it got; ``quote_atoms`` then is below zero, what it paid.
    """

    event_number: int
    base_atoms: int
    quote_atoms: int


class CostPosition(msgspec.Struct, frozen=True):
    """A position and what it cost; of a short one, what selling it brought."""

    base_atoms: int = 0
    cost_atoms: int = 0
    realised_atoms: int = 0


FLAT = CostPosition()


def after_fill(held: CostPosition, fill: Fill) -> CostPosition:
    """Say what a fill makes of a position.

    What opens or adds to a position adds to its cost. What closes some of it takes the same part
    of its cost with it: the average cost. The parts are rounded down, and what rounding leaves
    stays with the rest of the position or of the fill, so nothing is lost in a whole. A fill
    larger than the position closes it and opens one the other way with what is left.

    Args:
        held: the position before, in base atoms, and its cost in quote atoms.
        fill: fees are no part of it.

    Returns:
        The position after it; realised is before fees.
    """
    value = abs(fill.quote_atoms)
    if held.base_atoms * fill.base_atoms >= 0:
        return CostPosition(
            held.base_atoms + fill.base_atoms, held.cost_atoms + value, held.realised_atoms
        )
    size, filled = abs(held.base_atoms), abs(fill.base_atoms)
    closed = min(size, filled)
    cost = held.cost_atoms * closed // size
    worth = value * closed // filled
    gain = worth - cost if held.base_atoms > 0 else cost - worth
    return CostPosition(
        held.base_atoms + fill.base_atoms,
        held.cost_atoms - cost + value - worth,
        held.realised_atoms + gain,
    )


def position_after(fills: Iterable[Fill], held: CostPosition = FLAT) -> CostPosition:
    """Say what fills, in the order of their events, make of a position."""
    for fill in fills:
        held = after_fill(held, fill)
    return held

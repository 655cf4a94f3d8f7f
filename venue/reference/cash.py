"""Cash quantities: how many lots an amount of quote comes to, never one too many.

A buy spends the amount with its fees, a sell brings in at most the amount, before fees.
"""

from __future__ import annotations

from messages.trading.terms import PPM
from venue.reference.orders import Order
from venue.reference.values import BUY


def lots_within(
    atoms: int, *, price_ticks: int, tick_lot_atoms: int, rate_ppm: int = 0, credit: int = 0
) -> int:
    """Return the most lots whose value at a price, and the fee on it, are within an amount.

    Args:
        atoms: the amount, in quote atoms.
        price_ticks: the price of all of them.
        tick_lot_atoms: the instrument's factor.
        rate_ppm: the fee's rate, not negative; a fee rounds up.
        credit: millionths of an atom that earlier fees of the order already paid.
    """
    return (atoms * PPM + credit) // (price_ticks * tick_lot_atoms * (PPM + rate_ppm))


def most_lots(order: Order, *, best_ticks: int) -> int:
    """Return the most that a new cash order could trade: it trades at ``best_ticks`` or worse.

    For a buy, the better the price the more; for a sell, the worse the price the more, and its
    own is the worst.
    """
    tick_lot_atoms = order.instrument.tick_lot_atoms
    if order.side == BUY:
        return lots_within(
            order.cash_atoms,
            price_ticks=best_ticks,
            tick_lot_atoms=tick_lot_atoms,
            rate_ppm=max(order.taker_ppm, 0),
        )
    return lots_within(
        order.cash_atoms, price_ticks=order.price_ticks, tick_lot_atoms=tick_lot_atoms
    )


def lots_left(order: Order, *, price_ticks: int) -> int:
    """Return how many lots what is left of a cash order's amount comes to at a price.

    What a buy holds is what is left of it.
    """
    tick_lot_atoms = order.instrument.tick_lot_atoms
    if order.side == BUY:
        return lots_within(
            order.held_atoms,
            price_ticks=price_ticks,
            tick_lot_atoms=tick_lot_atoms,
            rate_ppm=max(order.taker_ppm, 0),
            credit=order.fee_credit,
        )
    left_atoms = order.cash_atoms - order.filled_value * tick_lot_atoms
    return lots_within(left_atoms, price_ticks=price_ticks, tick_lot_atoms=tick_lot_atoms)

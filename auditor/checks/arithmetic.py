"""The auditor's own arithmetic of fees, holds and collars: docs/matching.md and docs/risk.md.

Written from those pages, in whole numbers, and shared with nobody: what settlement or the
engine get wrong must not be wrong here in the same way.
"""

from typing import Final

from messages.trading.terms import PPM, Side

_BUY: Final = int(Side.BUY)
"""As a plain integer: an enumeration's member costs each use a call, and this is each order's."""


def fee_of(*, notional: int, rate_ppm: int, credit: int) -> tuple[int, int]:
    """Return what a fill owes: all fees of an order together round up once.

    Args:
        notional: quote atoms.
        rate_ppm: negative for a rebate, which rounds down, each fill by itself.
        credit: millionths of an atom that earlier fees of the order overpaid.

    Returns:
        The fee in quote atoms, and the credit after it.
    """
    if rate_ppm < 0:
        return -(notional * -rate_ppm // PPM), credit
    due = notional * rate_ppm - credit
    if due <= 0:
        return 0, -due
    atoms = (due + PPM - 1) // PPM
    return atoms, atoms * PPM - due


def hold_of_buy(*, leaves: int, price: int, factor: int, rate_ppm: int, credit: int) -> int:
    """Return what an open buy ties up: its leaves at its price, and the largest fee on that."""
    notional = leaves * price * factor
    due = notional * rate_ppm - credit if rate_ppm > 0 else -credit
    return notional + (due + PPM - 1) // PPM if due > 0 else notional


def is_within_collar(*, side: int, price: int, reference: int, collar_ppm: int) -> bool:
    """Say whether a limit price reaches no further through the reference than it may.

    The bound is not whole ticks, so both sides are compared in millionths of one: exactly.
    """
    if not collar_ppm or not reference:
        return True
    if side == _BUY:
        return price * PPM <= reference * (PPM + collar_ppm)
    return price * PPM >= reference * (PPM - collar_ppm)

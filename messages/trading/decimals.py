"""Decimal text to integers and back, exactly.

Only the pattern below is read. Python's own ``Decimal`` would take 342 seconds for ten bytes such
as ``1E+2000000``, accept ``NaN``, Arabic digits and underscores, and so never sees client input.
"""

import re
from enum import Enum

from messages.trading.terms import AMOUNT_LIMIT

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?", re.ASCII)


class DecimalFault(Enum):
    """Why text did not become an integer."""

    MALFORMED = "not a plain decimal number"
    OFF_GRID = "not a multiple of the increment"
    OUT_OF_RANGE = "zero or too large"


def steps(text: str, *, decimals: int, units: int) -> int | DecimalFault:
    """Read a positive decimal as a whole number of increments.

    Args:
        text: as the client sent it.
        decimals: decimal digits of the increment.
        units: the increment in units of 10**-``decimals``: a tick of 0.05 is 5 of two decimals.

    Returns:
        How many increments the text says, above zero and below 2**62; nothing is ever rounded.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return DecimalFault.MALFORMED
    whole, fraction = match.group(1), (match.group(2) or "").rstrip("0")
    if len(fraction) > decimals:
        return DecimalFault.OFF_GRID
    count, rest = divmod(int(whole + fraction.ljust(decimals, "0")), units)
    if rest:
        return DecimalFault.OFF_GRID
    if not 0 < count < AMOUNT_LIMIT:
        return DecimalFault.OUT_OF_RANGE
    return count


def decimal_text(value: int, decimals: int) -> str:
    """Write an integer of 10**-``decimals`` as decimal text with all its digits."""
    if decimals == 0:
        return str(value)
    digits = str(value).zfill(decimals + 1 + (value < 0))
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def short_decimal_text(value: int, decimals: int) -> str:
    """Write as ``decimal_text`` does, without trailing zeros of the fraction."""
    text = decimal_text(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text

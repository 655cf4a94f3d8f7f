"""What a client knows of an instrument, and how it writes prices and quantities."""

from collections.abc import Iterable
from dataclasses import dataclass

from messages.layout import Record, plain_text
from messages.trading import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """An instrument in its units: ticks and lots inside, decimal text outside."""

    instrument: int
    symbol: str
    tick_units: int
    price_decimals: int
    lot_units: int
    quantity_decimals: int
    reference_ticks: int
    lot_atoms: int = 1
    tick_lot_atoms: int = 1

    def price_text(self, ticks: int) -> str:
        """Write a price."""
        return decimal_text(ticks * self.tick_units, self.price_decimals)

    def quantity_text(self, lots: int) -> str:
        """Write a quantity."""
        return decimal_text(lots * self.lot_units, self.quantity_decimals)

    def ticks(self, text: str) -> int:
        """Read a price that the venue wrote.

        Raises:
            ValueError: not a whole number of ticks.
        """
        return _steps(text, self.price_decimals, self.tick_units)

    def lots(self, text: str) -> int:
        """Read a quantity that the venue wrote.

        Raises:
            ValueError: not a whole number of lots.
        """
        return _steps(text, self.quantity_decimals, self.lot_units)

    def lots_worth(self, amount: int) -> int:
        """Return how many lots are worth an amount of the quote asset at the reference price.

        Rounded down, and at least one.
        """
        value = self.reference_ticks * self.tick_units * self.lot_units
        scale: int = 10 ** (self.price_decimals + self.quantity_decimals)
        return max(1, amount * scale // value)


def decimal_text(value: int, decimals: int) -> str:
    """Write a non-negative integer of 10**-``decimals`` as decimal text."""
    assert value >= 0, value
    digits = str(value).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def decimal_value(text: str, decimals: int) -> int:
    """Read decimal text as an integer of 10**-``decimals``.

    Raises:
        ValueError: not decimal text, or finer than that.
    """
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-").partition(".")
    fraction = fraction.rstrip("0")
    digits = whole + fraction
    if not (whole and digits.isascii() and digits.isdigit()) or len(fraction) > decimals:
        raise ValueError(f"not a decimal of at most {decimals} places: {text!r}")
    return sign * int(whole + fraction.ljust(decimals, "0"))


def _steps(text: str, decimals: int, units: int) -> int:
    count, rest = divmod(decimal_value(text, decimals), units)
    if rest:
        raise ValueError(f"not a multiple of {units} of {decimals} places: {text!r}")
    return count


def markets_of(definitions: Iterable[Record]) -> dict[str, Market]:
    """Gather the markets from the venue's definitions, by symbol."""
    created: dict[int, events.InstrumentCreated] = {}
    references: dict[int, int] = {}
    for record in definitions:
        if isinstance(record, events.InstrumentCreated):
            created[record.instrument] = record
        elif isinstance(record, events.InstrumentLimitsSet):
            references[record.instrument] = record.reference_ticks
    return {
        plain_text(each.symbol): Market(
            instrument=number,
            symbol=plain_text(each.symbol),
            tick_units=each.tick_units,
            price_decimals=each.price_decimals,
            lot_units=each.lot_units,
            quantity_decimals=each.quantity_decimals,
            reference_ticks=references.get(number, 0),
            lot_atoms=each.lot_atoms,
            tick_lot_atoms=each.tick_lot_atoms,
        )
        for number, each in created.items()
    }

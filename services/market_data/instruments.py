"""Instruments as the public knows them: symbols, and numbers as decimal text.

Everything inside is ticks, lots and atoms. Text is made here, exactly: an integer and the place
of its point, no division.
"""

from typing import Final, NamedTuple

from messages.layout import Record, plain_text
from messages.market_data import public_symbol
from messages.trading import events


class Instrument(NamedTuple):
    """An instrument's units."""

    number: int
    symbol: str
    """As in ``BTCUSD``: base and quote without what stands between."""
    tick_units: int
    lot_units: int
    tick_lot_atoms: int
    price_decimals: int
    quantity_decimals: int
    quote_decimals: int

    @property
    def stream(self) -> str:
        """The symbol as names of streams have it."""
        return self.symbol.lower()

    def price(self, ticks: int) -> str:
        """Write a price."""
        return decimal_text(ticks * self.tick_units, self.price_decimals)

    def quantity(self, lots: int) -> str:
        """Write a quantity of the base asset."""
        return decimal_text(lots * self.lot_units, self.quantity_decimals)

    def amount(self, quote_atoms: int) -> str:
        """Write an amount of the quote asset."""
        return decimal_text(quote_atoms, self.quote_decimals)

    def average_price(self, quote_atoms: int, lots: int) -> str:
        """Write the price that gives this amount for these lots, rounded down; zero for none."""
        if lots == 0:
            return self.price(0)
        # Notional is ticks x lots x tick_lot_atoms, so this is the price's own units.
        units = quote_atoms * self.tick_units // (lots * self.tick_lot_atoms)
        return decimal_text(units, self.price_decimals)


def decimal_text(units: int, decimals: int) -> str:
    """Write an integer of 10**-``decimals`` as decimal text with all its decimals."""
    if decimals == 0:
        return str(units)
    if units < 0:
        return "-" + decimal_text(-units, decimals)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


PERCENT_DECIMALS: Final = 3


def percent_text(change: int, of: int) -> str:
    """Write a change in per cent, to three decimals, rounded toward zero; of nothing, zero."""
    if of == 0:
        return decimal_text(0, PERCENT_DECIMALS)
    thousandths = abs(change) * 100 * 10**PERCENT_DECIMALS // of
    return decimal_text(thousandths if change >= 0 else -thousandths, PERCENT_DECIMALS)


class Directory:
    """The instruments that the venue has, learnt from definitions."""

    def __init__(self) -> None:
        self.by_number: dict[int, Instrument] = {}
        self.by_symbol: dict[str, Instrument] = {}
        self._assets: dict[int, events.AssetCreated] = {}

    def learn(self, record: Record) -> Instrument | None:
        """Take a definition; return the instrument that it made, if it did.

        Two instruments whose symbols differ in the dash only are one symbol to the public, which
        cannot be: the later is left out.
        """
        if isinstance(record, events.AssetCreated):
            self._assets[record.asset] = record
            return None
        if not isinstance(record, events.InstrumentCreated):
            return None
        base, quote = self._assets[record.base_asset], self._assets[record.quote_asset]
        symbol = public_symbol(plain_text(base.symbol) + plain_text(quote.symbol))
        known = self.by_symbol.get(symbol)
        if known is not None:
            return None
        made = Instrument(
            number=record.instrument,
            symbol=symbol,
            tick_units=record.tick_units,
            lot_units=record.lot_units,
            tick_lot_atoms=record.tick_lot_atoms,
            price_decimals=record.price_decimals,
            quantity_decimals=record.quantity_decimals,
            quote_decimals=quote.scale,
        )
        self.by_number[made.number] = self.by_symbol[symbol] = made
        return made

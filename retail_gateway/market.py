"""What the venue trades and charges, as its definitions say it: symbols, increments, bounds, fees.

Symbols are written as retail clients write them: base and quote without a dash (``BTCUSD``).
"""

from dataclasses import dataclass, field

from messages.layout import Record, plain_text
from messages.market_data import public_symbol
from messages.trading import events
from messages.trading.decimals import decimal_text
from messages.trading.terms import Phase, SessionRight


@dataclass(slots=True, frozen=True)
class Asset:
    """One unit is 10**``scale`` atoms."""

    number: int
    symbol: str
    scale: int

    def text(self, atoms: int) -> str:
        """Write an amount of it."""
        return decimal_text(atoms, self.scale)


@dataclass(slots=True)
class Instrument:
    """A market; its limits and phase change, nothing else does."""

    symbol: str
    base: Asset
    quote: Asset
    terms: events.InstrumentCreated
    limits: events.InstrumentLimitsSet | None = None
    phase: int = Phase.CLOSED

    @property
    def number(self) -> int:
        """Return the venue's own number of it."""
        return self.terms.instrument

    def price(self, ticks: int) -> str:
        """Write a price."""
        return decimal_text(ticks * self.terms.tick_units, self.terms.price_decimals)

    def quantity(self, lots: int) -> str:
        """Write a quantity of the base asset."""
        return decimal_text(lots * self.terms.lot_units, self.terms.quantity_decimals)

    def value(self, ticks_times_lots: int) -> str:
        """Write what lots at a price come to, in the quote asset."""
        return self.quote.text(ticks_times_lots * self.terms.tick_lot_atoms)


@dataclass(slots=True)
class Market:
    """All of it. ``session`` is the number of the session whose grants matter here."""

    session: int
    assets: dict[int, Asset] = field(default_factory=dict)
    instruments: dict[int, Instrument] = field(default_factory=dict)
    by_symbol: dict[str, Instrument] = field(default_factory=dict)
    firms: set[int] = field(default_factory=set)
    accounts: set[int] = field(default_factory=set)
    limited: set[int] = field(default_factory=set)
    """Accounts that were given limits, without which they may not trade."""
    granted: set[int] = field(default_factory=set)
    """Accounts that our session may trade for."""
    rates: dict[int, events.FeeScheduleDefined] = field(default_factory=dict)
    assigned: dict[tuple[int, int], int] = field(default_factory=dict)
    """Fee schedules by account and instrument; instrument zero is all."""

    def instrument(self, symbol: str) -> Instrument | None:
        """Find a market by its symbol."""
        return self.by_symbol.get(symbol)

    def fee_rates(self, account: int, instrument: Instrument) -> tuple[int, int]:
        """Return the maker's and the taker's rate of an account's next order, in ppm."""
        number = (
            self.assigned.get((account, instrument.number))
            or self.assigned.get((account, 0))
            or instrument.terms.fee_schedule
        )
        rates = self.rates[number]
        return rates.maker_ppm, rates.taker_ppm

    def learn(self, event: Record) -> None:
        """Take what a definition says; what is no definition says nothing here."""
        match event:
            case events.AssetCreated():
                symbol = plain_text(event.symbol)
                self.assets[event.asset] = Asset(event.asset, symbol, event.scale)
            case events.InstrumentCreated():
                base, quote = self.assets[event.base_asset], self.assets[event.quote_asset]
                made = Instrument(public_symbol(base.symbol + quote.symbol), base, quote, event)
                self.instruments[event.instrument] = made
                # To the public the first of a symbol is the only one: market data says the same.
                self.by_symbol.setdefault(made.symbol, made)
            case events.InstrumentLimitsSet():
                self.instruments[event.instrument].limits = event
            case events.PhaseChanged():
                self.instruments[event.instrument].phase = event.phase
            case events.FeeScheduleDefined():
                self.rates[event.fee_schedule] = event
            case events.FeeScheduleAssigned():
                self.assigned[event.account, event.instrument] = event.fee_schedule
            case _:
                self._learn_of_parties(event)

    def _learn_of_parties(self, event: Record) -> None:
        match event:
            case events.FirmCreated():
                self.firms.add(event.firm)
            case events.AccountCreated():
                self.accounts.add(event.account)
            case events.AccountLimitsSet():
                self.limited.add(event.account)
            case events.SessionGranted() if event.session == self.session:
                granted = bool(event.rights & SessionRight.TRADE)
                (self.granted.add if granted else self.granted.discard)(event.account)
            case _:
                pass


DEFINITIONS = (
    events.AssetCreated,
    events.InstrumentCreated,
    events.InstrumentLimitsSet,
    events.PhaseChanged,
    events.FeeScheduleDefined,
    events.FeeScheduleAssigned,
    events.FirmCreated,
    events.AccountCreated,
    events.AccountLimitsSet,
    events.SessionGranted,
)
"""The events that ``Market.learn`` takes something from."""

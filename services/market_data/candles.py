"""Candles: what traded within an interval, and how candles add up to longer ones. Pure.

A batch of trades becomes candles of one second, these become candles of a minute, and so on up
(``intervals``): each candle here is what *this batch* adds to the one that is stored. So the work
for a trade is one candle, and storing a batch is adding its candles to those that are there.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self

from messages.trading.terms import Side
from services.market_data.intervals import FINEST, INTERVALS
from services.market_data.records import NANOSECONDS_PER_MS, SeenTrade

SUM_MAX: Final = (1 << 63) - 1
"""What one batch's candle may sum up to: it travels to the database in 64 bits."""


class CandleKey(NamedTuple):
    """Which candle."""

    instrument: int
    opened_ms: int


class Candle:
    """What traded: prices in ticks, quantities in lots, amounts in quote atoms."""

    __slots__ = (
        "close",
        "first_trade",
        "high",
        "last_trade",
        "lots",
        "low",
        "open",
        "quote_atoms",
        "taker_bought_atoms",
        "taker_bought_lots",
        "trades",
    )

    def __init__(self, numbers: Iterable[int]) -> None:
        """Make a candle of its numbers, in the order of ``COLUMNS``."""
        (
            self.open,
            self.high,
            self.low,
            self.close,
            self.lots,
            self.quote_atoms,
            self.trades,
            self.taker_bought_lots,
            self.taker_bought_atoms,
            self.first_trade,
            self.last_trade,
        ) = numbers

    @classmethod
    def flat(cls, price_ticks: int) -> Self:
        """Return the candle of an interval in which nothing traded, at the price before it."""
        return cls((price_ticks, price_ticks, price_ticks, price_ticks, 0, 0, 0, 0, 0, -1, -1))

    @classmethod
    def of(cls, trade: SeenTrade) -> Self:
        """Return the candle of one trade."""
        price, lots, atoms = trade.price_ticks, trade.quantity_lots, trade.notional_atoms
        bought = (lots, atoms) if trade.taker_side == _BUY else (0, 0)
        number = trade.trade_id
        return cls((price, price, price, price, lots, atoms, 1, *bought, number, number))

    def numbers(self) -> tuple[int, ...]:
        """Return its numbers, in the order of ``COLUMNS``."""
        return (
            self.open,
            self.high,
            self.low,
            self.close,
            self.lots,
            self.quote_atoms,
            self.trades,
            self.taker_bought_lots,
            self.taker_bought_atoms,
            self.first_trade,
            self.last_trade,
        )

    def copy(self) -> "Candle":
        """Return another with the same numbers."""
        return Candle(self.numbers())

    def add(self, trade: SeenTrade) -> None:
        """Take a trade that is later than those before."""
        # Taken apart at once: most of a history's time is spent here.
        _, _, _, _, side, _, _, number, price, lots, atoms, _ = trade
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.lots += lots
        self.quote_atoms += atoms
        self.trades += 1
        if side == _BUY:
            self.taker_bought_lots += lots
            self.taker_bought_atoms += atoms
        self.last_trade = number

    def append(self, later: "Candle") -> None:
        """Take all of a later candle."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.lots += later.lots
        self.quote_atoms += later.quote_atoms
        self.trades += later.trades
        self.taker_bought_lots += later.taker_bought_lots
        self.taker_bought_atoms += later.taker_bought_atoms
        self.last_trade = later.last_trade


COLUMNS: Final = (
    "open",
    "high",
    "low",
    "close",
    "lots",
    "quote_atoms",
    "trades",
    "taker_bought_lots",
    "taker_bought_atoms",
    "first_trade",
    "last_trade",
)

_BUY: Final = int(Side.BUY)
_SECOND_NS: Final = FINEST.span_ms * NANOSECONDS_PER_MS

CandlesByKey = dict[CandleKey, Candle]


class Gathering:
    """Trades on their way to becoming candles."""

    def __init__(self) -> None:
        self._seconds: CandlesByKey = {}
        self._running: dict[int, tuple[int, Candle]] = {}
        """By instrument: the second of the last trade, and its candle."""
        self._sums: dict[int, int] = {}
        """By instrument: lots and atoms together, no less than any sum of any candle."""

    def __bool__(self) -> bool:
        return bool(self._seconds)

    def takes(self, trade: SeenTrade) -> bool:
        """Take a trade, unless a sum would no longer fit; then these candles are to be stored."""
        instrument, sums = trade.instrument, self._sums
        before = sums.get(instrument)
        total = trade.notional_atoms + trade.quantity_lots
        if before is not None:
            total += before
            if total > SUM_MAX:
                return False
        sums[instrument] = total
        second = trade.time_ns // _SECOND_NS
        running = self._running.get(instrument)
        if running is not None and running[0] == second:
            running[1].add(trade)
            return True
        candle = Candle.of(trade)
        self._running[instrument] = (second, candle)
        self._seconds[CandleKey(instrument, second * FINEST.span_ms)] = candle
        return True

    def candles(self) -> Iterator[tuple[str, CandlesByKey]]:
        """Yield the candles of each interval, by its name."""
        made = {FINEST.name: self._seconds}
        for interval in INTERVALS.values():
            if interval.of:
                made[interval.name] = added_up(made[interval.of], interval.name)
            yield interval.name, made[interval.name]


def added_up(finer: CandlesByKey, name: str) -> CandlesByKey:
    """Add candles up to those of a longer interval; each instrument's come in order of time."""
    opening = INTERVALS[name].opening
    coarser: CandlesByKey = {}
    for (instrument, opened_ms), candle in finer.items():
        key = CandleKey(instrument, opening(opened_ms))
        found = coarser.get(key)
        if found is None:
            coarser[key] = candle.copy()
        else:
            found.append(candle)
    return coarser

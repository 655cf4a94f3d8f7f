"""What the market looks like, gathered from the venue's events."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from messages.layout import RECORD_PREFIX
from messages.trading import events
from messages.trading.terms import Side

TRADES_KEPT: Final = 12


class Level(NamedTuple):
    """A price level as displayed."""

    price_ticks: int
    quantity_lots: int
    orders: int


class LastTrade(NamedTuple):
    """One of the last trades."""

    time_ns: int
    instrument: int
    taker_side: int
    price_ticks: int
    quantity_lots: int


@dataclass(slots=True)
class _Sides:
    buy: dict[int, Level] = field(default_factory=dict)
    sell: dict[int, Level] = field(default_factory=dict)


class MarketState:
    """Books and trades of every instrument, from level changes and trades alone."""

    def __init__(self) -> None:
        self._books: dict[int, _Sides] = {}
        self.trades: deque[LastTrade] = deque(maxlen=TRADES_KEPT)
        self.events = 0
        self.trade_count = 0
        self.sequence = 0

    def take(self, data: bytes) -> None:
        """Take the event records of a batch."""
        offset, end = 0, len(data)
        while offset < end:
            length, kind = RECORD_PREFIX.unpack_from(data, offset)
            if kind == events.BookLevelChanged.KIND:
                self._take_level(events.BookLevelChanged.unpack(data, offset))
            elif kind == events.TradeExecuted.KIND:
                self._take_trade(events.TradeExecuted.unpack(data, offset))
            self.events += 1
            offset += length
        assert offset == end, (offset, end)

    def levels(self, instrument: int, side: Side, count: int) -> list[Level]:
        """Return the best levels of a side, best first."""
        sides = self._books.get(instrument, _Sides())
        if side is Side.BUY:
            return [sides.buy[price] for price in sorted(sides.buy, reverse=True)[:count]]
        return [sides.sell[price] for price in sorted(sides.sell)[:count]]

    @property
    def level_count(self) -> int:
        """How many levels all books together have."""
        return sum(len(sides.buy) + len(sides.sell) for sides in self._books.values())

    def _take_level(self, event: events.BookLevelChanged) -> None:
        sides = self._books.setdefault(event.instrument, _Sides())
        levels = sides.buy if event.side == Side.BUY else sides.sell
        if event.quantity_lots == 0:
            levels.pop(event.price_ticks, None)
        else:
            levels[event.price_ticks] = Level(event.price_ticks, event.quantity_lots, event.orders)

    def _take_trade(self, event: events.TradeExecuted) -> None:
        self.trade_count += 1
        self.trades.append(
            LastTrade(
                event.time_ns,
                event.instrument,
                event.taker_side,
                event.price_ticks,
                event.quantity_lots,
            )
        )

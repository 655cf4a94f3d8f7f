"""A recorded stretch of a venue's life, and its candles computed in another way.

The events are the reference engine's under a mixed flow: books, auctions, requests for quote,
busts and corrections, over edges of months and weeks. The candles here are computed from the list
of trades as it is at the end, each interval by itself, by the calendar.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from messages.trading import events as e
from messages.trading.events import EVENTS
from services.market_data.ports import CorePicture
from settlement.adapters.memory import MemoryBatch
from tests.property.flow import SECOND, Flow
from venue.reference.engine import ReferenceEngine

VENUE = bytes(range(16))
NEW_MONTH = int(dt.datetime(2023, 12, 1, tzinfo=dt.UTC).timestamp())
"""A Friday."""

ORDINARY = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200,
    "4h": 14400, "6h": 21600, "8h": 28800, "12h": 43200, "1d": 86400, "3d": 259200,
}  # fmt: skip


class PlainCandle(NamedTuple):
    """A candle as the database has it."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    quote_atoms: int
    trades: int
    taker_bought_lots: int
    taker_bought_atoms: int
    first_trade: int
    last_trade: int


class PlainTrade(NamedTuple):
    instrument: int
    trade_id: int
    time_ns: int
    price_ticks: int
    lots: int
    quote_atoms: int
    taker_side: int
    order: int
    sequence: int


class Answered(NamedTuple):
    event_number: int
    payload: bytes


class Day:
    """Events in batches of whole commands, and the trades that stand after them."""

    def __init__(self, chance: random.Random, commands: int) -> None:
        self.engine = ReferenceEngine()
        self.trades: dict[int, PlainTrade] = {}
        """Those that stand, on their terms now."""
        self.all_trades: dict[int, PlainTrade] = {}
        """All, on the terms that they were made on."""
        self.trade_events: list[int] = []
        """The numbers of the events of all of these."""
        self._level_changes: dict[int, int] = {}
        self.busted: set[int] = set()
        self.corrected: set[int] = set()
        self.batches: list[MemoryBatch] = []
        self.time_ns = 0
        flow = Flow(chance.getrandbits(32), calm=True)
        flow.now_ns = (NEW_MONTH - chance.randrange(40_000)) * SECOND
        self._flow = flow.run(self.engine, commands)
        self._chance = chance
        self._held = b""
        self._last = 0

    def go_on(self, commands: int = 1 << 30) -> None:
        """Let the venue live for so many commands more, or to its end."""
        for _, (_, told) in zip(range(commands), self._flow, strict=False):
            self._take(told)
        self._cut()

    def _take(self, told: bytes) -> None:
        self._held += told
        for event in EVENTS.unpack(told):
            self.time_ns = event.time_ns  # type: ignore[attr-defined]
            self._last = event.number  # type: ignore[attr-defined]
            self._observe(event)
        if self._chance.random() < 0.2:
            self._cut()

    def _cut(self) -> None:
        if self._held:
            first = self.batches[-1].last + 1 if self.batches else 1
            self.batches.append(MemoryBatch(first, self._last, self._held))
            self._held = b""

    def _observe(self, event: Any) -> None:
        if isinstance(event, e.TradeExecuted) and not event.is_negotiated:
            self.trade_events.append(event.number)
            self.trades[event.trade_id] = self.all_trades[event.trade_id] = PlainTrade(
                event.instrument,
                event.trade_id,
                event.time_ns,
                event.price_ticks,
                event.quantity_lots,
                event.notional_atoms,
                event.taker_side,
                event.taker_order_id,
                event.sequence,
            )
        elif isinstance(event, e.TradeBusted) and event.trade_id in self.trades:
            del self.trades[event.trade_id]
            self.busted.add(event.trade_id)
        elif isinstance(event, e.TradeCorrected) and event.trade_id in self.trades:
            self.trades[event.trade_id] = self.trades[event.trade_id]._replace(
                price_ticks=event.price_ticks,
                lots=event.quantity_lots,
                quote_atoms=event.notional_atoms,
            )
            self.corrected.add(event.trade_id)
        elif isinstance(event, e.BookLevelChanged):
            self._level_changes[event.instrument] = event.number

    def last_level_change(self, instrument: int) -> int:
        """Return the last event that changed a book."""
        return self._level_changes.get(instrument, 0)

    def aggregates(self, trades: list[PlainTrade]) -> list[tuple[int, int, str, str]]:
        """Put one market's trades together: first, last, price, quantity."""
        made: list[list[PlainTrade]] = []
        for trade in trades:
            if made and self._made_together(made[-1][-1], trade):
                made[-1].append(trade)
            else:
                made.append([trade])
        return [
            (
                each[0].trade_id,
                each[-1].trade_id,
                str(each[0].price_ticks),
                str(sum(t.lots for t in each)),
            )
            for each in made
        ]

    def _made_together(self, one: PlainTrade, other: PlainTrade) -> bool:
        pairs = ((one, other), (self.all_trades[one.trade_id], self.all_trades[other.trade_id]))
        return all(
            (a.order, a.sequence, a.price_ticks) == (b.order, b.sequence, b.price_ticks)
            for a, b in pairs
        )

    @property
    def last(self) -> int:
        """The last event."""
        return self.batches[-1].last

    def picture(self) -> CorePicture:
        """What the core would say of itself now."""
        definitions = Answered(self.last, self.engine.definitions())
        return CorePicture(VENUE, definitions, Answered(self.last, self.engine.books()), self.last)

    def candles(self) -> dict[tuple[int, str, int], PlainCandle]:
        """Compute all candles, by instrument, interval and opening in milliseconds."""
        grouped: dict[tuple[int, str, int], list[PlainTrade]] = {}
        for trade in sorted(self.trades.values(), key=lambda each: each.trade_id):
            for interval, opened in openings(trade.time_ns):
                grouped.setdefault((trade.instrument, interval, opened), []).append(trade)
        return {key: _candle(trades) for key, trades in grouped.items()}


def _candle(trades: list[PlainTrade]) -> PlainCandle:
    prices = [each.price_ticks for each in trades]
    bought = [each for each in trades if each.taker_side == 1]
    return PlainCandle(
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(each.lots for each in trades),
        sum(each.quote_atoms for each in trades),
        len(trades),
        sum(each.lots for each in bought),
        sum(each.quote_atoms for each in bought),
        trades[0].trade_id,
        trades[-1].trade_id,
    )


def openings(time_ns: int) -> Iterator[tuple[str, int]]:
    """Yield when the candle of each interval opened that holds a moment, by the calendar."""
    second = time_ns // SECOND
    for name, length in ORDINARY.items():
        yield name, second // length * length * 1000
    moment = dt.datetime.fromtimestamp(second, dt.UTC)
    midnight = moment.replace(hour=0, minute=0, second=0)
    monday = midnight - dt.timedelta(days=midnight.weekday())
    yield "1w", int(monday.timestamp()) * 1000
    yield "1M", int(midnight.replace(day=1).timestamp()) * 1000

"""Books of the auditor's own, from the orders' events: priority, and what the venue published.

An order joins its queue when it has acted. The events do not say that: it has acted when another
one acts, or when the command's levels are told (docs/matching.md, "The order of events").
"""

from operator import attrgetter
from typing import Final

from sortedcontainers import SortedList

from auditor.checks.handlers import Handlers
from auditor.findings import Check, Findings
from auditor.picture import Instrument, Level, Order, Picture
from messages.trading import events as e
from messages.trading.terms import OrderStatus, Phase, Side

LevelKey = tuple[int, int, int]
"""Instrument, side, price in ticks."""

# As plain integers: an enumeration's member costs each use a call, and this is each order's.
_BUY: Final = int(Side.BUY)
_SELL: Final = int(Side.SELL)
_CONTINUOUS: Final = int(Phase.CONTINUOUS)
_PENDING_TRIGGER: Final = int(OrderStatus.PENDING_TRIGGER)

_OF_MAKER: Final = attrgetter("maker_order_id", "maker_leaves_lots")
_OF_TAKER: Final = attrgetter("taker_order_id", "taker_leaves_lots")


class _Ladder:
    """The prices of one side of a book, and the best of them."""

    def __init__(self, side: int) -> None:
        self.prices: SortedList[int] = SortedList()
        self.best: int | None = None
        self._is_buy = side == _BUY

    def add(self, price: int) -> None:
        self.prices.add(price)
        best = self.best
        if best is None or (price > best if self._is_buy else price < best):
            self.best = price

    def remove(self, price: int) -> None:
        self.prices.remove(price)
        if price == self.best:
            self.best = self.prices[-1 if self._is_buy else 0] if self.prices else None


class Books:
    """Every queue of every book."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings
        self._ladders: dict[tuple[int, int], _Ladder] = {}
        for instrument, side, price in picture.levels:
            self._ladder(instrument, side).add(price)
        self._acting: list[int] = []
        """Orders that were accepted, or lost their place, and have not come to rest."""
        self._triggered: set[int] = set()
        self._last_taker = 0
        self._touched: dict[LevelKey, None] = {}

    def handlers(self) -> Handlers:
        """Say which events are looked at."""
        return {
            e.OrderAccepted: self._accepted,
            e.OrderAmended: self._amended,
            e.OrderTriggered: self._triggers,
            e.OrderRestated: self._restated,
            e.OrderCancelled: self._gone,
            e.OrderExpired: self._gone,
            e.TradeExecuted: self._traded,
            e.BookLevelChanged: self._told,
        }

    def best(self, instrument: int, side: int) -> int | None:
        """Return the best price of a side."""
        ladder = self._ladders.get((instrument, side))
        return None if ladder is None else ladder.best

    def queue(self, instrument: int, side: int) -> list[tuple[int, int, int]]:
        """Return (order, price, shown) of all that rest on a side, first to trade first."""
        prices = self._ladder(instrument, side).prices
        ordered = reversed(prices) if side == _BUY else iter(prices)
        return [
            (order_id, price, shown)
            for price in ordered
            for order_id, shown in self._picture.levels[instrument, side, price].queue.items()
        ]

    def end_command(self) -> None:
        """Require that every level that changed was told, and that no open book is crossed."""
        if self._acting:
            self._settle(len(self._acting))
        if self._triggered:
            self._triggered.clear()
        self._last_taker = 0
        if not self._touched:
            return
        for instrument, side, price in self._touched:
            self._findings.add(
                Check.BOOKS,
                f"level {price} of side {side} changed, and no event told it",
                instrument=instrument,
            )
        self._touched.clear()

    def _told(self, event: e.BookLevelChanged) -> None:
        if self._acting:
            self._settle(len(self._acting))
        market = self._picture.instruments.get(event.instrument)
        key = (event.instrument, event.side, event.price_ticks)
        if self._touched.pop(key, key) is not None:
            self._say(event.instrument, f"level {key[2]} of side {key[1]} told, and unchanged")
        level = self._picture.levels.get(key)
        known = (0, 0) if level is None else (level.shown, len(level.queue))
        if (event.quantity_lots, event.orders) != known:
            self._say(
                event.instrument,
                f"level {key[2]} of side {key[1]}: {event.quantity_lots} lots in"
                f" {event.orders} orders, its orders say {known[0]} in {known[1]}",
            )
        if market is not None:
            self._told_in(event, market)

    def _told_in(self, event: e.BookLevelChanged, market: Instrument) -> None:
        if event.book_sequence != market.book_sequence + 1:
            self._say(
                event.instrument,
                f"level change {event.book_sequence} follows {market.book_sequence}",
            )
        market.book_sequence = event.book_sequence
        if market.phase == _CONTINUOUS:
            bid = self.best(event.instrument, _BUY)
            ask = self.best(event.instrument, _SELL)
            if bid is not None and ask is not None and bid >= ask:
                self._say(event.instrument, f"crossed in open trading: bid {bid}, ask {ask}")

    # Orders come and go.

    def _accepted(self, event: e.OrderAccepted) -> None:
        if event.status != _PENDING_TRIGGER:
            self._acting.append(event.order_id)

    def _amended(self, event: e.OrderAmended) -> None:
        order = self._picture.orders.get(event.order_id)
        if order is None:
            return
        if event.kept_priority:
            self._reduce(event.order_id, order, event.leaves_lots)
        else:
            self._remove(event.order_id, order)
            if event.status != _PENDING_TRIGGER:
                self._acting.append(event.order_id)

    def _triggers(self, event: e.OrderTriggered) -> None:
        """A stop acts now: before what has not acted yet, after what has."""
        acting = self._acting
        if self._last_taker in acting:
            self._settle(acting.index(self._last_taker) + 1)
        while acting and acting[0] in self._triggered:
            self._settle(1)
        acting.insert(0, event.order_id)
        self._triggered.add(event.order_id)

    def _restated(self, event: e.OrderRestated) -> None:
        order = self._picture.orders.get(event.order_id)
        if order is not None:
            self._reduce(event.order_id, order, event.leaves_lots)

    def _gone(self, event: e.OrderCancelled | e.OrderExpired) -> None:
        order = self._picture.orders.get(event.order_id)
        if order is not None:
            self._remove(event.order_id, order)

    # Trades.

    def _traded(self, event: e.TradeExecuted) -> None:
        if event.is_negotiated:
            return
        acting = self._acting
        taker_side, taker_id = event.taker_side, event.taker_order_id
        if event.is_auction:
            self._settle(len(acting))
            self._take(event, _OF_TAKER(event), taker_side)
        elif taker_id in acting:
            self._settle(acting.index(taker_id))
            self._last_taker = taker_id
        else:
            self._unfair(event, f"taker {taker_id} rests already, or never came")
        self._take(event, _OF_MAKER(event), 3 - taker_side)

    def _take(self, event: e.TradeExecuted, party: tuple[int, int], side: int) -> None:
        """Trade the first order in line, and require that it is the one that traded."""
        order_id, leaves = party
        order = self._picture.orders.get(order_id)
        price = self.best(event.instrument, side)
        level = None if price is None else self._picture.levels[event.instrument, side, price]
        first = next(iter(level.queue)) if level is not None else 0
        if order is None or first != order_id or price is None or level is None:
            self._unfair(event, f"order {order_id} traded, and order {first} was first in line")
            if order is not None:
                self._reduce(order_id, order, leaves)
            return
        shown = level.queue[order_id] - event.quantity_lots
        if shown < 0:
            self._unfair(event, f"order {order_id} traded more than it showed")
        level.queue[order_id] = shown
        level.shown -= event.quantity_lots
        self._touched[event.instrument, side, price] = None
        if shown <= 0:
            self._remove(order_id, order)
            if leaves > 0:
                self._rest(order_id, order, leaves)

    # Queues.

    def _settle(self, count: int) -> None:
        """Let the first ``count`` orders that act have acted: what is left of them rests."""
        if not count:
            return
        for order_id in self._acting[:count]:
            order = self._picture.orders.get(order_id)
            if order is not None and order.leaves > 0:
                self._rest(order_id, order, order.leaves)
        del self._acting[:count]

    def _rest(self, order_id: int, order: Order, leaves: int) -> None:
        key = (order.instrument, order.side, order.price)
        level = self._picture.levels.get(key)
        if level is None:
            level = self._picture.levels[key] = Level()
            self._ladder(order.instrument, order.side).add(order.price)
        shown = min(order.display, leaves) if order.display else leaves
        level.queue[order_id] = shown
        level.shown += shown
        self._touched[key] = None

    def _remove(self, order_id: int, order: Order) -> None:
        key = (order.instrument, order.side, order.price)
        level = self._picture.levels.get(key)
        if level is None or order_id not in level.queue:
            if order_id in self._acting:
                self._acting.remove(order_id)
            return
        level.shown -= level.queue.pop(order_id)
        self._touched[key] = None
        if not level.queue:
            del self._picture.levels[key]
            self._ladder(order.instrument, order.side).remove(order.price)

    def _reduce(self, order_id: int, order: Order, leaves: int) -> None:
        """Leave an order in its place with fewer lots: what is hidden goes first."""
        key = (order.instrument, order.side, order.price)
        level = self._picture.levels.get(key)
        shown = None if level is None else level.queue.get(order_id)
        if level is None or shown is None or shown <= leaves:
            return
        if leaves <= 0:
            self._remove(order_id, order)
            return
        level.queue[order_id] = leaves
        level.shown -= shown - leaves
        self._touched[key] = None

    def _ladder(self, instrument: int, side: int) -> _Ladder:
        key = (instrument, side)
        found = self._ladders.get(key)
        if found is None:
            found = self._ladders[key] = _Ladder(side)
        return found

    def _unfair(self, event: e.TradeExecuted, text: str) -> None:
        self._findings.add(
            Check.PRIORITY, f"trade {event.trade_id}: {text}", instrument=event.instrument
        )

    def _say(self, instrument: int, text: str) -> None:
        self._findings.add(Check.BOOKS, text, instrument=instrument)

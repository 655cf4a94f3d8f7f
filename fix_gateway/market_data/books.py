"""One instrument's book as the public may see it: price levels, and the orders in them.

Levels are what ``BookLevelChanged`` says. Orders are followed by their own events, by the rules
of docs/matching.md: an iceberg shows one tranche, and a tranche that is used up is followed by
the next at the back of the queue. Both are told apart from each other, and compared: the orders
of a level must add up to it after every command, so a mistake in one is seen by the other.

What is hidden is known here (``leaves``, ``display``), for the next tranche comes of it. It is
not among what views and messages are made of.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from sortedcontainers import SortedList

from messages.trading import events
from messages.trading.answers import RestingOrder
from messages.trading.terms import OrderStatus, OrderType, Side, TimeInForce

_NEVER_RESTS = frozenset({TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL})
_NO_LIMIT = frozenset({OrderType.MARKET, OrderType.STOP})

LevelKey = tuple[int, int]
"""Side and price in ticks."""


class Level(NamedTuple):
    """What is displayed at a price."""

    lots: int
    orders: int


class ShownOrder(NamedTuple):
    """What is displayed of an order; at one price the lower rank trades first."""

    side: int
    price_ticks: int
    lots: int
    rank: int

    @property
    def level(self) -> LevelKey:
        """Where it stands."""
        return self.side, self.price_ticks


class Hidden(NamedTuple):
    """What an iceberg's next tranche follows from."""

    leaves_lots: int
    display_lots: int


class Trade(NamedTuple):
    """A trade for the public; ``aggressor_side`` is zero in an auction."""

    trade_id: int
    price_ticks: int
    lots: int
    aggressor_side: int
    time_ns: int


AnyOrderEvent = (
    events.OrderAccepted
    | events.OrderCancelled
    | events.OrderExpired
    | events.OrderAmended
    | events.OrderTriggered
    | events.OrderRestated
)


class PublicBook:
    """Levels and orders of one instrument, and which of them the present command has changed."""

    def __init__(self, instrument: int) -> None:
        """Begin empty."""
        self.instrument = instrument
        self.sequence = 0
        self.time_ns = 0
        """The stamp of the last command that changed something."""
        self.levels: dict[LevelKey, Level] = {}
        self.orders: dict[int, ShownOrder] = {}
        self.last_trade: Trade | None = None
        self.touched_levels: set[LevelKey] = set()
        self.touched_orders: set[int] = set()
        self.trades: list[Trade] = []
        """Of the present command."""
        self.lines: dict[LevelKey, str] = {}
        """What views have written of levels for their checksums; gone when the level changes."""
        self.orders_disagree = False
        """Whether the orders do not add up to the levels: then only levels are told."""
        self._prices: dict[int, SortedList[int]] = {Side.BUY: SortedList(), Side.SELL: SortedList()}
        self._sums: dict[LevelKey, Level] = {}
        self._hidden: dict[int, Hidden] = {}
        self._coming: list[int] = []
        """Orders that the present command accepted and that have not traded yet."""
        self._rank = 0

    @classmethod
    def restored(cls, instrument: int, sequence: int, orders: Iterable[RestingOrder]) -> Self:
        """Make the engine's book again; the orders come in the order in which they would trade."""
        book = cls(instrument)
        book.sequence = sequence
        for order in orders:
            book._rank += 1
            shown = ShownOrder(order.side, order.price_ticks, order.shown_lots, book._rank)
            book._put(order.order_id, shown, Hidden(order.leaves_lots, order.display_lots))
        book.levels = dict(book._sums)
        for side, price_ticks in book.levels:
            book._prices[side].add(price_ticks)
        book.settle()
        return book

    def settle(self) -> None:
        """Begin the next command."""
        self.touched_levels.clear()
        self.touched_orders.clear()
        self.trades.clear()
        self._coming.clear()

    def best(self, side: int, count: int) -> Iterator[tuple[int, Level]]:
        """Yield the best prices of a side with their levels, the best first; all for zero."""
        prices = self._prices[side]
        size = min(count, len(prices)) if count else len(prices)
        chosen = prices[: -size - 1 : -1] if side == Side.BUY else prices[:size]
        for price_ticks in chosen:
            yield price_ticks, self.levels[side, price_ticks]

    def worst_shown(self, side: int, count: int) -> int | None:
        """Return the price of the last of so many levels; None where there are fewer."""
        prices = self._prices[side]
        if len(prices) < count:
            return None
        price_ticks: int = prices[-count] if side == Side.BUY else prices[count - 1]
        return price_ticks

    def level_changed(
        self, side: int, price_ticks: int, level: Level, *, sequence: int, time_ns: int
    ) -> None:
        """Take a level's new state.

        Raises:
            BookGapError: a change of this book is missing.
        """
        if sequence != self.sequence + 1:
            raise BookGapError(
                f"instrument {self.instrument}: book sequence {sequence} after {self.sequence}"
            )
        self.sequence, self.time_ns = sequence, time_ns
        key = (side, price_ticks)
        self.lines.pop(key, None)
        if level.orders == 0:
            if self.levels.pop(key, None) is not None:
                self._prices[side].remove(price_ticks)
        else:
            if key not in self.levels:
                self._prices[side].add(price_ticks)
            self.levels[key] = level
        self.touched_levels.add(key)
        if self._sums.get(key, _NOTHING) != level:
            self.orders_disagree = True

    def order_changed(self, event: AnyOrderEvent) -> None:
        """Take an order's new state."""
        order_id = event.order_id
        if isinstance(event, events.OrderCancelled | events.OrderExpired):
            self._drop(order_id)
            return
        known = self.orders.get(order_id)
        if not _may_rest(event):
            self._drop(order_id)
            return
        hidden = Hidden(event.leaves_lots, event.display_lots)
        keeps_place = isinstance(event, events.OrderRestated) or (
            isinstance(event, events.OrderAmended) and event.kept_priority
        )
        if known is not None and keeps_place:
            lots = min(known.lots, hidden.leaves_lots)
            self._put(order_id, known._replace(lots=lots), hidden)
            return
        self._rank += 1
        shown = ShownOrder(event.side, event.price_ticks, _tranche(hidden), self._rank)
        self._put(order_id, shown, hidden)
        if isinstance(event, events.OrderTriggered):
            self._let_in_before(self._coming)
        elif isinstance(event, events.OrderAccepted):
            self._coming.append(order_id)

    def _let_in_before(self, coming: list[int]) -> None:
        """Put orders behind one that was triggered before they acted.

        The orders of a mass quote are accepted together and act one after the other. What one of
        them sets off comes before the next.
        """
        for order_id in coming:
            known = self.orders.get(order_id)
            if known is not None:
                self._rank += 1
                self._put(order_id, known._replace(rank=self._rank), self._hidden[order_id])

    def traded(self, event: events.TradeExecuted) -> None:
        """Take a trade, and what it leaves of both orders.

        A trade that a request for quote agreed on is not of the book: neither order was in it,
        which a resting order of fill or kill tells. It is nobody's business here.
        """
        if event.maker_time_in_force == TimeInForce.FILL_OR_KILL:
            return
        aggressor = 0 if event.is_auction else event.taker_side
        trade = Trade(
            event.trade_id, event.price_ticks, event.quantity_lots, aggressor, event.time_ns
        )
        self.trades.append(trade)
        self.last_trade = trade
        self.time_ns = event.time_ns
        self._traded_from(event.maker_order_id, event.maker_leaves_lots, event.quantity_lots)
        if event.is_auction:
            self._traded_from(event.taker_order_id, event.taker_leaves_lots, event.quantity_lots)
        else:
            self._took(event.taker_order_id, event.taker_leaves_lots)

    def _traded_from(self, order_id: int, leaves_lots: int, lots: int) -> None:
        """Take lots off a resting order's tranche."""
        known = self.orders.get(order_id)
        if known is None:
            return
        if leaves_lots == 0:
            self._drop(order_id)
            return
        hidden = self._hidden[order_id]._replace(leaves_lots=leaves_lots)
        rest = known.lots - lots
        if rest > 0:
            self._put(order_id, known._replace(lots=rest), hidden)
            return
        self._rank += 1
        self._put(order_id, known._replace(lots=_tranche(hidden), rank=self._rank), hidden)

    def _took(self, order_id: int, leaves_lots: int) -> None:
        """Take note of what an order that is still coming in has left: it shows nothing yet."""
        if order_id in self._coming:
            del self._coming[: self._coming.index(order_id) + 1]
        known = self.orders.get(order_id)
        if known is None:
            return
        if leaves_lots == 0:
            self._drop(order_id)
            return
        hidden = self._hidden[order_id]._replace(leaves_lots=leaves_lots)
        self._put(order_id, known._replace(lots=_tranche(hidden)), hidden)

    def _put(self, order_id: int, shown: ShownOrder, hidden: Hidden) -> None:
        before = self.orders.get(order_id)
        if before is not None:
            self._add(before.level, -before.lots, -1)
        self.orders[order_id] = shown
        self._hidden[order_id] = hidden
        self._add(shown.level, shown.lots, 1)
        self.touched_orders.add(order_id)

    def _drop(self, order_id: int) -> None:
        before = self.orders.pop(order_id, None)
        if before is None:
            return
        del self._hidden[order_id]
        self._add(before.level, -before.lots, -1)
        self.touched_orders.add(order_id)

    def _add(self, key: LevelKey, lots: int, orders: int) -> None:
        found = self._sums.get(key, _NOTHING)
        total = Level(found.lots + lots, found.orders + orders)
        if total.orders:
            self._sums[key] = total
        else:
            del self._sums[key]


class BookGapError(Exception):
    """The feed and our book do not follow each other: an invariant of the venue's is broken."""

    exit_code = 70


_NOTHING = Level(0, 0)


def _tranche(hidden: Hidden) -> int:
    """Return what an order that joins a queue shows."""
    if 0 < hidden.display_lots < hidden.leaves_lots:
        return hidden.display_lots
    return hidden.leaves_lots


def _may_rest(event: AnyOrderEvent) -> bool:
    return (
        event.status != OrderStatus.PENDING_TRIGGER
        and event.leaves_lots > 0
        and event.time_in_force not in _NEVER_RESTS
        and event.order_type not in _NO_LIMIT
    )

"""One instrument's book as the public may see it: price levels, and the orders in them.

Levels are what ``BookLevelChanged`` says. Orders are followed by their own events, by the rules
of docs/matching.md: an iceberg shows one tranche, and a tranche that is used up is followed by
the next at the back of the queue. Both are told apart from each other, and compared: the orders
of a level must add up to it after every command, so a mistake in one is seen by the other.

What is hidden is known here (``_display``), for the next tranche comes of it. It is not among what
views and messages are made of.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from sortedcontainers import SortedList

from fix_gateway.market_data.records import SeenAmendment, SeenLevel, SeenOrder, SeenTrade
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


class Trade(NamedTuple):
    """A trade for the public; ``aggressor_side`` is zero in an auction."""

    trade_id: int
    price_ticks: int
    lots: int
    aggressor_side: int
    time_ns: int


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
        self._unsorted: set[LevelKey] = set()
        """Levels that have come or gone since somebody asked for the best."""
        self._sums: dict[LevelKey, tuple[int, int]] = {}
        """What orders add up to: lots, and how many they are."""
        self._display: dict[int, int] = {}
        """Of icebergs: what a tranche has."""
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
            book._put(order.order_id, shown)
            book._hide(order.order_id, order.display_lots)
        book.levels = {key: Level(*total) for key, total in book._sums.items()}
        book._unsorted = set(book.levels)
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
        prices = self._sorted(side)
        size = min(count, len(prices)) if count else len(prices)
        chosen = prices[: -size - 1 : -1] if side == Side.BUY else prices[:size]
        for price_ticks in chosen:
            yield price_ticks, self.levels[side, price_ticks]

    def worst_shown(self, side: int, count: int) -> int | None:
        """Return the price of the last of so many levels; None where there are fewer."""
        prices = self._sorted(side)
        if len(prices) < count:
            return None
        price_ticks: int = prices[-count] if side == Side.BUY else prices[count - 1]
        return price_ticks

    def _sorted(self, side: int) -> "SortedList[int]":
        """Return a side's prices, the lowest first."""
        for key in self._unsorted:
            prices = self._prices[key[0]]
            (prices.add if key in self.levels else prices.remove)(key[1])
        self._unsorted.clear()
        return self._prices[side]

    def level_changed(self, seen: SeenLevel) -> None:
        """Take a level's new state.

        Raises:
            BookGapError: a change of this book is missing.
        """
        _, time_ns, _, side, sequence, price_ticks, lots, orders = seen
        if sequence != self.sequence + 1:
            raise BookGapError(
                f"instrument {self.instrument}: book sequence {sequence} after {self.sequence}"
            )
        self.sequence, self.time_ns = sequence, time_ns
        key, levels = (side, price_ticks), self.levels
        self.lines.pop(key, None)
        if (key in levels) != (orders > 0):
            # Gone and back again, or the other way round, is nothing to sort.
            (self._unsorted.discard if key in self._unsorted else self._unsorted.add)(key)
        if orders:
            levels[key] = Level(lots, orders)
        else:
            levels.pop(key, None)
        self.touched_levels.add(key)
        if self._sums.get(key, _NOTHING) != (lots, orders):
            self.orders_disagree = True

    def accepted(self, seen: SeenOrder) -> None:
        """Take a new order, which acts before it shows what is left of it."""
        if self._joined(seen):
            self._coming.append(seen.order_id)

    def triggered(self, seen: SeenOrder) -> None:
        """Take a stop that acts as an order now.

        The orders of a mass quote are accepted together and act one after the other. What one of
        them sets off comes before the next: those that have not acted yet go behind it.
        """
        if not self._joined(seen):
            return
        for order_id in self._coming:
            known = self.orders.get(order_id)
            if known is not None:
                self._rank += 1
                self._put(order_id, ShownOrder(*known[:3], self._rank))

    def changed(self, seen: SeenOrder | SeenAmendment, *, keeps_place: bool) -> None:
        """Take an order's new terms."""
        known = self.orders.get(seen.order_id)
        if known is None or not keeps_place or not _may_rest(seen):
            self._joined(seen)
            return
        lots = min(known.lots, seen.leaves_lots)
        self._put(seen.order_id, ShownOrder(known.side, known.price_ticks, lots, known.rank))
        self._hide(seen.order_id, seen.display_lots)

    def ended(self, order_id: int) -> None:
        """Let an order go, if it was in the book."""
        before = self.orders.pop(order_id, None)
        if before is None:
            return
        self._display.pop(order_id, None)
        self._add(before.level, -before.lots, -1)
        self.touched_orders.add(order_id)

    def _joined(self, seen: SeenOrder | SeenAmendment) -> bool:
        """Put an order at the back of its queue; False for one that may not rest."""
        if not _may_rest(seen):
            self.ended(seen.order_id)
            return False
        _, order_id, side, _, _, _, price_ticks, leaves_lots, display_lots, *_ = seen
        self._rank += 1
        shown = ShownOrder(side, price_ticks, _tranche(leaves_lots, display_lots), self._rank)
        self._put(order_id, shown)
        self._hide(order_id, display_lots)
        return True

    def traded(self, seen: SeenTrade) -> None:
        """Take a trade, and what it leaves of both orders.

        A trade that a request for quote agreed on is not of the book: neither order was in it,
        which a resting order of fill or kill tells. It is nobody's business here.
        """
        if seen.maker_time_in_force == TimeInForce.FILL_OR_KILL:
            return
        time_ns, _, taker_side, is_auction, trade_id, price_ticks, lots, *_ = seen
        aggressor = 0 if is_auction else taker_side
        self.last_trade = Trade(trade_id, price_ticks, lots, aggressor, time_ns)
        self.trades.append(self.last_trade)
        self.time_ns = time_ns
        self._traded_from(seen.maker_order_id, seen.maker_leaves_lots, lots)
        if is_auction:
            self._traded_from(seen.taker_order_id, seen.taker_leaves_lots, lots)
        else:
            self._took(seen.taker_order_id, seen.taker_leaves_lots)

    def _traded_from(self, order_id: int, leaves_lots: int, lots: int) -> None:
        """Take lots off a resting order's tranche."""
        if leaves_lots == 0:
            self.ended(order_id)
            return
        known = self.orders.get(order_id)
        if known is None:
            return
        rest, rank = known.lots - lots, known.rank
        if rest <= 0:
            self._rank = rank = self._rank + 1
            rest = _tranche(leaves_lots, self._display.get(order_id, 0))
        self._put(order_id, ShownOrder(known.side, known.price_ticks, rest, rank))

    def _took(self, order_id: int, leaves_lots: int) -> None:
        """Take note of what an order that is still coming in has left: it shows nothing yet."""
        if order_id in self._coming:
            del self._coming[: self._coming.index(order_id) + 1]
        if leaves_lots == 0:
            self.ended(order_id)
            return
        known = self.orders.get(order_id)
        if known is None:
            return
        lots = _tranche(leaves_lots, self._display.get(order_id, 0))
        self._put(order_id, ShownOrder(known.side, known.price_ticks, lots, known.rank))

    def _put(self, order_id: int, shown: ShownOrder) -> None:
        before = self.orders.get(order_id)
        if before is not None:
            self._add(before.level, -before.lots, -1)
        self.orders[order_id] = shown
        self._add(shown.level, shown.lots, 1)
        self.touched_orders.add(order_id)

    def _hide(self, order_id: int, display_lots: int) -> None:
        if display_lots:
            self._display[order_id] = display_lots
        elif order_id in self._display:
            del self._display[order_id]

    def _add(self, key: LevelKey, lots: int, orders: int) -> None:
        known_lots, known_orders = self._sums.get(key, _NOTHING)
        if known_orders + orders:
            self._sums[key] = (known_lots + lots, known_orders + orders)
        else:
            del self._sums[key]


class BookGapError(Exception):
    """The feed and our book do not follow each other: an invariant of the venue's is broken."""

    exit_code = 70


_NOTHING = (0, 0)


def _tranche(leaves_lots: int, display_lots: int) -> int:
    """Return what an order that joins a queue shows."""
    return display_lots if 0 < display_lots < leaves_lots else leaves_lots


def _may_rest(seen: SeenOrder | SeenAmendment) -> bool:
    return (
        seen.leaves_lots > 0
        and seen.status != OrderStatus.PENDING_TRIGGER
        and seen.time_in_force not in _NEVER_RESTS
        and seen.order_type not in _NO_LIMIT
    )

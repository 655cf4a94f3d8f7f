"""What several detectors need to know of the market: whose accounts, young orders, books, prices.

Each part is bounded: what it would hold beyond its bound is the oldest, or the farthest from the
price, and is forgotten.
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

import msgspec

from messages.trading.terms import Side
from services.surveillance.parameters import MILLION
from services.surveillance.records import SeenOrder

PRICES_KEPT = 31
"""Trades whose median price is the usual one."""

Value = TypeVar("Value")

_BUY: Final = int(Side.BUY)
_SELL: Final = int(Side.SELL)
"""As plain integers: an enumeration's member costs each use a call, and these are each event's."""


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Whose an account is: its owner group, or minus itself; and its firm."""

    owner: int
    firm: int


class YoungOrder(msgspec.Struct, array_like=True):
    """An order that was accepted a short while ago, as it stands now."""

    order_id: int
    number: int
    time_ns: int
    owner: int
    instrument: int
    side: int
    price_ticks: int
    leaves_lots: int
    is_touched: bool = False


class Interest:
    """An owner's young orders on one side of a market, and what is left of them all."""

    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, YoungOrder] = {}
        self.lots = 0


class Prices(msgspec.Struct, array_like=True):
    """The last trades of an instrument."""

    last: list[int]
    usual: int = 0


class MarketState(msgspec.Struct):
    """All that a market remembers, for a checkpoint."""

    young: list[YoungOrder] = msgspec.field(default_factory=list)
    books: dict[tuple[int, int], dict[int, int]] = msgspec.field(default_factory=dict)
    prices: dict[int, Prices] = msgspec.field(default_factory=dict)


class Market:
    """The market as far as surveillance looks."""

    def __init__(
        self, state: MarketState, *, horizon_ns: int, orders_max: int, levels_max: int
    ) -> None:
        """Go on from a state.

        Args:
            state: taken over.
            horizon_ns: how long an order is young.
            orders_max: young orders at most.
            levels_max: prices at most of one side of a book.
        """
        self.owners: dict[int, Owner] = {}
        """By account. The watch looks those of an event up, once for all detectors."""
        self.young: OrderedDict[int, YoungOrder] = OrderedDict()
        self._interests: dict[tuple[int, int, int], Interest] = {}
        for order in state.young:
            self._enter(order)
        self._books = state.books
        self._prices = state.prices
        self._horizon_ns = horizon_ns
        self._orders_max = orders_max
        self._levels_max = levels_max

    def state(self) -> MarketState:
        """Return what to go on from."""
        return MarketState(young=list(self.young.values()), books=self._books, prices=self._prices)

    # --- accounts ---

    def define(self, account: int, *, firm: int, owner_group: int) -> None:
        """Learn whose an account is."""
        self.owners[account] = Owner(owner_group or -account, firm)

    def owner(self, account: int) -> int:
        """Say whose an account is."""
        return self.owners[account].owner

    # --- orders ---

    def accept(self, order: SeenOrder, owner: int) -> None:
        """Remember an order while it is young."""
        young = self.young
        self._enter(
            YoungOrder(
                order.order_id,
                order.number,
                order.time_ns,
                owner,
                order.instrument,
                order.side,
                order.price_ticks,
                order.leaves_lots,
            )
        )
        before_ns = order.time_ns - self._horizon_ns
        while len(young) > self._orders_max or young[next(iter(young))].time_ns < before_ns:
            self.leave(next(iter(young)))

    def amend(self, order: SeenOrder) -> None:
        """Give an order its new terms; it stays as old as it is."""
        known = self.young.get(order.order_id)
        if known is not None:
            self._of(known).lots += order.leaves_lots - known.leaves_lots
            known.price_ticks, known.leaves_lots = order.price_ticks, order.leaves_lots

    def fill(self, order_id: int, quantity_lots: int) -> None:
        """Note that an order has traded; one that is filled is of no more interest."""
        known = self.young.get(order_id)
        if known is None:
            return
        if known.leaves_lots <= quantity_lots:
            self.leave(order_id)
            return
        known.is_touched = True
        known.leaves_lots -= quantity_lots
        self._of(known).lots -= quantity_lots

    def leave(self, order_id: int) -> YoungOrder | None:
        """Forget an order; return what was known of it."""
        known = self.young.pop(order_id, None)
        if known is not None:
            key = (known.instrument, known.owner, known.side)
            interest = self._interests[key]
            interest.lots -= known.leaves_lots
            del interest.orders[order_id]
            if not interest.orders:
                del self._interests[key]
        return known

    def interest(self, instrument: int, owner: int, side: int) -> Interest:
        """Return an owner's young orders on one side."""
        return self._interests.get((instrument, owner, side)) or Interest()

    def _enter(self, order: YoungOrder) -> None:
        self.young[order.order_id] = order
        key = (order.instrument, order.owner, order.side)
        interest = self._interests.get(key)
        if interest is None:
            interest = self._interests[key] = Interest()
        interest.orders[order.order_id] = order
        interest.lots += order.leaves_lots

    def _of(self, order: YoungOrder) -> Interest:
        return self._interests[order.instrument, order.owner, order.side]

    # --- books ---

    def show(self, instrument: int, side: int, price_ticks: int, quantity_lots: int) -> None:
        """Set what a price shows."""
        levels = self._books.get((instrument, side))
        if levels is None:
            levels = self._books[instrument, side] = {}
        if quantity_lots == 0:
            levels.pop(price_ticks, None)
            return
        levels[price_ticks] = quantity_lots
        if len(levels) > self._levels_max:
            # Half at once, so that it is rare: those that are worst for who would take them.
            for price in sorted(levels, reverse=side == _SELL)[: len(levels) // 2]:
                del levels[price]

    def near_lots(self, instrument: int, side: int, *, near_ppm: int) -> int:
        """Add up what a side shows near the last price; all of it while nothing has traded."""
        levels = self._books.get((instrument, side), {})
        last = self.last_price(instrument)
        if last == 0:
            return sum(levels.values())
        if side == _BUY:
            bound = last - last * near_ppm // MILLION
            return sum(lots for price, lots in levels.items() if price >= bound)
        bound = last + last * near_ppm // MILLION
        return sum(lots for price, lots in levels.items() if price <= bound)

    # --- prices ---

    def print_price(self, instrument: int, price_ticks: int) -> None:
        """Note the price of a trade."""
        prices = self._prices.get(instrument)
        if prices is None:
            prices = self._prices[instrument] = Prices([])
        last = prices.last
        last.append(price_ticks)
        if len(last) > PRICES_KEPT:
            del last[0]
        prices.usual = sorted(last)[len(last) // 2]

    def usual_price(self, instrument: int, trades_min: int) -> int:
        """Return the median price of the last trades; zero while there are too few."""
        prices = self._prices.get(instrument)
        return prices.usual if prices is not None and len(prices.last) >= trades_min else 0

    def last_price(self, instrument: int) -> int:
        """Return the price of the last trade; zero while there is none."""
        prices = self._prices.get(instrument)
        return prices.last[-1] if prices is not None else 0


class Remembered(Generic[Value]):
    """A table that forgets what is in it longest when there is no room for more."""

    def __init__(self, table: dict[tuple[int, ...], Value], rows_max: int) -> None:
        self.table = OrderedDict(table)
        self._rows_max = rows_max

    def get(self, key: tuple[int, ...]) -> Value | None:
        """Return a row, if it is there."""
        return self.table.get(key)

    def add(self, key: tuple[int, ...], value: Value) -> Value:
        """Put a row in, in place of the oldest one if the table is full; return it."""
        self.table[key] = value
        if len(self.table) > self._rows_max:
            self.table.popitem(last=False)
        return value

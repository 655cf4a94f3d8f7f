"""The trades that may still be busted or corrected: the last so many, each with its money."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from venue.reference.orders import Order


class KeptTrade:
    """What undoing a trade exactly takes, beside its orders; without lots it was busted.

    ``event_number`` is the event that told its present terms. The rates are those that its fees
    were computed with. Source: docs/matching.md, "Busts and corrections".
    """

    __slots__ = (
        "event_number",
        "maker_fee",
        "maker_order_id",
        "maker_ppm",
        "price_ticks",
        "quantity_lots",
        "taker_fee",
        "taker_order_id",
        "taker_ppm",
    )

    def __init__(
        self,
        *,
        event_number: int,
        maker_order_id: int,
        taker_order_id: int,
        price_ticks: int,
        quantity_lots: int,
        maker_fee: int,
        taker_fee: int,
        maker_ppm: int,
        taker_ppm: int,
    ) -> None:
        self.event_number = event_number
        self.maker_order_id = maker_order_id
        self.taker_order_id = taker_order_id
        self.price_ticks = price_ticks
        self.quantity_lots = quantity_lots
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.maker_ppm = maker_ppm
        self.taker_ppm = taker_ppm


class KeptTrades:
    """At most ``trades_max`` trades by id: always the last ones, without a gap.

    ``quoted`` are the sides of quotes that made them, each with its trade's id, the oldest trade
    first: no client id keeps those orders known, so their trades do.
    """

    __slots__ = ("quoted", "trades", "trades_max")

    def __init__(self) -> None:
        self.trades_max = 0
        self.trades: dict[int, KeptTrade] = {}
        self.quoted: deque[tuple[int, Order]] = deque()

    def keep(self, trade_id: int, trade: KeptTrade) -> None:
        """Keep the newest trade, and let go of the oldest where there is no room."""
        if self.trades_max == 0:
            return
        self.trades.pop(trade_id - self.trades_max, None)
        self.trades[trade_id] = trade

    def keep_side(self, trade_id: int, order: Order) -> None:
        """Let the newest trade keep a side of a quote known."""
        order.last_trade_id = trade_id
        self.quoted.append((trade_id, order))

    def resize(self, trades_max: int, *, last_trade_id: int) -> None:
        """Keep as many from here on; the newest of those kept so far stay."""
        first_id = last_trade_id - trades_max + 1
        self.trades_max = trades_max
        self.trades = {number: each for number, each in self.trades.items() if number >= first_id}

    def let_go(self) -> list[Order]:
        """Return the done sides of quotes that no trade keeps known any more, each once."""
        gone = []
        while self.quoted and self.quoted[0][0] not in self.trades:
            trade_id, order = self.quoted.popleft()
            if order.last_trade_id == trade_id and not order.is_open:
                gone.append(order)
        return gone

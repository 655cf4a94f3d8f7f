"""How much a drop copy is told: trades, orders, or requests too."""

from typing import Literal

from fix_gateway.translation.outbound import concerns_clients
from messages.trading import events

Level = Literal["trades", "orders", "requests"]

_OF_TRADES = frozenset(
    {events.TradeExecuted.KIND, events.TradeBusted.KIND, events.TradeCorrected.KIND}
)
"""What was executed, and what became of it: all that the level ``trades`` is told."""

_OF_REQUESTS = frozenset(
    {
        events.OrderReported.KIND,
        events.QueryRejected.KIND,
        events.MassCancelled.KIND,
        events.MassCancelRejected.KIND,
        events.RefusalRecorded.KIND,
    }
)
"""What says what was asked, not what became of an order: the level ``requests`` alone."""


def untold_kinds(level: Level) -> frozenset[int]:
    """Return the kinds of events that a level is not told of.

    Kinds that are neither of trades nor of requests are of orders, those of later versions too.
    """
    if level == "requests":
        return frozenset()
    if level == "orders":
        return _OF_REQUESTS
    kinds = events.EVENTS.by_kind
    return frozenset(kind for kind in kinds if concerns_clients(kind)) - _OF_TRADES

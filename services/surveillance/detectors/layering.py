"""Size that is shown on one side to move the other, and taken away once the other has traded.

At ``layers_min`` prices or more it is layering, at fewer spoofing.
"""

from typing import Final

import msgspec

from messages.trading.terms import CancelReason, Side
from services.surveillance.alerts import Alert, AlertKind, evidence
from services.surveillance.market import Market, Owner, Remembered, YoungOrder
from services.surveillance.parameters import MILLION, NANOSECONDS, Layering
from services.surveillance.records import SeenOrder, SeenTrade

KEPT_MAX = 64
"""Fills, and cancels, of one owner on one side that are looked at; of more, the last ones."""

_BUY: Final = int(Side.BUY)
_SELL: Final = int(Side.SELL)
"""As plain integers: an enumeration's member costs each use a call, and these are each trade's."""

BY_WISH = frozenset({CancelReason.REQUESTED, CancelReason.MASS_CANCEL})


class Fill(msgspec.Struct, array_like=True):
    """An order of the owner's traded; ``order_lots`` is all that it wanted."""

    number: int
    time_ns: int
    order_id: int
    order_lots: int
    account: int


class Withdrawn(msgspec.Struct, array_like=True):
    """An order that never traded was taken away."""

    number: int
    sequence: int
    accepted_number: int
    order_id: int
    accepted_at_ns: int
    time_ns: int
    price_ticks: int
    lots: int
    account: int


class LayeringState(msgspec.Struct):
    """Fills by (instrument, owner, side), and what was withdrawn since from the other side."""

    fills: dict[tuple[int, ...], list[Fill]] = msgspec.field(default_factory=dict)
    withdrawn: dict[tuple[int, ...], list[Withdrawn]] = msgspec.field(default_factory=dict)


class LayeringDetector:
    """Sets what an owner withdraws on one side against what it wanted on the other."""

    def __init__(
        self, parameters: Layering, market: Market, state: LayeringState, *, owners_max: int
    ) -> None:
        self._parameters = parameters
        self._window_ns = parameters.window_seconds * NANOSECONDS
        self._market = market
        self._fills = Remembered(state.fills, owners_max)
        self._withdrawn = Remembered(state.withdrawn, owners_max)

    def state(self) -> LayeringState:
        """Return what to go on from."""
        return LayeringState(dict(self._fills.table), dict(self._withdrawn.table))

    def on_trade(self, trade: SeenTrade, maker: Owner, taker: Owner) -> None:
        """See a trade: both its owners wanted something on the side of theirs."""
        number, time_ns = trade.number, trade.time_ns
        instrument, taker_side = trade.instrument, trade.taker_side
        self._add(
            (instrument, maker.owner, _BUY + _SELL - taker_side),
            Fill(
                number,
                time_ns,
                trade.maker_order_id,
                trade.maker_quantity_lots,
                trade.maker_account,
            ),
        )
        self._add(
            (instrument, taker.owner, taker_side),
            Fill(
                number,
                time_ns,
                trade.taker_order_id,
                trade.taker_quantity_lots,
                trade.taker_account,
            ),
        )

    def _add(self, key: tuple[int, ...], fill: Fill) -> None:
        fills = self._fills.table.get(key)
        if fills is None:
            fills = self._fills.add(key, [])
        fills.append(fill)
        if len(fills) > KEPT_MAX:
            del fills[0]

    def on_cancel(self, order: SeenOrder, young: YoungOrder | None) -> list[Alert]:
        """See that an order left its book; ``young`` is what the market knew of it."""
        if young is None or young.is_touched or order.reason not in BY_WISH:
            return []
        key = (order.instrument, young.owner, _BUY + _SELL - order.side)
        fills = self._fills.get(key)
        if not fills:
            return []
        fills = [fill for fill in fills if order.time_ns - self._window_ns <= fill.time_ns]
        if not any(
            young.number < fill.number and fill.time_ns - young.time_ns <= self._window_ns
            for fill in fills
        ):
            return []
        known = self._withdrawn.get(key) or self._withdrawn.add(key, [])
        known.append(
            Withdrawn(
                order.number,
                order.sequence,
                young.number,
                order.order_id,
                young.time_ns,
                order.time_ns,
                young.price_ticks,
                young.leaves_lots,
                order.account,
            )
        )
        before_ns = order.time_ns - self._window_ns
        known[:] = [each for each in known if each.time_ns >= before_ns][-KEPT_MAX:]
        return self._judge(key, order, fills, known)

    def _judge(
        self,
        key: tuple[int, ...],
        order: SeenOrder,
        fills: list[Fill],
        known: list[Withdrawn],
    ) -> list[Alert]:
        parameters = self._parameters
        first = min(each.accepted_number for each in known)
        against = [fill for fill in fills if fill.number > first]
        wanted = sum({fill.order_id: fill.order_lots for fill in against}.values())
        wanted += self._market.interest(*key).lots
        shown = sum(each.lots for each in known)
        if shown < parameters.ratio * wanted:
            return []
        near = self._market.near_lots(order.instrument, order.side, near_ppm=parameters.near_ppm)
        # What this command takes away stands in the book until its levels are told, behind it.
        left = max(0, near - sum(each.lots for each in known if each.sequence == order.sequence))
        share_ppm = shown * MILLION // (left + shown)
        if share_ppm < parameters.book_share_ppm:
            return []
        last = against[-1].number
        standing = [
            each
            for each in self._market.interest(key[0], key[1], order.side).orders.values()
            if each.number < last and not each.is_touched
        ]
        prices = {each.price_ticks for each in known} | {each.price_ticks for each in standing}
        del self._withdrawn.table[key], self._fills.table[key]
        is_layering = len(prices) >= parameters.layers_min
        return [
            Alert(
                kind=AlertKind.LAYERING if is_layering else AlertKind.SPOOFING,
                event_number=order.number,
                time_ns=order.time_ns,
                instrument=order.instrument,
                owner=key[1],
                accounts=evidence([e.account for e in known] + [f.account for f in against]),
                events=evidence(
                    [n for e in known for n in (e.accepted_number, e.number)]
                    + [f.number for f in against]
                ),
                orders=evidence(
                    [e.order_id for e in known]
                    + [e.order_id for e in standing]
                    + [f.order_id for f in against]
                ),
                figures={
                    "side": order.side,
                    "withdrawn_orders": len(known),
                    "standing_orders": len(standing),
                    "layers": len(prices),
                    "shown_lots": shown,
                    "wanted_lots": wanted,
                    "book_share_ppm": share_ppm,
                },
                parameters=parameters.numbers(),
            )
        ]

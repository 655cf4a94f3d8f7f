"""The same quantity back and forth between two owners, by orders that met as if arranged."""

from typing import Final

import msgspec

from messages.trading.terms import Side
from services.surveillance.alerts import Alert, AlertKind, evidence
from services.surveillance.market import Market, Owner, Remembered
from services.surveillance.parameters import MILLION, NANOSECONDS, Circular
from services.surveillance.records import SeenTrade

LEGS_MAX = 64
"""Trades of one pair that wait for their way back; of more, the oldest is forgotten."""

_BUY: Final = int(Side.BUY)
"""As a plain integer: an enumeration's member costs each use a call, and this is each trade's."""


class Leg(msgspec.Struct, array_like=True):
    """A trade between two owners that filled both its orders; ``is_back`` if the higher bought."""

    number: int
    time_ns: int
    is_back: bool
    lots: int
    value: int
    accounts: tuple[int, int]
    orders: tuple[int, int]


class Pair(msgspec.Struct, array_like=True):
    """Two owners in one market: ways that are still open, and ways there and back."""

    open: list[Leg] = msgspec.field(default_factory=list)
    rounds: list[tuple[Leg, Leg]] = msgspec.field(default_factory=list)
    backs: int = 0
    """How many of the open ones are ways back: mostly all or none, and then no other fits."""


class CircularState(msgspec.Struct):
    """Pairs, by (instrument, lower owner, higher owner)."""

    pairs: dict[tuple[int, ...], Pair] = msgspec.field(default_factory=dict)


class CircularDetector:
    """Finds for each trade of a pair the one that it takes back."""

    def __init__(
        self, parameters: Circular, market: Market, state: CircularState, *, owners_max: int
    ) -> None:
        self._parameters = parameters
        self._window_ns = parameters.window_seconds * NANOSECONDS
        self._rest_ns = parameters.rest_seconds * NANOSECONDS
        self._market = market
        self._pairs = Remembered(state.pairs, owners_max)
        for pair in state.pairs.values():
            pair.backs = sum(leg.is_back for leg in pair.open)

    def state(self) -> CircularState:
        """Return what to go on from."""
        return CircularState(dict(self._pairs.table))

    def on_trade(self, trade: SeenTrade, maker: Owner, taker: Owner) -> list[Alert]:
        """See a trade, before the market takes its orders for filled."""
        if maker.owner == taker.owner or not self._met_as_if_arranged(trade):
            return []
        buyer, seller = maker.owner, taker.owner
        if trade.taker_side == _BUY:
            buyer, seller = seller, buyer
        is_back = buyer > seller
        low, high = (seller, buyer) if is_back else (buyer, seller)
        leg = Leg(
            trade.number,
            trade.time_ns,
            is_back,
            trade.quantity_lots,
            trade.price_ticks * trade.quantity_lots,
            (trade.maker_account, trade.taker_account),
            (trade.maker_order_id, trade.taker_order_id),
        )
        key = (trade.instrument, low, high)
        pair = self._pairs.get(key) or self._pairs.add(key, Pair())
        self._match(pair, leg)
        if len(pair.rounds) < self._parameters.rounds_min:
            return []
        del self._pairs.table[key]
        return [self._alert(trade, pair.rounds, taker.owner)]

    def _met_as_if_arranged(self, trade: SeenTrade) -> bool:
        if trade.is_auction:
            return False
        if trade.is_negotiated:
            return True
        lots = trade.quantity_lots
        if trade.maker_quantity_lots != lots or trade.taker_quantity_lots != lots:
            return False
        rested = self._market.young.get(trade.maker_order_id)
        return rested is not None and trade.time_ns - rested.time_ns <= self._rest_ns

    def _match(self, pair: Pair, leg: Leg) -> None:
        before_ns, still_open = leg.time_ns - self._window_ns, pair.open
        while still_open and (still_open[0].time_ns < before_ns or len(still_open) > LEGS_MAX):
            pair.backs -= still_open.pop(0).is_back
        if pair.rounds:
            pair.rounds = [each for each in pair.rounds if each[0].time_ns >= before_ns]
        at = self._way_there(pair, leg)
        if at is None:
            pair.backs += leg.is_back
            still_open.append(leg)
        else:
            pair.backs -= still_open[at].is_back
            pair.rounds.append((still_open.pop(at), leg))

    def _way_there(self, pair: Pair, leg: Leg) -> int | None:
        """Return the place of the first open way that a leg takes back, if there is one."""
        is_back, lots = leg.is_back, leg.lots
        if pair.backs == (len(pair.open) if is_back else 0):
            return None
        tolerance_ppm = self._parameters.quantity_tolerance_ppm
        for at, there in enumerate(pair.open):
            if there.is_back is not is_back:
                slack = there.lots * tolerance_ppm // MILLION
                if abs(there.lots - lots) <= slack:
                    return at
        return None

    def _alert(self, trade: SeenTrade, rounds: list[tuple[Leg, Leg]], owner: int) -> Alert:
        legs = [leg for both in rounds for leg in both]
        return Alert(
            kind=AlertKind.CIRCULAR_TRADES,
            event_number=trade.number,
            time_ns=trade.time_ns,
            instrument=trade.instrument,
            owner=owner,
            accounts=evidence([account for leg in legs for account in leg.accounts]),
            events=evidence([leg.number for leg in legs]),
            orders=evidence([order for leg in legs for order in leg.orders if order]),
            figures={
                "rounds": len(rounds),
                "lots": sum(leg.lots for leg in legs),
                "value_difference": sum(leg.value if leg.is_back else -leg.value for leg in legs),
            },
            parameters=self._parameters.numbers(),
        )

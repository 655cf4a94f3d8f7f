"""Messages that are there to be messages: many of them, and hardly a trade."""

import msgspec

from services.surveillance.alerts import Alert, AlertKind, evidence
from services.surveillance.market import Owner, Remembered
from services.surveillance.parameters import NANOSECONDS, Stuffing
from services.surveillance.records import SeenOrder, SeenTrade


class Rate(msgspec.Struct, array_like=True):
    """One owner in one market: this half window and the one before."""

    half: int = 0
    messages: int = 0
    trades: int = 0
    messages_before: int = 0
    trades_before: int = 0
    first_number: int = 0
    first_number_before: int = 0


class StuffingState(msgspec.Struct):
    """Rates by (instrument, owner)."""

    rates: dict[tuple[int, ...], Rate] = msgspec.field(default_factory=dict)


class StuffingDetector:
    """Counts in two half windows: what it counts always lies within one window."""

    def __init__(self, parameters: Stuffing, state: StuffingState, *, owners_max: int) -> None:
        self._parameters = parameters
        self._half_ns = parameters.window_seconds * NANOSECONDS // 2
        self._rates = Remembered(state.rates, owners_max)
        self._messages_min = parameters.messages_min

    def state(self) -> StuffingState:
        """Return what to go on from."""
        return StuffingState(dict(self._rates.table))

    def on_trade(self, trade: SeenTrade, maker: Owner, taker: Owner) -> None:
        """See a trade: both sides have one."""
        instrument, time_ns, number = trade.instrument, trade.time_ns, trade.number
        self._now((instrument, maker.owner), time_ns, number).trades += 1
        self._now((instrument, taker.owner), time_ns, number).trades += 1

    def on_message(self, order: SeenOrder, owner: int) -> list[Alert]:
        """See an order that its owner entered, amended or cancelled."""
        key = (order.instrument, owner)
        rate = self._now(key, order.time_ns, order.number)
        rate.messages += 1
        messages = rate.messages + rate.messages_before
        if messages < self._messages_min:
            return []
        trades = rate.trades + rate.trades_before
        if messages < self._parameters.messages_per_trade_min * max(trades, 1):
            return []
        first = rate.first_number_before if rate.messages_before else rate.first_number
        del self._rates.table[key]
        return [
            Alert(
                kind=AlertKind.QUOTE_STUFFING,
                event_number=order.number,
                time_ns=order.time_ns,
                instrument=order.instrument,
                owner=key[1],
                accounts=(order.account,),
                events=evidence([first, order.number]),
                orders=(order.order_id,),
                figures={"messages": messages, "trades": trades},
                parameters=self._parameters.numbers(),
            )
        ]

    def _now(self, key: tuple[int, int], time_ns: int, number: int) -> Rate:
        """Return the key's counters, moved on to the half window of a time."""
        half = time_ns // self._half_ns
        rate = self._rates.table.get(key)
        if rate is None:
            return self._rates.add(key, Rate(half=half, first_number=number))
        if rate.half != half:
            follows = rate.half + 1 == half
            rate.messages_before = rate.messages if follows else 0
            rate.trades_before = rate.trades if follows else 0
            rate.first_number_before = rate.first_number
            rate.half, rate.messages, rate.trades, rate.first_number = half, 0, 0, number
        return rate

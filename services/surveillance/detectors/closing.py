"""Who moved the price just before trading ended, by continuous trades or in an auction."""

from typing import Final

import msgspec

from messages.trading.terms import Phase, PhaseReason, Side
from services.surveillance.alerts import Alert, AlertKind, evidence
from services.surveillance.market import Market, Owner
from services.surveillance.parameters import MILLION, NANOSECONDS, Closing
from services.surveillance.records import SeenIndication, SeenPhase, SeenTrade, SeenUncross

_ENDS = frozenset({Phase.CLOSED, Phase.CALL_AUCTION, Phase.PRE_OPEN})
"""Phases whose beginning ends continuous trading; a halt does not, for nobody could foresee it."""

_BUY: Final = int(Side.BUY)
"""As a plain integer: an enumeration's member costs each use a call, and this is each trade's."""


class LateTrade(msgspec.Struct, array_like=True):
    """A trade in the last window, and who pushed: the taker, or in an auction late orders."""

    number: int
    time_ns: int
    price_ticks: int
    lots: int
    buyer: int
    seller: int
    accounts: tuple[int, int]
    orders: tuple[int, int]


class Course(msgspec.Struct, array_like=True):
    """An instrument's last trades and indications, and the prices before them; zero is none."""

    trades: list[LateTrade] = msgspec.field(default_factory=list)
    price_before: int = 0
    indications: list[tuple[int, int]] = msgspec.field(default_factory=list)
    uncrossed: list[LateTrade] = msgspec.field(default_factory=list)


class ClosingState(msgspec.Struct):
    """Courses by instrument."""

    courses: dict[int, Course] = msgspec.field(default_factory=dict)


class ClosingDetector:
    """Looks back over a window when continuous trading or an auction ends."""

    def __init__(
        self, parameters: Closing, market: Market, state: ClosingState, *, trades_max: int
    ) -> None:
        self._parameters = parameters
        self._window_ns = parameters.window_seconds * NANOSECONDS
        self._market = market
        self._courses = state.courses
        self._trades_max = trades_max

    def state(self) -> ClosingState:
        """Return what to go on from."""
        return ClosingState(self._courses)

    def on_trade(self, trade: SeenTrade, maker: Owner, taker: Owner) -> None:
        """See a trade; of an auction's trades, only late orders push."""
        if trade.is_negotiated:
            return
        course = self._course(trade.instrument)
        resting, pushing = 0, taker.owner
        if trade.is_auction:
            if self._is_late(trade.maker_order_id, trade.time_ns):
                resting = maker.owner
            if not self._is_late(trade.taker_order_id, trade.time_ns):
                pushing = 0
        is_buy = trade.taker_side == _BUY
        late = LateTrade(
            trade.number,
            trade.time_ns,
            trade.price_ticks,
            trade.quantity_lots,
            pushing if is_buy else resting,
            resting if is_buy else pushing,
            (trade.maker_account, trade.taker_account),
            (trade.maker_order_id, trade.taker_order_id),
        )
        if trade.is_auction:
            course.uncrossed.append(late)
            if len(course.uncrossed) > self._trades_max:
                del course.uncrossed[0]
            return
        course.trades.append(late)
        self._forget(course, trade.time_ns)

    def on_indication(self, indication: SeenIndication) -> None:
        """See where an auction would uncross."""
        known = self._course(indication.instrument).indications
        known.append((indication.time_ns, indication.price_ticks))
        before_ns = indication.time_ns - self._window_ns
        # The last one before the window stays: it is the price that the window began with.
        while len(known) > self._trades_max or (len(known) > 1 and known[1][0] <= before_ns):
            del known[0]

    def on_uncross(self, uncross: SeenUncross) -> list[Alert]:
        """See that an auction ended."""
        course = self._course(uncross.instrument)
        trades, course.uncrossed = course.uncrossed, []
        known, course.indications = course.indications, []
        before_ns = uncross.time_ns - self._window_ns
        before = [price for time_ns, price in known if time_ns <= before_ns and price]
        if not before or not trades:
            return []
        return self._judge(uncross, trades, before[-1], uncross.price_ticks)

    def on_phase(self, phase: SeenPhase) -> list[Alert]:
        """See that a phase began: if it ends continuous trading, look back."""
        course = self._course(phase.instrument)
        if phase.previous_phase != Phase.CONTINUOUS:
            return []
        if phase.phase not in _ENDS or phase.reason == PhaseReason.PRICE_BAND:
            return []
        self._forget(course, phase.time_ns)
        trades, course.trades = course.trades, []
        before, course.price_before = course.price_before, 0
        if not trades or not before:
            return []
        return self._judge(phase, trades, before, trades[-1].price_ticks)

    def _judge(
        self,
        end: SeenPhase | SeenUncross,
        trades: list[LateTrade],
        before: int,
        after: int,
    ) -> list[Alert]:
        move = after - before
        if abs(move) * MILLION < before * self._parameters.move_ppm:
            return []
        volume = sum(trade.lots for trade in trades)
        pushed: dict[int, list[LateTrade]] = {}
        for trade in trades:
            owner = trade.buyer if move > 0 else trade.seller
            if owner:
                pushed.setdefault(owner, []).append(trade)
        alerts = []
        for owner, theirs in sorted(pushed.items()):
            lots = sum(trade.lots for trade in theirs)
            if lots * MILLION >= volume * self._parameters.volume_share_ppm:
                figures = {
                    "price_before": before,
                    "price_after": after,
                    "move_ppm": move * MILLION // before,
                    "pushed_lots": lots,
                    "window_lots": volume,
                }
                alerts.append(self._alert(end, owner, theirs, figures))
        return alerts

    def _alert(
        self,
        end: SeenPhase | SeenUncross,
        owner: int,
        trades: list[LateTrade],
        figures: dict[str, int],
    ) -> Alert:
        return Alert(
            kind=AlertKind.MARKING_THE_CLOSE,
            event_number=end.number,
            time_ns=end.time_ns,
            instrument=end.instrument,
            owner=owner,
            accounts=evidence(
                [a for t in trades for a in t.accounts if self._market.owner(a) == owner]
            ),
            events=evidence([trade.number for trade in trades] + [end.number]),
            orders=evidence([order for trade in trades for order in trade.orders]),
            figures=figures,
            parameters=self._parameters.numbers(),
        )

    def _is_late(self, order_id: int, time_ns: int) -> bool:
        order = self._market.young.get(order_id)
        return order is not None and time_ns - order.time_ns <= self._window_ns

    def _course(self, instrument: int) -> Course:
        course = self._courses.get(instrument)
        if course is None:
            course = self._courses[instrument] = Course()
        return course

    def _forget(self, course: Course, now_ns: int) -> None:
        """Let go what is older than the window, but for the price that it left."""
        before_ns, trades = now_ns - self._window_ns, course.trades
        gone = max(0, len(trades) - self._trades_max)
        while gone < len(trades) and trades[gone].time_ns < before_ns:
            gone += 1
        if gone:
            course.price_before = trades[gone - 1].price_ticks
            del trades[:gone]

"""Trades with oneself, and trades that self-trade prevention had to stop.

Prevention works by owner group. What it cannot see are accounts of one firm in different groups.
"""

import msgspec

from services.surveillance.alerts import EVIDENCE_MAX, Alert, AlertKind, evidence
from services.surveillance.market import Market, Owner, Remembered
from services.surveillance.parameters import MILLION, NANOSECONDS, Wash
from services.surveillance.records import SeenPrevention, SeenTrade


class Incident(msgspec.Struct, array_like=True):
    """One trade with oneself."""

    number: int
    time_ns: int
    accounts: tuple[int, int]
    orders: tuple[int, int]
    lots: int


class Attempts(msgspec.Struct, array_like=True):
    """Prevented trades of an owner in a market since ``began_at_ns``, and the sides traded since.

    What one command could not trade is one attempt; ``sequence`` is the last one's.
    """

    began_at_ns: int
    sequence: int = 0
    count: int = 0
    sides: int = 0
    lots: int = 0
    accounts: list[int] = msgspec.field(default_factory=list)
    numbers: list[int] = msgspec.field(default_factory=list)
    orders: list[int] = msgspec.field(default_factory=list)

    def add(self, order: SeenPrevention) -> None:
        """Take one more order in that was cancelled or cut."""
        self.count += self.sequence != order.sequence
        self.sequence = order.sequence
        self.lots += order.prevented_lots
        if order.account not in self.accounts[-EVIDENCE_MAX:]:
            self.accounts.append(order.account)
        self.numbers = [*self.numbers, order.number][-EVIDENCE_MAX:]
        self.orders = [*self.orders, order.order_id, order.counter_order_id][-EVIDENCE_MAX:]


class WashState(msgspec.Struct):
    """Incidents in the window, by instrument and owners, the lower first."""

    trades: dict[tuple[int, ...], list[Incident]] = msgspec.field(default_factory=dict)
    attempts: dict[tuple[int, ...], Attempts] = msgspec.field(default_factory=dict)


class WashDetector:
    """Counts; each trade and each attempt is evidence of one alert at most."""

    def __init__(
        self, parameters: Wash, market: Market, state: WashState, *, owners_max: int
    ) -> None:
        self._parameters = parameters
        self._window_ns = parameters.window_seconds * NANOSECONDS
        self._market = market
        self._trades = Remembered(state.trades, owners_max)
        self._attempts = Remembered(state.attempts, owners_max)

    def state(self) -> WashState:
        """Return what to go on from."""
        return WashState(dict(self._trades.table), dict(self._attempts.table))

    def on_trade(self, trade: SeenTrade, maker: Owner, taker: Owner) -> list[Alert]:
        """See a trade."""
        if self._attempts.table:
            for each in (maker, taker):
                attempts = self._attempts.get((trade.instrument, each.owner))
                if attempts is not None:
                    attempts.sides += 1
        is_own = maker.owner == taker.owner
        if not is_own and not (self._parameters.same_firm and maker.firm == taker.firm):
            return []
        incident = Incident(
            trade.number,
            trade.time_ns,
            (trade.maker_account, trade.taker_account),
            (trade.maker_order_id, trade.taker_order_id),
            trade.quantity_lots,
        )
        key = (trade.instrument, *sorted((maker.owner, taker.owner)))
        known = self._in_window(self._trades.get(key) or [], incident)
        if len(known) < self._parameters.trades_min:
            self._trades.add(key, known)
            return []
        self._trades.table.pop(key, None)
        figures = {"is_one_owner_group": int(is_own), "firm": taker.firm}
        return [self._alert(trade.instrument, known, figures)]

    def on_prevention(self, order: SeenPrevention) -> list[Alert]:
        """See an order that self-trade prevention cancelled or cut."""
        owner = self._market.owner(order.account)
        key = (order.instrument, owner)
        known = self._attempts.get(key)
        if known is None or order.time_ns - known.began_at_ns > self._window_ns:
            known = self._attempts.add(key, Attempts(order.time_ns))
        known.add(order)
        parameters = self._parameters
        share_ppm = known.count * MILLION // (known.count + known.sides)
        if known.count < parameters.attempts_min or share_ppm < parameters.attempts_share_ppm:
            return []
        del self._attempts.table[key]
        return [
            Alert(
                kind=AlertKind.SELF_TRADE_ATTEMPTS,
                event_number=order.number,
                time_ns=order.time_ns,
                instrument=order.instrument,
                owner=owner,
                accounts=evidence(known.accounts),
                events=evidence(known.numbers),
                orders=evidence([each for each in known.orders if each]),
                figures={"count": known.count, "lots": known.lots, "traded_sides": known.sides},
                parameters=parameters.numbers(),
            )
        ]

    def _in_window(self, known: list[Incident], incident: Incident) -> list[Incident]:
        before_ns = incident.time_ns - self._window_ns
        return [*(each for each in known if each.time_ns >= before_ns), incident]

    def _alert(self, instrument: int, known: list[Incident], figures: dict[str, int]) -> Alert:
        last = known[-1]
        return Alert(
            kind=AlertKind.WASH_TRADE,
            event_number=last.number,
            time_ns=last.time_ns,
            instrument=instrument,
            owner=self._market.owner(last.accounts[-1]),
            accounts=evidence([account for each in known for account in each.accounts]),
            events=evidence([each.number for each in known]),
            orders=evidence([order for each in known for order in each.orders if order]),
            figures={"count": len(known), "lots": sum(each.lots for each in known), **figures},
            parameters=self._parameters.numbers(),
        )

"""Trades with oneself, and trades that self-trade prevention had to stop.

Prevention works by owner group. What it cannot see are accounts of one firm in different groups.
"""

import msgspec

from services.surveillance.alerts import Alert, AlertKind, evidence
from services.surveillance.market import Market, Remembered
from services.surveillance.parameters import NANOSECONDS, Wash
from services.surveillance.records import SeenPrevention, SeenTrade


class Incident(msgspec.Struct, array_like=True):
    """One trade with oneself, or one that was prevented."""

    number: int
    time_ns: int
    accounts: list[int]
    orders: list[int]
    lots: int


class WashState(msgspec.Struct):
    """Incidents in the window, by (instrument, lower owner, higher owner)."""

    trades: dict[tuple[int, ...], list[Incident]] = msgspec.field(default_factory=dict)
    attempts: dict[tuple[int, ...], list[Incident]] = msgspec.field(default_factory=dict)


class WashDetector:
    """Counts incidents; each is evidence of one alert at most."""

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

    def on_trade(self, trade: SeenTrade) -> list[Alert]:
        """See a trade."""
        owners = self._market.owners
        maker, taker = owners[trade.maker_account], owners[trade.taker_account]
        is_own = maker.owner == taker.owner
        if not is_own and not (self._parameters.same_firm and maker.firm == taker.firm):
            return []
        incident = Incident(
            trade.number,
            trade.time_ns,
            [trade.maker_account, trade.taker_account],
            [trade.maker_order_id, trade.taker_order_id],
            trade.quantity_lots,
        )
        key = (trade.instrument, *sorted((maker.owner, taker.owner)))
        return self._count(
            self._trades,
            key,
            incident,
            kind=AlertKind.WASH_TRADE,
            at_least=self._parameters.trades_min,
            figures={"is_one_owner_group": int(is_own), "firm": taker.firm},
        )

    def on_prevention(self, order: SeenPrevention) -> list[Alert]:
        """See an order that self-trade prevention cancelled or cut."""
        owner = self._market.owner(order.account)
        incident = Incident(
            order.number,
            order.time_ns,
            [order.account],
            [order.order_id, order.counter_order_id],
            order.prevented_lots,
        )
        return self._count(
            self._attempts,
            (order.instrument, owner, owner),
            incident,
            kind=AlertKind.SELF_TRADE_ATTEMPTS,
            at_least=self._parameters.attempts_min,
            figures={},
        )

    def _count(
        self,
        table: Remembered[list[Incident]],
        key: tuple[int, ...],
        incident: Incident,
        *,
        kind: AlertKind,
        at_least: int,
        figures: dict[str, int],
    ) -> list[Alert]:
        before_ns = incident.time_ns - self._window_ns
        known = [each for each in table.get(key) or () if each.time_ns >= before_ns]
        known.append(incident)
        if len(known) < at_least:
            table.add(key, known)
            return []
        table.table.pop(key, None)
        return [
            Alert(
                kind=kind,
                event_number=incident.number,
                time_ns=incident.time_ns,
                instrument=key[0],
                owner=self._market.owner(incident.accounts[-1]),
                accounts=evidence([a for each in known for a in each.accounts]),
                events=evidence([each.number for each in known]),
                orders=evidence([order for each in known for order in each.orders if order]),
                figures={
                    "count": len(known),
                    "lots": sum(each.lots for each in known),
                    **figures,
                },
                parameters=self._parameters.numbers(),
            )
        ]

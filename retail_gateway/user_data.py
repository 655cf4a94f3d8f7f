"""The user data stream: each change of an account, told to whoever of its owner listens.

An event is rendered once for an account, however many listen, and not at all when nobody does.
"""

from collections import defaultdict
from typing import Any, Protocol

import msgspec

from messages.layout import Record
from messages.trading import events
from retail_gateway.market import Asset
from retail_gateway.orders import fills_of
from retail_gateway.ports import Clock
from retail_gateway.state import RetailState
from retail_gateway.translation import user_events
from retail_gateway.translation.reports import MILLISECOND


class Hearer(Protocol):
    """Somebody who listens to an account."""

    def told(self, event: bytes) -> None:
        """Take an event: a JSON object."""
        ...


class UserData:
    """Tells accounts' owners."""

    def __init__(self, state: RetailState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._hearers: dict[int, dict[Hearer, None]] = {}
        self._moved: defaultdict[int, dict[int, None]] = defaultdict(dict)
        self._at_ns = 0

    def listen(self, account: int, hearer: Hearer) -> None:
        """Tell somebody from now on."""
        self._hearers.setdefault(account, {})[hearer] = None

    def leave(self, account: int, hearer: Hearer) -> None:
        """Tell somebody no more; repeating it is harmless."""
        hearers = self._hearers.get(account, {})
        hearers.pop(hearer, None)
        if not hearers:
            self._hearers.pop(account, None)

    # --- following the state ---

    def take(self, event: Record) -> None:
        """Tell of an event that the state has just taken in."""
        if not self._hearers:
            return
        match event:
            case events.TradeExecuted():
                self._traded(event)
            case events.TradeChanged():
                self._corrected(event)
            case events.OrderEvent():
                self._changed(event)
            case events.BalanceChanged():
                self._paid(event.account, event.asset, event.change_atoms, event.time_ns)
            case events.ReceivableChanged():
                self._paid(event.account, event.asset, event.change_atoms, event.time_ns)
            case events.FundsTransferred():
                self._paid(event.account, event.asset, -event.amount_atoms, event.time_ns)
                self._paid(event.to_account, event.asset, event.amount_atoms, event.time_ns)
            case _:
                pass

    def flush(self) -> None:
        """Tell what accounts have now, of all that moved since the last time."""
        if not self._moved:
            return
        moved, self._moved = self._moved, defaultdict(dict)
        assets, now_ms = self._state.market.assets, self._clock() // MILLISECOND
        for account, numbers in moved.items():
            rows = [self._row(account, assets[number]) for number in numbers]
            told = user_events.position(rows, now_ms=now_ms, at_ms=self._at_ns // MILLISECOND)
            self._tell(account, told)

    def _row(self, account: int, asset: Asset) -> tuple[str, str, str]:
        balance, held = self._state.balance(account, asset.number)
        return asset.symbol, asset.text(balance - held), asset.text(held)

    def _changed(self, event: events.OrderEvent) -> None:
        if event.account not in self._hearers:
            return
        order = self._state.order(event.account, event.order_id)
        instrument = self._state.market.instruments[event.instrument]
        if order is not None:
            self._tell(event.account, user_events.order_report(event, order, instrument))
        self._moves(event.account, event.instrument, event.time_ns)

    def _traded(self, event: events.TradeExecuted) -> None:
        instrument = self._state.market.instruments[event.instrument]
        for fill in fills_of(event):
            if fill.account not in self._hearers:
                continue
            order = self._state.order(fill.account, fill.order_id)
            if order is not None:
                report = user_events.trade_report(event, order, instrument, is_maker=fill.is_maker)
                self._tell(fill.account, report)
            self._moves(fill.account, event.instrument, event.time_ns)

    def _corrected(self, event: events.TradeChanged) -> None:
        for account in (event.maker_account, event.taker_account):
            if account in self._hearers:
                self._moves(account, event.instrument, event.time_ns)

    def _paid(self, account: int, asset: int, change_atoms: int, time_ns: int) -> None:
        if account not in self._hearers:
            return
        known, at_ms = self._state.market.assets[asset], time_ns // MILLISECOND
        if change_atoms:
            told = user_events.balance_update(
                known.symbol,
                known.text(change_atoms),
                now_ms=self._clock() // MILLISECOND,
                at_ms=at_ms,
            )
            self._tell(account, told)
        self._moved[account][asset] = None
        self._at_ns = time_ns

    def _moves(self, account: int, instrument: int, time_ns: int) -> None:
        market = self._state.market.instruments[instrument]
        self._moved[account] |= {market.base.number: None, market.quote.number: None}
        self._at_ns = time_ns

    def _tell(self, account: int, event: dict[str, Any]) -> None:
        data = msgspec.json.encode(event)
        for hearer in tuple(self._hearers.get(account, ())):
            hearer.told(data)

"""What must hold of any run, watched from its events and the engine's own figures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from messages.trading import events as e
from messages.trading.terms import (
    AMOUNT_LIMIT,
    CancelReason,
    OrderStatus,
    Phase,
    Side,
    TimeInForce,
)
from venue.reference.engine import ReferenceEngine

FINAL = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED}


class Watch:
    """Sees every event of a run, in order."""

    def __init__(self) -> None:
        self.number = 0
        self.trade_id = 0
        self.done: set[int] = set()
        self.leaves: dict[int, int] = {}
        self.trades: dict[int, e.TradeExecuted | e.TradeCorrected] = {}
        self.filled: dict[int, int] = {}
        self.cash: dict[int, int] = {}
        self.book_sequences: dict[int, int] = {}
        self.phases: dict[int, int] = {}
        self.levels: dict[tuple[int, int, int], int] = {}
        self.has_lowered_a_line = False
        self.lines: dict[tuple[int, int], int] = {}

    def see(self, told: bytes) -> None:
        """Check the events of one command."""
        events: list[Any] = list(e.EVENTS.unpack(told))
        for event in events:
            self.number += 1
            assert event.number == self.number
            assert event.flags == (1 if event is events[-1] else 0)
            self._see(event)
        for instrument, phase in self.phases.items():
            if phase == Phase.CONTINUOUS:
                self._require_not_crossed(instrument)

    def _see(self, event: Any) -> None:
        if isinstance(event, e.TradeExecuted):
            self._see_trade(event)
        elif isinstance(event, e.TradeBusted | e.TradeCorrected):
            self._see_change(event)
        elif isinstance(event, e.OrderReported | e.OrderListed):
            self._see_state(event.order_id, event)
        elif isinstance(event, e.OrderEvent):
            assert event.order_id not in self.done, event
            if event.status in FINAL:
                self.done.add(event.order_id)
                assert event.leaves_lots == event.held_atoms == 0
                _require_all_or_nothing(event)
            if event.order_id not in self.leaves:
                self.cash[event.order_id] = event.cash_atoms
            self.leaves[event.order_id] = event.leaves_lots
            self._see_state(event.order_id, event)
        elif isinstance(event, e.BookLevelChanged):
            sequence = self.book_sequences.get(event.instrument, 0) + 1
            assert event.book_sequence == sequence
            self.book_sequences[event.instrument] = sequence
            self.levels[event.instrument, event.side, event.price_ticks] = event.orders
            assert (event.quantity_lots > 0) == (event.orders > 0)
        elif isinstance(event, e.PhaseChanged):
            self.phases[event.instrument] = event.phase
        elif isinstance(event, e.AssetLimitsSet):
            key = (event.account, event.asset)
            if event.credit_line_atoms < self.lines.get(key, 0):
                self.has_lowered_a_line = True
            self.lines[key] = event.credit_line_atoms

    def _see_state(self, order_id: int, event: Any) -> None:
        assert event.filled_lots == self.filled.get(order_id, 0)
        if event.status not in FINAL:
            assert event.leaves_lots == event.quantity_lots - event.filled_lots > 0

    def _see_trade(self, event: e.TradeExecuted) -> None:
        self.trade_id += 1
        assert event.trade_id == self.trade_id
        assert event.maker_fee_atoms + event.taker_fee_atoms >= 0
        self.trades[event.trade_id] = event
        if event.taker_cash_atoms:
            self._see_cash_spent(event)
        sides = (
            (event.maker_order_id, event.maker_leaves_lots, event.maker_filled_lots),
            (event.taker_order_id, event.taker_leaves_lots, event.taker_filled_lots),
        )
        for order_id, leaves, filled in sides:
            assert order_id not in self.done
            assert leaves == self.leaves[order_id] - event.quantity_lots >= 0
            self.leaves[order_id] = leaves
            self.filled[order_id] = self.filled.get(order_id, 0) + event.quantity_lots
            assert filled == self.filled[order_id]
            if leaves == 0:
                self.done.add(order_id)

    def _see_change(self, event: e.TradeBusted | e.TradeCorrected) -> None:
        before = self.trades.pop(event.trade_id)
        assert event.corrected_event == before.number
        assert event.previous_price_ticks == before.price_ticks
        assert event.previous_quantity_lots == before.quantity_lots
        assert event.previous_notional_atoms == before.notional_atoms
        assert event.maker_previous_fee_atoms == before.maker_fee_atoms
        assert event.taker_previous_fee_atoms == before.taker_fee_atoms
        if isinstance(event, e.TradeCorrected):
            assert 1 <= event.quantity_lots <= before.quantity_lots
            assert event.maker_fee_atoms + event.taker_fee_atoms >= 0
            self.trades[event.trade_id] = event
        else:
            assert event.quantity_lots == event.maker_fee_atoms == event.taker_fee_atoms == 0
        sides = (
            (event.maker_order_id, event.maker_filled_lots, event.maker_leaves_lots),
            (event.taker_order_id, event.taker_filled_lots, event.taker_leaves_lots),
        )
        for order_id, filled, leaves in sides:
            self.filled[order_id] += event.quantity_lots - event.previous_quantity_lots
            assert filled == self.filled[order_id] >= 0
            assert (leaves == 0) == (order_id in self.done)

    def _see_cash_spent(self, event: e.TradeExecuted) -> None:
        """Require that no cash order spends or brings in more than it was to."""
        fee_atoms = max(event.taker_fee_atoms, 0) if event.taker_side == Side.BUY else 0
        self.cash[event.taker_order_id] -= event.notional_atoms + fee_atoms
        assert self.cash[event.taker_order_id] >= 0, event

    def _require_not_crossed(self, instrument: int) -> None:
        prices: dict[int, list[int]] = {1: [], 2: []}
        for (number, side, price), orders in self.levels.items():
            if number == instrument and orders:
                prices[side].append(price)
        assert max(prices[1], default=0) < min(prices[2], default=1 << 62)

    def check_money(self, engine: ReferenceEngine) -> None:
        """Check that money adds up, and that nobody is below the credit line."""
        sums: dict[int, int] = {}
        for account, asset, balance, held in engine.balances():
            sums[asset] = sums.get(asset, 0) + balance
            assert held >= 0
            if not self.has_lowered_a_line:
                assert balance - held + self.lines.get((account, asset), 0) >= 0
        for _, asset, owed in engine.receivables():
            assert owed > 0
            sums[asset] -= owed
        for asset, supply, fees in engine.assets():
            assert sums.get(asset, 0) + fees == supply >= 0
            assert fees >= 0


def _require_all_or_nothing(event: e.OrderEvent) -> None:
    """Require that a fill-or-kill did not trade in part, nor another less than its minimum."""
    if event.reason == CancelReason.BUST:
        return
    if event.time_in_force == TimeInForce.FILL_OR_KILL:
        assert event.filled_lots == 0, event
    assert event.filled_lots == 0 or event.filled_lots >= event.minimum_lots, event


def require_bounded(engine: ReferenceEngine) -> None:
    """Require that all that is owned, owed and held stays below 2**62, also together."""
    owned: Counter[int] = Counter()
    owed: Counter[int] = Counter()
    held: Counter[int] = Counter()
    for _, asset, balance_atoms, held_atoms in engine.balances():
        owned[asset] += max(balance_atoms, 0)
        owed[asset] += max(-balance_atoms, 0)
        held[asset] += held_atoms
    lent: Counter[int] = Counter()
    for _, asset, receivable_atoms in engine.receivables():
        lent[asset] += receivable_atoms
    for asset, supply_atoms, fees_atoms in engine.assets():
        assert owned[asset] - owed[asset] + fees_atoms == supply_atoms + lent[asset]
        assert fees_atoms >= 0
        assert max(owned[asset] + fees_atoms, owed[asset], held[asset]) < AMOUNT_LIMIT

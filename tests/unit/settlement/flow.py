"""A small model of a venue: makes event streams that are right, and knows what they add up to.

It shares no code with settlement: what it remembers of money and orders is its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from messages.layout import Record
from messages.trading.commands import AmendOrder, CancelOrder, PlaceOrder
from messages.trading.events import (
    LAST_OF_COMMAND,
    AccountCreated,
    AmendRejected,
    AssetCreated,
    AssetLimitsSet,
    BalanceChanged,
    BookLevelChanged,
    CancelRejected,
    FirmCreated,
    InstrumentCreated,
    MassCancelled,
    MassCancelRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderReported,
    OrderRestated,
    QueryRejected,
    RefusalRecorded,
    SessionOpened,
    TradeExecuted,
)
from messages.trading.identity import client_id
from messages.trading.terms import (
    BalanceCause,
    CancelReason,
    OrderStatus,
    OrderType,
    Scope,
    Side,
    TimeInForce,
)
from settlement.adapters.memory import MemoryBatch
from settlement.reconcile import AssetSum, EngineFigures, Holding, OpenOrder

VENUE = bytes.fromhex("00112233445566778899aabbccddeeff")
QUOTE, BASES = 1, (2, 3)
LOT_ATOMS = 1_000
START_NS = 1_750_000_000_000_000_000


@dataclass
class ModelOrder:
    order_id: int
    account: int
    instrument: int
    side: int
    price: int
    quantity: int
    leaves: int
    name: bytes
    status: int = OrderStatus.NEW
    filled: int = 0
    value: int = 0

    @property
    def held(self) -> int:
        return self.leaves * (self.price if self.side == Side.BUY else LOT_ATOMS)

    @property
    def held_asset(self) -> int:
        return QUOTE if self.side == Side.BUY else BASES[self.instrument - 1]


@dataclass
class Flow:
    """The venue; ``step`` makes one command's events, ``batches`` cuts them into frames."""

    chance: random.Random
    number: int = 0
    balances: dict[tuple[int, int], int] = field(default_factory=dict)
    withdrawals: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    supply: dict[int, int] = field(default_factory=dict)
    fees: dict[int, int] = field(default_factory=dict)
    rebates: dict[int, int] = field(default_factory=dict)
    open: dict[int, ModelOrder] = field(default_factory=dict)
    trades: int = 0
    orders: int = 0
    names: int = 0
    records: list[Record] = field(default_factory=list)
    commands: list[tuple[int, int, bytes]] = field(default_factory=list)
    accounts: tuple[int, ...] = (11, 12, 13, 14)

    def emit(self, *events: tuple[type[Record], dict[str, Any]]) -> list[Any]:
        """Number the events of one command."""
        made: list[Any] = []
        for index, (record, values) in enumerate(events, start=1):
            self.number += 1
            made.append(
                record.make(
                    number=self.number,
                    sequence=self.number,
                    time_ns=START_NS + self.number * 1_000,
                    received_at_ns=START_NS + self.number * 1_000 - 7,
                    flags=LAST_OF_COMMAND if index == len(events) else 0,
                    **values,
                )
            )
        self.records += made
        data = b"".join(record.pack() for record in made)
        self.commands.append((made[0].number, made[-1].number, data))
        return made

    def define(self) -> None:
        for asset in (QUOTE, *BASES):
            self.emit((AssetCreated, {"asset": asset, "scale": 6, "symbol": b"ASSET%d" % asset}))
            self.supply[asset] = self.fees[asset] = self.rebates[asset] = 0
        for instrument, base in enumerate(BASES, start=1):
            market = {"base_asset": base, "quote_asset": QUOTE, "lot_atoms": LOT_ATOMS}
            name = {"instrument": instrument, "symbol": b"MARKET%d" % instrument}
            self.emit((InstrumentCreated, market | name))
        self.emit((FirmCreated, {"firm": 5, "name": b"Firm Five"}))
        for account in self.accounts:
            owner = {"firm": 5, "owner_group": account, "account_kind": 1}
            self.emit((AccountCreated, owner | {"account": account, "name": b"acc %d" % account}))
            for asset in (QUOTE, *BASES):
                self.money(BalanceCause.CREDIT, account, asset, 10**12)

    def money(self, cause: int, account: int, asset: int, amount: int, name: bytes = b"") -> None:
        change = {
            BalanceCause.CREDIT: amount,
            BalanceCause.DEBIT: -amount,
            BalanceCause.WITHDRAWAL_COMMITTED: -amount,
        }.get(BalanceCause(cause), 0)
        key = account, asset
        self.balances[key] = self.balances.get(key, 0) + change
        self.supply[asset] += change
        values = {"account": account, "asset": asset, "cause": cause, "amount_atoms": amount}
        state = {"change_atoms": change, "balance_atoms": self.balances[key]}
        self.emit((BalanceChanged, values | state | {"reference": name}))

    def limits(self, account: int, asset: int, line: int) -> None:
        values = {"account": account, "asset": asset, "credit_line_atoms": line}
        self.emit((AssetLimitsSet, values | {"position_max_atoms": 10**15}))

    def name(self) -> bytes:
        self.names += 1
        return client_id(f"c-{self.names}")

    # --- orders ---

    def state(self, order: ModelOrder) -> dict[str, Any]:
        return {
            "account": order.account,
            "session": 3,
            "connection": 1,
            "instrument": order.instrument,
            "order_id": order.order_id,
            "side": order.side,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "status": order.status,
            "price_ticks": order.price,
            "quantity_lots": order.quantity,
            "leaves_lots": order.leaves,
            "filled_lots": order.filled,
            "filled_value": order.value,
            "held_atoms": order.held,
            "client_order_id": order.name,
        }

    def place(self) -> ModelOrder:
        self.orders += 1
        order = ModelOrder(
            order_id=self.orders,
            account=self.chance.choice(self.accounts),
            instrument=self.chance.randint(1, len(BASES)),
            side=self.chance.choice((Side.BUY, Side.SELL)),
            price=self.chance.randint(90, 110),
            quantity=(lots := self.chance.randint(1, 50)),
            leaves=lots,
            name=self.name(),
        )
        level = {"instrument": order.instrument, "side": order.side, "price_ticks": order.price}
        self.emit((OrderAccepted, self.state(order)), (BookLevelChanged, level))
        self.open[order.order_id] = order
        return order

    def fill(self, order: ModelOrder, lots: int, price: int) -> None:
        order.leaves -= lots
        order.filled += lots
        order.value += lots * price
        order.status = OrderStatus.PARTIALLY_FILLED if order.leaves else OrderStatus.FILLED
        if not order.leaves:
            del self.open[order.order_id]

    def trade(self, maker: ModelOrder) -> None:
        """Send an order that trades with ``maker``, and perhaps leaves a remainder that expires."""
        lots = self.chance.randint(1, maker.leaves)
        surplus = self.chance.choice((0, 0, 3))
        self.orders += 1
        others = [account for account in self.accounts if account != maker.account]
        taker = ModelOrder(
            order_id=self.orders,
            account=self.chance.choice(others),  # no account ever trades with itself
            instrument=maker.instrument,
            side=3 - maker.side,
            price=maker.price,
            quantity=lots + surplus,
            leaves=lots + surplus,
            name=self.name(),
        )
        accepted = self.state(taker)
        self.open[taker.order_id] = taker
        self.fill(maker, lots, maker.price)
        self.fill(taker, lots, maker.price)
        fees = self.chance.choice((-2, 0, 3)), self.chance.choice((0, 5))
        notional, base_atoms = lots * maker.price, lots * LOT_ATOMS
        base = BASES[maker.instrument - 1]
        for order, fee in zip((maker, taker), fees, strict=True):
            way = 1 if order.side == Side.BUY else -1
            self.balances[order.account, base] += way * base_atoms
            self.balances[order.account, QUOTE] -= way * notional + fee
        self.fees[QUOTE] += sum(fees)
        self.rebates[QUOTE] += sum(min(fee, 0) for fee in fees)
        self.trades += 1
        values: dict[str, Any] = {
            "instrument": maker.instrument,
            "taker_side": taker.side,
            "trade_id": self.trades,
            "price_ticks": maker.price,
            "quantity_lots": lots,
            "notional_atoms": notional,
            "base_atoms": base_atoms,
        }
        for side, order, fee in (("maker", maker, fees[0]), ("taker", taker, fees[1])):
            shared = {"order_type", "time_in_force", "status", "price_ticks", "quantity_lots"}
            shared |= {"leaves_lots", "filled_lots", "filled_value", "held_atoms", "account"}
            shared |= {"session", "connection", "order_id", "client_order_id"}
            state = self.state(order)
            values |= {f"{side}_{name}": state[name] for name in shared}
            values[f"{side}_fee_atoms"] = fee
        events: list[tuple[type[Record], dict[str, Any]]] = [
            (OrderAccepted, accepted),
            (TradeExecuted, values),
        ]
        if surplus:
            taker.leaves, taker.status = 0, OrderStatus.EXPIRED
            del self.open[taker.order_id]
            reason = {"reason": CancelReason.IMMEDIATE_REMAINDER}
            events.append((OrderExpired, self.state(taker) | reason))
        self.emit(*events)

    def amend(self, order: ModelOrder) -> None:
        previous, order.name = order.name, self.name()
        order.price += self.chance.randint(-3, 3)
        extra = {"previous_client_order_id": previous, "origin_session": 3, "kept_priority": 1}
        self.emit((OrderAmended, self.state(order) | extra))

    def restate(self, order: ModelOrder) -> None:
        order.quantity += 1
        order.leaves += 1
        self.emit((OrderRestated, self.state(order) | {"reason": CancelReason.SELF_TRADE}))

    def cancelled(self, order: ModelOrder, reason: int) -> tuple[type[Record], dict[str, Any]]:
        del self.open[order.order_id]
        order.leaves, order.status = 0, OrderStatus.CANCELLED
        request = {"request_client_order_id": self.name(), "origin_session": 4}
        return OrderCancelled, self.state(order) | request | {"reason": reason}

    def cancel_all(self, account: int) -> None:
        mine = [order for order in self.open.values() if order.account == account]
        events = [self.cancelled(order, CancelReason.MASS_CANCEL) for order in mine]
        done = {"account": account, "scope": Scope.ACCOUNT, "cancelled": len(mine)}
        self.emit(*events, (MassCancelled, done | {"client_order_id": self.name()}))

    def refuse(self) -> None:
        who = {"account": self.chance.choice(self.accounts), "session": 3, "connection": 1}
        named = who | {"client_order_id": self.name(), "code": 210, "limit": 5, "usage": 6}
        other = {
            "original_client_order_id": client_id("gone"),
            "order_id": self.chance.choice((0, 1)),
        }
        gateway = {"refused_kind": PlaceOrder.KIND, "code": 1002, "text": b"price off tick"}
        hostile = {"refused_kind": AmendOrder.KIND, "code": 0xFFFF, "order_id": (1 << 64) - 1}
        # What a gateway puts on record may hold any bytes at all.
        raw = {"client_order_id": b"a\0\xff", "text": b"\xe2\x82\0x"}
        unknown = {"refused_kind": CancelOrder.KIND, "code": 1004}
        self.emit(
            self.chance.choice(
                (
                    (OrderRejected, named | {"side": Side.BUY, "price_ticks": 9}),
                    (AmendRejected, named | other),
                    (CancelRejected, named | other),
                    (QueryRejected, named),
                    (MassCancelRejected, named | {"scope": Scope.FIRM}),
                    (RefusalRecorded, who | gateway | {"client_order_id": self.name()}),
                    (RefusalRecorded, who | hostile | raw),
                    (RefusalRecorded, who | unknown | {"client_order_id": self.name()}),
                )
            )
        )

    def withdraw(self) -> None:
        if self.withdrawals and self.chance.random() < 0.5:
            name = self.chance.choice(sorted(self.withdrawals))
            account, asset, amount = self.withdrawals.pop(name)
            ends = BalanceCause.WITHDRAWAL_COMMITTED, BalanceCause.WITHDRAWAL_RELEASED
            self.money(self.chance.choice(ends), account, asset, amount, name)
            return
        name, account = self.name(), self.chance.choice(self.accounts)
        asset, amount = self.chance.choice((QUOTE, *BASES)), self.chance.randint(1, 10**6)
        self.withdrawals[name] = account, asset, amount
        self.money(BalanceCause.WITHDRAWAL_RESERVED, account, asset, amount, name)

    def step(self) -> None:
        """Make one command's events, whatever comes."""
        resting = self.chance.choice(sorted(self.open)) if self.open else None
        what = self.chance.choices(range(9), weights=(6, 8, 2, 2, 1, 2, 2, 1, 1))[0]
        if resting is None or what == 0:
            self.place()
        elif what == 1:
            self.trade(self.open[resting])
        elif what == 2:
            self.amend(self.open[resting])
        elif what == 3:
            self.emit(self.cancelled(self.open[resting], CancelReason.REQUESTED))
        elif what == 4:
            self.restate(self.open[resting])
            self.emit((OrderReported, self.state(self.open[resting])))
        elif what == 5:
            self.refuse()
        elif what == 6:
            self.withdraw()
        elif what == 7:
            self.cancel_all(self.chance.choice(self.accounts))
        else:
            cause = self.chance.choice((BalanceCause.CREDIT, BalanceCause.DEBIT))
            self.money(cause, self.chance.choice(self.accounts), QUOTE, self.chance.randint(1, 99))
            self.emit((SessionOpened, {"session": 3, "connection": 1}))

    def batches(self, *, commands_max: int) -> list[MemoryBatch]:
        """Cut all commands so far into frames of random length."""
        frames, index = [], 0
        while index < len(self.commands):
            part = self.commands[index : index + self.chance.randint(1, commands_max)]
            index += len(part)
            data = b"".join(command[2] for command in part)
            frames.append(MemoryBatch(part[0][0], part[-1][1], data))
        return frames

    def engine(self) -> EngineFigures:
        """Say what an engine would say now."""
        held = dict.fromkeys(self.balances, 0)
        for order in self.open.values():
            held[order.account, order.held_asset] += order.held
        for account, asset, amount in self.withdrawals.values():
            held[account, asset] += amount
        return EngineFigures(
            event_number=self.number,
            balances=[
                Holding(*key, atoms, held[key]) for key, atoms in sorted(self.balances.items())
            ],
            assets=[AssetSum(asset, self.supply[asset], self.fees[asset]) for asset in self.supply],
            open_orders=[
                OpenOrder(order.order_id, order.account, 0, order.leaves, order.held)
                for order in self.open.values()
            ],
        )


def flow_of(chance: random.Random, *, steps: int) -> Flow:
    """Make a venue with definitions, money and some commands."""
    flow = Flow(chance)
    flow.define()
    for _ in range(steps):
        flow.step()
    return flow

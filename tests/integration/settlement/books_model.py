"""Every business event of a venue, and books of its own that say what each must come to.

It shares no code with settlement: a ledger account is a tuple, and each event moves amounts that
are worked out here.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from messages.layout import Record
from messages.trading.events import (
    LAST_OF_COMMAND,
    AccountCreated,
    AssetCreated,
    AssetLimitsSet,
    BalanceChanged,
    BookLevelChanged,
    FirmCreated,
    FundsTransferred,
    InstrumentCreated,
    ReceivableChanged,
    TradeBusted,
    TradeCorrected,
    TradeExecuted,
)
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause, Side
from settlement.adapters.memory import MemoryBatch

USD, BTC = 1, 2
ACCOUNTS = (11, 12, 13)
FUNDS, WITHDRAWALS, OWED, LINE = 1, 2, 3, 4
FEES, REBATES, REWARDS, TAKEN, CLEARING, GRANTED = 10, 11, 12, 13, 20, 21
HOT, COLD, INSURANCE, CAPITAL, SUSPENSE = 30, 31, 40, 41, 50
START_NS = 1_750_000_000_000_000_000

Key = tuple[int, int, int]


class Move(NamedTuple):
    """An amount on a ledger account, by an event or after one."""

    event: int
    time_ns: int
    key: Key
    amount: int


@dataclass
class Terms:
    """A trade as it was told last."""

    event: int
    maker: int
    taker: int
    taker_side: int
    ticks: int
    lots: int
    fees: tuple[int, int]

    def moves(self, sign: int) -> list[tuple[Key, int]]:
        """What it moves: a sale of base for quote, and fees."""
        buyer, seller = self.taker, self.maker
        if self.taker_side == Side.SELL:
            buyer, seller = seller, buyer
        base, quote = self.lots * 10, self.lots * self.ticks
        moved = [
            ((FUNDS, buyer, BTC), base),
            ((FUNDS, seller, BTC), -base),
            ((FUNDS, buyer, USD), -quote),
            ((FUNDS, seller, USD), quote),
        ]
        for account, fee in zip((self.maker, self.taker), self.fees, strict=True):
            moved.append(((FUNDS, account, USD), -fee))
            moved.append(((FEES if fee > 0 else REBATES, 0, USD), fee))
        return [(key, sign * amount) for key, amount in moved]


@dataclass
class Books:
    """Makes events at random, and keeps the books of them."""

    chance: random.Random
    number: int = 0
    moves: list[Move] = field(default_factory=list)
    balances: Counter[Key] = field(default_factory=Counter)
    trades: dict[int, Terms] = field(default_factory=dict)
    reserved: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    lines: Counter[tuple[int, int]] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    trade_count: int = 0
    fresh: list[bytes] = field(default_factory=list)
    fresh_from: int = 1

    @property
    def time_ns(self) -> int:
        """The last event's stamp: several events may share one."""
        return START_NS + self.number // 3 * 1_000

    def emit(self, record: type[Record], moves: list[tuple[Key, int]], **values: Any) -> None:
        """Add one event, which is a command of its own, and what it moves."""
        self.number += 1
        made = record.make(
            number=self.number,
            sequence=self.number,
            time_ns=self.time_ns,
            flags=LAST_OF_COMMAND,
            **values,
        )
        self.fresh.append(made.pack())
        self.kinds[record.__name__] += 1
        self.book(moves)

    def book(self, moves: list[tuple[Key, int]]) -> None:
        """Move amounts, at the last event."""
        for key, amount in moves:
            self.balances[key] += amount
            self.moves.append(Move(self.number, self.time_ns, key, amount))

    def as_of(self, *, event: int | None = None, time_ns: int | None = None) -> Counter[Key]:
        """Add up what had moved by a moment."""
        found: Counter[Key] = Counter()
        for move in self.moves:
            if (event is None or move.event <= event) and (
                time_ns is None or move.time_ns <= time_ns
            ):
                found[move.key] += move.amount
        return found

    def frame(self) -> MemoryBatch:
        """Return what is new since the last time."""
        data, first = b"".join(self.fresh), self.fresh_from
        self.fresh, self.fresh_from = [], self.number + 1
        return MemoryBatch(first, self.number, data)

    def define(self) -> None:
        """Make assets, an instrument and accounts, with money."""
        for asset in (USD, BTC):
            self.emit(AssetCreated, [], asset=asset, scale=2, symbol=b"A%d" % asset)
        self.emit(InstrumentCreated, [], instrument=1, base_asset=BTC, quote_asset=USD, symbol=b"I")
        self.emit(FirmCreated, [], firm=1, name=b"firm")
        for account in ACCOUNTS:
            self.emit(AccountCreated, [], account=account, firm=1, name=b"a%d" % account)
            for asset in (USD, BTC):
                self.money(BalanceCause.CREDIT, account, asset, 10**12)

    def money(
        self, cause: BalanceCause, account: int, asset: int, amount: int, name: bytes = b""
    ) -> None:
        """Move money outside a trade."""
        funds, out = (FUNDS, account, asset), (WITHDRAWALS, account, asset)
        giver, taker = {
            BalanceCause.CREDIT: ((CLEARING, 0, asset), funds),
            BalanceCause.DEBIT: (funds, (CLEARING, 0, asset)),
            BalanceCause.WITHDRAWAL_RESERVED: (funds, out),
            BalanceCause.WITHDRAWAL_COMMITTED: (out, (CLEARING, 0, asset)),
            BalanceCause.WITHDRAWAL_RELEASED: (out, funds),
            BalanceCause.REWARD: ((REWARDS, 0, asset), funds),
            BalanceCause.ADJUSTMENT_CREDIT: ((SUSPENSE, 0, asset), funds),
            BalanceCause.ADJUSTMENT_DEBIT: (funds, (SUSPENSE, 0, asset)),
        }[cause]
        inside = (FUNDS, WITHDRAWALS)
        change = amount * ((taker[0] in inside) - (giver[0] in inside))
        self.kinds[cause.name] += 1
        values = {"account": account, "asset": asset, "cause": cause, "amount_atoms": amount}
        moves = [(giver, -amount), (taker, amount)]
        self.emit(BalanceChanged, moves, change_atoms=change, reference=name, **values)

    def step(self) -> None:
        """Do something, whatever comes."""
        actions = (
            self._trade,
            self._change_trade,
            self._withdraw,
            self._move_money,
            self._transfer,
            self._owe,
            self._line,
            lambda: self.emit(BookLevelChanged, [], instrument=1),
        )
        self.chance.choices(actions, weights=(9, 3, 3, 3, 2, 2, 2, 4))[0]()

    def _pick(self) -> tuple[int, int, int]:
        chance = self.chance
        return chance.choice(ACCOUNTS), chance.choice((USD, BTC)), chance.randint(1, 1_000)

    def _trade(self) -> None:
        chance = self.chance
        maker, taker = chance.sample(ACCOUNTS, 2)
        paid = chance.randint(0, 9)
        told = Terms(
            event=self.number + 1,
            maker=maker,
            taker=taker,
            taker_side=chance.choice((Side.BUY, Side.SELL)),
            ticks=chance.randint(1, 90),
            lots=chance.randint(1, 9),
            fees=(chance.randint(-paid, 5), paid),
        )
        self.trade_count += 1
        self.trades[self.trade_count] = told
        self.emit(
            TradeExecuted,
            told.moves(1),
            instrument=1,
            trade_id=self.trade_count,
            taker_side=told.taker_side,
            price_ticks=told.ticks,
            quantity_lots=told.lots,
            notional_atoms=told.ticks * told.lots,
            base_atoms=told.lots * 10,
            maker_account=maker,
            maker_fee_atoms=told.fees[0],
            taker_account=taker,
            taker_fee_atoms=told.fees[1],
        )

    def _change_trade(self) -> None:
        if not self.trades:
            return
        chance = self.chance
        trade_id = chance.choice(sorted(self.trades))
        was = self.trades.pop(trade_id)
        is_bust = chance.random() < 0.5
        now = Terms(self.number + 1, was.maker, was.taker, was.taker_side, 0, 0, (0, 0))
        if not is_bust:
            paid = chance.randint(0, 9)
            now.ticks, now.lots = chance.randint(1, 90), chance.randint(1, was.lots)
            now.fees = (chance.randint(-paid, 5), paid)
            self.trades[trade_id] = now
        values: dict[str, int] = {}
        for prefix, terms in (("previous_", was), ("", now)):
            values |= {
                f"{prefix}price_ticks": terms.ticks,
                f"{prefix}quantity_lots": terms.lots,
                f"{prefix}notional_atoms": terms.ticks * terms.lots,
                f"{prefix}base_atoms": terms.lots * 10,
                f"maker_{prefix}fee_atoms": terms.fees[0],
                f"taker_{prefix}fee_atoms": terms.fees[1],
            }
        self.emit(
            TradeBusted if is_bust else TradeCorrected,
            [*was.moves(-1), *now.moves(1)],
            instrument=1,
            trade_id=trade_id,
            corrected_event=was.event,
            taker_side=was.taker_side,
            maker_account=was.maker,
            taker_account=was.taker,
            operator=1,
            approver=2,
            **values,
        )

    def _withdraw(self) -> None:
        if self.reserved and self.chance.random() < 0.5:
            name = self.chance.choice(sorted(self.reserved))
            ends = BalanceCause.WITHDRAWAL_COMMITTED, BalanceCause.WITHDRAWAL_RELEASED
            account, asset, amount = self.reserved.pop(name)
            self.money(self.chance.choice(ends), account, asset, amount, name)
            return
        name, picked = client_id(f"w{self.number}"), self._pick()
        self.reserved[name] = picked
        self.money(BalanceCause.WITHDRAWAL_RESERVED, *picked, name)

    def _move_money(self) -> None:
        causes = (
            BalanceCause.CREDIT,
            BalanceCause.DEBIT,
            BalanceCause.REWARD,
            BalanceCause.ADJUSTMENT_CREDIT,
            BalanceCause.ADJUSTMENT_DEBIT,
        )
        self.money(self.chance.choice(causes), *self._pick())

    def _transfer(self) -> None:
        giver, taker = self.chance.sample(ACCOUNTS, 2)
        _, asset, amount = self._pick()
        moves = [((FUNDS, giver, asset), -amount), ((FUNDS, taker, asset), amount)]
        values = {"account": giver, "to_account": taker, "asset": asset}
        self.emit(FundsTransferred, moves, amount_atoms=amount, **values)

    def _owe(self) -> None:
        account, asset, amount = self._pick()
        owed = -self.balances[OWED, account, asset]
        change = amount if self.chance.random() < 0.5 or not owed else -min(owed, amount)
        moves = [((OWED, account, asset), -change), ((FUNDS, account, asset), change)]
        self.emit(ReceivableChanged, moves, account=account, asset=asset, change_atoms=change)

    def _line(self) -> None:
        account, asset, _ = self._pick()
        line = self.chance.choice((0, 100, 500, 10**6))
        change = line - self.lines[account, asset]
        self.lines[account, asset] = line
        moves = [((LINE, account, asset), change), ((GRANTED, 0, asset), -change)]
        self.emit(AssetLimitsSet, moves, account=account, asset=asset, credit_line_atoms=line)

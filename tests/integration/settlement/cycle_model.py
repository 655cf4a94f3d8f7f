"""A venue's trades and its settlement, told twice: to the database, and to a model of a few sums.

The model knows no entries, spans or SQL. It keeps what each party has unsettled as running sums of
what net accounts traded, and a list of instructions, and says what every question's answer is.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from runtime.postgres import Connection
from settlement.chart import EntryCause
from settlement.cycle_decisions import Ask
from settlement.cycle_terms import InstructionState, Party, SettlementMode

USD, BTC, ETH = 1, 2, 3
GROSS, NET = SettlementMode.GROSS, SettlementMode.NET
START_NS = 1_790_000_000_000_000_000
Key = tuple[int, int, int]
COLUMNS = ["event_number", "leg", "kind", "cause", "account", "asset", "amount_atoms", "time_ns"]


@dataclass
class Trade:
    maker: int
    taker: int
    base: int
    base_atoms: int
    notional: int
    maker_fee: int
    taker_fee: int

    def deltas(self, way: int) -> list[tuple[int, int, int, int]]:
        """(account, asset, what trading moved, what fees moved), with the taker buying."""
        return [
            (self.maker, self.base, -way * self.base_atoms, 0),
            (self.taker, self.base, way * self.base_atoms, 0),
            (self.maker, USD, way * self.notional, -way * self.maker_fee),
            (self.taker, USD, -way * self.notional, -way * self.taker_fee),
        ]


@dataclass
class ModelInstruction:
    number: int
    cycle: int
    party: int
    account: int
    asset: int
    attempt: int
    amount: int
    confirmed: int = 0
    has_failed: bool = False

    @property
    def rest(self) -> int:
        return self.amount - self.confirmed

    @property
    def state(self) -> InstructionState:
        if self.has_failed:
            return InstructionState.FAILED
        if not self.rest:
            return InstructionState.SETTLED
        return InstructionState.PARTIALLY_SETTLED if self.confirmed else InstructionState.PENDING

    @property
    def is_open(self) -> bool:
        return self.state in (InstructionState.PENDING, InstructionState.PARTIALLY_SETTLED)


@dataclass
class Model:
    connection: Connection
    chance: random.Random
    event: int = 100
    mode: dict[int, SettlementMode] = field(
        default_factory=lambda: {11: GROSS, 12: GROSS, 13: NET, 14: NET, 15: NET}
    )
    balance: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    open: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))
    """What the open cycle comes to."""
    owed: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))
    """What closed cycles came to and nobody confirmed."""
    trades: list[Trade] = field(default_factory=list)
    instructions: list[ModelInstruction] = field(default_factory=list)
    cycles: int = 0
    decisions: int = 0

    async def found(self) -> None:
        """Define accounts and assets, and give everybody money and the net ones a mode."""
        await self.connection.execute(
            "insert into settlement.assets values (1, 'USD', 6, 0, 1), (2, 'BTC', 8, 0, 2),"
            " (3, 'ETH', 9, 0, 3)"
        )
        await self.connection.execute("insert into settlement.firms values (1, 'Firm', 4)")
        for account, mode in self.mode.items():
            await self.connection.execute(
                "insert into settlement.accounts values ($1, 1, 1, 1, $2, 5)", account, str(account)
            )
            for asset in (USD, BTC, ETH):
                await self.connection.execute(
                    "insert into settlement.balances (kind, account, asset, credit_line_atoms,"
                    " credit_floor_atoms) values (1, $1, $2, 0, $3)",
                    account, asset, 10**15,
                )  # fmt: skip
                await self.credit(account, asset, 50_000)
            if mode is NET:
                await self.connection.execute(
                    "insert into settlement.account_modes values ($1, $2, 0, 2)",
                    account, self.event,
                )  # fmt: skip

    # --- events ---

    async def credit(self, account: int, asset: int, amount: int) -> None:
        cause = EntryCause.CREDIT
        await self._book([(20, cause, 0, asset, -amount), (1, cause, account, asset, amount)])
        self.balance[account, asset] += amount

    async def debit(self, account: int, asset: int, amount: int) -> None:
        cause = EntryCause.DEBIT
        await self._book([(1, cause, account, asset, -amount), (20, cause, 0, asset, amount)])
        self.balance[account, asset] -= amount

    async def trade(self) -> None:
        maker, taker = self.chance.sample(sorted(self.mode), 2)
        trade = Trade(
            maker=maker,
            taker=taker,
            base=self.chance.choice((BTC, ETH)),
            base_atoms=self.chance.choice((1, -1)) * self.chance.randint(1, 2_000),
            notional=0,
            maker_fee=self.chance.choice((-2, 0, 3)),
            taker_fee=self.chance.choice((2, 5)),
        )
        trade.notional = (1 if trade.base_atoms > 0 else -1) * self.chance.randint(1, 5_000)
        self.trades.append(trade)
        await self._moved(trade, 1, EntryCause.TRADE, EntryCause.FEE)

    async def bust(self) -> None:
        trade = self.trades.pop(self.chance.randrange(len(self.trades)))
        await self._moved(trade, -1, EntryCause.TRADE_REVERSED, EntryCause.FEE_REVERSED)

    async def correct(self) -> None:
        trade = self.chance.choice(self.trades)
        rows = self._entries(trade, -1, EntryCause.TRADE_REVERSED, EntryCause.FEE_REVERSED)
        trade.notional += 1 if trade.notional > 0 else -1
        trade.taker_fee += 1
        rows += self._entries(trade, 1, EntryCause.TRADE_CORRECTED, EntryCause.FEE_CORRECTED)
        await self._book(rows)

    async def _moved(self, trade: Trade, way: int, cause: int, fee_cause: int) -> None:
        await self._book(self._entries(trade, way, cause, fee_cause))

    def _entries(
        self, trade: Trade, way: int, cause: int, fee_cause: int
    ) -> list[tuple[int, int, int, int, int]]:
        rows, fees = [], 0
        for account, asset, moved, fee in trade.deltas(way):
            rows.append((1, cause, account, asset, moved))
            if fee:
                rows.append((1, fee_cause, account, asset, fee))
            fees -= fee
            self.balance[account, asset] += moved + fee
            if self.mode[account] is NET:
                self.open[Party.ACCOUNT, account, asset] += moved + fee
                self.open[Party.PREFUNDED, 0, asset] -= moved
                self.open[Party.FEES, 0, asset] -= fee
        if fees:
            rows.append((10, fee_cause, 0, USD, fees))
        return rows

    async def _book(self, rows: list[tuple[int, int, int, int, int]]) -> None:
        self.event += self.chance.randint(1, 3)
        async with self.connection.transaction():
            await self.connection.copy_records_to_table(
                "entries",
                schema_name="settlement",
                columns=COLUMNS,
                records=[
                    (self.event, leg, *row, self.time_ns) for leg, row in enumerate(rows, start=1)
                ],
            )
            await self.connection.execute(
                "insert into settlement.positions values ('ledger', $1, $2) on conflict (consumer)"
                " do update set event_number = excluded.event_number, time_ns = excluded.time_ns",
                self.event,
                self.time_ns,
            )

    @property
    def time_ns(self) -> int:
        return START_NS + self.event * 1_000_000_000

    # --- decisions ---

    def ask(self, reference: str = "") -> Ask:
        return Ask(
            operator=7,
            reference=reference or f"decision {self.decisions + 1}",
            decided_at_ns=self.time_ns,
            reason="because",
        )

    def closed(self) -> None:
        """The open cycle was closed: its sums become owed, and instructions follow."""
        self.cycles += 1
        self.decisions += 1
        due = []
        for key, amount in sorted(self.open.items()):
            if amount:
                due.append((self.cycles, *key, 1, amount))
                self.owed[key] += amount
        latest: dict[tuple[int, int, int, int], ModelInstruction] = {}
        for each in self.instructions:
            latest[each.cycle, each.party, each.account, each.asset] = each
        due += [
            (*key, each.attempt + 1, each.rest) for key, each in latest.items() if each.has_failed
        ]
        for number, row in enumerate(sorted(due), start=len(self.instructions) + 1):
            self.instructions.append(ModelInstruction(number, *row))
        self.open.clear()

    def confirmed(self, instruction: ModelInstruction, amount: int) -> None:
        signed = amount if instruction.amount > 0 else -amount
        instruction.confirmed += signed
        self.owed[instruction.party, instruction.account, instruction.asset] -= signed
        self.decisions += 1

    def failed(self, instruction: ModelInstruction) -> None:
        instruction.has_failed = True
        self.decisions += 1

    def settled(self, account: int, asset: int) -> int:
        key = Party.ACCOUNT, account, asset
        return self.balance[account, asset] - self.open[key] - self.owed[key]

    def unsettled(self) -> dict[Key, int]:
        keys = self.open.keys() | self.owed.keys()
        sums = {key: self.open[key] + self.owed[key] for key in keys}
        return {key: atoms for key, atoms in sums.items() if atoms}

"""The ledger as a projection of the events: entries, trades, balances, definitions."""

import struct
import time
from collections.abc import Mapping, Sequence

from core._native import LedgerRows
from messages.trading.events import (
    EVENTS,
    AccountCreated,
    AssetCreated,
    AssetLimitsSet,
    BalanceChanged,
    FirmCreated,
    FundsTransferred,
    InstrumentCreated,
    ReceivableChanged,
    TradeBusted,
    TradeCorrected,
    TradeExecuted,
)
from runtime.postgres import Connection
from settlement.binary_copy import copy
from settlement.chart import Consumer, LedgerAccountKind
from settlement.consumer import Turn, at_once
from settlement.cycle_terms import SettlementMode
from settlement.ledger_batch import (
    CORRECTION_COLUMNS,
    DEFINITION_COLUMNS,
    ENTRY_COLUMNS,
    MARK_COLUMNS,
    TRADE_COLUMNS,
    LedgerBatch,
)
from settlement.marks import MARKS, add_places, restore
from settlement.modes import seed_modes
from settlement.ports import EventBatch
from settlement.postings import Market
from settlement.records import Handler, dispatch
from settlement.schema import NAMESPACE

_KIND = struct.Struct("<2xH")

# Referenced tables first. An asset must be there before a balance in it.
_DEFINITIONS = ("assets", "instruments", "firms", "accounts")

# Kind 1 is LedgerAccountKind.FUNDS.
_SET_LIMITS = """
insert into settlement.balances as balance
    (kind, account, asset, credit_line_atoms, credit_floor_atoms, position_max_atoms)
select 1, account, asset, line, widest, position_max
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    as wanted (account, asset, line, widest, position_max)
on conflict (kind, account, asset) do update
set credit_line_atoms = excluded.credit_line_atoms,
    credit_floor_atoms = greatest(balance.credit_floor_atoms, excluded.credit_floor_atoms),
    position_max_atoms = excluded.position_max_atoms
"""

# Mode 2 is SettlementMode.NET. It is written down of every account once, so that it follows from
# the events alone; where somebody had said a word before, it says nothing.
_SETTLE_NET = """
insert into settlement.account_modes (account, after_event, decision, mode)
select account, event_number, 0, 2 from unnest($1::bigint[], $2::bigint[])
    as credited (account, event_number)
where not exists (
    select from settlement.account_modes as known
    where known.account = credited.account and known.decision = 0
)
"""


class LedgerProjection:
    """Books events: decodes a batch without the database, then writes it in one transaction."""

    consumer = Consumer.LEDGER
    lanes = 2

    def __init__(
        self, modes: Mapping[int, SettlementMode] | None = None, *, is_alone: bool = False
    ) -> None:
        """Describe the projection.

        Args:
            modes: how accounts are to settle that the ledger has not heard of yet.
            is_alone: the transaction that all is written in made the tables' files: nobody else
                sees its rows, and they are written as if they had been there for long.
        """
        self._is_alone = is_alone
        self._markets: dict[int, Market] = {}
        self._lines: dict[tuple[int, int], int] = {}
        self._modes = modes or {}
        self._rows = LedgerRows(**MARKS._asdict())

    async def load(self, connection: Connection) -> None:
        """Learn what events before our position left behind; seed the modes."""
        await seed_modes(connection, self._modes, decided_at_ns=time.time_ns())
        rows = await connection.fetch(
            "select instrument, base_asset, quote_asset from settlement.instruments"
        )
        self._markets = {row[0]: Market(row[1], row[2]) for row in rows}
        for instrument, market in self._markets.items():
            self._rows.know_market(instrument, *market)
        rows = await connection.fetch(
            "select account, asset, balance_atoms from settlement.balances where kind = $1",
            LedgerAccountKind.CREDIT_LINE,
        )
        self._lines = {(row[0], row[1]): row[2] for row in rows}
        await restore(connection, self._rows, MARKS)

    def decode(self, batches: Sequence[EventBatch]) -> tuple[LedgerBatch, int]:
        """Make rows of contiguous batches; returns them and the last event's stamp."""
        ready, time_ns = LedgerBatch(self._markets, self._lines), 0
        handlers = _handlers(ready)
        for kind, record in EVENTS.by_kind.items():
            self._rows.know_kind(kind, record.LENGTH, is_left=kind in handlers)
        for batch in batches:
            told = self._rows.read(batch.data, batch.first, batch.last)
            if told is None:
                dispatch(batch, handlers)
                raise AssertionError(f"events {batch.first} to {batch.last} were not understood")
            time_ns, left = told
            for offset in left:
                handlers[_KIND.unpack_from(batch.data, offset)[0]](batch.data, offset)
        for number, _, kind, _, account, asset, amount, at_ns in ready.entries:
            self._rows.move(number, at_ns, kind, account, asset, amount)
        ready.mark_places, ready.mark_rows = self._rows.close_marks()
        ready.traded, ready.trades = self._rows.entries(), self._rows.trades()
        ready.trade_count = self._rows.trade_count
        self._rows.clear()
        return ready, time_ns

    async def write(self, connection: Connection, ready: LedgerBatch, turn: Turn = at_once) -> None:
        """Write a batch in the caller's transaction.

        Limits come before entries: a balance may go as low as the widest line of the batch
        allows, whichever of its events came first. Before its turn come trades and entries alone.
        """
        if not ready.is_independent:
            await turn()
        await self.write_terms(connection, ready)
        await self.write_trades(connection, ready)
        await self.write_entries(connection, ready.entry_rows())
        await turn()
        await add_places(connection, ready.mark_places)
        await self.write_marks(connection, ready)

    async def write_terms(self, connection: Connection, ready: LedgerBatch) -> None:
        """Write what a batch defines: what things are called, limits, and how accounts settle."""
        for table in _DEFINITIONS:
            if rows := getattr(ready, table):
                await connection.copy_records_to_table(
                    table, schema_name=NAMESPACE, columns=DEFINITION_COLUMNS[table], records=rows
                )
        if ready.limits:
            rows = [(*key, *limits) for key, limits in ready.limits.items()]
            columns = [list(column) for column in zip(*rows, strict=True)]
            await connection.execute(_SET_LIMITS, *columns)
        if ready.credited:
            await connection.execute(
                _SETTLE_NET, list(ready.credited), list(ready.credited.values())
            )

    async def write_trades(self, connection: Connection, ready: LedgerBatch) -> None:
        """Write trades, and what was corrected of them."""
        if ready.trades:
            await self._copy(connection, "trades", TRADE_COLUMNS, [ready.trades])
        if ready.corrections:
            await connection.copy_records_to_table(
                "trade_corrections",
                schema_name=NAMESPACE,
                columns=CORRECTION_COLUMNS,
                records=ready.corrections,
            )

    async def write_entries(self, connection: Connection, rows: Sequence[bytes]) -> None:
        """Write entries in one statement: the balances of a batch are moved once."""
        if rows:
            await self._copy(connection, "entries", ENTRY_COLUMNS, rows)

    async def write_marks(self, connection: Connection, ready: LedgerBatch) -> None:
        """Write the balances that are written down at the batch's places."""
        if ready.mark_rows:
            await self._copy(connection, "balance_marks", MARK_COLUMNS, [ready.mark_rows])

    async def _copy(
        self,
        connection: Connection,
        table: str,
        columns: Sequence[str],
        rows: Sequence[bytes],
    ) -> None:
        await copy(
            connection,
            f"{NAMESPACE}.{table}",
            columns=columns,
            rows=rows,
            is_frozen=self._is_alone,
        )


def _handlers(ready: LedgerBatch) -> dict[int, Handler]:
    return {
        TradeExecuted.KIND: ready.trade_executed,
        BalanceChanged.KIND: ready.balance_changed,
        TradeBusted.KIND: ready.trade_changed(TradeBusted),
        TradeCorrected.KIND: ready.trade_changed(TradeCorrected),
        FundsTransferred.KIND: ready.funds_transferred,
        ReceivableChanged.KIND: ready.receivable_changed,
        AssetLimitsSet.KIND: ready.asset_limits_set,
        AssetCreated.KIND: ready.asset_created,
        InstrumentCreated.KIND: ready.instrument_created,
        FirmCreated.KIND: ready.firm_created,
        AccountCreated.KIND: ready.account_created,
    }

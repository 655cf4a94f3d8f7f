"""The ledger as a projection of the events: entries, trades, balances, definitions."""

import struct
import time
from collections.abc import Mapping, Sequence
from typing import Final

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
from settlement.cycle_terms import SettlementMode
from settlement.ledger_batch import (
    CORRECTION_COLUMNS,
    DEFINITION_COLUMNS,
    ENTRY_COLUMNS,
    TRADE_COLUMNS,
    Interval,
    LedgerBatch,
)
from settlement.modes import seed_modes
from settlement.ports import EventBatch
from settlement.postings import Market
from settlement.records import Handler, dispatch
from settlement.schema import NAMESPACE

MARK_EVENTS: Final = 20_000
"""Balances are written down as of each event whose number is a multiple of this, if anything
moved since the last time. Never changed: the ledger made again has the same marks."""

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

_LAST_ENTRY = """
select event_number, time_ns,
    coalesce((select max(event_number) from settlement.ledger_marks),
        -9223372036854775808) as marked
from settlement.entries order by event_number desc limit 1
"""

# The ledger accounts that moved since the last mark; entries of the house are told apart, for
# they are made at any time, and a mark is about events alone.
_MARK_BALANCES = """
insert into settlement.balance_marks
select kind, account, asset, $1, balance_atoms - coalesce((
    select sum(amount_atoms) from settlement.house_entries as own
    where account = 0 and own.kind = balance.kind and own.asset = balance.asset), 0)
from settlement.balances as balance
join (
    select distinct kind, account, asset from settlement.entries
    where event_number > $2 and event_number <= $1
) as moved using (kind, account, asset)
"""


class LedgerProjection:
    """Books events: decodes a batch without the database, then writes it in one transaction."""

    consumer = Consumer.LEDGER

    def __init__(self, modes: Mapping[int, SettlementMode] | None = None) -> None:
        """Describe the projection.

        Args:
            modes: how accounts are to settle that the ledger has not heard of yet.
        """
        self._markets: dict[int, Market] = {}
        self._lines: dict[tuple[int, int], int] = {}
        self._modes = modes or {}
        self._rows = LedgerRows(MARK_EVENTS)

    async def load(self, connection: Connection) -> None:
        """Learn the instruments and credit lines of events before our position; seed the modes."""
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
        ready.traded = [Interval(*each) for each in self._rows.intervals()]
        ready.trades, ready.trade_count = self._rows.trades(), self._rows.trade_count
        self._rows.clear()
        return ready, time_ns

    async def write(self, connection: Connection, ready: LedgerBatch) -> None:
        """Write a batch in the caller's transaction.

        Limits come before entries: a balance may go as low as the widest line of the batch
        allows, whichever of its events came first.
        """
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
        if ready.trades:
            await copy(
                connection, "trades", columns=TRADE_COLUMNS, rows=ready.trades, schema=NAMESPACE
            )
        if ready.corrections:
            await connection.copy_records_to_table(
                "trade_corrections",
                schema_name=NAMESPACE,
                columns=CORRECTION_COLUMNS,
                records=ready.corrections,
            )
        if intervals := ready.intervals(MARK_EVENTS):
            await _write_entries(connection, intervals)


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


async def _write_entries(connection: Connection, intervals: list[Interval]) -> None:
    """Add entries, writing balances down wherever they pass the place of a mark."""
    last = await connection.fetchrow(_LAST_ENTRY)
    passed, time_ns, marked = last or (0, 0, 0)
    for interval in intervals:
        place = interval.place * MARK_EVENTS
        if 0 < passed <= place and marked < place:
            await _mark(connection, place, time_ns=time_ns, marked=marked)
            marked = place
        await copy(
            connection, "entries", columns=ENTRY_COLUMNS, rows=interval.rows, schema=NAMESPACE
        )
        passed, time_ns = interval.last_event, interval.time_ns


async def _mark(connection: Connection, event_number: int, *, time_ns: int, marked: int) -> None:
    # Both ends of what moved are said: with one alone the planner reads the whole journal.
    await connection.execute(_MARK_BALANCES, event_number, marked)
    await connection.execute(
        "insert into settlement.ledger_marks values ($1, $2)", event_number, time_ns
    )

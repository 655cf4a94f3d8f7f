"""The ledger as a projection of the events: entries, trades, balances, definitions."""

from collections.abc import Sequence

from messages.trading.events import (
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
from settlement.chart import Consumer
from settlement.ledger_batch import (
    CORRECTION_COLUMNS,
    DEFINITION_COLUMNS,
    ENTRY_COLUMNS,
    TRADE_COLUMNS,
    LedgerBatch,
)
from settlement.ports import EventBatch
from settlement.postings import Market
from settlement.records import dispatch
from settlement.schema import NAMESPACE

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

# Mode 2 is SettlementMode.NET. An account that there was a word about keeps it.
_SETTLE_NET = """
insert into settlement.account_modes (account, after_event, decision, mode)
select account, event_number, 0, 2 from unnest($1::bigint[], $2::bigint[])
    as credited (account, event_number)
where not exists (
    select from settlement.account_modes as known where known.account = credited.account
)
"""


class LedgerProjection:
    """Books events: decodes a batch without the database, then writes it in one transaction."""

    consumer = Consumer.LEDGER

    def __init__(self) -> None:
        self._markets: dict[int, Market] = {}

    async def load(self, connection: Connection) -> None:
        """Learn the instruments that events before our position defined."""
        rows = await connection.fetch(
            "select instrument, base_asset, quote_asset from settlement.instruments"
        )
        self._markets = {row[0]: Market(row[1], row[2]) for row in rows}

    def decode(self, batches: Sequence[EventBatch]) -> tuple[LedgerBatch, int]:
        """Make rows of contiguous batches; returns them and the last event's stamp."""
        ready, time_ns = LedgerBatch(self._markets), 0
        handlers = {
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
        for batch in batches:
            time_ns = dispatch(batch, handlers)
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
            await connection.copy_records_to_table(
                "trades", schema_name=NAMESPACE, columns=TRADE_COLUMNS, records=ready.trades
            )
        if ready.corrections:
            await connection.copy_records_to_table(
                "trade_corrections",
                schema_name=NAMESPACE,
                columns=CORRECTION_COLUMNS,
                records=ready.corrections,
            )
        if ready.entries:
            await connection.copy_records_to_table(
                "entries", schema_name=NAMESPACE, columns=ENTRY_COLUMNS, records=ready.entries
            )

"""Reports over all trades of a period: the blotter, and who paid which fees.

Read with ``settlement.database.READER_ROLE`` or better.
"""

import msgspec

from runtime.postgres import Connection
from settlement.cycle_terms import SettlementCode
from settlement.errors import SettlementRefusedError
from settlement.statement import Period

ROWS_MAX = 1_000_000
"""Of one report; a longer period is refused."""

_BLOTTER = """
select event_number, time_ns, trade_id, 'trade' as what, instrument, taker_side, is_auction,
    price_ticks, quantity_lots, base_atoms, notional_atoms, maker_account, taker_account,
    maker_fee_atoms, taker_fee_atoms, maker_order_id, taker_order_id
from settlement.trades where event_number > $1 and event_number <= $2
    and ($3::bigint[] is null or maker_account = any($3) or taker_account = any($3))
union all
select event_number, time_ns, trade_id, case when is_bust then 'bust' else 'correction' end,
    instrument, taker_side, false, price_ticks, quantity_lots, base_atoms, notional_atoms,
    maker_account, taker_account, maker_fee_atoms, taker_fee_atoms, maker_order_id, taker_order_id
from settlement.trade_corrections where event_number > $1 and event_number <= $2
    and ($3::bigint[] is null or maker_account = any($3) or taker_account = any($3))
order by event_number limit $4
"""

# Corrections count by what they change, so the sums are those of the entries.
_FEES = """
with told as (
    select instrument, maker_account as account, true as is_maker,
        notional_atoms as notional, maker_fee_atoms as fee, 1 as trades
    from settlement.trades where event_number > $1 and event_number <= $2
    union all
    select instrument, taker_account, false, notional_atoms, taker_fee_atoms, 1
    from settlement.trades where event_number > $1 and event_number <= $2
    union all
    select instrument, maker_account, true, notional_atoms - previous_notional_atoms,
        maker_fee_atoms - maker_previous_fee_atoms, 0
    from settlement.trade_corrections where event_number > $1 and event_number <= $2
    union all
    select instrument, taker_account, false, notional_atoms - previous_notional_atoms,
        taker_fee_atoms - taker_previous_fee_atoms, 0
    from settlement.trade_corrections where event_number > $1 and event_number <= $2
)
select account, instrument,
    coalesce(sum(trades) filter (where is_maker), 0)::bigint as maker_trades,
    coalesce(sum(notional) filter (where is_maker), 0)::bigint as maker_notional_atoms,
    coalesce(sum(fee) filter (where is_maker), 0)::bigint as maker_fee_atoms,
    coalesce(sum(trades) filter (where not is_maker), 0)::bigint as taker_trades,
    coalesce(sum(notional) filter (where not is_maker), 0)::bigint as taker_notional_atoms,
    coalesce(sum(fee) filter (where not is_maker), 0)::bigint as taker_fee_atoms
from told where $3::bigint[] is null or account = any($3)
group by account, instrument order by account, instrument
"""


class BlotterLine(msgspec.Struct, frozen=True, kw_only=True):
    """A trade, a bust or a correction, with both sides and the terms that hold after it."""

    event_number: int
    time_ns: int
    trade_id: int
    what: str
    instrument: int
    taker_side: int
    is_auction: bool
    price_ticks: int
    quantity_lots: int
    base_atoms: int
    notional_atoms: int
    maker_account: int
    taker_account: int
    maker_fee_atoms: int
    taker_fee_atoms: int
    maker_order_id: int
    taker_order_id: int


class FeeReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an account traded in an instrument and paid for it; below zero it was paid.

    Trades that were busted later are counted; their notional and fees are gone.
    """

    account: int
    instrument: int
    maker_trades: int
    maker_notional_atoms: int
    maker_fee_atoms: int
    taker_trades: int
    taker_notional_atoms: int
    taker_fee_atoms: int


async def blotter(
    connection: Connection,
    period: Period,
    *,
    accounts: list[int] | None = None,
    rows_max: int = ROWS_MAX,
) -> list[BlotterLine]:
    """Return all trades, busts and corrections of a period, of some accounts or of everybody.

    Raises:
        SettlementRefusedError: there are more than one report may list.
    """
    rows = await connection.fetch(
        _BLOTTER, period.after_event, period.through_event, accounts, rows_max + 1
    )
    if len(rows) > rows_max:
        raise SettlementRefusedError(
            SettlementCode.STATEMENT_TOO_LONG,
            "there are more trades in this period; ask for a shorter one",
            limit=rows_max,
            usage=len(rows),
        )
    return [msgspec.convert(dict(row), BlotterLine) for row in rows]


async def fee_report(
    connection: Connection, period: Period, *, accounts: list[int] | None = None
) -> list[FeeReportLine]:
    """Return what each account paid in each instrument, as maker and as taker."""
    rows = await connection.fetch(_FEES, period.after_event, period.through_event, accounts)
    return [msgspec.convert(dict(row), FeeReportLine) for row in rows]

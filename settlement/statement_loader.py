"""Makes statements from the ledger, in one repeatable-read transaction: all of one moment.

Read with ``settlement.database.READER_ROLE`` or better.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.postgres import Connection
from settlement import balances_as_of
from settlement.chart import EntryCause
from settlement.cycle_queries import mode_of, modes
from settlement.cycle_terms import FEE_CAUSES, SettlementCode
from settlement.cycles import business_date
from settlement.errors import SettlementRefusedError
from settlement.moments import last_event_before
from settlement.profit import FLAT, CostPosition, Fill, after_fill
from settlement.profit_marks import place_before, positions_at
from settlement.statement import (
    AccountStatement,
    BalanceLine,
    EntryLine,
    FeeLine,
    FillLine,
    Period,
    ProfitLine,
    SettlementLine,
)

ROWS_MAX = 200_000
"""Entries of one account in one statement; a longer period is refused."""

FETCH_ROWS = 10_000
"""Fills read at once."""

_ENTRIES = """
select event_number, leg, time_ns, kind, cause, asset, amount_atoms
from settlement.entries
where account = $1 and event_number > $2 and event_number <= $3
order by event_number, leg limit $4
"""

# A trade has a line for each side that was the account's. A correction undoes the terms before and
# brings the present ones, so its line is the difference of both, with the present terms beside it.
FILLS = """
select trade.event_number, time_ns, trade_id, 'trade' as what, instrument,
    case when side.is_maker then 3 - taker_side else taker_side end as side, side.is_maker,
    price_ticks, quantity_lots, way.way * base_atoms as base_atoms,
    -way.way * notional_atoms as quote_atoms,
    case when side.is_maker then maker_fee_atoms else taker_fee_atoms end as fee_atoms,
    case when side.is_maker then maker_order_id else taker_order_id end as order_id,
    case when side.is_maker then maker_client_order_id else taker_client_order_id end
        as client_order_id,
    0::bigint as undone_base_atoms, 0::bigint as undone_quote_atoms
from settlement.trades as trade
cross join (values (true), (false)) as side (is_maker)
cross join lateral (
    select case when (taker_side = 1) <> side.is_maker then 1 else -1 end as way
) as way
where case when side.is_maker then maker_account else taker_account end = $1
    and (maker_account = $1 or taker_account = $1)
    and trade.event_number > $2 and trade.event_number <= $3
union all
select change.event_number, time_ns, trade_id,
    case when is_bust then 'bust' else 'correction' end, instrument,
    case when side.is_maker then 3 - taker_side else taker_side end, side.is_maker,
    price_ticks, quantity_lots, way.way * base_atoms, -way.way * notional_atoms,
    case when side.is_maker then maker_fee_atoms - maker_previous_fee_atoms
        else taker_fee_atoms - taker_previous_fee_atoms end,
    case when side.is_maker then maker_order_id else taker_order_id end, '',
    -way.way * previous_base_atoms, way.way * previous_notional_atoms
from settlement.trade_corrections as change
cross join (values (true), (false)) as side (is_maker)
cross join lateral (
    select case when (taker_side = 1) <> side.is_maker then 1 else -1 end as way
) as way
where case when side.is_maker then maker_account else taker_account end = $1
    and change.event_number > $2 and change.event_number <= $3
order by event_number, is_maker desc
"""

_SETTLEMENTS = """
select asked.cycle, cycle.business_date::text as business_date, asked.instruction, asked.attempt,
    asked.asset, asked.amount_atoms, coalesce(told.confirmed, 0)::bigint as confirmed_atoms,
    case when told.has_failed then 4 when told.confirmed = asked.amount_atoms then 3
        when told.confirmed <> 0 then 2 else 1 end as state
from settlement.instructions as asked
join settlement.cycles as cycle on cycle.cycle = asked.cycle
left join (
    select instruction, sum(amount_atoms) as confirmed, bool_or(kind = 2) as has_failed
    from settlement.instruction_events group by instruction
) as told using (instruction)
where asked.party = 1 and asked.account = $1
    and cycle.business_date between $2::date and $3::date
order by asked.instruction
"""


async def period_of(
    connection: Connection, *, from_ns: int, until_ns: int, so_far: bool = False
) -> Period:
    """Find the events of a period of time.

    Args:
        connection: in a transaction.
        from_ns: its first nanosecond.
        until_ns: the first one after it.
        so_far: also take a period of which more may come.

    Raises:
        LedgerNotThereError: the last event that the ledger has is older than the period's end.
    """
    if not so_far:
        await balances_as_of.at_time(connection, until_ns - 1)
    return Period(
        from_ns=from_ns,
        until_ns=until_ns,
        after_event=await last_event_before(connection, from_ns),
        through_event=await last_event_before(connection, until_ns),
    )


async def account_statement(
    connection: Connection, account: int, period: Period, *, rows_max: int = ROWS_MAX
) -> AccountStatement:
    """Make an account's statement, in the caller's repeatable-read transaction.

    Raises:
        SettlementRefusedError: the account has more entries in the period than one may list.
    """
    after, through = period.after_event, period.through_event
    moment = await balances_as_of.after_event(connection, through)
    closing = await balances_as_of.balances(connection, moment, account=account)
    rows = await connection.fetch(_ENTRIES, account, after, through, rows_max + 1)
    if len(rows) > rows_max:
        raise SettlementRefusedError(
            SettlementCode.STATEMENT_TOO_LONG,
            f"account {account} has more entries in this period; ask for a shorter one",
            limit=rows_max,
            usage=len(rows),
        )
    balances = _balance_lines(closing, rows)
    opening = {(line.kind, line.asset): line.opening_atoms for line in balances}
    fills, profits = await _fills_and_profits(connection, account, period)
    first, last = business_date(period.from_ns), business_date(period.until_ns - 1)
    settlements = await connection.fetch(_SETTLEMENTS, account, first, last)
    return AccountStatement(
        account=account,
        period=period,
        mode=mode_of(await modes(connection), account).name.lower(),
        balances=balances,
        fills=fills,
        fees=_fee_lines(rows),
        entries=_entry_lines(rows, opening),
        profits=profits,
        settlements=[msgspec.convert(dict(row), SettlementLine) for row in settlements],
    )


def _balance_lines(
    closing: Sequence[balances_as_of.BalanceAsOf], rows: Sequence[Any]
) -> list[BalanceLine]:
    moved: defaultdict[tuple[int, int], defaultdict[str, int]] = defaultdict(
        lambda: defaultdict(int)
    )
    for row in rows:
        name = EntryCause(row["cause"]).name.lower()
        moved[row["kind"], row["asset"]][name] += row["amount_atoms"]
    lines = []
    for each in closing:
        kind, asset, atoms = each.kind, each.asset, each.balance_atoms
        movements = dict(sorted(moved[kind, asset].items()))
        opening = atoms - sum(movements.values())
        if atoms or opening or movements:
            lines.append(
                BalanceLine(
                    kind=kind,
                    asset=asset,
                    opening_atoms=opening,
                    movements=movements,
                    closing_atoms=atoms,
                )
            )
    return lines


def _entry_lines(rows: Sequence[Any], opening: dict[tuple[int, int], int]) -> list[EntryLine]:
    lines, balance = [], dict(opening)
    for row in rows:
        balance[row["kind"], row["asset"]] += row["amount_atoms"]
        lines.append(EntryLine(**row, balance_atoms=balance[row["kind"], row["asset"]]))
    return lines


def _fee_lines(rows: Sequence[Any]) -> list[FeeLine]:
    charged: defaultdict[int, int] = defaultdict(int)
    rebated: defaultdict[int, int] = defaultdict(int)
    corrected: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        if row["cause"] not in FEE_CAUSES:
            continue
        asset, atoms = row["asset"], row["amount_atoms"]
        if row["cause"] == EntryCause.FEE:
            charged[asset] -= atoms
        elif row["cause"] == EntryCause.REBATE:
            rebated[asset] += atoms
        else:
            corrected[asset] += atoms
    return [
        FeeLine(
            asset=asset,
            charged_atoms=charged[asset],
            rebated_atoms=rebated[asset],
            corrected_atoms=corrected[asset],
            total_atoms=charged[asset] - rebated[asset] - corrected[asset],
        )
        for asset in sorted(charged.keys() | rebated.keys() | corrected.keys())
    ]


async def _fills_and_profits(
    connection: Connection, account: int, period: Period
) -> tuple[list[FillLine], list[ProfitLine]]:
    """Walk through the account's fills from the marks before the period on.

    The cost of a position is the history of its fills, of which a mark is what came before it.
    """
    place = await place_before(connection, period.after_event)
    held: defaultdict[int, CostPosition] = defaultdict(lambda: FLAT)
    held.update(await positions_at(connection, account, place))
    opened: dict[int, CostPosition] = {}
    fees: defaultdict[int, int] = defaultdict(int)
    lines = []
    async for row in connection.cursor(
        FILLS, account, place, period.through_event, prefetch=FETCH_ROWS
    ):
        instrument, number = row["instrument"], row["event_number"]
        if number > period.after_event:
            opened.setdefault(instrument, held[instrument])
            fees[instrument] += row["fee_atoms"]
            lines.append(_fill_line(row))
        for fill in _fills(row):
            held[instrument] = after_fill(held[instrument], fill)
    return lines, [
        _profit_line(instrument, opened.get(instrument, after), after, fees[instrument])
        for instrument, after in sorted(held.items())
        if instrument in opened or after.base_atoms
    ]


def _fills(row: Any) -> list[Fill]:
    """Return what a line of ``FILLS`` did: what it undid first, then what it brought."""
    pairs = (
        (row["undone_base_atoms"], row["undone_quote_atoms"]),
        (row["base_atoms"], row["quote_atoms"]),
    )
    return [Fill(row["event_number"], base, quote) for base, quote in pairs if base]


def _fill_line(row: Any) -> FillLine:
    values = dict(row)
    base, quote = values.pop("undone_base_atoms"), values.pop("undone_quote_atoms")
    values["base_atoms"] += base
    values["quote_atoms"] += quote
    return FillLine(**values)


def _profit_line(
    instrument: int, before: CostPosition, after: CostPosition, fees_atoms: int
) -> ProfitLine:
    realised = after.realised_atoms - before.realised_atoms
    return ProfitLine(
        instrument=instrument,
        opening_base_atoms=before.base_atoms,
        opening_cost_atoms=before.cost_atoms,
        closing_base_atoms=after.base_atoms,
        closing_cost_atoms=after.cost_atoms,
        realised_atoms=realised,
        fees_atoms=fees_atoms,
        net_atoms=realised - fees_atoms,
    )

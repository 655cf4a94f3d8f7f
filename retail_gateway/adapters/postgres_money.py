"""Deposits and withdrawals as settlement booked them in the ledger."""

from typing import Any, Final

import asyncpg

from retail_gateway.adapters.postgres import Pool, pooled
from retail_gateway.ports import MoneyRange, Movement, MovementState

# ``cause not in`` is what the ledger's index of entries that are no trades' is bound by.
_DEPOSITS: Final = """
    select event_number, asset, amount_atoms, time_ns as began_at_ns, time_ns as ended_at_ns,
        1 as state
    from settlement.entries
    where account = $1 and cause not in (1, 2, 7) and cause = 11 and kind = 1"""

# The ledger keeps no references. Of withdrawals of one amount the first to be reserved counts as
# the first to be committed or released; among equal ones nothing else can be told apart.
_WITHDRAWALS: Final = """
    select event_number, asset, amount_atoms, began_at_ns, coalesce(ended_at_ns, 0) as ended_at_ns,
        case cause when 14 then 1 when 15 then 2 else 0 end as state
    from (
        select event_number, asset, amount_atoms, time_ns as began_at_ns, row_number() over (
            partition by asset, amount_atoms order by event_number) as nth
        from settlement.entries
        where account = $1 and cause not in (1, 2, 7) and cause = 13 and kind = 2
    ) as asked left join (
        select asset, -amount_atoms as amount_atoms, time_ns as ended_at_ns, cause, row_number()
            over (partition by asset, amount_atoms order by event_number) as nth
        from settlement.entries
        where account = $1 and cause not in (1, 2, 7) and cause in (14, 15) and kind = 2
    ) as ended using (asset, amount_atoms, nth)
    union all
    select event_number, asset, -amount_atoms, time_ns, time_ns, 1
    from settlement.entries
    where account = $1 and cause not in (1, 2, 7) and cause = 12 and kind = 1"""

_PAGE: Final = """
select * from ({found}) as found
where began_at_ns between $2 and $3{conditions}
order by event_number desc limit {limit} offset {offset}
"""

_WITHDRAWING: Final = """
select asset, balance_atoms from settlement.balances
where account = $1 and kind = 2 and balance_atoms <> 0
"""


class PostgresMoney:
    """A ``MoneyHistory`` over settlement's ledger, read as its reader."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def deposits(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """See ``MoneyHistory.deposits``."""
        return await self._page(_DEPOSITS, account, wanted)

    async def withdrawals(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """See ``MoneyHistory.withdrawals``."""
        return await self._page(_WITHDRAWALS, account, wanted)

    async def withdrawing(self, account: int) -> dict[int, int]:
        """See ``MoneyHistory.withdrawing``."""
        async with pooled(self._pool) as connection:
            rows = await connection.fetch(_WITHDRAWING, account)
        return {row["asset"]: row["balance_atoms"] for row in rows}

    async def _page(self, found: str, account: int, wanted: MoneyRange) -> list[Movement]:
        conditions, values = "", [account, wanted.start_ns, wanted.end_ns]
        for column, value in (
            ("asset", wanted.asset),
            ("state", wanted.state),
            ("event_number", wanted.event_number),
        ):
            if value is not None:
                values.append(int(value))
                conditions += f" and {column} = ${len(values)}"
        statement = _PAGE.format(
            found=found, conditions=conditions, limit=int(wanted.limit), offset=int(wanted.offset)
        )
        async with pooled(self._pool) as connection:
            rows = await connection.fetch(statement, *values)
        return [_movement(row) for row in rows]


def _movement(row: asyncpg.Record) -> Movement:
    fields: dict[str, Any] = dict(row.items())
    return Movement(**fields | {"state": MovementState(fields["state"])})

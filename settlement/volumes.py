"""What firms traded in a time: the notional of their trades, as busts and corrections left them.

Read with ``settlement.database.READER_ROLE`` or better.
"""

from typing import Final

import msgspec

from runtime.postgres import Connection


class FirmVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A firm's volume in the instruments that are quoted in one asset."""

    firm: int
    asset: int
    notional_atoms: int


# A trade counts for the maker's firm and for the taker's; one inside a firm counts for nobody, so
# that nobody reaches a tier by trading with the own other account. What a bust or correction says
# counts from its own time on: asked again for the same time, the answer is the same.
_VOLUMES: Final = """
with latest as (
    select distinct on (trade_id) trade_id,
        case when is_bust then 0 else notional_atoms end as notional_atoms
    from settlement.trade_corrections
    where time_ns < $2
    order by trade_id, event_number desc
), traded as (
    select i.quote_asset as asset, m.firm as maker, t.firm as taker,
        coalesce(latest.notional_atoms, trades.notional_atoms) as notional_atoms
    from settlement.trades
    left join latest using (trade_id)
    join settlement.instruments i using (instrument)
    join settlement.accounts m on m.account = trades.maker_account
    join settlement.accounts t on t.account = trades.taker_account
    where trades.time_ns >= $1 and trades.time_ns < $2 and m.firm <> t.firm
), sides as (
    select maker as firm, asset, notional_atoms from traded
    union all
    select taker, asset, notional_atoms from traded
)
select firm, asset, sum(notional_atoms)::numeric as notional_atoms
from sides group by firm, asset order by firm, asset
"""


async def firm_volumes(connection: Connection, *, from_ns: int, until_ns: int) -> list[FirmVolume]:
    """Return each firm's volume by quote asset; a firm without trades is not among them.

    Args:
        connection: to read with.
        from_ns: the first stamp that counts.
        until_ns: the first that does not any more.
    """
    rows = await connection.fetch(_VOLUMES, from_ns, until_ns)
    return [
        FirmVolume(firm=row["firm"], asset=row["asset"], notional_atoms=int(row["notional_atoms"]))
        for row in rows
    ]

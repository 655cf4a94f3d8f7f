"""How fast somebody's own trades are found among all trades of a venue.

Part of ``./rialto bench candles``: as many trades as ``--history`` says, made by the server itself
in settlement's table; a tenth of them are one account's, the others a thousand accounts'.
"""

import random
import time
from collections.abc import Callable

from retail_gateway.adapters.postgres import postgres_history
from retail_gateway.database import migrate as migrate_retail
from retail_gateway.ports import Range
from runtime.postgres import Connection, connect
from settlement.database import migrate as migrate_settlement

BUSY = 1_000_001
"""The account with a tenth of all trades."""
STEP_NS = 3_000_000_000
BEGIN_NS = 1_701_388_800_000_000_000
DAY_NS = 86_400_000_000_000

_FILL = f"""
insert into settlement.trades (event_number, trade_id, time_ns, instrument, price_ticks,
    quantity_lots, notional_atoms, base_atoms, taker_side, is_auction, maker_order_id,
    maker_account, maker_fee_atoms, maker_client_order_id, taker_order_id, taker_account,
    taker_fee_atoms, taker_client_order_id)
select n * 3, n, {BEGIN_NS} + n * {STEP_NS}, 1 + n % 2, 6000000 + n % 10007, 1 + n % 100,
    600000000, 100, 1 + n % 2, false, 2 * n, 2000000 + n % 997, 0, 'm' || n, 2 * n + 1,
    case when n % 10 = 0 then {BUSY} else 2000000 + n % 1009 end, 10, 't' || n
from generate_series(1::bigint, $1::bigint) as n"""  # noqa: S608  # numbers of ours

_ORDERS = f"""
insert into settlement.orders (created_event, order_id, account, session, instrument,
    client_order_id, side, order_type, time_in_force, order_flags, self_trade_prevention, status,
    is_open, reason, price_ticks, stop_price_ticks, quantity_lots, leaves_lots, filled_lots,
    filled_value, display_lots, minimum_lots, expire_at_ns, held_atoms, created_at_ns,
    updated_event, updated_at_ns)
select event_number - 1, taker_order_id, taker_account, 900, instrument, taker_client_order_id,
    taker_side, 1, 1, 0, 1, 4, false, 0, price_ticks, 0, quantity_lots, 0, quantity_lots, 1, 0, 0,
    0, 0, time_ns, event_number, time_ns
from settlement.trades where taker_account = {BUSY}"""  # noqa: S608  # numbers of ours


async def own_trades(
    dsn: str, chance: random.Random, count: int, questions: int
) -> dict[str, float]:
    """Fill the table, ask, and return percentiles in milliseconds."""
    await migrate_settlement(dsn)
    await migrate_retail(dsn)
    owner = await connect(dsn)
    await _fill(owner, count)
    await owner.close()

    def one() -> int:
        """Return one of the account's trades: an even one, so of instrument 1."""
        return chance.randrange(1, count // 10) * 10

    def moment() -> int:
        return BEGIN_NS + one() * STEP_NS

    kinds: dict[str, Callable[[], Range]] = {
        "last_500": lambda: Range(limit=500),
        "from_id_500": lambda: Range(limit=500, from_id=one()),
        "day_from_time_500": lambda: _day(moment()),
        "until_time_500": lambda: Range(limit=500, end_ns=moment()),
        "of_an_order": lambda: Range(limit=500, order_id=2 * one() + 1),
    }
    figures: dict[str, float] = {}
    async with postgres_history(dsn, first=1, last=2) as (history, _, _):
        for name, make in kinds.items():
            times = []
            for _ in range(questions):
                wanted, wall = make(), time.perf_counter()
                found = await history.trades(BUSY, 1, wanted)
                times.append((time.perf_counter() - wall) * 1000)
                assert found, wanted
            times.sort()
            figures[f"own_trades_{name}_p50_ms"] = times[len(times) // 2]
            figures[f"own_trades_{name}_p99_ms"] = times[len(times) * 99 // 100]
    return figures


def _day(start_ns: int) -> Range:
    return Range(limit=500, start_ns=start_ns, end_ns=start_ns + DAY_NS)


async def _fill(owner: Connection, count: int) -> None:
    await owner.execute("set synchronous_commit = off")
    await owner.execute("set session_replication_role = replica")  # rows of no venue's events
    await owner.execute(_FILL, count)
    await owner.execute(_ORDERS)
    await owner.execute("vacuum analyze settlement.trades")
    await owner.execute("vacuum analyze settlement.orders")

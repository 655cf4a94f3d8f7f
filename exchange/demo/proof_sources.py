"""What the proof reads: settlement's tables, and what the engine says it holds."""

import asyncio
from typing import Final, NamedTuple

import msgspec

from exchange.demo.proof import BookedTrade
from exchange.directory import Directory
from messages.layout import plain_text
from messages.trading.answers import Balances
from runtime.postgres import Connection, connect
from settlement.database import READER_ROLE

CATCH_UP_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.1

_TRADES: Final = """
select event_number, instrument, price_ticks, quantity_lots, taker_side,
       maker_account, maker_fee_atoms, maker_client_order_id,
       taker_account, taker_fee_atoms, taker_client_order_id
from settlement.trades where event_number > $1 order by event_number
"""
_SUMS: Final = """
select symbol, count(*) as entries, sum(amount_atoms)::text as total
from settlement.entries join settlement.assets using (asset) group by symbol
"""
_OPEN_ORDERS: Final = """
select account, client_order_id from settlement.orders
where is_open and account = any($1::bigint[]) order by created_event limit 1000
"""
_PLACED: Final = """
select count(*) from settlement.orders
where order_id is not null and created_event > $1 and account = any($2::bigint[])
"""


class Booked(NamedTuple):
    """What PostgreSQL says after a run."""

    trades: list[BookedTrade]
    sums: dict[str, tuple[int, int]]
    open_orders: list[tuple[int, str]]
    placed: int


class NotCaughtUpError(Exception):
    """Settlement did not reach the venue's last event in time."""


async def read_booked(dsn: str, *, after: int, through: int, accounts: list[int]) -> Booked:
    """Read what was booked since event ``after``, once everything through ``through`` is.

    Raises:
        NotCaughtUpError: as it says.
    """
    connection = await connect(dsn, role=READER_ROLE, application="demo")
    try:
        await wait_until_booked(connection, through)
        trades = await connection.fetch(_TRADES, after)
        sums = await connection.fetch(_SUMS)
        open_orders = await connection.fetch(_OPEN_ORDERS, accounts)
        placed = await connection.fetchval(_PLACED, after, accounts)
    finally:
        await connection.close()
    return Booked(
        trades=[BookedTrade(*row) for row in trades],
        sums={row["symbol"]: (row["entries"], int(row["total"])) for row in sums},
        open_orders=[(row["account"], row["client_order_id"]) for row in open_orders],
        placed=placed,
    )


async def wait_until_booked(connection: Connection, event_number: int) -> None:
    """Wait until ledger and order history have everything through an event.

    Raises:
        NotCaughtUpError: not in time.
    """
    reached: dict[str, int] = {}
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while True:
                rows = await connection.fetch(
                    "select consumer, event_number from settlement.positions"
                )
                reached = {row["consumer"]: row["event_number"] for row in rows}
                if len(reached) == 2 and min(reached.values()) >= event_number:
                    return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise NotCaughtUpError(
            f"settlement reached {reached or 'nothing'} in {CATCH_UP_SECONDS_MAX:g} s, "
            f"and the venue is at event {event_number}"
        ) from None


def held_amounts(
    balances: Balances, known: Directory, accounts: dict[int, str]
) -> dict[tuple[str, str], int]:
    """Return what the engine holds, by account and asset, for some accounts."""
    return {
        (accounts[account], plain_text(known.asset(str(asset)).symbol)): held
        for account, asset, _, held in balances.balances
        if account in accounts
    }


def decode_balances(payload: bytes) -> Balances:
    """Read the core's answer to ``balances``."""
    return msgspec.msgpack.decode(payload, type=Balances)

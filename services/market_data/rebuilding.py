"""Busts and corrections: the trade as it is now, and the candles that it is in made again.

A candle cannot be undone (what was the second highest price?), so it is made again: the second of
what traded in it, and each longer one of the finer ones that it is made of. Sixty rows are read
for a candle at most, save those of the second itself.
"""

from typing import Final

from runtime.postgres import Connection
from services.market_data.intervals import FINEST, INTERVALS, Interval
from services.market_data.records import NANOSECONDS_PER_MS, SeenChange

_BUST = """
    update market_data.trades set is_busted = true
    where instrument = $1 and trade_id = $2 returning time_ns"""

_CORRECT = """
    update market_data.trades set price_ticks = $3, lots = $4, quote_atoms = $5
    where instrument = $1 and trade_id = $2 returning time_ns"""

_TAKE_OUT = """
    delete from market_data.candles where instrument = $1 and span = $2 and opened_ms = $3
    returning first_trade, last_trade"""

_COLUMNS: Final = """instrument, span, opened_ms, open, high, low, close, lots, quote_atoms, trades,
    taker_bought_lots, taker_bought_atoms, first_trade, last_trade"""

# What is left of a second lies between the trades that the candle knew.
_OF_TRADES = f"""
    insert into market_data.candles ({_COLUMNS})
    select $1::bigint, $2::integer, $3::bigint,
        (array_agg(price_ticks order by trade_id))[1], max(price_ticks), min(price_ticks),
        (array_agg(price_ticks order by trade_id desc))[1], sum(lots), sum(quote_atoms), count(*),
        coalesce(sum(lots) filter (where taker_side = 1), 0),
        coalesce(sum(quote_atoms) filter (where taker_side = 1), 0),
        min(trade_id), max(trade_id)
    from market_data.trades
    where instrument = $1 and trade_id between $4 and $5 and not is_busted
        and time_ns >= $6 and time_ns < $7
    having count(*) > 0"""  # noqa: S608  # names of ours

_OF_CANDLES = f"""
    insert into market_data.candles ({_COLUMNS})
    select $1::bigint, $2::integer, $3::bigint,
        (array_agg(open order by opened_ms))[1], max(high), min(low),
        (array_agg(close order by opened_ms desc))[1], sum(lots), sum(quote_atoms), sum(trades),
        sum(taker_bought_lots), sum(taker_bought_atoms), min(first_trade), max(last_trade)
    from market_data.candles
    where instrument = $1 and span = $4 and opened_ms >= $3 and opened_ms < $5
    having count(*) > 0"""  # noqa: S608  # names of ours


async def rebuild(connection: Connection, change: SeenChange) -> int:
    """Change a trade, and make its candles again; within a transaction.

    A trade that we do not have was none of the book: a request for quote led to it.

    Returns:
        How many candles were made again.
    """
    which = (change.instrument, change.trade_id)
    terms = (change.price_ticks, change.quantity_lots, change.notional_atoms)
    if change.quantity_lots == 0:
        time_ns = await connection.fetchval(_BUST, *which)
    else:
        time_ns = await connection.fetchval(_CORRECT, *which, *terms)
    if time_ns is None:
        return 0
    time_ms = time_ns // NANOSECONDS_PER_MS
    await _second(connection, change.instrument, FINEST.opening(time_ms))
    for interval in INTERVALS.values():
        if interval.of:
            await _longer(connection, change.instrument, interval, interval.opening(time_ms))
    return len(INTERVALS)


async def _second(connection: Connection, instrument: int, opened_ms: int) -> None:
    key = (instrument, FINEST.span_ms // 1000, opened_ms)
    row = await connection.fetchrow(_TAKE_OUT, *key)
    assert row is not None, "a trade that stood has a candle"
    await connection.execute(
        _OF_TRADES,
        *key,
        row["first_trade"],
        row["last_trade"],
        opened_ms * NANOSECONDS_PER_MS,
        (opened_ms + FINEST.span_ms) * NANOSECONDS_PER_MS,
    )


async def _longer(
    connection: Connection, instrument: int, interval: Interval, opened_ms: int
) -> None:
    key = (instrument, interval.span_ms // 1000, opened_ms)
    await connection.fetchrow(_TAKE_OUT, *key)
    await connection.execute(
        _OF_CANDLES,
        *key,
        INTERVALS[interval.of].span_ms // 1000,
        interval.next_opening(opened_ms),
    )

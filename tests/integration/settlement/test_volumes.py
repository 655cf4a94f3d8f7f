"""Firms' volumes by SQL, against a slow sum over the events that the ledger was made from."""

from __future__ import annotations

import random
from collections import Counter

from messages.trading import events
from runtime.postgres import Connection
from settlement.adapters.memory import MemoryBatch
from settlement.volumes import firm_volumes
from tests.integration.settlement.conftest import settle
from tests.integration.settlement.test_engine import count_of
from tests.property.flow import Flow
from venue.engines import create_engine


def slow_volumes(
    told: list[events.Event], *, from_ns: int, until_ns: int
) -> dict[tuple[int, int], int]:
    """Walk over the events: each trade's last notional of the time, for both firms."""
    firms = {e.account: e.firm for e in told if isinstance(e, events.AccountCreated)}
    quotes = {e.instrument: e.quote_asset for e in told if isinstance(e, events.InstrumentCreated)}
    trades: dict[int, events.TradeExecuted] = {}
    notional: dict[int, int] = {}
    for event in told:
        if event.time_ns >= until_ns:
            continue
        if isinstance(event, events.TradeExecuted) and event.time_ns >= from_ns:
            trades[event.trade_id] = event
            notional[event.trade_id] = event.notional_atoms
        elif isinstance(event, events.TradeBusted) and event.trade_id in trades:
            notional[event.trade_id] = 0
        elif isinstance(event, events.TradeCorrected) and event.trade_id in trades:
            notional[event.trade_id] = event.notional_atoms
    sums: Counter[tuple[int, int]] = Counter()
    for number, trade in trades.items():
        maker, taker = firms[trade.maker_account], firms[trade.taker_account]
        if maker != taker:
            for firm in (maker, taker):
                sums[firm, quotes[trade.instrument]] += notional[number]
    return dict(sums)


async def test_volumes_are_what_a_walk_over_the_events_finds(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    engine, last, batches = create_engine("native"), 0, list[MemoryBatch]()
    told: list[events.Event] = []
    for _, records in Flow(chance.getrandbits(32), calm=True).run(engine, 4_000):
        if records:
            batches.append(MemoryBatch(last + 1, last + count_of(records), records))
            last = batches[-1].last
            told += [e for e in events.EVENTS.unpack(records) if isinstance(e, events.Event)]
    await settle(ledger_dsn, batches)
    stamps = [event.time_ns for event in told if isinstance(event, events.TradeExecuted)]
    assert len(stamps) > 20
    middle, end = stamps[len(stamps) // 2], told[-1].time_ns + 1
    corrections = await owner.fetchval("select count(*) from settlement.trade_corrections")
    assert corrections > 0
    for since, until in ((0, end), (middle, end), (0, middle), (end, end + 1)):
        rows = await firm_volumes(owner, from_ns=since, until_ns=until)
        found = {(row.firm, row.asset): row.notional_atoms for row in rows}
        assert found == slow_volumes(told, from_ns=since, until_ns=until)

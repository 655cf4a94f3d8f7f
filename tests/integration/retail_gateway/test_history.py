"""Trades of an account, by id, time and order: from the database as from a list of them all."""

from __future__ import annotations

import random

from messages.trading.events import TradeExecuted
from retail_gateway.adapters.memory import MemoryHistory
from retail_gateway.adapters.postgres import postgres_history
from retail_gateway.database import migrate
from retail_gateway.orders import Trade, fills_of, trade_of
from retail_gateway.ports import Range
from tests.integration.settlement.conftest import migrated, settle
from tests.unit.settlement.flow import Flow, flow_of


def trades_of(flow: Flow) -> list[Trade]:
    made = [each for each in flow.records if isinstance(each, TradeExecuted)]
    return [trade_of(event, fill) for event in made for fill in fills_of(event)]


def ranges(chance: random.Random, trades: list[Trade]) -> list[Range]:
    """Return pages that begin and end at trades, beside them, and beyond all."""
    some = [chance.choice(trades) for _ in range(8)]
    wanted = [Range(limit=limit) for limit in (1, 3, 1000)]
    for one, other in zip(some, reversed(some), strict=True):
        first, last = sorted((one.time_ns, other.time_ns))
        for beside in (-1, 0, 1):
            wanted += [
                Range(limit=5, from_id=max(one.trade_id + beside, 0)),
                Range(limit=5, start_ns=first + beside),
                Range(limit=5, end_ns=last + beside),
                Range(limit=1000, start_ns=first + beside, end_ns=last + beside),
            ]
        wanted += [
            Range(limit=1000, order_id=one.order_id),
            Range(limit=1000, order_id=one.order_id, start_ns=one.time_ns),
        ]
    beyond = max(trades, key=lambda each: each.trade_id)
    return [
        *wanted,
        Range(limit=5, from_id=beyond.trade_id + 1),
        Range(limit=5, start_ns=beyond.time_ns + 1),
        Range(limit=5, start_ns=0),
        Range(limit=5, end_ns=1),
        Range(limit=5, end_ns=2**62),
        Range(limit=5, order_id=2**62),
    ]


async def test_a_page_of_trades_is_that_of_the_list(database: str, chance: random.Random) -> None:
    await migrated(database)
    await migrate(database)
    flow = flow_of(chance, steps=400)
    trades = trades_of(flow)
    await settle(database, flow.batches(commands_max=20))
    remembered = MemoryHistory(trades=trades)
    async with postgres_history(database, first=1, last=2) as (history, _, _):
        for account in flow.accounts[:2]:
            own = [each for each in trades if each.account == account and each.instrument == 1]
            assert own
            for wanted in ranges(chance, own):
                found = await history.trades(account, 1, wanted)
                expected = await remembered.trades(account, 1, wanted)
                assert found == expected, wanted

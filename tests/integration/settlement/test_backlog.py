"""A long outage's backlog drains at full speed, in the memory that a short one takes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bench.balances import trades_after
from bench.settlement import INSTRUMENTS, VENUE, generate
from runtime.postgres import Connection
from settlement.adapters.memory import MemoryBatch
from settlement.reconcile_loader import load
from settlement.service import SettlementService
from settlement.settings import SettlementSettings

ACCOUNTS = 200
GROWTH_BYTES_MAX = 24 << 20
"""Less than the 60 bytes a trade that any list of 500,000 would take."""


class LongFeed:
    """A venue that has made many trades, of which it hands out one frame after another."""

    def __init__(self, trades: int, *, seed: int) -> None:
        self.venue: bytes | None = VENUE
        self.last_event: int | None = None
        self.handed_out = 0
        self._trades, self._seed = trades, seed

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
        """Yield the venue's beginning and all trades."""
        assert after == 0
        before = generate(0, accounts=ACCOUNTS, seed=self._seed)
        for batch in trades_after(
            before, self._trades, accounts=ACCOUNTS, instruments=INSTRUMENTS, seed=self._seed
        ):
            yield batch
            self.handed_out = batch.last
        self.last_event = self.handed_out
        await until.wait()


def own_bytes() -> int:
    """Return what of this process is in memory and no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise AssertionError("the kernel says nothing of it")


async def largest_until(condition: Callable[[], bool], task: asyncio.Task[None]) -> int:
    """Wait for the poster, and return the most that was in memory meanwhile."""
    largest = 0
    while True:
        largest = max(largest, own_bytes())
        if condition() or task.done():
            return largest
        await asyncio.sleep(0.05)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("trades", [500_000, pytest.param(10_000_000, marks=pytest.mark.long)])
async def test_a_backlog_drains_without_memory_growth(
    ledger_dsn: str, owner: Connection, trades: int, seed: int
) -> None:
    feed, stop = LongFeed(trades, seed=seed), asyncio.Event()
    settings = SettlementSettings(dsn=ledger_dsn)
    poster = SettlementService(settings, lambda _venue: feed, CollectorRegistry()).poster
    async with asyncio.TaskGroup() as group:
        task = group.create_task(poster.run(stop))
        # The first tenth, at five events a trade, fills what is filled once.
        early = await largest_until(lambda: poster.position >= trades // 2, task)
        late = await largest_until(lambda: poster.position == feed.last_event, task)
        stop.set()
    assert late - early <= GROWTH_BYTES_MAX
    found = await load(owner, poster.position, deep=False)
    assert found.findings == []
    assert (found.counts["trades"], found.counts["entries"]) > (trades - 1, 7 * trades)

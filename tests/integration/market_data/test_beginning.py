"""What market data begins with is of different events, and who listens learns of none of it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from services.market_data.ports import CorePicture
from settlement.adapters.memory import MemoryFeed
from tests.integration.market_data.day import VENUE, Day
from tests.integration.market_data.test_serving import PATIENCE_SECONDS, Rig, dsn

__all__ = ["dsn"]


class LateRig(Rig):
    """The core's picture is old, the recorder is ahead of it, and the publisher's feed is slow."""

    def __init__(self, dsn: str, folder: Path, day: Day) -> None:
        super().__init__(dsn, folder, day)
        self.early = day.picture()
        self.early_batches = len(day.batches)

    def _feed(self, made: list[MemoryFeed]) -> MemoryFeed:
        feed = super()._feed(made)
        if made is self.feeds:  # the publisher's
            feed = made[-1] = MemoryFeed(self.day.batches[: self.early_batches + 1], venue=VENUE)
        return feed

    async def _picture(self, _stop: asyncio.Event) -> CorePicture:
        # Later than the recorder has come to the end.
        await self.service._recorder.wait_stored(self.day.last)
        return self.early


async def test_nobody_is_let_in_before_the_last_of_what_it_began_with(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    day = Day(chance, 1 << 30)
    day.go_on(300)
    rig = LateRig(dsn, tmp_path, day)
    day.go_on(300)
    rig.shown = len(day.batches)
    between = day.batches[rig.early_batches].last
    assert rig.early.last_event < between < day.last
    let_in_at: list[object] = []
    stop = asyncio.Event()
    task = asyncio.create_task(
        rig.service.run(
            stop,
            listening=lambda _: let_in_at.append(rig.service.health()["published_event"]),
        )
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while rig.service.health()["published_event"] != between:  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.005)
        for _ in range(50):  # whoever would be let in now has the time for it
            await asyncio.sleep(0.001)
        assert rig.service.health()["linked"]
        assert not rig.service.health()["healthy"]
        for batch in day.batches[rig.early_batches + 1 :]:
            rig.feeds[0].add(batch)
        while not let_in_at:  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.005)
    assert let_in_at == [day.last]
    assert rig.service.health()["healthy"]
    rig.feeds[0].last_event = None  # as a feed has it that has lost its link
    assert not rig.service.health()["healthy"]
    assert not rig.service.health()["linked"]
    stop.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task

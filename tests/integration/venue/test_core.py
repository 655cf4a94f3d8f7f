"""A whole core in the test's loop, over real sockets and real files."""

from __future__ import annotations

from pathlib import Path

from messages.trading.events import CommandRejected
from tests.crash.killed_core import records
from tests.venue_support import command, core, read_events, settings_in
from venue.counting_engine import CountingEngine
from venue.replay import replay
from venue.state_files import Stores


async def test_commands_become_events_in_order_and_survive_a_restart(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    engine = CountingEngine()
    async with core(settings, engine) as running:
        link = await running.link()
        for number in range(1, 201):
            assert link.send(command(number))
        first = await read_events(link, after=0, through=200)
        numbers = [CommandRejected.unpack(r).source_sequence for r in records(first)]
        assert numbers == list(range(1, 201))
        await link.close()
    result = replay(Stores.on_disk(Path(settings.directory)).journal, CountingEngine())
    assert result.last_sequence == engine.last_sequence
    assert result.checks_compared >= 4
    again = CountingEngine()
    async with core(settings, again) as running:
        link = await running.link()
        assert link.welcome.positions[0].source_sequence == 200
        assert await read_events(link, after=0, through=200) == first
        await link.close()

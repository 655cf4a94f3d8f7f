"""kill -9 at any moment: nothing acknowledged is lost, nothing is invented."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import msgspec
import pytest

from messages.trading.events import CommandRejected, TradeExecuted
from runtime.link import Link
from tests.crash.core_process import make_engine
from tests.crash.killed_core import Client, KilledCore, records
from tests.crash.recorded_stream import (
    FLOW_CLOCK,
    StreamClient,
    recorded_stream,
    trading_settings,
)
from tests.venue_support import (
    GATEWAY,
    PATIENCE_SECONDS,
    TOKEN,
    read_events,
    settings_in,
    until,
)
from venue.crash_points import NAMES, VARIABLE
from venue.engines import ENGINES
from venue.ports import Engine
from venue.replay import replay
from venue.settings import JournalSettings, SnapshotSettings, VenueSettings
from venue.state_files import Stores

CORE_POINTS = sorted(name for name in NAMES if not name.startswith("snapshot"))
POINTS_IN = {
    "disk": CORE_POINTS,
    "process": [name for name in CORE_POINTS if not name.endswith("_sync")],
}
"""Where a core can be killed; in ``process`` mode groups are not synced."""


def small_settings(folder: Path, *, durability: str = "disk") -> VenueSettings:
    journal = JournalSettings(
        segment_bytes=1 << 18,
        event_segment_bytes=1 << 18,
        check_interval=64,
        reserve_bytes=1 << 16,
    )
    return settings_in(folder, durability=durability, journal=journal, allow_crash_points=True)


async def check(settings: VenueSettings, client: Client, core: KilledCore) -> None:
    """The venue's whole event log, its replay and the client's log agree."""
    if core.process is None or core.process.returncode is not None:
        assert await core.start(), core.log.read_text()[-3000:]
    link = await Link.connect(client.address, "auditor", TOKEN, venue=client.venue)
    last = link.welcome.last_event
    events = await read_events(link, after=0, through=last) if last else b""
    await link.close()
    assert await core.stop() == 0, core.log.read_text()[-3000:]
    assert events[: len(client.events)] == client.events
    if settings.engine == "counting":
        compare_sources(events, client)
    for engine in ("counting",) if settings.engine == "counting" else ENGINES:
        replay_and_compare(settings, make_engine(engine), events)


def replay_and_compare(settings: VenueSettings, engine: Engine, events: bytes) -> None:
    again: list[bytes] = []
    result = replay(
        Stores.on_disk(Path(settings.directory)).journal,
        engine,
        lambda _first, _last, data: again.append(data),
    )
    assert result.cut is None
    assert b"".join(again)[: len(events)] == events
    if result.last_sequence > 64:
        assert result.checks_compared > 1


def compare_sources(events: bytes, client: Client) -> None:
    """What each session sent was taken once, in order, and nothing else was."""
    seen: dict[int, int] = {}
    for record in records(events):
        event = CommandRejected.unpack(record)
        if event.source >> 20 == GATEWAY:
            assert event.source_sequence == seen.get(event.source, 0) + 1, "lost or repeated"
            seen[event.source] = event.source_sequence
    for session, following in client.next.items():
        assert seen.get(GATEWAY << 20 | session, 0) < following, "invented"


async def kill_at_random(
    folder: Path, chance: random.Random, *, durability: str, kills: int
) -> None:
    settings = small_settings(folder, durability=durability)
    core, client = KilledCore(settings, folder), Client(settings, chance)
    for kill in range(kills):
        if not await core.start():
            raise AssertionError(core.log.read_text()[-3000:])
        trading = asyncio.create_task(client.trade(through=1 << 62))
        if kill == kills - 1:
            await until(lambda: client.last_event > 0)
        await asyncio.sleep(chance.random() * 0.4)
        assert await core.kill() == -signal.SIGKILL, core.log.read_text()[-3000:]
        await trading
    await check(settings, client, core)
    assert client.last_event > 0


async def trade_until_it_dies(client: Client, core: KilledCore) -> None:
    """Send until the core has ended, over another link should one have been lost before."""
    assert core.process is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while core.process.returncode is None:
            await client.trade(through=1 << 62)
            await asyncio.sleep(0.01)


def has_traded(events: bytes) -> bool:
    kinds = {int.from_bytes(record[2:4], "little") for record in records(events)}
    return TradeExecuted.KIND in kinds


async def kill_at_points(
    folder: Path, chance: random.Random, points: list[str], *, durability: str = "disk"
) -> None:
    settings = small_settings(folder, durability=durability)
    core, client = KilledCore(settings, folder), Client(settings, chance)
    for point in points:
        wanted = f"{point}:{chance.randint(1, 20 if point.startswith(('after', 'before')) else 1)}"
        if await core.start(**{VARIABLE: wanted}):
            # Only a recovery that has events to restore passes that point: else it lives on.
            if point == "recovery_events":
                await client.trade(through=client.last_event + 300)
                await core.kill()
            else:
                await trade_until_it_dies(client, core)
        died = await core.died()
        assert died == -signal.SIGKILL, f"{wanted}: {core.log.read_text()[-3000:]}"
    await check(settings, client, core)


@pytest.mark.parametrize("durability", ["disk", "process"])
async def test_random_kills_lose_nothing(
    tmp_path: Path, chance: random.Random, durability: str
) -> None:
    await kill_at_random(tmp_path, chance, durability=durability, kills=12)


async def test_kills_at_named_points_lose_nothing(tmp_path: Path, chance: random.Random) -> None:
    await kill_at_points(tmp_path, chance, CORE_POINTS)


@pytest.mark.long
@pytest.mark.parametrize("durability", ["disk", "process"])
async def test_hundreds_of_kills_lose_nothing(
    tmp_path: Path, chance: random.Random, durability: str
) -> None:
    for round_number in range(20):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        await kill_at_random(folder, chance, durability=durability, kills=15)
        other = tmp_path / f"{round_number}-points"
        other.mkdir()
        points = [chance.choice(POINTS_IN[durability]) for _ in range(10)]
        await kill_at_points(other, chance, points, durability=durability)


@pytest.mark.parametrize(
    ("engine", "durability"), [("native", "disk"), ("native", "process"), ("reference", "disk")]
)
async def test_kills_lose_nothing_that_was_traded(
    tmp_path: Path, chance: random.Random, engine: str, durability: str
) -> None:
    settings = trading_settings(tmp_path, durability=durability, engine=engine)
    await kill_trading(settings, tmp_path, chance, kills=6)


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("durability", ["disk", "process"])
async def test_hundreds_of_kills_lose_nothing_that_was_traded(
    tmp_path: Path, chance: random.Random, engine: str, durability: str
) -> None:
    for round_number in range(20):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        settings = trading_settings(folder, durability=durability, engine=engine)
        await kill_trading(settings, folder, chance, kills=13)


async def kill_trading(
    settings: VenueSettings, folder: Path, chance: random.Random, *, kills: int
) -> None:
    """Run one recorded stream of real trading through a core that keeps being killed."""
    stream = recorded_stream(chance.randrange(1 << 30), 4000)
    core, client = KilledCore(settings, folder), StreamClient(settings, chance, stream)
    for kill in range(kills):
        assert await core.start(**FLOW_CLOCK), core.log.read_text()[-3000:]
        trading = asyncio.create_task(client.trade(through=1 << 62))
        if kill == kills - 1:
            # A slow machine may not have come to a trade in what the others were given.
            await until(lambda: has_traded(client.events), pause=0.1)
        await asyncio.sleep(0.1 + chance.random() * 0.3)
        assert await core.kill() == -signal.SIGKILL, core.log.read_text()[-3000:]
        await trading
    assert has_traded(client.events), "nothing was traded: this run shows nothing"
    assert await core.start(**FLOW_CLOCK), core.log.read_text()[-3000:]
    await check(settings, client, core)


async def test_a_failing_sync_ends_the_core_without_a_false_acknowledgement(
    tmp_path: Path, chance: random.Random
) -> None:
    settings = small_settings(tmp_path)
    core, client = KilledCore(settings, tmp_path), Client(settings, chance)
    assert await core.start()
    await client.trade(through=200)
    assert await core.stop() == 0
    for syncs in (chance.randint(10, 40) for _ in range(3)):
        if await core.start(TEST_SYNCS_BEFORE_FAILURE=str(syncs)):
            await trade_until_it_dies(client, core)
        assert await core.died() == 73, core.log.read_text()[-3000:]
    await check(settings, client, core)
    assert "input/output error" in core.log.read_text()


@pytest.mark.parametrize("point", ["snapshot_written", "snapshot_rename"])
async def test_a_follower_killed_while_it_writes_leaves_no_bad_snapshot(
    tmp_path: Path, chance: random.Random, point: str
) -> None:
    snapshots = SnapshotSettings(every_commands=64, poll_seconds=0.01)
    settings = msgspec.structs.replace(small_settings(tmp_path), snapshots=snapshots)
    core, client = KilledCore(settings, tmp_path), Client(settings, chance)
    assert await core.start()
    await client.trade(through=600)
    assert await core.stop() == 0
    for nth in (1, 3, 5):
        await core.follow(**{VARIABLE: f"{point}:{nth}"})
        assert await core.died() == -signal.SIGKILL
        await check(settings, client, core)
    names = Stores.on_disk(Path(settings.directory)).snapshots.names()
    found = [name for name in names if name.endswith(".snapshot")]
    assert 1 <= len(found) <= snapshots.kept + 1, "one more, killed before the oldest went"


async def test_a_second_core_on_the_same_state_is_refused(tmp_path: Path) -> None:
    settings = small_settings(tmp_path)
    first, second = KilledCore(settings, tmp_path), KilledCore(settings, tmp_path)
    assert await first.start()
    assert not await second.start()
    assert second.process is not None
    assert await second.process.wait() == 75
    assert f"in use by process {first.process.pid}" in second.log.read_text()  # type: ignore[union-attr]
    assert await first.stop() == 0

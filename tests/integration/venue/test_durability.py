"""Durable before visible; time; full and failing disks; recovery's refusals; the follower."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest

from messages.trading.codes import RejectCode
from messages.trading.commands import AdvanceTime
from messages.trading.events import CommandRejected
from runtime.link import LinkLost
from runtime.link_frames import Refusal
from runtime.log_files import Entry
from runtime.log_format import FrameKind
from runtime.simulated_storage import SimulatedFile, SimulatedStorage
from tests.crash.killed_core import records
from tests.venue_support import PATIENCE_SECONDS, command, core, read_events, settings_in, until
from venue.counting_engine import CountingEngine
from venue.errors import ReplayMismatchError, StateMismatchError
from venue.event_feed import EventFeed
from venue.follower import Follower, run_follower
from venue.metrics import MetricsInMemory
from venue.recovery import Recovery
from venue.replay import replay
from venue.service import run_core
from venue.settings import BatchSettings, JournalSettings, SnapshotSettings, VenueSettings
from venue.snapshots import SnapshotFiles
from venue.state_files import Stores

VENUE_OPTIONS = JournalSettings(
    segment_bytes=1 << 16, event_segment_bytes=1 << 16, check_interval=64
)


class HeldStorage(SimulatedStorage):
    """A disk whose syncs wait for permission."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync = threading.Event()
        self.may_sync.set()

    def may_fail(self) -> None:
        assert self.may_sync.wait(PATIENCE_SECONDS)
        super().may_fail()


def held_stores() -> tuple[Stores, HeldStorage]:
    journal = HeldStorage()
    return Stores(journal, SimulatedStorage(), SimulatedStorage()), journal


async def test_nothing_is_seen_before_it_is_durable(tmp_path: Path) -> None:
    stores, journal = held_stores()
    async with core(settings_in(tmp_path, journal=VENUE_OPTIONS), stores=stores) as running:
        link = await running.link()
        engine_saw = running.metrics.counts
        journal.may_sync.clear()
        link.send(command(1) + command(2))
        events = asyncio.create_task(read_events(link, after=0, through=2))
        await until(lambda: bool(engine_saw["commands_total", "CancelOrder"]))
        question = asyncio.create_task(link.query("status"))
        done, _ = await asyncio.wait((events, question), timeout=0.1)
        assert not done, "seen, though the journal has not synced"
        journal.may_sync.set()
        assert len(records(await asyncio.wait_for(events, PATIENCE_SECONDS))) == 2
        await asyncio.wait_for(question, PATIENCE_SECONDS)
        await link.close()


async def test_batches_gather_and_are_applied_while_the_disk_is_busy(tmp_path: Path) -> None:
    stores, journal = held_stores()
    async with core(settings_in(tmp_path, journal=VENUE_OPTIONS), stores=stores) as running:
        link = await running.link()
        journal.may_sync.clear()
        for number in range(1, 2001):
            link.send(command(number))
            if number % 50 == 0:
                await asyncio.sleep(0.001)
        applied = running.metrics.counts["commands_total", "CancelOrder"]
        assert 1 < running.metrics.observations["batch_commands"] <= 16
        assert 0 < applied < 2000, "what may be in flight is bounded"
        journal.may_sync.set()
        assert len(records(await read_events(link, after=0, through=2000))) == 2000
        await link.close()


async def test_stamps_never_decrease_even_across_restarts(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, journal=VENUE_OPTIONS)
    now = [0]
    number, stamps = 0, []
    for clock in (5_000, 3_000, 9_000):
        now[0] = clock
        async with core(settings, clock_ns=lambda: now[0]) as running:
            link = await running.link()
            number += 1
            link.send(command(number))
            data = await read_events(link, after=0, through=link.welcome.last_event + 1)
            stamps = [CommandRejected.unpack(record).time_ns for record in records(data)]
            await link.close()
    assert stamps == sorted(stamps)
    assert set(stamps) == {5_000, 9_000}


async def test_time_advances_without_other_input_and_before_later_commands(tmp_path: Path) -> None:
    now = [1_000_000_000]
    engine = CountingEngine(tick_ns=1_000_000_000)
    settings = settings_in(tmp_path, journal=VENUE_OPTIONS)
    async with core(settings, engine, clock_ns=lambda: now[0]) as running:
        link = await running.link()
        link.send(command(1))
        reading = link.events(0)
        await anext(reading)
        now[0] = 2_500_000_000
        link.send(command(2))
        kinds: list[int] = []
        while len(kinds) < 2:
            batch = await anext(reading)
            kinds += [CommandRejected.unpack(r).refused_kind for r in records(batch.data)]
        assert kinds[:2] == [AdvanceTime.KIND, 2]
        assert engine.next_deadline() == 3_500_000_000
        now[0] = 3_500_000_000
        async with asyncio.timeout(PATIENCE_SECONDS):
            batch = await anext(reading)
        assert CommandRejected.unpack(batch.data).refused_kind == AdvanceTime.KIND
        await link.close()


async def test_a_full_disk_refuses_new_commands_and_loses_none(tmp_path: Path) -> None:
    room = 5 * (1 << 16)
    stores = Stores(SimulatedStorage(room=room), SimulatedStorage(), SimulatedStorage())
    refused: list[Refusal] = []
    settings = settings_in(tmp_path, journal=VENUE_OPTIONS)
    async with core(settings, stores=stores) as running:
        link = await running.link(refusals=refused.extend)
        number = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not refused:
                number += 1
                link.send(command(number))
                await asyncio.sleep(0.0005)
        assert {r.code for r in refused} == {RejectCode.STORAGE_FULL}
        taken = refused[0].source_sequence - 1
        assert taken * len(command(1)) > room // 2
        data = await read_events(link, after=0, through=taken)
        assert len(records(data)) == taken
        journal = stores.journal
        assert isinstance(journal, SimulatedStorage)
        journal.room = 1 << 20
        async with asyncio.timeout(PATIENCE_SECONDS):
            while running.metrics.gauges["event_number", ""] == taken:
                link.send(command(taken + 1))
                await asyncio.sleep(0.02)
        await link.close()
    assert replay(stores.journal, CountingEngine()).events >= taken + 1


async def test_a_failed_sync_ends_the_core_and_acknowledges_nothing(tmp_path: Path) -> None:
    stores = Stores(SimulatedStorage(), SimulatedStorage(), SimulatedStorage())
    journal = stores.journal
    assert isinstance(journal, SimulatedStorage)
    settings = settings_in(tmp_path, journal=VENUE_OPTIONS)
    async with core(settings, stores=stores) as running:
        link = await running.link()
        link.send(command(1))
        await read_events(link, after=0, through=1)
        journal.syncs_left = 0
        link.send(command(2))
        assert isinstance(await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS), LinkLost)
        assert await running.finish() == 73
        assert running.metrics.gauges["event_number", ""] == 1


async def test_an_event_feed_that_fails_ends_the_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_feed: EventFeed, last: int) -> None:
        raise AssertionError(f"broken at {last}")

    monkeypatch.setattr(EventFeed, "file_written", fail)
    async with core(settings_in(tmp_path)) as running:
        link = await running.link()
        link.send(command(1))
        await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert running.task is not None
        assert await asyncio.wait_for(running.task, PATIENCE_SECONDS) == 70


async def make_history(settings: VenueSettings, count: int) -> None:
    async with core(settings) as running:
        link = await running.link()
        sent = 0
        while sent < count:
            sent += 1
            link.send(command(sent))
            if sent % 64 == 0:
                await asyncio.sleep(0)
        await read_events(link, after=0, through=count)
        await link.close()


def recovered(settings: VenueSettings) -> CountingEngine:
    engine = CountingEngine()
    stores = Stores.on_disk(Path(settings.directory))
    result = Recovery(stores, engine, settings, clock_ns=lambda: 1).run()
    result.journal.close()
    result.events.close()
    return engine


async def test_a_lost_tail_of_the_journal_is_noticed_by_the_event_log(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await make_history(settings, 500)
    path = Path(settings.directory) / "journal" / "000000000001.log"
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(StateMismatchError, match="lost durable commands"):
        recovered(settings)
    assert await run_core(settings, CountingEngine(), asyncio.Event(), MetricsInMemory()) == 65


@pytest.mark.parametrize("durability", ["disk", "process"])
async def test_a_venue_without_its_journal_does_not_begin_anew(
    tmp_path: Path, durability: str
) -> None:
    settings = settings_in(tmp_path, durability=durability)
    await make_history(settings, 100)
    journal = Path(settings.directory) / "journal"
    for path in journal.iterdir():
        path.unlink()
    with pytest.raises(StateMismatchError, match="there is no journal"):
        recovered(settings)
    assert not list(journal.glob("0*.log"))


async def test_events_that_are_missing_are_made_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await make_history(settings, 500)
    events = Path(settings.directory) / "events" / "000000000001.log"
    whole = events.read_bytes()
    events.write_bytes(whole[:20_000])
    recovered(settings)
    async with core(settings) as running:
        link = await running.link("auditor")
        data = await read_events(link, after=0, through=link.welcome.last_event)
        numbers = [CommandRejected.unpack(r).number for r in records(data)]
        assert numbers == list(range(1, link.welcome.last_event + 1))
        await link.close()


async def test_state_of_two_venues_is_not_mixed(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        await make_history(settings_in(folder), 10)
    (one / "venue" / "events").rename(tmp_path / "aside")
    (two / "venue" / "events").rename(one / "venue" / "events")
    settings = settings_in(one)
    assert await run_core(settings, CountingEngine(), asyncio.Event(), MetricsInMemory()) == 65


class LyingEngine(CountingEngine):
    """Counts like the other, but says something else in one event."""

    def apply(self, commands: bytes) -> bytes:
        events = bytearray(super().apply(commands))
        if self.last_sequence >= 100 and events:
            events[-1] ^= 1
        return bytes(events)


async def test_an_engine_that_makes_other_events_is_found_out(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await make_history(settings, 300)
    with pytest.raises(ReplayMismatchError, match="sequence 128"):
        replay(Stores.on_disk(Path(settings.directory)).journal, LyingEngine())
    assert await run_core(settings, LyingEngine(), asyncio.Event(), MetricsInMemory()) == 70


class StuckEngine(CountingEngine):
    def next_deadline(self) -> int:
        return 1


class BrokenEngine(CountingEngine):
    def apply(self, commands: bytes) -> bytes:
        raise AssertionError("an invariant is broken")


@pytest.mark.parametrize("engine", [StuckEngine(), BrokenEngine()])
async def test_an_engine_that_breaks_its_contract_ends_the_core(
    tmp_path: Path, engine: CountingEngine
) -> None:
    async with core(settings_in(tmp_path), engine) as running:
        link = await running.link()
        link.send(command(1))
        await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert await running.finish() == 70


def follower_settings(folder: Path) -> VenueSettings:
    snapshots = SnapshotSettings(every_commands=128, kept=2, poll_seconds=0.005)
    return settings_in(folder, snapshots=snapshots)


async def test_the_follower_takes_snapshots_that_recovery_uses(tmp_path: Path) -> None:
    settings = follower_settings(tmp_path)
    stop, metrics = asyncio.Event(), MetricsInMemory()
    following = asyncio.create_task(run_follower(settings, CountingEngine, stop, metrics))
    await make_history(settings, 1000)
    await until(lambda: metrics.gauges.get(("snapshot_sequence", ""), 0) >= 896)
    stop.set()
    assert await following == 0
    stores = Stores.on_disk(Path(settings.directory))
    venue = replay(stores.journal, CountingEngine()).venue
    files = SnapshotFiles(stores.snapshots, venue=venue)
    assert len(files.names()) == 2
    newest = next(files.newest_first())
    assert newest.check.sequence >= 896
    by_snapshot = recovered(settings)
    by_replay = replay(stores.journal, CountingEngine())
    assert hashlib.sha256(by_snapshot.snapshot()).digest() == by_replay.digest
    for name in files.names():
        path = Path(settings.directory) / "snapshots" / name
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        assert hashlib.sha256(recovered(settings).snapshot()).digest() == by_replay.digest


async def test_the_follower_goes_on_from_its_snapshot(tmp_path: Path) -> None:
    settings = follower_settings(tmp_path)
    await make_history(settings, 1000)
    stores = Stores.on_disk(Path(settings.directory))
    venue = replay(stores.journal, CountingEngine()).venue

    def follower() -> Follower:
        return Follower(settings, CountingEngine, stores, MetricsInMemory(), venue=venue)

    first = follower()
    while first.step():
        pass
    assert first.replayer.engine.last_sequence >= 1000
    second = follower()
    assert 0 < second.replayer.engine.last_sequence <= 1000
    while second.step():
        pass
    assert second.replayer.engine.snapshot() == first.replayer.engine.snapshot()


def test_the_follower_takes_only_what_is_known_durable(tmp_path: Path) -> None:
    settings = follower_settings(tmp_path)
    stores = Stores(SimulatedStorage(), SimulatedStorage(), SimulatedStorage())
    made = Recovery(stores, CountingEngine(), settings, clock_ns=lambda: 1).run()
    follower = Follower(settings, CountingEngine, stores, MetricsInMemory(), venue=made.venue)

    def append(sequence: int) -> None:
        record = bytearray(command(sequence))
        record[8:16] = sequence.to_bytes(8, "little")
        entry = Entry(FrameKind.COMMANDS, sequence, sequence, 1, bytes(record))
        made.journal.append([entry])

    append(1)
    append(2)
    assert follower.step()
    assert follower.replayer.engine.last_sequence == 0
    made.journal.sync()
    append(3)
    assert follower.step()
    assert follower.replayer.engine.last_sequence == 2


async def test_a_new_link_is_welcome_only_when_the_old_ones_are_settled(tmp_path: Path) -> None:
    stores, journal = held_stores()
    batch = BatchSettings(commands_max=8, commands_per_link_max=8, batches_in_flight_max=1)
    settings = settings_in(tmp_path, journal=VENUE_OPTIONS, batch=batch)
    async with core(settings, stores=stores) as running:
        first = await running.link()
        journal.may_sync.clear()
        first.send(b"".join(command(number) for number in range(1, 101)))
        await first.close()
        connecting = asyncio.create_task(running.link())
        done, _ = await asyncio.wait((connecting,), timeout=0.2)
        assert not done, "welcomed while its last link's commands still wait"
        journal.may_sync.set()
        second = await asyncio.wait_for(connecting, PATIENCE_SECONDS)
        assert [tuple(each) for each in second.welcome.positions] == [(3 << 20 | 1, 1, 100)]
        await second.close()


async def test_a_follower_whose_engine_differs_ends(tmp_path: Path) -> None:
    settings = follower_settings(tmp_path)
    await make_history(settings, 300)
    code = await run_follower(settings, LyingEngine, asyncio.Event(), MetricsInMemory())
    assert code == 70


def test_a_held_file_is_a_file() -> None:
    assert isinstance(HeldStorage().open("a", create=True), SimulatedFile)

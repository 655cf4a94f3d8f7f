"""Power cuts at every kind of moment: what was durable is there, and nothing was invented.

The machine is simulated: unsynced sectors survive or not, in any order. The core's own logs,
recovery, snapshots and rolling hash run on it: once with every step in an order that a seed
repeats, and once with the journal's threads.
"""

from __future__ import annotations

import random
import select
from pathlib import Path

import pytest

from core import _native
from messages.layout import RECORD_PREFIX
from runtime.log_files import Entry
from runtime.log_format import FrameKind, Stream
from runtime.log_history import LogHistory
from runtime.simulated_storage import Power, PowerCutError, SimulatedStorage
from tests.twins.log import merged_runs
from tests.venue_support import command, settings_in
from venue.counting_engine import CountingEngine
from venue.recovery import Recovered, Recovery
from venue.replay import replay
from venue.rolling import Check, RollingHash
from venue.settings import JournalSettings, VenueSettings
from venue.snapshots import Snapshot, SnapshotFiles
from venue.state_files import Stores

INTERVAL = 8


class Machine:
    """One computer: what its disk holds, and what the world has seen of it."""

    def __init__(self, settings: VenueSettings, chance: random.Random) -> None:
        self.settings = settings
        self.chance = chance
        self.stores = Stores(SimulatedStorage(), SimulatedStorage(), SimulatedStorage())
        self.commands: list[bytes] = []
        """Every command as it was stamped, in order; what was lost is taken off again."""
        self.acknowledged = 0
        self.synced = 0
        """The last command that even a power cut in ``process`` mode must leave."""
        self.time_ns = 0
        self.number = 0

    def live(self, operations: int) -> None:
        """Recover and run until the power goes, which may be during recovery."""
        power = Power(operations)
        self.stores = Stores(
            *(store.cut_power(self.chance, power=power) for store in self.stores)  # type: ignore[attr-defined]
        )
        try:
            self._run(CountingEngine())
        except PowerCutError:
            return

    def _run(self, engine: CountingEngine) -> None:
        recovered = Recovery(self.stores, engine, self.settings, clock_ns=lambda: 1).run()
        self._compare(recovered, engine)
        while True:
            self._group(recovered, engine)
            dice = self.chance.random()
            if dice < 0.2:
                recovered.events.sync()
            elif dice < 0.3 and self.settings.durability == "process":
                recovered.journal.sync()
                self.synced = recovered.journal.synced
            elif dice < 0.35:
                recovered.journal.prepare_spare()
            elif dice < 0.45:
                self._snapshot(recovered)

    def _compare(self, recovered: Recovered, engine: CountingEngine) -> None:
        """What came back is a prefix of what was sequenced, through all that must not be lost."""
        floor = self.acknowledged if self.settings.durability == "disk" else self.synced
        assert floor <= engine.last_sequence <= len(self.commands)
        self.commands = self.commands[: engine.last_sequence]
        self.acknowledged = min(self.acknowledged, engine.last_sequence)
        self.synced = recovered.journal.synced
        model = CountingEngine()
        events = b"".join(model.apply(record) for record in self.commands)
        assert engine.snapshot() == model.snapshot()
        assert recovered.events.last == model.last_event
        assert _events(recovered) == events
        self.time_ns = engine.last_time_ns

    def _group(self, recovered: Recovered, engine: CountingEngine) -> None:
        """Some batches as one group: journal, sync, acknowledge, event log."""
        group: list[Entry] = []
        published: list[Entry] = []
        for _ in range(self.chance.randint(1, 4)):
            count = min(self.chance.randint(1, 5), recovered.rolling.left())
            first = engine.last_sequence + 1
            batch = b"".join(self._stamped(first + index) for index in range(count))
            group.append(Entry(FrameKind.COMMANDS, first, first + count - 1, self.time_ns, batch))
            before = engine.last_event
            events = engine.apply(batch)
            published.append(
                Entry(FrameKind.EVENTS, before + 1, engine.last_event, self.time_ns, events)
            )
            last = engine.last_sequence
            check = recovered.rolling.add(events, sequence=last, event_number=engine.last_event)
            if check is not None:
                entry = Entry(FrameKind.CHECK, last + 1, last, self.time_ns, check.pack())
                group.append(entry)
        self._write(recovered, group)
        recovered.events.append(published)

    def _write(self, recovered: Recovered, group: list[Entry]) -> None:
        if self.settings.durability == "disk":
            for run in merged_runs(group):
                recovered.journal.append([run])
                recovered.journal.sync()
                self.acknowledged = recovered.journal.last
        else:
            recovered.journal.append(group)
            self.acknowledged = recovered.journal.last

    def _stamped(self, sequence: int) -> bytes:
        self.number += 1
        self.time_ns += 1
        record = bytearray(command(self.number, session=self.chance.randint(1, 3)))
        record[8:16] = sequence.to_bytes(8, "little")
        record[16:24] = self.time_ns.to_bytes(8, "little")
        self.commands.append(bytes(record))
        return bytes(record)

    def _snapshot(self, recovered: Recovered) -> None:
        """Do as the follower does: replay what is durable, write at the last boundary."""
        through = recovered.journal.synced // INTERVAL * INTERVAL
        if not through:
            return
        follower = CountingEngine()
        for record in self.commands[:through]:
            follower.apply(record)
        check = _boundary_check(self.stores, recovered.venue, through)
        snapshot = Snapshot(recovered.venue, "counting", check, follower.snapshot())
        SnapshotFiles(self.stores.snapshots, venue=recovered.venue).write(snapshot, kept=2)


class ThreadedMachine(Machine):
    """A machine whose journal is written by the native threads, as in a core."""

    writer: _native.LogWriter
    is_done: bool

    def _run(self, engine: CountingEngine) -> None:
        recovered = Recovery(self.stores, engine, self.settings, clock_ns=lambda: 1).run()
        self._compare(recovered, engine)
        self.writer = _native.LogWriter(
            recovered.journal.native,
            name="journal",
            syncs_each_group=self.settings.durability == "disk",
            sync_seconds=0.001,
            queued_bytes_max=1 << 20,
            crash_point=None,
        )
        self.is_done = False
        self.writer.start()
        try:
            while True:
                self._group(recovered, engine)
                self.synced = recovered.journal.synced
                if self.chance.random() < 0.2:
                    recovered.events.sync()
        finally:
            self.writer.stop()
            while not self.is_done:
                self._take()
            assert self.writer.finish()

    def _write(self, recovered: Recovered, group: list[Entry]) -> None:
        for entry in group:
            assert self.writer.submit(*entry)
        while self.acknowledged < group[-1].last:
            failure = self._take()
            if failure is not None:
                raise failure

    def _take(self) -> BaseException | None:
        """Wait as a loop does, and take what there is."""
        assert select.select([self.writer], [], [], 20)[0]
        self.acknowledged, self.is_done, _, failure, _, _ = self.writer.take()
        return failure


def _boundary_check(stores: Stores, venue: bytes, through: int) -> Check:
    model, rolling = CountingEngine(), RollingHash(INTERVAL, venue=venue)
    found: Check | None = None
    history = LogHistory(stores.journal, Stream.JOURNAL, venue=venue)
    cursor = history.seek(0)
    while found is None:
        frames, cursor = history.read(cursor, 1 << 20)
        assert frames
        for frame in frames:
            if frame.head.kind is FrameKind.COMMANDS and found is None:
                events = model.apply(frame.payload)
                check = rolling.add(
                    events, sequence=model.last_sequence, event_number=model.last_event
                )
                found = check if model.last_sequence == through else None
    return found


def _events(recovered: Recovered) -> bytes:
    parts: list[bytes] = []
    cursor = recovered.history.seek(0)
    while True:
        frames, cursor = recovered.history.read(cursor, 1 << 20)
        if not frames:
            return b"".join(parts)
        parts += [frame.payload for frame in frames]


def suffer(
    folder: Path,
    chance: random.Random,
    *,
    durability: str,
    cuts: int,
    machine_of: type[Machine] = Machine,
) -> None:
    settings = settings_in(
        folder,
        durability=durability,
        journal=JournalSettings(
            segment_bytes=4096, event_segment_bytes=4096, check_interval=INTERVAL
        ),
    )
    machine = machine_of(settings, chance)
    for _ in range(cuts):
        machine.live(int(chance.triangular(1, 400, 60)))
        if len(machine.commands) > 400:
            machine = machine_of(settings, chance)


@pytest.mark.parametrize("machine_of", [Machine, ThreadedMachine])
@pytest.mark.parametrize("durability", ["disk", "process"])
def test_power_cuts_lose_nothing_durable(
    tmp_path: Path, chance: random.Random, durability: str, machine_of: type[Machine]
) -> None:
    suffer(tmp_path, chance, durability=durability, cuts=150, machine_of=machine_of)


@pytest.mark.long
@pytest.mark.parametrize("machine_of", [Machine, ThreadedMachine])
@pytest.mark.parametrize("durability", ["disk", "process"])
def test_thousands_of_power_cuts_lose_nothing_durable(
    tmp_path: Path, chance: random.Random, durability: str, machine_of: type[Machine]
) -> None:
    suffer(tmp_path, chance, durability=durability, cuts=10_000, machine_of=machine_of)


def test_a_journal_replays_to_what_the_machine_had(tmp_path: Path, chance: random.Random) -> None:
    settings = settings_in(
        tmp_path,
        journal=JournalSettings(segment_bytes=4096, event_segment_bytes=4096, check_interval=8),
    )
    machine = Machine(settings, chance)
    machine.live(300)
    machine.live(300)
    engine = CountingEngine()
    result = replay(machine.stores.journal, engine)
    assert result.last_sequence >= machine.acknowledged > 0
    assert result.checks_compared >= result.last_sequence // 8
    assert RECORD_PREFIX.size == 4

"""The rolling hash does not see batches; a snapshot is believed whole or not at all."""

from __future__ import annotations

import random

import pytest

from runtime.simulated_storage import SimulatedStorage
from venue.rolling import Check, RollingHash
from venue.snapshots import Snapshot, SnapshotFiles

VENUE = bytes(range(16))


def checks(batches: list[int], events: list[bytes], interval: int) -> list[Check]:
    rolling, found, sequence = RollingHash(interval, venue=VENUE), [], 0
    for wanted in batches:
        left = wanted
        while left:
            count = min(left, rolling.left())
            data = b"".join(events[sequence : sequence + count])
            sequence, left = sequence + count, left - count
            check = rolling.add(data, sequence=sequence, event_number=sequence)
            if check is not None:
                found.append(check)
    return [*found, rolling.check()]


def test_batches_leave_no_trace_in_the_hash(chance: random.Random) -> None:
    events = [chance.randbytes(chance.randint(0, 40)) for _ in range(100)]
    single = checks([1] * 100, events, 16)
    assert len(single) == 7
    for _ in range(20):
        batches: list[int] = []
        while sum(batches) < 100:
            batches.append(min(chance.randint(1, 30), 100 - sum(batches)))
        assert checks(batches, events, 16) == single
    other = [*events]
    other[50] += b"\0"
    differing = checks([1] * 100, other, 16)
    assert differing[:3] == single[:3]
    assert all(one != two for one, two in zip(differing[3:], single[3:], strict=True))


def test_the_hash_goes_on_from_a_boundary() -> None:
    rolling = RollingHash(4, venue=VENUE)
    check = rolling.add(b"1234", sequence=4, event_number=4)
    assert check is not None
    other = RollingHash(9, venue=VENUE)
    other.restore(check)
    for each in (rolling, other):
        each.add(b"56", sequence=6, event_number=6)
    assert rolling.check() == other.check()
    assert Check.unpack(check.pack()) == check


def snapshot(sequence: int) -> Snapshot:
    return Snapshot(VENUE, "counting", Check(sequence, 5, 4, bytes(32)), b"state" * 10)


def test_a_changed_snapshot_is_not_believed_and_an_older_one_is_used() -> None:
    storage = SimulatedStorage()
    files = SnapshotFiles(storage, venue=VENUE)
    for sequence in (4, 8, 12, 16):
        files.write(snapshot(sequence), kept=3)
    assert [each.check.sequence for each in files.newest_first()] == [16, 12, 8]
    name = files.names()[-1]
    file = storage.open(name)
    whole = file.read(1 << 20, 0)
    for offset in range(len(whole)):
        file.write(bytes([whole[offset] ^ 1]), offset)
        assert isinstance(files.read(name), str), offset
        file.write(whole[offset : offset + 1], offset)
    assert files.read(name) == snapshot(16)
    for size in (0, 10, len(whole) - 1):
        file.truncate(size)
        assert [each.check.sequence for each in files.newest_first()] == [12, 8]


def test_a_snapshot_of_another_venue_is_not_believed() -> None:
    storage = SimulatedStorage()
    SnapshotFiles(storage, venue=VENUE).write(snapshot(4), kept=1)
    other = SnapshotFiles(storage, venue=bytes(16))
    assert "belongs to venue" in str(other.read(other.names()[0]))
    with pytest.raises(AssertionError):
        other.write(snapshot(4), kept=1)

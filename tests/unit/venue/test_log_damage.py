"""A log that was torn, flipped, zeroed, repeated or shuffled is never read as another log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from google_crc32c import extend

from runtime.log_files import Entry, SegmentedLog
from runtime.log_format import (
    FRAME_SIZE,
    HEAD_SIZE,
    LAYOUT,
    Frame,
    FrameKind,
    LogDamagedError,
    LogLayoutError,
    Stream,
)
from runtime.log_scan import LogScan, segment_name
from runtime.simulated_storage import SimulatedStorage

VENUE = bytes(range(16))
SEGMENT_BYTES = 1024
Files = dict[str, bytes]


def small_log(groups: int = 36, *, segment_bytes: int = SEGMENT_BYTES) -> Files:
    """Several segments of frames, each durable before the next was written."""
    storage = SimulatedStorage()
    log = open_log(storage, segment_bytes=segment_bytes)
    for number in range(1, groups + 1):
        payload = bytes([number]) * (8 * (1 + number % 5))
        log.append([Entry(FrameKind.COMMANDS, 2 * number - 1, 2 * number, number, payload)])
        log.sync()
        if number % 8 == 0:
            log.append([Entry(FrameKind.CHECK, 2 * number + 1, 2 * number, number, bytes(56))])
        log.sync()
    return files_of(storage)


def open_log(storage: SimulatedStorage, *, segment_bytes: int = SEGMENT_BYTES) -> SegmentedLog:
    scan = LogScan(storage, Stream.JOURNAL, venue=VENUE)
    for _ in scan.frames():
        pass
    return SegmentedLog(
        storage,
        Stream.JOURNAL,
        scan.end,
        venue=VENUE,
        segment_bytes=segment_bytes,
        clock_ns=lambda: 1,
    )


def files_of(storage: SimulatedStorage) -> Files:
    names = [name for name in storage.names() if name.endswith(".log")]
    return {name: storage.open(name).read(1 << 30, 0) for name in names}


def storage_of(files: Files) -> SimulatedStorage:
    storage = SimulatedStorage()
    for name, data in files.items():
        file = storage.open(name, create=True)
        file.write(data, 0)
        file.sync()
    storage.sync_names()
    return storage


def read(files: Files) -> tuple[list[Frame], LogScan]:
    scan = LogScan(storage_of(files), Stream.JOURNAL, venue=VENUE)
    return list(scan.frames()), scan


def outcome(files: Files, whole: list[Frame]) -> int | None:
    """Return how many frames are read, which must be the first ones; None if it refuses."""
    try:
        frames, scan = read(files)
    except LogDamagedError as error:
        _see_refusal(error)
        return None
    assert [frame[:2] for frame in frames] == [frame[:2] for frame in whole[: len(frames)]]
    # Cut or whole: writing goes on from there, and what was cut does not come back.
    storage = storage_of(files)
    log = open_log(storage)
    log.append([Entry(FrameKind.COMMANDS, log.last + 1, log.last + 1, 9, b"followed")])
    log.sync()
    again = list(LogScan(storage, Stream.JOURNAL, venue=VENUE).frames())
    assert len(again) == len(frames) + 1
    assert again[-1].payload == b"followed"
    del scan
    return len(frames)


def _see_refusal(error: LogDamagedError) -> None:
    assert error.sequence >= 1
    assert error.file.startswith("memory:")


def positions(files: Files) -> Iterator[tuple[str, int]]:
    for name, data in files.items():
        for offset in range(len(data)):
            yield name, offset


def test_a_log_torn_at_every_byte_is_cut_back_or_refused() -> None:
    files = small_log()
    whole, _ = read(files)
    last = max(files)
    for name, offset in positions(files):
        torn = files | {name: files[name][:offset]}
        found = outcome(torn, whole)
        assert (found is None) == (name != last), f"{name} cut to {offset} bytes"


def test_a_flipped_bit_anywhere_is_found_or_was_the_last_frame(chance: random.Random) -> None:
    files = small_log()
    whole, scan = read(files)
    last, end = segment_name(scan.end.number), scan.end.offset
    for name, offset in positions(files):
        data = bytearray(files[name])
        data[offset] ^= 1 << chance.randrange(8)
        found = outcome(files | {name: bytes(data)}, whole)
        if name == last and offset >= end:
            assert found == len(whole), "a stray byte after the end costs nothing"
        else:
            assert found in (None, len(whole) - 1), f"{name} byte {offset}"
            is_last_frame = name == last and offset >= whole[-1].offset
            assert (found is None) == (not is_last_frame), f"{name} byte {offset}"


def zeroed(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]


def repeated(data: bytes, at: int, size: int) -> bytes:
    """Write ``size`` bytes of the file once more over what follows them."""
    return (data[: at + size] + data[at : at + size] + data[at + 2 * size :])[: len(data)]


def inserted(data: bytes, at: int, size: int) -> bytes:
    """Insert ``size`` bytes of the file once more, moving the rest."""
    return data[: at + size] + data[at:]


def swapped(data: bytes, at: int, size: int) -> bytes:
    one, other = data[at : at + size], data[at + size : at + 2 * size]
    return data[:at] + other + one + data[at + 2 * size :]


MANGLINGS: tuple[Callable[[bytes, int, int], bytes], ...] = (zeroed, repeated, inserted, swapped)


def mangle(files: Files, chance: random.Random, at: tuple[str, int]) -> None:
    whole, scan = read(files)
    name, offset = at
    sizes = (1, 8, 48, 64, 512, FRAME_SIZE + 8 * chance.randint(1, 5))
    changed = chance.choice(MANGLINGS)(files[name], offset, chance.choice(sizes))
    if changed == files[name]:
        return
    found = outcome(files | {name: changed}, whole)
    if name != segment_name(scan.end.number):
        assert found is None, f"{name} byte {offset}"
    elif found is not None and found < len(whole) - 1:
        # Only when every later frame is gone too can it look like a torn tail.
        assert offset < whole[found].offset + FRAME_SIZE + whole[found].head.size
        assert all(
            changed[frame.offset : frame.offset + FRAME_SIZE + frame.head.size]
            != files[name][frame.offset : frame.offset + FRAME_SIZE + frame.head.size]
            for frame in whole[found:]
        )


def test_mangled_bytes_are_found(chance: random.Random) -> None:
    files = small_log()
    for _ in range(1500):
        mangle(files, chance, chance.choice(list(positions(files))))


@pytest.mark.long
def test_mangled_bytes_are_found_at_every_byte(chance: random.Random) -> None:
    files = small_log(100)
    for at in positions(files):
        for _ in range(4):
            mangle(files, chance, at)


def test_whole_frames_in_the_wrong_order_are_refused(chance: random.Random) -> None:
    files = small_log(segment_bytes=1 << 16)
    whole, _ = read(files)
    name = segment_name(1)
    data = files[name]
    for _ in range(200):
        one, other = sorted(chance.sample(whole, 2), key=lambda frame: frame.offset)
        first = data[one.offset : one.offset + FRAME_SIZE + one.head.size]
        second = data[other.offset : other.offset + FRAME_SIZE + other.head.size]
        between = data[one.offset + len(first) : other.offset]
        rest = data[other.offset + len(second) :]
        changed = data[: one.offset] + second + between + first + rest
        assert outcome({name: changed}, whole) is None or other is whole[-1]


def test_a_missing_segment_is_refused() -> None:
    files = small_log()
    assert len(files) >= 4
    for name in list(files)[:-1]:
        fewer = {other: data for other, data in files.items() if other != name}
        with pytest.raises(LogDamagedError, match="missing"):
            read(fewer)


def test_a_segment_of_another_venue_or_order_is_refused() -> None:
    files = small_log()
    names = sorted(files)
    exchanged = files | {names[0]: files[names[1]], names[1]: files[names[0]]}
    with pytest.raises(LogDamagedError):
        read(exchanged)
    with pytest.raises(LogDamagedError, match="venue"):
        list(LogScan(storage_of(files), Stream.JOURNAL, venue=bytes(16)).frames())
    with pytest.raises(LogDamagedError, match="holds"):
        list(LogScan(storage_of(files), Stream.EVENTS).frames())


def test_a_sealed_segment_is_chained_by_its_digest() -> None:
    files = small_log()
    one, two = sorted(files)[:2]
    # A forger who computes checksums again still has to change every later head.
    storage = SimulatedStorage()
    log = open_log(storage)
    for number in range(1, 37):
        payload = bytes([number ^ 1]) * (8 * (1 + number % 5))
        log.append([Entry(FrameKind.COMMANDS, 2 * number - 1, 2 * number, number, payload)])
        log.sync()
        if number % 8 == 0:
            log.append([Entry(FrameKind.CHECK, 2 * number + 1, 2 * number, number, bytes(56))])
        log.sync()
    forged = files_of(storage)
    assert len(forged[one]) == len(files[one])
    with pytest.raises(LogDamagedError, match="not the one it followed"):
        read(files | {one: forged[one]})
    assert two in files


def test_unsynced_frames_after_a_torn_one_do_not_refuse_and_do_not_come_back() -> None:
    storage = SimulatedStorage()
    log = open_log(storage, segment_bytes=1 << 16)
    log.append([Entry(FrameKind.COMMANDS, 1, 1, 1, b"durable.")])
    log.sync()
    log.append([Entry(FrameKind.COMMANDS, n, n, n, b"grouped.") for n in (2, 3, 4)])
    files = files_of(storage)
    whole, _ = read(files)
    name = segment_name(1)
    torn = zeroed(files[name], whole[1].offset, 16)
    frames, scan = read({name: torn})
    assert [frame.payload for frame in frames] == [b"durable."]
    assert scan.cut is not None
    assert scan.cut.whole_frames == 2
    assert outcome({name: torn}, whole) == 1


def test_a_length_beyond_the_limit_is_refused_before_it_is_believed() -> None:
    files = small_log(3, segment_bytes=1 << 16)
    whole, _ = read(files)
    data = bytearray(files[segment_name(1)])
    at = whole[1].offset + 4
    data[at : at + 4] = (0xFFFFFFF8).to_bytes(4, "little")
    assert outcome({segment_name(1): bytes(data)}, whole) is None
    assert whole[0].offset == HEAD_SIZE


def scan_trusting(files: Files, trusted: int) -> LogScan:
    scan = LogScan(storage_of(files), Stream.JOURNAL, venue=VENUE, trusted=trusted)
    for _ in scan.frames():
        pass
    return scan


def test_a_scan_from_any_number_on_finds_the_same_end() -> None:
    files = small_log()
    whole, scan = read(files)
    for trusted in range(whole[-1].head.last + 1):
        partial = scan_trusting(files, trusted)
        assert partial.end == scan.end


def test_damage_before_a_trusted_number_is_left_to_the_replay_and_all_later_is_found() -> None:
    files = small_log()
    last = read(files)[0][-1].head.last
    for name in list(files)[:-1]:
        data = bytearray(files[name])
        data[HEAD_SIZE + 50] ^= 1
        spoiled = files | {name: bytes(data)}
        with pytest.raises(LogDamagedError):
            read(spoiled)
        assert scan_trusting(spoiled, last).end.last == last
        with pytest.raises(LogDamagedError):
            scan_trusting(spoiled, 1)


def test_the_heads_of_trusted_segments_are_looked_at() -> None:
    files = small_log()
    names = list(files)
    last = read(files)[0][-1].head.last
    missing = {name: data for name, data in files.items() if name != names[1]}
    foreign = files | {names[1]: files[names[2]]}
    torn = files | {names[1]: b"\0" * 8 + files[names[1]][8:]}
    for spoiled in (missing, foreign, torn):
        with pytest.raises(LogDamagedError):
            scan_trusting(spoiled, last)


def test_a_log_of_another_layout_is_refused_and_left_alone() -> None:
    files = small_log(groups=2, segment_bytes=1 << 16)
    [name] = files
    body = bytearray(files[name][: HEAD_SIZE - 4])
    body[8] -= 1
    other = bytes(body) + extend(0, bytes(body)).to_bytes(4, "little")
    storage = storage_of({name: other + files[name][HEAD_SIZE:]})
    with pytest.raises(LogLayoutError, match=f"layout {LAYOUT - 1}, and this version has {LAYOUT}"):
        open_log(storage)
    assert files_of(storage)[name].startswith(other)

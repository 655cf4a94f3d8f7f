"""Groups of entries through the journal's threads, beside the bare write and sync of as many bytes.

    .venv/bin/python -m bench.journal [--json] [--seconds S] [--command-bytes N] [FOLDER]

A round submits so many entries in one turn of a uvloop loop and waits until the writer says that
they are there. Bare rounds, which write and sync the same number of bytes at the next place of a
prepared file, alternate with them, so that both meet the same disk. CPU is of all threads.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from runtime.log_files import Entry, SegmentedLog
from runtime.log_format import FRAME_SIZE, FrameKind, Stream
from runtime.log_scan import LogScan
from runtime.log_writer import LogWriter
from runtime.storage import DiskStorage

SEGMENT_BYTES = 64 * 1024 * 1024
GROUPS = (1, 64, 1024)
ROUNDS_IN_TURN = 50


class Figures(msgspec.Struct):
    """One line of the table; times in microseconds."""

    mode: str
    entries: int
    rounds: int
    p50_us: float
    p99_us: float
    bare_p50_us: float
    bare_p99_us: float
    entries_per_s: int
    cpu_us_per_entry: float


class Bare:
    """What a disk does without any of ours: write, and sync where groups are synced."""

    def __init__(self, path: Path, *, is_synced: bool) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(SEGMENT_BYTES >> 20):
            os.write(self._descriptor, bytes(1 << 20))
        os.fsync(self._descriptor)
        self._is_synced = is_synced
        self._offset = 0

    def write(self, data: bytes) -> None:
        """Write at the next place, from the beginning again after the last."""
        if self._offset + len(data) > SEGMENT_BYTES:
            self._offset = 0
        os.pwrite(self._descriptor, data, self._offset)
        self._offset += len(data)
        if self._is_synced:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)


class Rounds:
    """Submits groups one after the other; each begins when the one before is there."""

    def __init__(self, writer_for: Callable[[Callable[[int], None]], LogWriter]) -> None:
        self.writer = writer_for(self._written)
        self._waited: asyncio.Future[None] | None = None
        self._last = 0

    async def run(self, entries: int, payload: bytes) -> float:
        """Submit a group, and return the seconds until it is there."""
        began = time.perf_counter()
        self._waited = asyncio.get_running_loop().create_future()
        for _ in range(entries):
            self._last += 1
            self.writer.submit(Entry(FrameKind.COMMANDS, self._last, self._last, 1, payload))
        await self._waited
        return time.perf_counter() - began

    def _written(self, last: int) -> None:
        if last == self._last and self._waited is not None:
            self._waited.set_result(None)


async def measure(
    folder: Path, *, mode: str, entries: int, payload: bytes, seconds: float
) -> Figures:
    """Measure one mode with groups of so many entries."""
    storage = DiskStorage(folder / f"{mode}-{entries}")
    log = SegmentedLog(
        storage,
        Stream.JOURNAL,
        LogScan(storage, Stream.JOURNAL).end,
        venue=bytes(16),
        segment_bytes=SEGMENT_BYTES,
        clock_ns=time.time_ns,
    )
    log.prepare_spare()
    rounds = Rounds(
        lambda written: LogWriter(
            log,
            name="journal",
            syncs_each_group=mode == "disk",
            sync_seconds=1.0,
            queued_bytes_max=1 << 30,
            written=written,
        )
    )
    stop = asyncio.Event()
    running = asyncio.create_task(rounds.writer.run(stop))
    await rounds.run(1, payload)  # makes the first segment
    samples: list[float] = []
    bare_samples: list[float] = []
    bare = Bare(folder / "bare", is_synced=mode == "disk")
    frame = bytes(FRAME_SIZE + entries * len(payload))
    cpu = 0.0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        cpu -= time.process_time()
        samples += [await rounds.run(entries, payload) for _ in range(ROUNDS_IN_TURN)]
        cpu += time.process_time()
        for _ in range(ROUNDS_IN_TURN):
            began = time.perf_counter()
            bare.write(frame)
            bare_samples.append(time.perf_counter() - began)
    bare.close()
    stop.set()
    await running
    count = len(samples)
    return Figures(
        mode,
        entries,
        count,
        *_percentiles(samples),
        *_percentiles(bare_samples),
        round(count * entries / sum(samples)),
        round(cpu / (count * entries) * 1e6, 3),
    )


def _percentiles(samples: list[float]) -> tuple[float, float]:
    samples.sort()
    p50, p99 = (samples[int(len(samples) * part)] for part in (0.5, 0.99))
    return round(p50 * 1e6, 1), round(p99 * 1e6, 1)


def main() -> int:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="on the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line")
    parser.add_argument("--command-bytes", type=int, default=160, help="a multiple of eight")
    given = parser.parse_args()
    payload = os.urandom(given.command_bytes)
    lines: list[Figures] = []
    for mode in ("disk", "process"):
        for entries in GROUPS:
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                lines.append(
                    uvloop.run(
                        measure(
                            Path(folder),
                            mode=mode,
                            entries=entries,
                            payload=payload,
                            seconds=given.seconds,
                        )
                    )
                )
    if given.json:
        print(json.dumps([msgspec.to_builtins(line) for line in lines]))
        return 0
    print(f"{'mode':<9}{'group':>6}{'rounds':>8}{'p50 us':>9}{'p99':>9}{'bare p50':>10}{'p99':>9}"
          f"{'entries/s':>12}{'CPU us/entry':>14}")  # fmt: skip
    for line in lines:
        print(
            f"{line.mode:<9}{line.entries:>6}{line.rounds:>8}{line.p50_us:>9}{line.p99_us:>9}"
            f"{line.bare_p50_us:>10}{line.bare_p99_us:>9}{line.entries_per_s:>12}"
            f"{line.cpu_us_per_entry:>14}"
        )
    return 0


if __name__ == "__main__":
    main()

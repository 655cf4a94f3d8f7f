"""A core or follower to be killed: ``python -m tests.crash.core_process FILE [follower]``.

FILE holds ``VenueSettings`` as JSON. Prints one line of JSON once links are accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import structlog
import uvloop

from runtime.storage import DiskFile, DiskStorage
from venue.counting_engine import CountingEngine
from venue.engines import create_engine
from venue.follower import run_follower
from venue.metrics import MetricsInMemory
from venue.ports import Engine
from venue.service import run_core
from venue.settings import VenueSettings
from venue.state_files import Stores


def make_engine(name: str) -> Engine:
    return CountingEngine() if name == "counting" else create_engine(name)


class FailingFile(DiskFile):
    """A file on a disk that fails from one sync on."""

    def __init__(self, descriptor: int, left: list[int]) -> None:
        super().__init__(descriptor)
        self._left = left

    def sync(self) -> None:
        self._left[0] -= 1
        if self._left[0] < 0:
            raise OSError(errno.EIO, "input/output error (injected)")
        super().sync()


class FailingStorage(DiskStorage):
    """A folder on such a disk; ``left`` holds how many syncs it still does."""

    def __init__(self, folder: Path, left: list[int]) -> None:
        super().__init__(folder)
        self._left = left

    def open(self, name: str, *, create: bool = False) -> DiskFile:
        with contextlib.closing(super().open(name, create=create)) as file:
            return FailingFile(os.dup(file._descriptor), self._left)


def failing_stores(directory: Path, syncs: int) -> Stores:
    left = [syncs]
    journal, events = (FailingStorage(directory / name, left) for name in ("journal", "events"))
    return Stores(journal, events, Stores.on_disk(directory).snapshots)


async def main(settings: VenueSettings, syncs: str | None) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def started(venue: bytes, addresses: list[str]) -> None:
        sys.stdout.write(json.dumps({"venue": venue.hex(), "listen": addresses}) + "\n")
        sys.stdout.flush()

    if sys.argv[2:] == ["follower"]:
        make = partial(make_engine, settings.engine)
        return await run_follower(settings, make, stop, MetricsInMemory())
    engine = make_engine(settings.engine)
    offset_ns = int(os.environ.get("TEST_CLOCK_OFFSET_NS", "0"))
    return await run_core(
        settings,
        engine,
        stop,
        MetricsInMemory(),
        started=started,
        stores=None if syncs is None else failing_stores(Path(settings.directory), int(syncs)),
        clock_ns=lambda: time.time_ns() + offset_ns,
    )


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    found = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=VenueSettings)
    sys.exit(uvloop.run(main(found, os.environ.get("TEST_SYNCS_BEFORE_FAILURE"))))

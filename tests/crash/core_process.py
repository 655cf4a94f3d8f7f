"""A core or follower to be killed: ``python -m tests.crash.core_process FILE [follower]``.

FILE holds ``VenueSettings`` as JSON. Prints one line of JSON once links are accepted.
"""

from __future__ import annotations

import asyncio
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

from runtime.storage import DiskFile
from venue.counting_engine import CountingEngine
from venue.engines import create_engine
from venue.follower import run_follower
from venue.metrics import MetricsInMemory
from venue.ports import Engine
from venue.service import run_core
from venue.settings import VenueSettings


def make_engine(name: str) -> Engine:
    return CountingEngine() if name == "counting" else create_engine(name)


def fail_syncs_after(count: int) -> None:
    """Let the disk fail from the ``count``-th sync of file data on."""
    left = [count]
    sync = DiskFile.sync

    def failing(file: DiskFile) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, "input/output error (injected)")
        sync(file)

    setattr(DiskFile, "sync", failing)  # noqa: B010  # a type checker would not let us


async def main(settings: VenueSettings) -> int:
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
        clock_ns=lambda: time.time_ns() + offset_ns,
    )


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if (syncs := os.environ.get("TEST_SYNCS_BEFORE_FAILURE")) is not None:
        fail_syncs_after(int(syncs))
    found = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=VenueSettings)
    sys.exit(uvloop.run(main(found)))

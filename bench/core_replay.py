"""How fast a journal is replayed: one that a running core wrote, reading apart from applying.

The ``simple`` workload is sent over a link to a core with the native engine, which journals it in
batches of its own making. Each engine then replays that journal from its beginning through
``venue.replay``, as an auditor does: all checksums and checks are verified on the way, and both
must reach one digest. Reading is everything but the engine: scanning, parsing, checksums, hashing.
"""

import asyncio
import gc
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

from bench.core_engines import BenchError
from bench.core_process import CLIENT, TOKEN, running_core
from bench.core_records import Encoder, borders
from bench.core_workloads import make_steps
from bench.path_load import run_loaded
from runtime.link import Link
from runtime.link_frames import Refusal
from venue.engines import ENGINES, create_engine
from venue.ports import Engine
from venue.replay import replay
from venue.state_files import Stores

BURST: Final = 1_000
WAITING_MAX: Final = 4_000
SEND_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.001


class _Timed:
    """An engine whose time is taken; everything else it does itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.applying_s = 0.0
        self.other_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def apply(self, commands: bytes) -> bytes:
        """Apply, and add to the time."""
        began = time.thread_time()
        events = self._engine.apply(commands)
        self.applying_s += time.thread_time() - began
        return events

    def snapshot(self) -> bytes:
        """Return the state; its time belongs neither to reading nor to applying."""
        began = time.thread_time()
        state = self._engine.snapshot()
        self.other_s += time.thread_time() - began
        return state


async def _journal(address: str, records: bytes) -> int:
    """Have commands sequenced and journaled; return the last sequence."""
    refused: list[Refusal] = []
    link = await Link.connect(address, CLIENT, TOKEN, refusals=refused.extend)
    at = borders(records)
    total, done = len(at) - 1, 0
    async with asyncio.timeout(SEND_SECONDS_MAX):
        for first in range(0, total, BURST):
            last = min(first + BURST, total)
            while last - done > WAITING_MAX:
                done = (await link.query("status")).sequence
            if not link.send(records[at[first] : at[last]]) or refused:
                raise BenchError(f"the core does not take the commands: {refused[:1]}")
        while done < total:
            await asyncio.sleep(POLL_SECONDS)
            done = (await link.query("status")).sequence
    await link.close()
    return done


def _replayed(directory: Path, engine: str) -> tuple[dict[str, float], bytes]:
    """Replay a journal into a fresh engine; return the figures and the digest."""
    timed = _Timed(create_engine(engine))
    gc.collect()
    began = time.thread_time()
    result = replay(Stores.read_only(directory).journal, cast(Engine, timed))
    reading = time.thread_time() - began - timed.applying_s - timed.other_s
    count = result.last_sequence
    return {
        "commands": count,
        "checks_compared": result.checks_compared,
        "reading_per_s": round(count / reading),
        "applying_per_s": round(count / timed.applying_s),
        "commands_per_s": round(count / (reading + timed.applying_s)),
    }, result.digest


def measure(*, commands: int, seed: int) -> dict[str, dict[str, float]]:
    """Write a journal and replay it with each engine; rates are of processor time.

    Raises:
        BenchError: the core does not take the commands, or the engines' digests differ.
    """
    fill, steps = make_steps("simple", count=commands, seed=seed)
    encoder = Encoder(is_sequenced=False)
    records = encoder.set_up() + encoder.records(fill) + encoder.records(steps)
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        with running_core(Path(name), durability="process", engine="native") as core:
            run_loaded(_journal(core.addresses["unix"], records), is_timed=False)
        found = {engine: _replayed(core.directory, engine) for engine in ENGINES}
    if len({digest for _, digest in found.values()}) != 1:
        raise BenchError("the engines' states differ after the same journal")
    return {engine: figures for engine, (figures, _) in found.items()}

"""A full disk under the whole venue: refusals while it is full, trading when it is not."""

import asyncio
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_kills import Trader
from tests.e2e.venue_run import VenueRun, until, venue_run

MEBIBYTES = 700


@pytest.fixture
def small_disk() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    with tempfile.TemporaryDirectory(prefix="rialto-disk-") as name:
        options = f"size={MEBIBYTES}m,mode=0711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], check=True)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


async def test_a_full_disk_refuses_and_when_there_is_room_again_trading_goes_on(
    small_disk: Path, chance: random.Random
) -> None:
    with venue_run(small_disk) as run:
        await asyncio.to_thread(run.start)
        money = ("--account", "MM1", "--asset", "BTC", "--amount", "1000", "--reference", "opening")
        await asyncio.to_thread(run.operated, "credit", *money)
        trader = Trader(run, "MM1", "2", "60000")
        stop = asyncio.Event()
        task = asyncio.create_task(trader.trade(stop, chance))
        await until(lambda: len(trader.executions) > 100)
        filling = small_disk / "filling"
        await asyncio.to_thread(fill, filling)
        async with asyncio.timeout(180):
            while await asyncio.to_thread(is_well, run):
                pass
        filling.unlink()
        await asyncio.to_thread(run.wait_healthy)
        before = len(trader.executions)
        try:
            await until(lambda: len(trader.executions) > before + 100)
        except TimeoutError:
            pytest.fail(f"{trader.asked} asked, {len(trader.answered)} answered\n{logs(run)}")
        stop.set()
        await task
        assert (await asyncio.to_thread(run.done, "reconcile")).endswith("clean\n")
        assert await asyncio.to_thread(run.stop) == 0


def logs(run: VenueRun) -> str:
    return "\n".join(path.read_text()[-4000:] for path in sorted(run.state.logs.glob("*.log")))


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass


def is_well(run: VenueRun) -> bool:
    return run.command("status").returncode == 0

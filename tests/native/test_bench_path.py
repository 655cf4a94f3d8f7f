"""`./rialto bench path` on little: its shape, and that its figures can be believed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from asyncio import get_running_loop
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.core_process import CoreError, RunningCore, running_core
from bench.core_records import PRINCIPAL
from bench.path import LINKS, RATES, SETTINGS, measure, table
from bench.path_load import Load, LoadError, Outcome, OverloadedError, run_loaded
from bench.path_stream import Stream
from messages.trading.commands import CancelOrder
from messages.trading.identity import source_number

SCALE = 0.005
RATE = 2_000
STALL_SECONDS = 0.2


@pytest.fixture
def core(tmp_path: Path) -> Iterator[RunningCore]:
    with running_core(tmp_path, durability="process", engine="native") as running:
        yield running


def test_a_run_has_every_setting_and_the_limits_beside_it(chance: random.Random) -> None:
    found: dict[str, Any] = measure(engine="native", scale=SCALE, seed=chance.getrandbits(32))
    found = json.loads(json.dumps(found))

    rows = found["path"]
    for setting in SETTINGS:
        ours = [row for row in rows if row["durability"] == setting]
        sockets = {row["socket"] for row in ours if row["phase"] == "one in flight"}
        assert sockets == {"tcp", "unix"}
        assert {row["links"] for row in ours if row["phase"] == "pipelined"} == {1, LINKS}
        assert [row["offered_per_s"] for row in ours if row["phase"] == "open loop"] == [*RATES]
    for row in rows:
        assert row["commands_per_s"] > 0
        assert set(row["processor_us_per_command"]) == {"core", "generator"}
        assert (row["p99_us"] is None) == (row["links"] > 1)
        assert (row["generator_late_p99_us"] is None) == (row["offered_per_s"] is None)
    limits = {"round trip, TCP", "round trip, Unix socket", "4 KiB appended + fdatasync"}
    assert limits <= set(found["limits"])
    assert len(table(found).splitlines()) == 1 + len(rows) + 2 + len(found["limits"])


@pytest.mark.parametrize("who", ["core", "generator"])
def test_a_stall_is_charged_to_every_order_that_it_delays(core: RunningCore, who: str) -> None:
    async def run() -> Outcome:
        load = await Load.connected(core.addresses["unix"], links=1)
        loop = get_running_loop()
        if who == "core":
            loop.call_later(0.1, os.kill, core.pid, signal.SIGSTOP)
            loop.call_later(0.1 + STALL_SECONDS, os.kill, core.pid, signal.SIGCONT)
        else:
            loop.call_later(0.1, time.sleep, STALL_SECONDS)
        outcome = await load.open_loop(rate=RATE, seconds=0.5, seed=1)
        await load.close()
        return outcome

    outcome = run_loaded(run(), is_timed=True)
    half_ns = STALL_SECONDS * 1e9 / 2
    delayed = sum(latency >= half_ns for latency in outcome.latencies_ns)
    assert len(outcome.latencies_ns) == outcome.commands == RATE // 2
    assert delayed > RATE * STALL_SECONDS / 4


def test_more_than_the_core_lets_wait_is_said_to_be_too_much(core: RunningCore) -> None:
    async def run() -> None:
        load = await Load.connected(core.addresses["unix"], links=1)
        try:
            await load.closed_loop(40_000, in_flight=40_000)
        finally:
            await load.close()

    with pytest.raises(OverloadedError):
        run_loaded(run(), is_timed=False)


def test_anything_but_an_acknowledgement_ends_the_measurement(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_unknown_orders(_stream: object, count: int) -> list[bytes]:
        head = {"source": source_number(PRINCIPAL, 1), "epoch": 1, "account": 1, "session": 1}
        numbers = range(10_000, 10_000 + count)
        return [CancelOrder.make(**head, source_sequence=number).pack() for number in numbers]

    async def run() -> None:
        load = await Load.connected(core.addresses["unix"], links=1)
        monkeypatch.setattr(Stream, "commands", of_unknown_orders)
        try:
            await load.closed_loop(4, in_flight=2)
        finally:
            await load.close()

    with pytest.raises(LoadError, match="at event"):
        run_loaded(run(), is_timed=False)


def test_a_core_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "venue").write_text("not a folder")
    with (
        pytest.raises(CoreError, match="venue"),
        running_core(tmp_path, durability="process", engine="native"),
    ):
        pass

"""What an honest session notices while others attack: its latency, and the processes' memory.

    ./rialto bench attacks [--seconds N] [--only NAME] [--json]

One session trades, an order every few milliseconds, before, during and after each attack, so that
each row has quiet figures of its own on both sides. The attacker is a process on the same
processors, at the lowest priority: what it takes itself is not what it does to the venue. Memory
is the largest resident size during the attack above that before it. Processor time, in
milliseconds a second above the quiet figure, says what an attack costs guard and gateway, also
where neighbours make latencies noise.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.attack_peers import NAMES, VICTIM
from bench.fix import FIRM, percentiles_us, say, write_venue
from bench.fix_load import Load, Workload
from bench.processor_time import process_times_ns
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.demo.funding import fund
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_venue import running_venue
from exchange.state import State
from runtime.logs import configure_logs

ROOT: Final = Path(__file__).resolve().parents[1]
RATE: Final = 100.0
WATCHED: Final = ("fix_guard", "fix_gateway")
_SAMPLE_SECONDS: Final = 0.1
_LOWEST_PRIORITY: Final = 19
_NOTICED_TIMES: Final = 2
_NOTICED_US: Final = 1000.0
"""Others' p99 may be twice the quiet one and a millisecond more."""


class Stage:
    """A running venue, and the victim's way into it."""

    def __init__(self, state: State) -> None:
        report = venue_report(state)
        self._state = state
        host, _, port = str(report["fix_address"]).rpartition(":")
        self._host, self._port = host, int(port)
        processes = report["processes"]
        self._pids = {name: processes[name]["pid"] for name in WATCHED}
        self._metrics_port = processes["fix_guard"]["metrics_port"]
        self._peak: dict[str, int] = {}
        self._load = Load(Workload(is_trading=False), target="RIALTO")

    async def open(self) -> None:
        """Log the victim on."""
        key = read_key(self._state.fix_keys / f"{VICTIM}.json")
        await self._load.open(self._host, self._port, {VICTIM: key})

    async def close(self) -> None:
        """Log the victim out."""
        await self._load.close()

    async def latency(self, seconds: float) -> dict[str, float]:
        """Trade for a while, and say how long acknowledgements took."""
        outcome = await self._load.open_loop(rate=RATE, seconds=seconds)
        return percentiles_us(outcome.latency)

    async def under(self, name: str, seconds: float) -> dict[str, Any]:
        """Trade during an attack, beside a quiet figure taken before it."""
        began = self._processor()
        before_it = await self.latency(seconds)
        quiet_ms = self._spent(began)
        before, cut = self._memory(), self._cut()
        attacker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.attack_peers", name, self._host, str(self._port)),
            *(str(seconds + 1.0), str(self._state.fix_keys)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.nice(_LOWEST_PRIORITY),
        )
        await asyncio.sleep(0.5)
        sampling = asyncio.create_task(self._largest(before))
        began = self._processor()
        attacked = await self.latency(seconds)
        attacked_ms = self._spent(began)
        told, _ = await attacker.communicate()
        sampling.cancel()
        largest = {key: max(before[key], value) for key, value in self._memory().items()}
        self._peak = {key: max(largest[key], self._peak[key]) for key in largest}
        reasons = {key: int(value - cut.get(key, 0)) for key, value in self._cut().items()}
        after_it = await self.latency(seconds)
        # The smaller: what still waits after an attack makes the figure after it worse.
        quiet = {key: min(before_it[key], after_it[key]) for key in before_it}
        return {
            "attack": name,
            "done": int(told or b"0"),
            "quiet_before": before_it,
            "attacked": attacked,
            "quiet_after": after_it,
            "p99_ratio": round(attacked["p99_us"] / quiet["p99_us"], 2),
            "is_noticed": attacked["p99_us"] > _NOTICED_TIMES * quiet["p99_us"] + _NOTICED_US,
            "processor_ms_a_second": {
                key: round(attacked_ms[key] - quiet_ms[key], 1) for key in quiet_ms
            },
            "memory_mib": {
                key: round((self._peak[key] - before[key]) / 2**20, 1) for key in before
            },
            "cut": {key: value for key, value in reasons.items() if value},
        }

    async def _largest(self, before: dict[str, int]) -> None:
        self._peak = dict(before)
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            now = self._memory()
            self._peak = {key: max(self._peak[key], now[key]) for key in now}

    def _processor(self) -> tuple[float, dict[str, int]]:
        return time.monotonic(), process_times_ns(self._pids)

    def _spent(self, began: tuple[float, dict[str, int]]) -> dict[str, float]:
        """Return milliseconds of processor time a second since a reading."""
        (at, before), (now, after) = began, self._processor()
        return {key: (after[key] - before[key]) / 1e6 / (now - at) for key in before}

    def _memory(self) -> dict[str, int]:
        found = {}
        for name, pid in self._pids.items():
            pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
            found[name] = int(pages) * 4096
        return found

    def _cut(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as page:
            lines = page.read().decode().splitlines()
        found = {}
        for line in lines:
            for kind in ("fix_guard_cut_total{reason=", "fix_guard_logons_total{outcome="):
                if line.startswith(kind):
                    label, _, value = line.removeprefix(kind).partition("} ")
                    found[label.strip('"')] = float(value)
        return found


async def measure(names: tuple[str, ...], *, seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Start a venue and carry out the attacks, one after another."""
    places = write_venue(folder)
    say("starting a venue ...")
    rows = []
    async with running_venue(places, log_file=folder / "up.log"):
        state = State(places.state)
        amounts = {
            (f"{FIRM}{number}-{role}", asset): amount
            for number in (1, 2)
            for role in "MT"
            for asset, amount in (("USD", "1000000000"), ("BTC", "100000"))
        }
        await fund(state, amounts)
        stage = await asyncio.to_thread(Stage, state)
        await stage.open()
        await stage.latency(1.0)
        for name in names:
            say(f"{name.replace('_', ' ')} ...")
            rows.append(await stage.under(name, seconds))
        await stage.close()
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the figures for people."""
    say("")
    print(
        "The victim's latency in microseconds, before, attacked and after; processor milliseconds\n"
        "a second and MiB of guard and gateway above the quiet figure.\n"
    )
    print(
        f"{'attack':<21}{'done':>8} | {'p99':>7} | {'p50':>6}{'p99':>8}{'max':>8} | {'p99':>7} |"
        f"{'ratio':>6}     | {'ms/s':>5}{'':>5} | {'MiB':>5}{'':>5} | cut off or refused"
    )
    for row in rows:
        attacked, memory, spent = row["attacked"], row["memory_mib"], row["processor_ms_a_second"]
        cut = ", ".join(f"{key} {value}" for key, value in sorted(row["cut"].items()))
        print(
            f"{row['attack'].replace('_', ' '):<21}{row['done']:>8} | "
            f"{row['quiet_before']['p99_us']:>7.0f} | {attacked['p50_us']:>6.0f}"
            f"{attacked['p99_us']:>8.0f}{attacked['max_us']:>8.0f} | "
            f"{row['quiet_after']['p99_us']:>7.0f} |{row['p99_ratio']:>6.2f} "
            f"{'!!' if row['is_noticed'] else '':<4}| "
            f"{spent['fix_guard']:>5.0f}{spent['fix_gateway']:>5.0f} | "
            f"{memory['fix_guard']:>5}{memory['fix_gateway']:>5} | {cut}"
        )


def main() -> int:
    """Run the attacks and print what the victim noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each attack (default 5)")
    parser.add_argument("--only", choices=NAMES, action="append", help="one attack")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    configure_logs("bench", level="error")
    names = tuple(options.only) if options.only else NAMES
    with workplace("attacks") as folder:
        rows = uvloop.run(measure(names, seconds=options.seconds, folder=folder))
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

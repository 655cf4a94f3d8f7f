"""A core in a process of its own, to be measured: ``python -m bench.core_process FILE``.

FILE holds ``VenueSettings`` as JSON. One line of JSON is printed once links are accepted. It runs
what the venue's core process runs, save that its metrics are kept in memory.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog
import uvloop

from bench.core_records import PRINCIPAL
from venue.engines import create_engine
from venue.metrics import MetricsInMemory
from venue.service import run_core
from venue.settings import COMMANDS_BY_NAME, Principal, VenueSettings

ROOT: Final = Path(__file__).resolve().parents[1]
CLIENT: Final = "bench"
TOKEN: Final = bytes(range(32))
LINKS_MAX: Final = 16
STOP_SECONDS_MAX: Final = 30

Durability = Literal["disk", "process"]


class CoreError(Exception):
    """The core did not start, or did not stop as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCore:
    """Where a core listens, what process it is, and where its state lies."""

    pid: int
    addresses: dict[str, str]
    directory: Path


@contextlib.contextmanager
def running_core(folder: Path, *, durability: Durability, engine: str) -> Iterator[RunningCore]:
    """Run a core with fresh state in a folder; stop it at the end.

    Raises:
        CoreError: it did not start, or ended with another exit code than 0.
    """
    settings = _settings(folder, durability=durability, engine=engine)
    file = folder / "settings.json"
    file.write_bytes(msgspec.json.encode(settings))
    command = [sys.executable, "-m", "bench.core_process", str(file)]
    with (
        (folder / "core.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise CoreError(f"it did not start:\n{(folder / 'core.log').read_text()}")
            addresses = {each.partition(":")[0]: each for each in json.loads(line)["listen"]}
            yield RunningCore(
                pid=process.pid, addresses=addresses, directory=Path(settings.directory)
            )
        finally:
            process.terminate()
            code = process.wait(STOP_SECONDS_MAX)
    if code != 0:
        raise CoreError(f"it ended with exit code {code}:\n{(folder / 'core.log').read_text()}")


def _settings(folder: Path, *, durability: Durability, engine: str) -> VenueSettings:
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN.hex())
    client = Principal(
        number=PRINCIPAL,
        token_file=str(token),
        may_send=tuple(COMMANDS_BY_NAME),
        links_max=LINKS_MAX,
    )
    return VenueSettings(
        directory=str(folder / "venue"),
        listen=(f"unix:{folder / 'core.sock'}", "tcp:127.0.0.1:0"),
        principals={CLIENT: client},
        engine=engine,
        durability=durability,
    )


async def _main(settings: VenueSettings) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def started(_venue: bytes, addresses: list[str]) -> None:
        print(json.dumps({"listen": addresses}), flush=True)

    engine = create_engine(settings.engine)
    return await run_core(settings, engine, stop, MetricsInMemory(), started=started)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    found = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=VenueSettings)
    sys.exit(uvloop.run(_main(found)))

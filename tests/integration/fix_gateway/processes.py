"""A core, a gateway and its guard as processes, to be killed and started again by tests.

``python -m tests.integration.fix_gateway.processes core|guard|gateway DIRECTORY`` is one of them.
"""

import asyncio
import base64
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from exchange.configuration import read_configuration
from exchange.demo.logon_proof import LogonKey
from exchange.wanted import wanted_definitions
from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.guard.keys import Key, KeyRing
from fix_gateway.guard.service import Guard
from fix_gateway.guard.settings import GuardSettings
from fix_gateway.market_data.service import MarketDataService
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.ports import RefusalHandler
from fix_gateway.service import Gateway
from fix_gateway.settings import (
    Doors,
    GatewaySettings,
    MarketDataTable,
    SessionFile,
    read_sessions,
)
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.commands import COMMANDS
from messages.trading.identity import client_id, source_number
from messages.trading.terms import Phase
from runtime.link import Link
from runtime.observability import observability
from runtime.process import run_process
from venue.engines import create_engine
from venue.metrics import MetricsInMemory
from venue.service import run_core
from venue.settings import VenueSettings

ROOT = Path(__file__).parents[3]
CONFIG, SESSIONS = ROOT / "config", ROOT / "sessions"
DICTIONARIES = SESSIONS / "dictionary"
ADMIN, GATEWAY, MARKET_DATA = 2, 3, 6
KEY = LogonKey("tests-1", "hmac-sha256", bytes(range(64, 96)))
"""What every session of the tests proves itself by."""

PATIENT: dict[str, Any] = {
    "logon_seconds": 60,
    "opening_seconds": 60,
    "half_message_seconds": 60,
    "logon_window_seconds": 60,
    "farewell_seconds": 60,
}
"""The guard's limits on time, where a test is not about them: a busy machine is no offence."""

_STARTED_SECONDS_MAX = _ENDED_SECONDS_MAX = 120.0
_TOKEN = bytes(range(32))
_TRADING = (
    "PlaceOrder",
    "CancelOrder",
    "AmendOrder",
    "MassCancel",
    "QueryOrder",
    "RequestForQuote",
    "GiveRfqQuote",
    "AcceptRfqQuote",
    "WithdrawRfq",
    "QueryRfq",
    "CheckOrder",
    "MassAction",
    "QueryOrders",
    "GroupHeader",
    "EnterQuote",
    "CancelQuotes",
    "ResetProtection",
    "QueryProtection",
    "RecordRefusal",
    "OpenSession",
    "OpenSessionOnTerms",
    "CloseSession",
)


class Process:
    """One child, started and killed by number."""

    def __init__(self, kind: str, directory: Path, *arguments: str) -> None:
        self.kind = kind
        self.directory = directory
        self.arguments = arguments
        self._log = (directory / f"{kind}.log").open("ab")
        self._child: subprocess.Popen[bytes] | None = None
        self.guard = Process("guard", directory, *arguments) if kind == "gateway" else None
        """A gateway's front, which lives on when the gateway is killed."""

    def start(self) -> int:
        """Start, and return the port that clients connect to once it serves them.

        A gateway's is its guard's, which is started with it for the first time.
        """
        if self.guard is not None and self.guard._child is None:
            self.guard.start()
        self._serve()
        return int((self.directory / "guard.port").read_text()) if self.guard is not None else 0

    def _serve(self) -> None:
        page = self.directory / f"{self.kind}.port"
        page.unlink(missing_ok=True)
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-X",
                "faulthandler",
                "-m",
                "tests.integration.fix_gateway.processes",
                self.kind,
                str(self.directory),
                *self.arguments,
            ],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _STARTED_SECONDS_MAX
        while not page.exists():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.kind} did not start:\n{self.log()[-3000:]}")
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._child is not None
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        assert self._child is not None
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and return the exit code."""
        self.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        assert self._child is not None
        return self._child.wait(timeout=_ENDED_SECONDS_MAX)

    def log(self) -> str:
        return (self.directory / f"{self.kind}.log").read_text()

    def close(self) -> None:
        if self.guard is not None:
            self.guard.close()
        if self._child is not None and self._child.poll() is None:
            self.kill()
        self._log.close()


def prepare(directory: Path) -> None:
    """Write the principals' secrets and the sessions' keys."""
    for name in ("admin", "fix_gateway", "fix_market_data"):
        path = directory / f"{name}.token"
        path.write_text(_TOKEN.hex())
        path.chmod(0o600)

    files = KeyFiles(directory / "keys")
    material = base64.b64encode(KEY.material).decode()
    key = Key(id=KEY.id, kind="hmac-sha256", material=material, added_at_ns=1)
    for file in session_files().values():
        files.write(KeyRing(session=file.sender_comp_id, keys=(key,)))


def doors(directory: Path) -> Doors:
    return Doors(
        fix=directory / "fix.sock",
        control=directory / "control.sock",
        credential=directory / "credential",
    )


def market_data_doors(directory: Path) -> Doors:
    return Doors(
        fix=directory / "data.sock",
        control=directory / "data_control.sock",
        credential=directory / "data_credential",
    )


def address(directory: Path) -> str:
    return f"unix:{directory / 'core.sock'}"


def session_files() -> dict[str, SessionFile]:
    """The demo's sessions, with heartbeats short enough for tests."""
    return read_sessions(SESSIONS)


async def seed(directory: Path, *, sessions: dict[str, SessionFile]) -> None:
    """Define the demo's market in a new venue and give everybody money."""
    link = await Link.connect(address(directory), "admin", _TOKEN)
    wanted: list[Record] = wanted_definitions(read_configuration(CONFIG), sessions)
    wanted += [
        commands.ChangePhase.make(instrument=number, phase=Phase.CONTINUOUS) for number in (1, 2, 3)
    ]
    for account in (1001, 1002, 1003):
        for asset, amount in ((1, 10**15), (2, 10**12), (3, 10**13)):
            wanted.append(
                commands.Credit.make(
                    account=account,
                    asset=asset,
                    amount_atoms=amount,
                    operator=1,
                    approver=2,
                    reference=client_id(f"seed-{account}-{asset}"),
                )
            )
    source = source_number(ADMIN, 0)
    records = [
        msgspec.structs.replace(record, source=source, epoch=1, source_sequence=number)
        for number, record in enumerate(wanted, 1)
    ]
    assert link.send(b"".join(record.pack() for record in records))
    refused: list[events.CommandRejected] = []
    async for batch in link.events(0):
        done = False
        for event in events.EVENTS.unpack(batch.data):
            assert isinstance(event, events.Event)
            done = done or event.sequence >= len(records)
            if isinstance(event, events.CommandRejected):
                refused.append(event)
        if done:
            break
    await link.close()
    assert not refused, refused


async def history(directory: Path) -> list[events.Event]:
    """Read every event there is."""
    link = await Link.connect(address(directory), "admin", _TOKEN)
    found: list[events.Event] = []
    try:
        if link.welcome.last_event:
            async for batch in link.events(0):
                for record in events.EVENTS.unpack(batch.data):
                    assert isinstance(record, events.Event)
                    found.append(record)
                if batch.last >= link.welcome.last_event:
                    break
    finally:
        await link.close()
    return found


def core_main(directory: Path, durability: str) -> int:
    settings = msgspec.convert(
        {
            "directory": str(directory / "venue"),
            "listen": (address(directory),),
            "durability": durability,
            "principals": {
                "admin": {
                    "number": ADMIN,
                    "token_file": str(directory / "admin.token"),
                    "may_send": tuple(
                        record.__name__
                        for record in COMMANDS.by_kind.values()
                        if record.__name__ not in ("AdvanceTime", "LinkLost", "GroupHeader")
                    ),
                },
                "fix_gateway": {
                    "number": GATEWAY,
                    "token_file": str(directory / "fix_gateway.token"),
                    "may_send": _TRADING,
                },
                "fix_market_data": {
                    "number": MARKET_DATA,
                    "token_file": str(directory / "fix_market_data.token"),
                },
            },
        },
        VenueSettings,
    )

    def started(_venue: bytes, _addresses: list[str]) -> None:
        announce(directory, "core", 1)

    async def main(stop: asyncio.Event) -> int:
        return await run_core(
            settings,
            create_engine("native"),
            stop,
            MetricsInMemory(),
            started=started,
        )

    (directory / "venue").mkdir(exist_ok=True)
    return run_process(main)


def gateway_main(directory: Path, overrides: dict[str, Any]) -> int:
    dialects, files = overrides.pop("dialects", {}), overrides.pop("files", {})
    sessions = {
        name: msgspec.convert(
            msgspec.to_builtins(file)
            | {"dialect": dialects.get(name, file.dialect)}
            | files.get(name, {}),
            SessionFile,
        )
        for name, file in session_files().items()
        if file.kind != "market_data"
    }
    token = bytes(32) if overrides.pop("has_wrong_secret", False) else _TOKEN
    settings = msgspec.convert(
        {
            "principal": GATEWAY,
            "comp_id": "RIALTO",
            "doors": doors(directory),
            "state": str(directory / "fix"),
            "dictionaries": str(DICTIONARIES),
            **overrides,
        },
        GatewaySettings,
        dec_hook=lambda kind, value: kind(value),
    )
    registry = CollectorRegistry()

    async def connect(refusals: RefusalHandler) -> Link:
        return await Link.connect(address(directory), "fix_gateway", token, refusals=refusals)

    async def main(stop: asyncio.Event) -> int:
        (directory / "fix").mkdir(exist_ok=True)
        gateway = Gateway(
            settings,
            sessions=sessions,
            registry=registry,
        )
        await gateway.run(connect, stop, listening=lambda: announce(directory, "gateway", 1))
        (directory / "gateway.metrics").write_bytes(generate_latest(registry))
        return 0

    return run_process(main)


def market_data_main(directory: Path, overrides: dict[str, Any]) -> int:
    """Run market data; ``dialects`` and ``intervals`` (in milliseconds) are by session."""
    dialects, intervals = overrides.pop("dialects", {}), overrides.pop("intervals", {})
    sessions = {
        name: msgspec.structs.replace(
            file,
            dialect=dialects.get(name, file.dialect),
            market_data=MarketDataTable(interval_milliseconds=intervals.get(name, 0)),
        )
        for name, file in session_files().items()
        if file.kind == "market_data"
    }
    settings = msgspec.convert(
        {
            "comp_id": "RIALTO",
            "doors": market_data_doors(directory),
            "reload_seconds": 0.1,
            **overrides,
        },
        MarketDataSettings,
        dec_hook=lambda kind, value: kind(value),
    )
    registry = CollectorRegistry()

    async def connect(refusals: RefusalHandler) -> Link:
        return await Link.connect(address(directory), "fix_market_data", _TOKEN, refusals=refusals)

    async def main(stop: asyncio.Event) -> int:
        service = MarketDataService(settings, sessions=sessions, registry=registry)
        shown = observability(registry, service.health, host="127.0.0.1", port=0)
        async with shown as port:
            (directory / "market_data.metrics_port").write_text(str(port))
            await service.run(
                connect, stop, listening=lambda: announce(directory, "market_data", 1)
            )
        return 0

    return run_process(main)


def guard_main(directory: Path, overrides: dict[str, Any]) -> int:
    """Run the guard; of what the gateway was told, only the dialects and limits are its affair."""
    registry, sessions = CollectorRegistry(), directory / "sessions"
    sessions.mkdir(exist_ok=True)
    for path in SESSIONS.glob("*.toml"):
        dialect = overrides.get("dialects", {}).get(path.stem, "FIX.4.4")
        (sessions / path.name).write_text(f'dialect = "{dialect}"\n{path.read_text()}')
    settings = msgspec.convert(
        {
            "comp_id": "RIALTO",
            "host": "127.0.0.1",
            "port": 0,
            "doors": doors(directory),
            "market_data_doors": market_data_doors(directory),
            "sessions": str(sessions),
            "keys": str(directory / "keys"),
            "limits": PATIENT | overrides.get("limits", {}),
        },
        GuardSettings,
        dec_hook=lambda kind, value: kind(value),
    )

    async def main(stop: asyncio.Event) -> int:
        guard = Guard(settings, registry)

        def listening(addresses: dict[str, str]) -> None:
            announce(directory, "guard", int(addresses["fix"].rpartition(":")[2]))

        shown = observability(registry, guard.health, host="127.0.0.1", port=0)
        async with shown as port:
            (directory / "guard.metrics_port").write_text(str(port))
            await guard.run(stop, listening=listening)
        return 0

    return run_process(main)


def announce(directory: Path, kind: str, port: int) -> None:
    fresh = directory / f"{kind}.port.new"
    fresh.write_text(str(port))
    fresh.replace(directory / f"{kind}.port")


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    kind, where, *rest = sys.argv[1:]
    if kind == "core":
        sys.exit(core_main(Path(where), rest[0] if rest else "process"))
    mains = {"guard": guard_main, "gateway": gateway_main, "market_data": market_data_main}
    sys.exit(mains[kind](Path(where), msgspec.json.decode(rest[0]) if rest else {}))

"""A core, a gateway and its guard as processes, to be killed and started again by tests.

Each is a module of its own, which imports what it needs and no more: starting them is what most
of these tests do most of the time.
"""

import base64
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from exchange.configuration import read_configuration
from exchange.demo.logon_proof import LogonKey
from exchange.wanted import wanted_definitions
from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.guard.keys import Key, KeyRing
from fix_gateway.settings import SessionFile
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.identity import client_id, source_number
from messages.trading.terms import Phase
from runtime.link import Link
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.places import ADMIN, CONFIG, ROOT, TOKEN, address

KEY = LogonKey("tests-1", "hmac-sha256", bytes(range(64, 96)))
"""What every session of the tests proves itself by."""

_STARTED_SECONDS_MAX = _ENDED_SECONDS_MAX = 120.0


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
                f"tests.integration.fix_gateway.{self.kind}_child",
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
        path.write_text(TOKEN.hex())
        path.chmod(0o600)

    files = KeyFiles(directory / "keys")
    material = base64.b64encode(KEY.material).decode()
    key = Key(id=KEY.id, kind="hmac-sha256", material=material, added_at_ns=1)
    for file in session_files().values():
        files.write(KeyRing(session=file.sender_comp_id, keys=(key,)))


async def seed(directory: Path, *, sessions: dict[str, SessionFile]) -> None:
    """Define the demo's market in a new venue and give everybody money."""
    link = await Link.connect(address(directory), "admin", TOKEN)
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
    link = await Link.connect(address(directory), "admin", TOKEN)
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

"""A core that is killed again and again, and a client that keeps its own log of what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import msgspec

from messages.layout import RECORD_PREFIX
from runtime.link import Link, LinkError, LinkLost, LinkRefused
from tests.venue_support import PATIENCE_SECONDS, TOKEN, command
from venue.settings import VenueSettings

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = 3


class KilledCore:
    """The process under test."""

    def __init__(self, settings: VenueSettings, folder: Path) -> None:
        self.settings = settings
        self.file = folder / "settings.json"
        self.file.write_bytes(msgspec.json.encode(settings))
        self.log = folder / "core.log"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, **environment: str) -> bool:
        """Start; returns whether it came so far as to accept links."""
        process = await self._spawn(**environment)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
        return bool(line) and "listen" in json.loads(line)

    async def follow(self, **environment: str) -> None:
        """Start a follower of the same state in the core's place."""
        await self._spawn("follower", **environment)

    async def _spawn(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.crash.core_process",
                str(self.file),
                *arguments,
                cwd=ROOT,
                env=os.environ | environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return self.process

    async def kill(self) -> int:
        assert self.process is not None
        self._signal(signal.SIGKILL)
        return await self.process.wait()

    async def died(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    async def stop(self) -> int:
        assert self.process is not None
        self._signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        """Signal by the kernel's call: Popen's reaps a process that ends just now unseen."""
        assert self.process is not None
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


class Client:
    """Sends numbered commands, and keeps every event that it ever saw."""

    def __init__(self, settings: VenueSettings, chance: random.Random) -> None:
        self.address = settings.listen[0]
        self.chance = chance
        self.next = dict.fromkeys(range(1, SESSIONS + 1), 1)
        self.events = b""
        self.last_event = 0
        self.venue: bytes | None = None

    def command(self, number: int, session: int) -> bytes:
        return command(number, session=session)

    async def trade(self, *, through: int) -> None:
        """Send and read until the link dies or event ``through`` has been seen."""
        try:
            link = await Link.connect(self.address, "fix_gateway", TOKEN, venue=self.venue)
        except (LinkLost, LinkRefused):
            return
        self.venue = link.welcome.venue
        assert link.welcome.last_event >= self.last_event, "acknowledged events are gone"
        self._resume(link)
        sender = asyncio.create_task(self._send(link))
        try:
            async for batch in link.events(self.last_event):
                self.events += batch.data
                self.last_event = batch.last
                if self.last_event >= through:
                    break
        except (LinkLost, LinkRefused):
            pass  # the core died; any other end of a link is a defect
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            await link.close()

    def _resume(self, link: Link) -> None:
        """Go on where the core says that each session stands: nothing twice, nothing left out."""
        positions = {source: last for source, _, last in link.welcome.positions}
        for session in self.next:
            last = positions.get(3 << 20 | session, 0)
            assert last < self.next[session], "the core has taken what was never sent"
            self.next[session] = last + 1

    async def _send(self, link: Link) -> None:
        with contextlib.suppress(LinkError):
            while True:
                for _ in range(self.chance.randint(1, 8)):
                    session = self.chance.randint(1, SESSIONS)
                    if not link.send(self.command(self.next[session], session)):
                        break
                    self.next[session] += 1
                await asyncio.sleep(self.chance.random() * 0.002)


def records(data: bytes) -> list[bytes]:
    found, offset = [], 0
    while offset < len(data):
        length, _ = RECORD_PREFIX.unpack_from(data, offset)
        found.append(data[offset : offset + length])
        offset += length
    return found

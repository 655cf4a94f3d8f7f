"""A session that the certification plays itself: the desk's counterparties, and its own client."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from fix_gateway.conformance.cases import Act, Step
from fix_gateway.conformance.engine import ClientEngine
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.speaker import Identity, Speaker
from fix_gateway.conformance.wire import BrokenStreamError, Message, Reader, encoded

_READ_BYTES: Final = 65536
_GOODBYE_SECONDS_MAX: Final = 5.0
_ANSWERED_BY_ITSELF: Final = frozenset(("0", "2", "4"))
"""What a client's engine sends because of what came, not because its user asks."""

Heard = Callable[[Message], None]


class Party:
    """One session over one connection at a time."""

    def __init__(
        self, identity: Identity, names: Names, host: str, port: int, *, heard: Heard
    ) -> None:
        """Begin at number one, not connected.

        Args:
            identity: who it is.
            names: of the case at hand; to be replaced for the next.
            host: where to connect to.
            port: of that.
            heard: told every message that comes.
        """
        self.engine = ClientEngine(Speaker(identity, names))
        self._place = host, port
        self._heard = heard
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._logon: list[tuple[str, str]] = []
        self._answered = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the line is open."""
        return self._reading is not None and not self._reading.done()

    async def perform(self, step: Step, names: Names) -> None:
        """Do what a step asks of a client.

        Raises:
            OSError: nobody listens, or the line is lost.
        """
        self.engine.speaker.names = names
        if step.act is Act.CONNECT:
            await self.close()
            await self._connect()
        elif step.act is Act.CUT:
            await self._hang_up()
        elif step.act is Act.AGAIN:
            await self._connect_if_needed()
            self._write(encoded(self._logon))
        elif step.act is Act.SEND and not _ANSWERED_BY_ITSELF & {*step.kind.split("|")}:
            await self._connect_if_needed()
            data = self.engine.compose(step)
            if step.kind == "A":
                self._logon = list(self.engine.speaker.sent[self.engine.speaker.next_out - 1])
                self._beat(step)
            self._write(data)

    async def log_on(self, names: Names, *, is_reset: bool) -> None:
        """Connect, log on, and wait for the answer.

        Raises:
            OSError: it was not let in.
        """
        fields = (("141", "Y"),) if is_reset else ()
        self._answered.clear()
        await self.perform(Step(act=Act.SEND, text="", kind="A", fields=fields), names)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS_MAX * 2):
                await self._answered.wait()
        if not self.engine.is_live:
            raise ConnectionError(f"{self.engine.speaker.identity.sender} was not let in")

    async def close(self) -> None:
        """Log out if need be, and hang up; repeating it is harmless."""
        if self.is_connected and self.engine.is_live and self._reading is not None:
            self.engine.is_live = False
            with contextlib.suppress(OSError):
                self._write(self.engine.logout())
            await asyncio.wait([self._reading], timeout=_GOODBYE_SECONDS_MAX)
        await self._hang_up()

    async def _connect_if_needed(self) -> None:
        if not self.is_connected:
            await self._connect()

    async def _connect(self) -> None:
        await self._hang_up()
        reader, self._writer = await asyncio.open_connection(*self._place)
        self.engine.connected()
        self._reading = asyncio.create_task(self._read(reader), name="certify.party")

    async def _hang_up(self) -> None:
        for task in (self._beating, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._beating = self._reading = None
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        messages = Reader()
        try:
            while data := await reader.read(_READ_BYTES):
                for message in messages.feed(data):
                    self._heard(message)
                    for reply in self.engine.take(message):
                        self._write(reply)
                    self._answered.set()
        except (OSError, BrokenStreamError):
            return

    def _beat(self, logon: Step) -> None:
        """Send Heartbeats at the interval of a Logon."""
        interval = float(dict(logon.fields + logon.examples).get("108", "30"))
        if self._beating is not None:
            self._beating.cancel()
        self._beating = asyncio.create_task(self._beats(interval), name="certify.heartbeats")

    async def _beats(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            if self.engine.is_live and self.is_connected:
                self._write(self.engine.heartbeat())

    def _write(self, data: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            raise ConnectionError("the venue has hung up")
        self._writer.write(data)


def fresh_names(constants: dict[str, str], run: str, *, is_watching: bool) -> Names:
    """Make the names of a run."""
    return Names(constants, run=run, now_ns=time.time_ns, is_watching=is_watching)

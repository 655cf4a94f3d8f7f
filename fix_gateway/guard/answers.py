"""The guard's line to the gateway on which it hears how far a client's messages are answered.

A question is sent once. When the line is lost, and with it the gateway, what is still open is
asked again over the next one; a client that is gone asks no more.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable

import msgspec

from fix_gateway.guard.upstream import CONTROL_BYTES_MAX, Follow
from fix_gateway.settings import Doors

_PAUSE_SECONDS = 0.1


class Answers:
    """Asks the gateway, and hands its answers on."""

    def __init__(self, doors: Doors) -> None:
        """Ask nothing yet."""
        self._doors = doors
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[str, Callable[[int], None]]] = {}
        self._is_wanted = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    def ask(self, session: str, number: int, told: Callable[[int], None]) -> int:
        """Ask to be told once all of a session's messages through a number are answered.

        Args:
            session: its comp id.
            number: the MsgSeqNum.
            told: is called with what a message costs the gateway, in microseconds.

        Returns:
            What to call ``forget`` with.
        """
        question = next(self._numbers)
        line = f"{question} {session} {number}\n"
        self._open[question] = line, told
        self._is_wanted.set()
        if self._writer is not None:
            self._writer.write(line.encode("ascii"))
        return question

    def forget(self, question: int) -> None:
        """Want no answer any more."""
        self._open.pop(question, None)

    async def run(self) -> None:
        """Keep the line while there is something to ask, until cancelled."""
        while True:
            await self._is_wanted.wait()
            with contextlib.suppress(OSError, ValueError):
                await self._listen()
            if not self._open:
                self._is_wanted.clear()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen(self) -> None:
        credential = await asyncio.to_thread(self._doors.credential.read_text)
        reader, writer = await asyncio.open_unix_connection(
            str(self._doors.control), limit=CONTROL_BYTES_MAX
        )
        try:
            hello = Follow(credential=credential.strip(), follow="answers")
            lines = "".join(line for line, _told in self._open.values())
            writer.write(msgspec.json.encode(hello) + b"\n" + lines.encode("ascii"))
            self._writer = writer
            while line := await reader.readline():
                question, cost_us = line.split()
                _, told = self._open.pop(int(question), ("", _nothing))
                told(int(cost_us))
        finally:
            self._writer = None
            writer.close()


def _nothing(_cost_us: int) -> None:
    """Answer a question that nobody asks any more."""

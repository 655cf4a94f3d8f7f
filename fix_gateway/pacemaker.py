"""A heartbeat of our own for QuickFIX's thread.

QuickFIX 1.16.0 runs its timers (heartbeats, dead peers, logouts) only after a second in which no
socket moved at all: one busy session stops the clocks of all others, and an idle client whose
connection died would keep its orders for ever. A session of our own sends a TestRequest each
second; its arrival is a callback on QuickFIX's thread, and there the clocks of all sessions are
looked at. That the answer comes shows that the thread is alive.
"""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

import structlog

log = structlog.get_logger()

COMP_ID = "RIALTO-PACEMAKER"
"""A comp id that no counterparty may have; it never leaves the machine."""

_BEAT_SECONDS = 1.0


def pacemaker_id(number: int) -> str:
    """Return the comp id of an acceptor's pacemaker."""
    return f"{COMP_ID}-{number}" if number else COMP_ID


def is_pacemaker(comp_id: str) -> bool:
    """Say whether a comp id is of our own, for no counterparty may have one that begins so."""
    return comp_id.startswith(COMP_ID)


class Pacemaker:
    """The client's end of the session that keeps QuickFIX's clocks running."""

    def __init__(self, *, comp_id: str, number: int = 0) -> None:
        self._comp_id = pacemaker_id(number)
        self.secret = secrets.token_hex(16)
        """Known to this process alone, and new at each start."""
        self.answered_at = 0.0
        """The loop's time of the last answer; zero before the first."""
        self._target = comp_id
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, socket: Path) -> None:
        """Beat until cancelled, connecting again whenever the connection is lost."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(socket))
                await self._beat_on(reader)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                if self._writer is not None:
                    self._writer.close()
                self._writer = None
            await asyncio.sleep(_BEAT_SECONDS / 4)

    def beat(self) -> None:
        """Let QuickFIX look at its clocks now; nothing happens while not connected."""
        if self._writer is not None and self._number > 0:
            self._send("1", "112=beat\x01")

    async def _beat_on(self, reader: asyncio.StreamReader) -> None:
        self._number = 0
        self._send("A", f"98=0\x01108=30\x01141=Y\x01553={self._comp_id}\x01554={self.secret}\x01")
        loop = asyncio.get_running_loop()
        beats = loop.create_task(self._beat_regularly(), name="fix_gateway.beats")
        try:
            while True:
                message = await reader.readuntil(b"\x0110=") + await reader.readuntil(b"\x01")
                if b"\x0135=5\x01" in message:
                    return
                self.answered_at = loop.time()
        finally:
            beats.cancel()

    async def _beat_regularly(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            self.beat()

    def _send(self, kind: str, body: str) -> None:
        assert self._writer is not None
        self._number += 1
        sent_at = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        inner = (
            f"35={kind}\x0149={self._comp_id}\x0156={self._target}\x0134={self._number}\x01"
            f"52={sent_at}\x01{body}"
        )
        text = f"8=FIX.4.4\x019={len(inner)}\x01{inner}".encode("ascii")
        self._writer.write(text + b"10=%03d\x01" % (sum(text) % 256))

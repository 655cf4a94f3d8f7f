"""Logging clients out: QuickFIX says the Logout, and its clock has to be nudged for it."""

import asyncio
from collections.abc import Iterable, Mapping

from fix_gateway.acceptor import Channel
from fix_gateway.pacemaker import Pacemaker

_REOPEN_SECONDS = 0.05


class Farewells:
    """Logs out one client or all."""

    def __init__(self, *, pacemakers: Iterable[Pacemaker], logout_seconds_max: float) -> None:
        """Keep whose clocks to nudge.

        Args:
            pacemakers: of all acceptors; may grow.
            logout_seconds_max: then whoever does not answer is cut off.
        """
        self._pacemakers = pacemakers
        self._seconds_max = logout_seconds_max
        self.changed = asyncio.Event()
        """Set when QuickFIX's thread handed something over, a logout for one."""

    def beat(self) -> None:
        """Let QuickFIX look at its clocks now."""
        for pacemaker in self._pacemakers:
            pacemaker.beat()

    async def log_out_all(self, channels: Mapping[str, Channel], reason: str) -> None:
        """Log every client out and wait until all are gone; none may come back until ``open``."""
        loop = asyncio.get_running_loop()
        for channel in channels.values():
            channel.close(reason)
        self.beat()
        deadline = loop.time() + self._seconds_max
        while any(channel.is_logged_on for channel in channels.values()):
            if loop.time() > deadline:
                for channel in channels.values():
                    channel.disconnect()
            self.changed.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self.changed.wait()
            except TimeoutError:
                self.beat()

    def log_out(self, channel: Channel, text: str) -> None:
        """Log one client out; it may come back once it is gone."""
        loop = asyncio.get_running_loop()
        channel.close(text)
        self.beat()
        deadline = loop.time() + self._seconds_max

        def open_again() -> None:
            if channel.is_logged_on and loop.time() < deadline:
                loop.call_later(_REOPEN_SECONDS, open_again)
            else:
                channel.open()

        open_again()

"""The timers of one connection, by name."""

import asyncio
from collections.abc import Callable


class Timers:
    """Calls back once for each name."""

    __slots__ = ("_due", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._due

    def later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call once after a while, unless that is arranged already or all are cancelled."""

        def due() -> None:
            del self._due[name]
            call()

        if name not in self._due:
            self._due[name] = self._loop.call_later(seconds, due)

    def cancel(self) -> None:
        """Call nothing any more."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()

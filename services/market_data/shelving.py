"""Books on a shelf, for processes that answer for them without asking us."""

import asyncio

from messages.market_data import SHELVED_SECONDS, shelved_depth
from runtime.shelf import Shelf


class Shelving:
    """Puts books on a shelf, and lets nobody wait for it.

    However slow the shelf is, one book of each symbol waits at most: the newest.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._waiting: dict[str, bytes] = {}
        self._has_more = asyncio.Event()

    def put(self, symbol: str, answer: bytes) -> None:
        """Take a book, to be put in a moment."""
        self._waiting[shelved_depth(symbol)] = answer
        self._has_more.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Put what waits, until asked to stop."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._has_more.set())
        try:
            while not stop.is_set():
                await self._has_more.wait()
                self._has_more.clear()
                values, self._waiting = self._waiting, {}
                await self._shelf.put(values, seconds=SHELVED_SECONDS)
        finally:
            stopping.cancel()

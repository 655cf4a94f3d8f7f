"""Values by name that are good for a while, for whoever is faster served by a copy than by asking.

Nothing is lost with them: who finds none asks where the value comes from.
"""

import time
from collections.abc import Callable, Mapping
from typing import Protocol


class Shelf(Protocol):
    """Where values lie for a while."""

    async def put(self, values: Mapping[str, bytes], *, seconds: float) -> None:
        """Put values, in the place of earlier ones of the same names.

        Args:
            values: by name; none is fine.
            seconds: how long each is found.
        """
        ...

    async def find(self, name: str) -> bytes | None:
        """Return a value, unless its time is over or there was none."""
        ...


class MemoryShelf:
    """A shelf of one process."""

    def __init__(self, *, values_max: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin empty.

        Args:
            values_max: above, what was put first goes.
            monotonic: tells the time.
        """
        self._values_max = values_max
        self._monotonic = monotonic
        self._values: dict[str, tuple[float, bytes]] = {}

    async def put(self, values: Mapping[str, bytes], *, seconds: float) -> None:
        """See ``Shelf.put``."""
        until = self._monotonic() + seconds
        for name, value in values.items():
            self._values.pop(name, None)
            self._values[name] = until, value
        while len(self._values) > self._values_max:
            del self._values[next(iter(self._values))]

    async def find(self, name: str) -> bytes | None:
        """See ``Shelf.find``."""
        until, value = self._values.get(name, (0.0, None))
        if self._monotonic() < until:
            return value
        self._values.pop(name, None)
        return None

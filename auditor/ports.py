"""What the auditor needs of others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from auditor.findings import Finding


class EventBatch(Protocol):
    """Event records ``first`` to ``last``, without gaps, always the whole events of a command."""

    @property
    def first(self) -> int:
        """The number of the first event."""
        ...

    @property
    def last(self) -> int:
        """The number of the last event."""
        ...

    @property
    def data(self) -> bytes:
        """The records."""
        ...


class EventFeed(Protocol):
    """Where events are read (``runtime.feed.LinkFeed`` is one)."""

    @property
    def venue(self) -> bytes | None:
        """The venue's UUID: 16 bytes, known at the latest when a batch was yielded."""
        ...

    def read(self, after: int, until: asyncio.Event) -> AsyncIterator[EventBatch]:
        """Yield every event after number ``after``, without gaps, until asked to stop."""
        ...


MakeFeed = Callable[[bytes | None], EventFeed]
"""Makes a feed, given the venue that the picture is of, if of any."""

Report = Callable[[list[Finding]], None]
"""Takes findings."""

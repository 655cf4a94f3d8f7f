"""What settlement needs of others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol


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

    @property
    def last_event(self) -> int | None:
        """The venue's last event when the present link was made; None while there is none."""
        ...

    def read(self, after: int, until: asyncio.Event) -> AsyncIterator[EventBatch]:
        """Yield every event after number ``after``, without gaps, until asked to stop.

        It connects again by itself. What it raises (a gap, another venue, a position ahead of
        the venue) is never retried.
        """
        ...


FeedFactory = Callable[[bytes | None], EventFeed]
"""Makes a feed for one consumer, given the venue that its stored events are of, if any."""

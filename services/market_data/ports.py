"""What market data needs of others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, Protocol


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
"""Makes a feed, given the venue that the database holds, if any."""


class Taken(Protocol):
    """The core's answer to a question."""

    @property
    def event_number(self) -> int:
        """The event after which it was true."""
        ...

    @property
    def payload(self) -> bytes:
        """What was asked for."""
        ...


class CorePicture(NamedTuple):
    """The venue as the core has it, asked for once at the start."""

    venue: bytes
    definitions: Taken
    books: Taken
    """Not before the definitions."""
    last_event: int
    """The venue's last event when the connection was made."""


TakePicture = Callable[[asyncio.Event], Awaitable[CorePicture | None]]
"""Asks the core, however often it takes; None once asked to stop."""

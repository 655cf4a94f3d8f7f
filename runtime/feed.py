"""The event feed as consumers see it: one call, and every event once, in order, for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

import msgspec
import structlog

from runtime.link import DEFAULT_LIMITS, Link, LinkLimits, LinkLost, LinkRefused
from runtime.link_frames import ByeCode, EventBatch

log = structlog.get_logger()

_TRANSIENT_BYES = frozenset(
    {ByeCode.STOPPING, ByeCode.TOO_SLOW, ByeCode.TOO_MANY_CONNECTIONS, ByeCode.CLOSED}
)


class Feed(Protocol):
    """Where consumers read events."""

    def read(self, after: int, until: asyncio.Event) -> AsyncIterator[EventBatch]:
        """Yield every event after number ``after``, without gaps, until asked to stop.

        Raises:
            EventGap: the feed is not contiguous. Never retried.
            AheadOfVenue: ``after`` lies beyond the venue's last event. Never retried.
            ForeignVenue: another venue than before answers. Never retried.
        """
        ...


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before connecting again: doubling, between two bounds."""

    first_seconds: float = 0.05
    last_seconds: float = 2.0


class LinkFeed:
    """A feed over links to the core, connecting again whenever one is lost.

    It is bounded in memory by one link's limits: a slow consumer leaves its events on the
    core's disk.
    """

    def __init__(
        self,
        address: str,
        principal: str,
        token: bytes,
        *,
        venue: bytes | None = None,
        limits: LinkLimits = DEFAULT_LIMITS,
        backoff: Backoff | None = None,
    ) -> None:
        """Keep how to connect; ``venue`` is the one whose events we hold, None before the first."""
        self._address = address
        self._principal = principal
        self._token = token
        self._limits = limits
        self._backoff = backoff or Backoff()
        self.venue = venue
        self.last_event: int | None = None
        """The venue's last event when the present link was made; None while there is none."""

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[EventBatch]:
        """Yield every event after ``after`` until asked to stop; see ``Feed``.

        Raises:
            EventGap, AheadOfVenue, ForeignVenue: never retried.
            LinkRefused: the core does not accept us. Never retried.
        """
        position = after
        live: set[Link] = set()
        stopping = asyncio.ensure_future(until.wait())
        stopping.add_done_callback(lambda _done: _stop_events(live))
        try:
            while not stopping.done() and (link := await self._connected(stopping)) is not None:
                live.add(link)
                if stopping.done():  # while it connected, when there was no link to tell
                    link.stop_events()
                try:
                    async for batch in link.events(position):
                        position = batch.last
                        yield batch
                        if stopping.done():
                            break
                except (LinkLost, LinkRefused) as error:
                    if not is_transient(error):
                        raise
                    log.warning("feed_link_lost", reason=str(error), through=position)
                finally:
                    self.last_event = None
                    live.discard(link)
                    await link.close()
        finally:
            stopping.cancel()

    async def _connected(self, stopping: "asyncio.Future[Any]") -> Link | None:
        """Connect, however often it takes; None once asked to stop."""
        pause = self._backoff.first_seconds
        while not stopping.done():
            try:
                link = await Link.connect(
                    self._address,
                    self._principal,
                    self._token,
                    venue=self.venue,
                    limits=self._limits,
                )
            except (LinkLost, LinkRefused) as error:
                if not is_transient(error):
                    raise
                log.info("feed_link_retry", reason=str(error), pause_seconds=pause)
                await asyncio.wait([stopping], timeout=pause)
                pause = min(2 * pause, self._backoff.last_seconds)
            else:
                self.venue = link.welcome.venue
                self.last_event = link.welcome.last_event
                return link
        return None


def _stop_events(links: Iterable[Link]) -> None:
    for link in links:
        link.stop_events()


def is_transient(error: LinkLost | LinkRefused) -> bool:
    """Say whether connecting again can help after the end of a link."""
    return isinstance(error, LinkLost) or error.code in _TRANSIENT_BYES

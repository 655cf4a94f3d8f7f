"""A core in memory: for the gateway's tests, and for trying the gateway alone.

It keeps the promises that the gateway relies on: repeats of a source are dropped, positions are
told at each connect, events are contiguous and come from any position, a lost link closes the
sessions that it carried. What a command causes is the caller's to say.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec

from fix_gateway.ports import RefusalHandler
from messages.layout import Record
from messages.trading import commands, events
from runtime.link import LinkError, LinkLost
from runtime.link_frames import Answer, EventBatch, Refusal, SourcePosition, Welcome

Respond = Callable[[commands.Command], Iterable[events.Event]]
"""Says which events a command causes; their numbers are filled in here."""


class InMemoryCore:
    """A venue's core as the gateway sees it."""

    def __init__(
        self, *, definitions: Sequence[events.Event], respond: Respond, venue: bytes = bytes(16)
    ) -> None:
        self.commands: list[Record] = []
        """Every command taken, in order, repeats excluded."""
        self.repeats = 0
        self.open_orders: list[events.OrderReported] = []
        """What is open now, by order id; the caller's to say, as what commands cause is."""
        self.is_full = False
        """Whether commands are refused as by a full queue."""
        self.batch_events_max = sys.maxsize
        """How many events a batch has; a core's batch may be those of one command."""
        self._definitions = b"".join(record.pack() for record in definitions)
        self._respond = respond
        self._venue = venue
        self._events: list[bytes] = []
        self._positions: dict[int, tuple[int, int]] = {}
        self._links: set[InMemoryLink] = set()

    async def connect(self, refusals: RefusalHandler) -> "InMemoryLink":
        """Make one link."""
        positions = [SourcePosition(source, *at) for source, at in self._positions.items()]
        welcome = Welcome(self._venue, 3, len(self._events), positions)
        link = InMemoryLink(self, welcome, refusals)
        self._links.add(link)
        return link

    def lose_links(self) -> None:
        """Cut every link, as a killed core does."""
        for link in list(self._links):
            link.end(LinkLost("cut"))
        self._links.clear()

    def take(self, data: bytes, refusals: RefusalHandler) -> None:
        """Sequence commands, or refuse them all when told to be full."""
        for record in commands.COMMANDS.unpack(data):
            assert isinstance(record, commands.Command)
            position = (record.epoch, record.source_sequence)
            if self.is_full:
                code, kind = 404, record.kind
                refusals([Refusal(record.source, *position, code, kind)])
                continue
            if position <= self._positions.get(record.source, (0, 0)):
                self.repeats += 1
                continue
            self._positions[record.source] = position
            self.commands.append(record)
            self.emit(self._respond(record))

    def emit(self, caused: Iterable[events.Event]) -> None:
        """Number events and show them to every reader."""
        for event in caused:
            number = len(self._events) + 1
            numbered = msgspec.structs.replace(event, number=number, sequence=len(self.commands))
            self._events.append(numbered.pack())
        for link in self._links:
            link.wake()

    def batch(self, after: int) -> EventBatch | None:
        """Return what follows an event, as far as one batch goes; None when there is nothing."""
        if after >= len(self._events):
            return None
        last = min(len(self._events), after + self.batch_events_max)
        return EventBatch(after + 1, last, b"".join(self._events[after:last]))

    def definitions(self) -> Answer:
        """Answer the one question that the gateway asks."""
        return Answer(1, len(self._events), len(self.commands), self._definitions)

    def page(self, account: int, *, after: int, limit: int) -> Answer:
        """Answer with a page of an account's open orders, as after the last event."""
        found = [
            each for each in self.open_orders if each.account == account and each.order_id > after
        ]
        payload = b"".join(each.pack() for each in found[:limit])
        return Answer(1, len(self._events), len(self.commands), payload)


class InMemoryLink:
    """One link to an ``InMemoryCore``."""

    def __init__(self, core: InMemoryCore, welcome: Welcome, refusals: RefusalHandler) -> None:
        self.welcome = welcome
        self._core = core
        self._refusals = refusals
        self._ended: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()

    def send(self, data: bytes) -> bool:
        """Take commands."""
        if self._ended.done():
            raise self._ended.result()
        self._core.take(data, self._refusals)
        return True

    async def events(self, after: int) -> AsyncIterator[EventBatch]:
        """Yield batches until the link ends."""
        while True:
            self._news.clear()
            batch = self._core.batch(after)
            if batch is not None:
                after = batch.last
                yield batch
                continue
            if self._ended.done():
                raise self._ended.result()
            await self._news.wait()

    async def query(self, what: str, *numbers: int) -> Answer:
        """Answer ``definitions`` and ``open_orders``."""
        if what == "open_orders":
            account, after, limit = numbers
            return self._core.page(account, after=after, limit=limit)
        assert what == "definitions", what
        return self._core.definitions()

    async def wait_lost(self) -> LinkError:
        """Wait until the link ends."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End quietly."""
        self.end(LinkLost("closed"))

    def end(self, error: LinkError) -> None:
        """End with a reason."""
        if not self._ended.done():
            self._ended.set_result(error)
        self.wake()

    def wake(self) -> None:
        """Let the reader look again."""
        self._news.set()

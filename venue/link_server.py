"""The core's listeners, and all links that came in by them."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path

import msgspec
import structlog

from messages.trading.answers import OPEN_ORDERS_PAGE_MAX, Balances, LinkStatus, VenueStatus
from messages.trading.codes import RejectCode
from runtime.link_frames import (
    ByeCode,
    EventBatch,
    UnixAddress,
    events_frame,
    parse_address,
)
from runtime.waiting import stopped_within
from venue.errors import ConfigurationError
from venue.event_feed import EventFeed
from venue.link_connection import Connection
from venue.metrics import Metrics
from venue.sequencer import Sequencer
from venue.settings import Principal, VenueSettings

log = structlog.get_logger()

WATCH_SECONDS = 1.0


class LinkServer:
    """Accepts links, and looks after them until told to stop."""

    def __init__(
        self,
        sequencer: Sequencer,
        feed: EventFeed,
        settings: VenueSettings,
        *,
        venue: bytes,
        tokens: Mapping[str, bytes],
        metrics: Metrics,
    ) -> None:
        """Keep what the links are about; ``tokens`` holds each principal's secret."""
        self.sequencer = sequencer
        self.feed = feed
        self.settings = settings.links
        self.principals: Mapping[str, Principal] = settings.principals
        self.tokens = tokens
        self.venue = venue
        self.loop = asyncio.get_running_loop()
        self.addresses: list[str] = []
        """Where we listen, with the ports that were free."""
        self._venue_settings = settings
        self._metrics = metrics
        self._connections: set[Connection] = set()
        self._is_closing = False
        self._empty = asyncio.Event()
        self._answers: dict[Connection, int] = {}
        """How many bytes of answers links hold, the one that has held longest first."""
        self._servers: list[asyncio.Server] = []
        self._group: asyncio.TaskGroup | None = None
        feed.subscribers.append(self._push)

    async def listen(self) -> None:
        """Open the listeners.

        Raises:
            ConfigurationError: an address cannot be had.
        """
        for text in self._venue_settings.listen:
            try:
                await self._listen_at(text)
            except OSError as error:
                raise ConfigurationError(f"listen: {text}: {error}") from error

    async def _listen_at(self, text: str) -> None:
        address = parse_address(text)
        if isinstance(address, UnixAddress):
            listener = _unix_listener(Path(address.path))
            server = await self.loop.create_unix_server(self._accept, sock=listener)
            self.addresses.append(text)
        else:
            server = await self.loop.create_server(self._accept, address.host, address.port)
            port = server.sockets[0].getsockname()[1]
            self.addresses.append(f"tcp:{address.host}:{port}")
        self._servers.append(server)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch the links until told to stop, then say goodbye to all."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while not stop.is_set():
                self._watch()
                await stopped_within(stop, WATCH_SECONDS)
            await self._close()

    def add(self, connection: Connection) -> bool:
        """Take a new connection, if there is room."""
        if len(self._connections) >= self.settings.connections_max:
            return False
        self._connections.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection; the engine hears of it if it was the last of a gateway."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if self._is_closing and not self._connections:
            self._empty.set()
        inbox = connection.inbox
        if inbox is None:
            return
        inbox.close()
        log.info("link_lost", principal=inbox.name, through=connection.through_event)
        if carries_sessions(self.principals[inbox.name]) and not self.links_of(inbox.principal):
            self.sequencer.lose_link(inbox.principal, inbox)

    def abort_all(self) -> None:
        """End every link without waiting."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.abort()

    def links_of(self, principal: int) -> int:
        """Count the authenticated links of a principal."""
        return sum(
            each.inbox is not None and each.inbox.principal == principal
            for each in self._connections
        )

    def spawn(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a connection's task among ours."""
        assert self._group is not None
        return self._group.create_task(coroutine)

    def count_refusals(self, codes: Iterable[tuple[int, int]]) -> None:
        """Count refusals: how many have each code."""
        for code, count in codes:
            self._metrics.count("refusals_total", count, RejectCode(code).name)

    def answer(self, what: str, numbers: tuple[int, ...] = ()) -> bytes | None:
        """Return the payload of an answer, as the engine stands now; None if not known."""
        engine = self.sequencer.engine
        if what == "definitions":
            return engine.definitions()
        if what == "books":
            return engine.books()
        if what == "open_orders" and _are_open_orders(numbers):
            account, after, limit = numbers
            return engine.open_orders(account, after=after, limit=limit)
        if what == "balances":
            balances = Balances(
                engine.balances(), engine.assets(), engine.receivables(), engine.rfq_holds()
            )
            return msgspec.msgpack.encode(balances)
        if what == "status":
            return msgspec.msgpack.encode(self._status())
        return None

    def hold_answer(self, connection: Connection, size: int) -> None:
        """Take note of an answer that waits to be read; what waits longest makes room for it."""
        self._answers[connection] = size
        while len(self._answers) > 1 and (
            sum(self._answers.values()) > self.settings.answer_bytes_max
        ):
            oldest = next(iter(self._answers))
            del self._answers[oldest]
            oldest.give_up()

    def drop_answer(self, connection: Connection) -> None:
        """Forget an answer that was sent, or whose link is gone."""
        self._answers.pop(connection, None)

    def _status(self) -> VenueStatus:
        sequencer = self.sequencer
        links = [
            LinkStatus(
                each.inbox.name,
                each.is_reading,
                each.through_event,
                each.inbox.queued,
                each.buffered_bytes,
            )
            for each in self._connections
            if each.inbox is not None
        ]
        rolling = sequencer.rolling
        return VenueStatus(
            venue=self.venue.hex(),
            engine=self._venue_settings.engine,
            durability=self._venue_settings.durability,
            last_sequence=sequencer.durable.sequence,
            last_event=sequencer.durable.event_number,
            last_time_ns=sequencer.durable.time_ns,
            checked_sequence=rolling.sequence - rolling.sequence % rolling.interval,
            queued_commands=sequencer.admission.queued,
            is_admitting=sequencer.admission.closed_with is None,
            links=sorted(links, key=lambda link: link.principal),
        )

    def _accept(self) -> Connection:
        return Connection(self)

    def _push(self, batch: EventBatch) -> None:
        parts = events_frame(batch)
        for connection in self._connections:
            connection.push(batch, parts)

    def _watch(self) -> None:
        now = self.loop.time()
        settings = self.settings
        lags: dict[str, int] = {}
        for connection in list(self._connections):
            if connection.inbox is None:
                if now - connection.made_at > settings.authentication_seconds:
                    connection.say_bye(ByeCode.NOT_AUTHENTICATED, "no proof in time")
                    connection.abort()
                continue
            silent = now - connection.heard_at
            if silent > settings.silence_seconds:
                log.warning("link_silent", principal=connection.inbox.name, silent_seconds=silent)
                connection.abort()
                continue
            connection.ping(now)
            if connection.is_reading:
                lag = self.feed.published - connection.through_event
                name = connection.inbox.name
                lags[name] = max(lag, lags.get(name, 0))
        for name, lag in lags.items():
            self._metrics.set("feed_lag_events", lag, name)
        self._metrics.set("queued_commands", self.sequencer.admission.queued)
        self._metrics.set("links", len(self._connections))

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.catch_up()
            connection.say_bye(ByeCode.STOPPING, "the core stops")
        self._is_closing = True
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._empty.wait()
        self.abort_all()


def _are_open_orders(numbers: tuple[int, ...]) -> bool:
    """Say whether numbers ask for a page of open orders: account, order id, how many at most."""
    if len(numbers) != 3:
        return False
    account, after, limit = numbers
    return 0 <= account < 1 << 32 and 0 <= after < 1 << 64 and 1 <= limit <= OPEN_ORDERS_PAGE_MAX


def carries_sessions(principal: Principal) -> bool:
    """Say whether a principal opens trading sessions, which end with its last link."""
    return "OpenSession" in principal.may_send


def _unix_listener(path: Path) -> socket.socket:
    """Bind a socket that only we may use.

    We hold the state's lock, so a socket that is there already is a dead one's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener

"""FIX market data as a service: it follows the core's feed and serves who the guard lets in.

It begins from the core's own books, asked for once, and goes on with the feed. When the core is
lost every client is logged out, for a book that no longer moves must not look alive; the feed is
then read on from where it was, so sequences go on too.

Errors:
    StrangeVenueError: another venue answers than before; an operator decides.
    BookGapError: the feed and our books do not follow each other.
"""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from fix_gateway.control import control, keep_credential
from fix_gateway.dialects.names import DIALECTS
from fix_gateway.dialects.source import read_source
from fix_gateway.dictionary import standard_of
from fix_gateway.market_data.books import PublicBook
from fix_gateway.market_data.clock import TurnClock
from fix_gateway.market_data.connection import Connection
from fix_gateway.market_data.gallery import Gallery
from fix_gateway.market_data.grammar import Grammar, Pairs
from fix_gateway.market_data.market import Market
from fix_gateway.market_data.metrics import MarketDataMetrics
from fix_gateway.market_data.notices import MarketNotices
from fix_gateway.market_data.session import FixSession
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.market_data.subscriber import Subscriber
from fix_gateway.notices import Announcement
from fix_gateway.ports import CommandLink, LinkFactory, is_transient
from fix_gateway.session_watch import SessionWatch
from fix_gateway.settings import SessionFile
from fix_gateway.translation import tags
from messages.layout import Record
from messages.trading import events
from messages.trading.answers import read_books
from messages.trading.terms import Scope
from runtime.link import LinkError, LinkLost, LinkRefused
from runtime.toml import SettingsError

log = structlog.get_logger()

_SWEEP_SECONDS = 0.25
_AWAY = "the venue is not available, try again"
_REFUSED = "logon refused"


class StrangeVenueError(Exception):
    """Another venue answers than the one whose books we have."""

    exit_code = 70


class MarketDataService:
    """Serves market-data sessions."""

    def __init__(
        self,
        settings: MarketDataSettings,
        *,
        sessions: Mapping[str, SessionFile],
        registry: CollectorRegistry,
    ) -> None:
        """Put the parts together; nothing happens before ``run``.

        Args:
            settings: where to listen, and the limits.
            sessions: the counterparties' files, by any name; those of other kinds are left alone.
            registry: gets the metrics.

        Raises:
            SettingsError: a dictionary cannot be used.
        """
        self.clock = TurnClock()
        self._settings = settings
        self._files = {
            file.sender_comp_id: file for file in sessions.values() if file.kind == "market_data"
        }
        self._metrics = MarketDataMetrics(registry)
        self._loop = asyncio.get_running_loop()
        self._credential = secrets.token_hex(32)
        source = read_source()
        self._grammars = {
            dialect.name: Grammar(source, dialect, standard=standard, values=values)
            for dialect in DIALECTS.values()
            for standard, values in [standard_of(dialect, standards=settings.standards)]
        }
        self._market = Market(book_changed=self._book_changed, status_changed=self._status_changed)
        self._gallery = Gallery(settings.limits, begin_interval=self._begin_interval)
        self._connections: set[Connection] = set()
        self._live: dict[str, Connection] = {}
        self._unwritten: dict[Connection, None] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._venue = b""
        self._is_available = False
        self._notices = MarketNotices(settings.sequence_warning)
        self._someone_left = asyncio.Event()

    def health(self) -> dict[str, object]:
        """Say whether the core is there, and who watches what."""
        return {
            "healthy": self._is_available and not self._market.disagreements,
            "through_event": self._market.position,
            "subscriptions": self._subscriptions(),
            "views": len(self._gallery),
            "sessions": {
                name: {"kind": "market_data", "is_logged_on": name in self._live}
                for name in self._files
            },
        }

    async def run(
        self,
        connect: LinkFactory,
        stop: asyncio.Event,
        *,
        listening: Callable[[], None] = lambda: None,
    ) -> None:
        """Follow the core and serve, over one link after another, until asked to stop.

        Args:
            connect: makes one link to the core.
            stop: set to log everyone out and return.
            listening: called once clients may log on.

        Raises:
            SettingsError: configuration. StrangeVenueError, BookGapError, AheadOfVenue, EventGap,
            ForeignVenue: never retried.
        """
        stopping = asyncio.create_task(stop.wait(), name="fix_market_data.stopping")
        keep_credential(self._settings.doors, self._credential)
        self._loop.set_exception_handler(self._defect)
        told = False
        try:
            async with (
                control(self._settings.doors, self._credential, self._log_out, self._announce),
                self._listening(),
            ):
                while not stopping.done():
                    link = await self._connected(connect, stopping)
                    if link is None:
                        break
                    try:
                        await self._begin(link)
                        if not told:
                            listening()
                            told = True
                        await self._follow(link, stopping)
                    except (LinkLost, LinkRefused) as error:
                        if not is_transient(error):
                            raise
                        log.warning("core_lost", reason=str(error), through=self._market.position)
                        self._metrics.link_losses.inc()
                        await self._log_everyone_out(_AWAY)
                    finally:
                        self._is_available = False
                        await link.close()
                await self._log_everyone_out("the venue is stopping")
        finally:
            stopping.cancel()
            for timer in self._timers.values():
                timer.cancel()
        log.info("fix_market_data_stopped", through=self._market.position)

    # --- the core ---

    async def _connected(
        self, connect: LinkFactory, stopping: "asyncio.Task[bool]"
    ) -> CommandLink | None:
        while not stopping.done():
            try:
                return await connect(lambda _refusals: None)
            except LinkError as error:
                if not is_transient(error):
                    raise
                log.info("core_not_there", reason=str(error))
                await asyncio.wait([stopping], timeout=self._settings.reconnect_seconds)
        return None

    async def _begin(self, link: CommandLink) -> None:
        """Take the books over on the first link; on a later one the feed goes on."""
        venue = link.welcome.venue
        if self._venue and self._venue != venue:
            raise StrangeVenueError(f"venue {venue.hex()} answers, not {self._venue.hex()}")
        if not self._venue:
            self.clock.read()
            definitions = await link.query("definitions")
            books = await link.query("books")
            self._market.begin(
                definitions=events.EVENTS.unpack(definitions.payload),
                definitions_at=definitions.event_number,
                books=read_books(books.payload),
                books_at=books.event_number,
                now_ns=self.clock.now_ns,
            )
            self._venue = venue
            log.info("books_taken_over", through=books.event_number, books=len(self._market.books))
        self._is_available = True

    async def _follow(self, link: CommandLink, stopping: "asyncio.Task[bool]") -> None:
        tasks = [
            asyncio.create_task(self._read(link), name="fix_market_data.feed"),
            asyncio.create_task(self._sweep(), name="fix_market_data.sweep"),
            asyncio.create_task(self._watch_files(), name="fix_market_data.files"),
        ]
        try:
            waited: set[asyncio.Future[Any]] = {*tasks, stopping, self._failure}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, link: CommandLink) -> None:
        async for batch in link.events(self._market.position):
            self.clock.read()
            self._market.take(batch.data)
            self._gallery.tell()
            self._write_all()
            # History comes without a pause; clients have their turn in between.
            await asyncio.sleep(0)

    def _book_changed(self, book: PublicBook) -> None:
        self._gallery.book_changed(book)
        if book.orders_disagree:
            for watcher in self._gallery.watched_by_order(book.instrument):
                watcher.book_lost()

    def _status_changed(self, record: Record) -> None:
        instrument = 0
        if isinstance(record, events.PhaseChanged):
            instrument = record.instrument
        elif isinstance(record, events.Killed | events.Resumed) and record.scope != Scope.VENUE:
            return
        for connection in self._live.values():
            if connection.subscriber is not None:
                connection.subscriber.status_changed(instrument)

    async def _watch_files(self) -> None:
        """Take sessions in, change them and let them go as their files do."""
        settings = self._settings
        if settings.sessions is None:
            await self._loop.create_future()
            return
        watch = SessionWatch(
            settings.sessions,
            seconds=settings.reload_seconds,
            known=lambda: self._files,
            is_market_data=True,
        )
        while True:
            changes = await watch.next_changes()
            self._files |= changes.added | changes.changed
            for name in changes.changed.keys() & self._live.keys():
                if (subscriber := self._live[name].subscriber) is not None:
                    subscriber.take_file(changes.changed[name])
            for name in changes.removed:
                del self._files[name]
                self._log_out(name, "the session is removed")
            for name in changes.kept_back:
                log.warning("session_not_changed", session=self._files[name].id)
            log.info("sessions_changed", sessions=len(self._files))

    # --- time ---

    def _begin_interval(self, interval_ms: int) -> None:
        seconds = interval_ms / 1000
        due = self._loop.time() + seconds

        def tick() -> None:
            nonlocal due
            if not self._gallery.has_views_at(interval_ms):
                self._gallery.end_interval(interval_ms)
                del self._timers[interval_ms]
                return
            self._guarded(partial(self._tick, interval_ms))
            now = self._loop.time()
            due = max(due + seconds, now)
            self._timers[interval_ms] = self._loop.call_at(due, tick)

        self._timers[interval_ms] = self._loop.call_at(due, tick)

    def _tick(self, interval_ms: int) -> None:
        self.clock.read()
        self._gallery.tick(interval_ms)
        self._write_all()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something in a callback of the loop; what it raises ends the process."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the callback's edge
            if not self._failure.done():
                self._failure.set_exception(error)

    async def _sweep(self) -> None:
        """Keep sessions alive, end the silent and the slow, and set the gauges."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.clock.read()
            now = self._loop.time()
            for connection in list(self._connections):
                session = connection.session
                if session is not None and not connection.paused_at:
                    session.look_at_clock(self.clock.now_ns)
                    connection.write()
                limit = self._settings.limits.slow_seconds_max
                if connection.paused_at and now - connection.paused_at > limit:
                    connection.cut("slow_reader", f"nothing was read for {limit:g} s")
            live = list(self._live.values())
            self._notices.look(live, now=now, now_ns=self.clock.now_ns)
            metrics = self._metrics
            metrics.sessions.set(len(self._live))
            metrics.subscriptions.set(self._subscriptions())
            metrics.views.set(len(self._gallery))
            metrics.event.set(self._market.position)
            metrics.disagreements.set(self._market.disagreements)

    def _subscriptions(self) -> int:
        return sum(
            connection.subscriber.subscriptions
            for connection in self._live.values()
            if connection.subscriber is not None
        )

    def _defect(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note what broke in a client's callback; the loop closes its connection."""
        self._metrics.cut.labels("defect").inc()
        log.error("defect", about=context["message"], exc_info=context.get("exception"))

    # --- clients ---

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """Serve the guard while the block runs.

        Raises:
            SettingsError: the socket's path cannot be used.
        """
        door = self._settings.doors.fix
        door.unlink(missing_ok=True)
        queue = self._settings.limits.queue_bytes_max

        def made() -> Connection:
            connection = Connection(self, queue_bytes_max=queue)
            self._connections.add(connection)
            return connection

        try:
            server = await self._loop.create_unix_server(made, str(door))
        except OSError as error:
            raise SettingsError(f"{door}: {error.strerror or error}") from error
        door.chmod(0o600)
        try:
            yield
        finally:
            server.close()
            for connection in list(self._connections):
                connection.abort()

    def admit(self, connection: Connection, pairs: Pairs) -> None:
        """See ``connection.House``."""
        fields = dict(reversed(pairs))
        name = fields.get(tags.SENDER_COMP_ID, "")
        file = self._files.get(name)
        credential, _, _ = fields.get(tags.PASSWORD, "").partition(".")
        is_guard = hmac.compare_digest(credential.encode(), self._credential.encode())
        if file is None or not is_guard or fields.get(tags.USERNAME) != name:
            self.cut(connection, "credentials")
            connection.abort()
            return
        dialect = file.spoken
        session = FixSession(
            self._grammars[dialect.name],
            dialect,
            comp_id=self._settings.comp_id,
            counterparty=name,
        )
        now_ns = self.clock.now_ns
        why_not = self._notices.closed_text if self._is_available else _AWAY
        if why_not:
            connection.begin(session, None)
            session.refuse_logon(why_not, now_ns)
            return
        bounds = file.heartbeat
        session.log_on(
            pairs, now_ns, seconds_min=bounds.seconds_min, seconds_max=bounds.seconds_max
        )
        if not session.is_live:
            connection.begin(session, None)
            return
        connection.begin(session, partial(self._subscriber, session, file))
        earlier = self._live.get(name)
        self._live[name] = connection
        if earlier is not None:
            earlier.abort()
        log.info("session_logged_on", session=file.id)

    def _subscriber(
        self, session: FixSession, file: SessionFile, connection: Connection
    ) -> Subscriber:
        return Subscriber(
            session,
            file,
            market=self._market,
            gallery=self._gallery,
            limits=self._settings.limits,
            metrics=self._metrics,
            clock=self.clock,
            write=connection.write,
            write_later=connection.write_later,
        )

    def written_later(self, connection: Connection) -> None:
        """See ``connection.House``."""
        self._unwritten[connection] = None

    def _write_all(self) -> None:
        waiting, self._unwritten = self._unwritten, {}
        for connection in waiting:
            connection.write()

    def cut(self, connection: Connection, reason: str) -> None:
        """See ``connection.House``."""
        self._metrics.cut.labels(reason).inc()
        name = next((name for name, each in self._live.items() if each is connection), "")
        log.warning("session_cut", session=name, reason=reason)

    def left(self, connection: Connection) -> None:
        """See ``connection.House``."""
        self._connections.discard(connection)
        self._unwritten.pop(connection, None)
        for name, each in list(self._live.items()):
            if each is connection:
                del self._live[name]
                session, subscriber = connection.session, connection.subscriber
                assert session is not None
                assert subscriber is not None, "logged on"
                # Its file may be gone by now.
                log.info("session_logged_out", session=subscriber.number, reason=session.end)
        self._someone_left.set()

    def _log_out(self, name: str, text: str) -> bool:
        """Log one client out for the guard."""
        connection = self._live.get(name)
        if connection is None:
            return False
        self.clock.read()
        connection.log_out(text)
        return True

    def _announce(self, announcement: Announcement) -> None:
        self._notices.take(announcement, now=self._loop.time())

    async def _log_everyone_out(self, text: str) -> None:
        self._is_available = False
        self.clock.read()
        for connection in list(self._connections):
            connection.log_out(text)
        deadline = self._loop.time() + self._settings.logout_seconds_max
        while self._connections and self._loop.time() < deadline:
            self._someone_left.clear()
            try:
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._someone_left.wait()
            except TimeoutError:
                continue
        for connection in list(self._connections):
            connection.abort()

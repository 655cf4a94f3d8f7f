"""Market data as a service: the recorder writes history, the publisher tells what is now.

They read the feed apart from each other: when PostgreSQL is away books, trades and tickers go on,
and what was not recorded is read from the core's disk later. At the start the publisher waits for
the recorder to have come to where the venue stood, takes over what is stored, and goes on from
there.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from messages.trading.answers import read_books
from messages.trading.events import EVENTS, InstrumentCreated
from runtime.shelf import Shelf
from services.market_data.answers import Answers
from services.market_data.doors import Doors
from services.market_data.errors import HistoryAwayError
from services.market_data.history import History, history
from services.market_data.market import OneMarket, Past
from services.market_data.metrics import MarketDataMetrics
from services.market_data.ports import CorePicture, EventFeed, FeedFactory, TakePicture
from services.market_data.publisher import PULSE_SECONDS, Publisher
from services.market_data.recorder import Recorder
from services.market_data.settings import MarketDataSettings
from services.market_data.shelving import Shelving

log = structlog.get_logger()


class MarketDataService:
    """Records, publishes and answers until asked to stop."""

    name = "market_data"

    def __init__(
        self,
        settings: MarketDataSettings,
        *,
        make_feed: FeedFactory,
        take_picture: TakePicture,
        registry: CollectorRegistry,
        make_recorder_feed: FeedFactory | None = None,
        shelf: Shelf | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Describe the service; nothing happens before ``run()``.

        Args:
            settings: where to write and to listen, and the limits.
            make_feed: makes the publisher's feed.
            take_picture: asks the core for its definitions and books.
            registry: gets the metrics.
            make_recorder_feed: makes the recorder's, which may come less often; None: as the other.
            shelf: where books are put for processes that serve people; None without one.
            now_ms: our clock.
        """
        self._settings = settings
        self._make_feed = make_feed
        self._take_picture = take_picture
        self._now_ms = now_ms
        self._metrics = MarketDataMetrics(registry)
        self._recorder = Recorder(settings.recorder, make_recorder_feed or make_feed, self._metrics)
        self._doors = Doors(settings.limits, self._metrics)
        self._shelving = None if shelf is None else Shelving(shelf)
        self._publisher = Publisher(
            self._doors.publish,
            trade_changed=self._trade_changed,
            unstored_max=settings.limits.unstored_trades_max,
            shelve=None if self._shelving is None else self._shelving.put,
        )
        self._changed: dict[OneMarket, int] = {}
        """Markets in which a trade was undone or corrected, with the last event of that."""
        self._has_changed = asyncio.Event()
        self._is_serving = False
        self._feed: EventFeed | None = None
        """The publisher's, once there is one."""

    def health(self) -> dict[str, object]:
        """Say where it stands; unhealthy while core or PostgreSQL is away, and until it serves."""
        is_linked = self._feed is not None and self._feed.last_event is not None
        return {
            "healthy": self._is_serving and is_linked and self._recorder.is_connected,
            "linked": is_linked,
            "published_event": self._publisher.market.position,
            "stored_event": max(self._recorder.stored, 0),
            "doors": len(self._doors),
        }

    async def run(self, stop: asyncio.Event, *, listening: Callable[[str], None]) -> None:
        """Run until asked to stop.

        Args:
            stop: set to finish what is in hand and return.
            listening: called with the address once doors may come.

        Raises:
            MarketDataError: nothing that waiting would mend.
            SettingsError: the address cannot be used.
            Exception: what the feeds raise.
        """
        limits = self._settings.limits
        async with history(
            self._settings.recorder.dsn,
            connections=limits.history_connections,
            seconds_max=limits.history_seconds_max,
        ) as past:
            recording = asyncio.create_task(self._recorder.run(stop), name="market_data.recorder")
            publishing = asyncio.create_task(
                self._publish(past, stop, listening), name="market_data.publisher"
            )
            tasks = {recording, publishing}
            if self._shelving is not None:
                shelving = self._shelving.run(stop)
                tasks.add(asyncio.create_task(shelving, name="market_data.shelving"))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    # --- what is now ---

    async def _publish(
        self, past: History, stop: asyncio.Event, listening: Callable[[str], None]
    ) -> None:
        picture = await self._take_picture(stop)
        if picture is None or not await self._begin(picture, past, stop):
            return
        # Nobody is let in before the last of what we began with: of the trades until then none is
        # told, and whoever listened would miss them.
        caught_up = max(picture.last_event, self._publisher.market.whole_from)
        ready = asyncio.Event()
        self._feed = self._make_feed(picture.venue)
        following = asyncio.create_task(
            self._follow(self._feed, caught_up, ready, stop),
            name="market_data.following",
        )
        serving = asyncio.create_task(
            self._serve(past, ready, listening), name="market_data.serving"
        )
        tasks = {following, serving}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._is_serving = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        log.info("publisher_stopped", through=self._publisher.market.position)

    async def _follow(
        self, feed: EventFeed, caught_up: int, ready: asyncio.Event, stop: asyncio.Event
    ) -> None:
        """Tell what happens; ``ready`` is set once we are where the venue was at our start."""
        market = self._publisher.market
        if market.position >= caught_up:
            ready.set()
        async for batch in feed.read(market.position, stop):
            self._publisher.take(batch.data)
            self._doors.flush()
            self._metrics.seen.set(market.position)
            if market.position >= caught_up:
                ready.set()
            # History comes without a pause; who follows us has a turn in between.
            await asyncio.sleep(0)

    async def _begin(self, picture: CorePicture, past: History, stop: asyncio.Event) -> bool:
        """Take over the core's picture and what is stored; say whether there was time for it."""
        waiting = asyncio.create_task(self._recorder.wait_stored(picture.last_event))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            stopping.cancel()
        if stop.is_set():
            return False
        definitions = list(EVENTS.unpack(picture.definitions.payload))
        numbers = [each.instrument for each in definitions if isinstance(each, InstrumentCreated)]
        now_ms = self._now_ms()
        pasts, pasts_at = await self._pasts(past, numbers, now_ms, stop)
        self._publisher.market.begin(
            definitions=definitions,
            definitions_at=picture.definitions.event_number,
            books=read_books(picture.books.payload),
            books_at=picture.books.event_number,
            pasts=pasts,
            pasts_at=pasts_at,
            now_ms=now_ms,
        )
        self._publisher.begin()
        log.info("publisher_started", books_at=picture.books.event_number, stored=pasts_at)
        return True

    async def _pasts(
        self, past: History, numbers: list[int], now_ms: int, stop: asyncio.Event
    ) -> tuple[dict[int, Past], int]:
        """Read what is stored of instruments, however often it takes; nothing once stopped."""
        while not stop.is_set():
            try:
                async with past.picture() as picture:
                    found = {number: await picture.past(number, now_ms) for number in numbers}
            except HistoryAwayError:
                await asyncio.sleep(self._settings.reconnect_seconds)
            else:
                return {n: each for n, each in found.items() if each is not None}, picture.position
        return {}, 0

    async def _serve(
        self, past: History, ready: asyncio.Event, listening: Callable[[str], None]
    ) -> None:
        """Let doors in once we have caught up, and tell at each pulse what is due."""
        await ready.wait()
        self._doors.answer = Answers(self._publisher.market, past, self._now_ms).answer
        mending = asyncio.create_task(self._mend(past), name="market_data.mending")
        try:
            async with self._doors.listening(self._settings.listen) as address:
                self._is_serving = True
                listening(address)
                await self._pulse(mending)
        finally:
            self._doors.answer = None
            mending.cancel()

    async def _pulse(self, mending: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not mending.done():
            self._publisher.pulse(self._now_ms(), stored=self._recorder.stored)
            self._doors.flush()
            due = max(due + PULSE_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())
        mending.result()

    # --- busts and corrections ---

    def _trade_changed(self, market: OneMarket, number: int) -> None:
        self._changed[market] = number
        self._has_changed.set()

    async def _mend(self, past: History) -> None:
        """Begin a market again from the database once a bust or a correction is in it."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            changed, self._changed = self._changed, {}
            for market, number in changed.items():
                await self._recorder.wait_stored(number)
                await self._begin_again(market, past)

    async def _begin_again(self, market: OneMarket, past: History) -> None:
        while True:
            try:
                async with past.picture() as picture:
                    found = await picture.past(market.instrument.number, self._now_ms())
            except HistoryAwayError:
                await asyncio.sleep(self._settings.reconnect_seconds)
                continue
            if picture.position < self._publisher.market.forgotten:
                await asyncio.sleep(self._settings.reconnect_seconds)
                continue
            empty = Past(trades=[], minutes=[], latest={}, close_before=0)
            self._publisher.market.begin_again(
                market, found or empty, picture.position, self._now_ms()
            )
            log.info("market_begun_again", symbol=market.instrument.symbol, at=picture.position)
            return

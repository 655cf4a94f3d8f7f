"""The market as it is now, kept by the feed: books, last trades, running candles, tickers.

It begins with the core's own books, asked for once, and with what is stored of trades, and goes
on with the events after both.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from messages.layout import Record
from messages.trading import events as e
from messages.trading.answers import Book as EngineBook
from messages.trading.events import EVENTS
from messages.trading.terms import Side
from services.market_data.book import Book
from services.market_data.candles import Candle
from services.market_data.instruments import Directory, Instrument
from services.market_data.intervals import DAY_MS, FINEST, HOUR_MS, MINUTE
from services.market_data.records import (
    NANOSECONDS_PER_MS,
    EventWalk,
    SeenTrade,
    read_change,
    read_level,
    read_trade,
)
from services.market_data.rolling import Minute, Rolling
from services.market_data.running import RunningCandles
from services.market_data.trades import Numbering, Trade

TRADES_KEPT: Final = 1000
"""Last trades of an instrument: what is answered without the database."""

WINDOWS_MS: Final = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}
"""The windows that are streamed; ``1d`` is also the ticker of 24 hours."""

HISTORY_MS: Final = DAY_MS + MINUTE.span_ms
"""How much of the past a market begins with."""


class Unstored(NamedTuple):
    """A trade that may not be in the database yet, and its event's number."""

    number: int
    trade: Trade
    seen: SeenTrade


class Past(NamedTuple):
    """What is stored of an instrument, as of one event."""

    trades: list[Trade]
    """The last ones."""
    minutes: list[Minute]
    """Of ``HISTORY_MS``."""
    latest: dict[str, tuple[int, Candle]]
    """The latest candle of each interval, with its opening."""
    close_before: int
    """The last price before the minutes; zero: there was none."""


class OneMarket:
    """All that is known of one instrument now."""

    def __init__(self, instrument: Instrument, book: Book) -> None:
        """Begin with nothing."""
        self.instrument = instrument
        self.book = book
        self.begun_at = 0
        """The event through which all is in what it began with."""
        self.last_trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.unstored: deque[Unstored] = deque()
        self._second: Candle | None = None
        """What traded last, within one second, and is in nothing longer yet."""
        self._second_ms = self._second_end_ns = 0
        self._candles = RunningCandles()
        self._windows = {name: Rolling(size) for name, size in WINDOWS_MS.items()}
        self._minute: Minute | None = None
        self._minutes: deque[Minute] = deque()

    def begin(self, past: Past, now_ms: int) -> None:
        """Go on from what is stored."""
        self.last_trades = deque(past.trades, maxlen=TRADES_KEPT)
        self._second = None
        self._candles = RunningCandles()
        self._candles.begin(past.latest, now_ms)
        self._windows = {name: Rolling(size) for name, size in WINDOWS_MS.items()}
        for window in self._windows.values():
            window.close_before = past.close_before
        self._minute = None
        self._minutes.clear()
        for minute in past.minutes:
            self._close_minute()
            self._minute = minute

    @property
    def candles(self) -> RunningCandles:
        """What runs in each interval."""
        self._add_up()
        return self._candles

    @property
    def windows(self) -> dict[str, Rolling]:
        """The minutes of each window, without the last one."""
        self._add_up()
        return self._windows

    @property
    def minute(self) -> Minute | None:
        """The last minute in which something traded."""
        self._add_up()
        return self._minute

    @property
    def minutes(self) -> deque[Minute]:
        """Those before it, of the last day."""
        self._add_up()
        return self._minutes

    def trade(self, number: int, trade: Trade, seen: SeenTrade) -> None:
        """Take a trade."""
        self.unstored.append(Unstored(number, trade, seen))
        self.add(trade, seen)

    def add(self, trade: Trade, seen: SeenTrade) -> None:
        """Take a trade that is in no candle of ours yet."""
        self.last_trades.append(trade)
        if self._second is not None and seen.time_ns < self._second_end_ns:
            self._second.add(seen)
            return
        self._add_up()
        self._second = Candle.of(seen)
        self._second_ms = FINEST.opening(trade.time_ms)
        self._second_end_ns = (self._second_ms + FINEST.span_ms) * NANOSECONDS_PER_MS

    def _add_up(self) -> None:
        """Add the second that was gathered to all that is longer."""
        second, self._second = self._second, None
        if second is None:
            return
        self._candles.add(self._second_ms, second)
        opened_ms = MINUTE.opening(self._second_ms)
        if self._minute is not None and self._minute.opened_ms == opened_ms:
            self._minute.candle.append(second)
            return
        self._close_minute()
        self._minute = Minute(opened_ms, second)

    @property
    def last_price(self) -> int:
        """The last price in ticks; zero before the first trade."""
        return self.last_trades[-1].price_ticks if self.last_trades else 0

    def top(self, side: Side) -> tuple[int, int]:
        """Return the best level of a side, zeros where there is none."""
        best = self.book.top(side)
        return (0, 0) if best is None else (best[1], self.book.lots(best))

    def _close_minute(self) -> None:
        minute = self._minute
        if minute is None:
            return
        self._minutes.append(minute)
        while self._minutes[0].opened_ms < minute.opened_ms - HISTORY_MS:
            self._minutes.popleft()
        for window in self._windows.values():
            window.push(minute)


class Listener:
    """What a market tells of while it takes events."""

    def __init__(
        self,
        *,
        traded: Callable[[OneMarket, list[Trade]], None],
        changed: Callable[[OneMarket, int], None],
        listed: Callable[[OneMarket], None],
    ) -> None:
        """Keep whom to call.

        Args:
            traded: with trades of one market, of whole commands.
            changed: with a market and the number of an event that undid or corrected a trade.
            listed: with a market that is new.
        """
        self.traded = traded
        self.changed = changed
        self.listed = listed


class Market:
    """All instruments, and the walk over the feed that keeps them."""

    def __init__(self, listener: Listener, *, unstored_max: int) -> None:
        """Begin with nothing.

        Args:
            listener: told what happens.
            unstored_max: trades kept that are not stored yet, of all instruments.
        """
        self.directory = Directory()
        self.markets: dict[int, OneMarket] = {}
        self.position = 0
        """The last event taken."""
        self.time_ns = 0
        """Its stamp."""
        self.forgotten = 0
        """The last event whose trade was forgotten: a picture of before it does not go on here."""
        self.changed_books: set[int] = set()
        """Instruments whose book has changed; their owner empties it."""
        self._listener = listener
        self._unstored_max = unstored_max
        self._unstored = 0
        self._books_at = 0
        self.whole_from = 0
        """The event from which on all is told: we begin with pictures of different events."""
        self._numbering = Numbering()
        self._told: dict[OneMarket, list[Trade]] = {}
        """Trades of the present events, to be told of."""
        self._books: dict[int, Book] = {}
        self._walk = EventWalk(
            {
                e.BookLevelChanged.KIND: self._level_changed,
                e.TradeExecuted.KIND: self._traded,
                e.TradeBusted.KIND: self._trade_changed,
                e.TradeCorrected.KIND: self._trade_changed,
                e.AssetCreated.KIND: self._defined,
                e.InstrumentCreated.KIND: self._defined,
            }
        )

    def begin(
        self,
        *,
        definitions: Iterable[Record],
        definitions_at: int,
        books: Iterable[EngineBook],
        books_at: int,
        pasts: dict[int, Past],
        pasts_at: int,
        now_ms: int,
    ) -> None:
        """Take over the core's answers and what is stored; the feed goes on from ``position``.

        Args:
            definitions: what is defined.
            definitions_at: the event after which that was true.
            books: every book with its queues.
            books_at: the event after which they were true.
            pasts: what is stored, by instrument.
            pasts_at: the event through which trades are in it.
            now_ms: our clock.
        """
        self._books = {
            book.instrument: Book.restored(book.instrument, book.sequence, book.orders)
            for book in books
        }
        self._books_at = books_at
        self.position = min(definitions_at, books_at, pasts_at)
        self.whole_from = max(definitions_at, books_at, pasts_at)
        self.time_ns = now_ms * NANOSECONDS_PER_MS
        for record in definitions:
            market = self._learn(record)
            # Of a market that is listed later all trades are still to come from the feed.
            if market is not None:
                market.begun_at = pasts_at
                if (past := pasts.get(market.instrument.number)) is not None:
                    market.begin(past, now_ms)

    @property
    def books_through(self) -> int:
        """The last event that our books hold: at the start they may be ahead of the rest."""
        return max(self.position, self._books_at)

    def take(self, data: bytes) -> None:
        """Take events: whole commands, following those taken before.

        Raises:
            UnreadableEventsError, BookGapError: events are missing.
        """
        self.position, time_ns = self._walk.take(data, self.position + 1)
        self.time_ns = time_ns or self.time_ns
        for instrument in self.changed_books:
            self._books[instrument].settle()
        told, self._told = self._told, {}
        for market, trades in told.items():
            self._listener.traded(market, trades)

    def forget_stored(self, stored: int) -> None:
        """Forget what is in the database."""
        for market in self.markets.values():
            unstored = market.unstored
            while unstored and unstored[0].number <= stored:
                self._forget_oldest(market)

    def _make_room(self) -> None:
        """Forget the oldest trades, a tenth of all, where there are most."""
        enough = self._unstored_max * 9 // 10
        while self._unstored > enough:
            fullest = max(self.markets.values(), key=lambda each: len(each.unstored))
            for _ in range(max(1, min(len(fullest.unstored) // 2, self._unstored - enough))):
                self._forget_oldest(fullest)

    def _forget_oldest(self, market: OneMarket) -> None:
        self.forgotten = max(self.forgotten, market.unstored.popleft().number)
        self._unstored -= 1

    def begin_again(self, market: OneMarket, past: Past, past_at: int, now_ms: int) -> None:
        """Take over what is stored of one market now, and add what is not stored yet."""
        earlier = market.candles
        market.begin(past, now_ms)
        for number, trade, seen in market.unstored:
            if number > past_at:
                market.add(trade, seen)
        market.candles.succeed(earlier, now_ms)

    # --- events ---

    def _level_changed(self, data: bytes, offset: int) -> None:
        level = read_level(data, offset)
        if level.number > self._books_at:
            self._book(level.instrument).change(level)
            self.changed_books.add(level.instrument)

    def _traded(self, data: bytes, offset: int) -> None:
        seen = read_trade(data, offset)
        market = self.markets.get(seen.instrument)
        if market is None:
            return  # its symbol is another's
        if seen.is_negotiated or seen.number <= market.begun_at:
            return
        trade = self._numbering.trade(seen)
        self._unstored += 1
        market.trade(seen.number, trade, seen)
        if self._unstored > self._unstored_max:
            self._make_room()
        self._told.setdefault(market, []).append(trade)

    def _trade_changed(self, data: bytes, offset: int) -> None:
        change = read_change(data, offset)
        market = self.markets.get(change.instrument)
        if market is not None and change.number > market.begun_at:
            self._listener.changed(market, change.number)

    def _defined(self, data: bytes, offset: int) -> None:
        kind = int.from_bytes(data[offset + 2 : offset + 4], "little")
        self._learn(EVENTS.by_kind[kind].unpack(data, offset))

    def _learn(self, record: Record) -> OneMarket | None:
        made = self.directory.learn(record)
        if made is None:
            return None
        market = self.markets[made.number] = OneMarket(made, self._book(made.number))
        self._listener.listed(market)
        return market

    def _book(self, instrument: int) -> Book:
        found = self._books.get(instrument)
        if found is None:
            found = self._books[instrument] = Book(instrument)
        return found

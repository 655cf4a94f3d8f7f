"""What is told when: every stream's payload is made once, and only when it has changed.

Trades and tops of books go out with the batch of events that made them, books
every 100 ms and every second, tickers and running candles every second, and a candle that closes
with the next 100 ms.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from messages.market_data import SHELVED_LEVELS, SYMBOLS_STREAM, Delivery, book_checksum
from messages.trading.terms import Side
from services.market_data import rendering
from services.market_data.book import Key
from services.market_data.intervals import DAY_MS, MINUTE
from services.market_data.market import WINDOWS_MS, Listener, Market, OneMarket
from services.market_data.records import NANOSECONDS_PER_MS
from services.market_data.rendering import Json, Level, Statistics
from services.market_data.trades import Trade, aggregates

PULSE_SECONDS: Final = 0.1
PULSES_A_SECOND: Final = 10
AVERAGE_MINUTES: Final = 5

Publish = Callable[[Delivery, str, bytes], None]
Shelve = Callable[[str, bytes], None]
"""Takes a symbol, and what is answered to who asks for its book."""

_encode = msgspec.json.Encoder().encode


class BookTeller:
    """A book told at one pace: its changes, and its best levels."""

    def __init__(self, market: OneMarket, suffix: str, publish: Publish, *, after: int) -> None:
        """Tell what changes after an event.

        Args:
            market: whose book.
            suffix: of the streams' names, which says the pace.
            publish: takes payloads.
            after: the event with which whoever listens begins.
        """
        self._market = market
        self._name = market.instrument.stream + "@depth"
        self._suffix = suffix
        self._publish = publish
        self._after = after
        self._changed: set[Key] = market.book.watch()
        self._told: dict[int, tuple[list[Level], list[Level]]] = {}

    def tell(self, *, through: int, time_ms: int, now_ms: int) -> bool:
        """Tell what changed since the last time; False if nothing did."""
        if not self._changed:
            return False
        market = self._market
        bids = rendering.levels(market, Side.BUY, rendering.DEPTH_STREAMED)
        asks = rendering.levels(market, Side.SELL, rendering.DEPTH_STREAMED)
        update = rendering.depth_update(
            market,
            self._changed,
            first=self._after + 1,
            last=through,
            time_ms=time_ms,
            now_ms=now_ms,
            checksum=book_checksum(bids, asks),
        )
        self._changed.clear()
        self._after = through
        self._publish(Delivery.DELTA, self._name + self._suffix, _encode(update))
        for depth in (5, 10, 20):
            best = (bids[:depth], asks[:depth])
            if self._told.get(depth) != best:
                self._told[depth] = best
                payload = rendering.partial_book(
                    *best, last=through, time_ms=time_ms, now_ms=now_ms
                )
                self._publish(
                    Delivery.LATEST, f"{self._name}{depth}{self._suffix}", _encode(payload)
                )
        return True


class Teller:
    """All streams of one instrument."""

    def __init__(self, market: OneMarket, publish: Publish, *, after: int) -> None:
        """Tell what changes after an event."""
        self.market = market
        self.fast = BookTeller(market, "@100ms", publish, after=after)
        self.slow = BookTeller(market, "", publish, after=after)
        self._stream = market.instrument.stream
        self._publish = publish
        self._top: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._statistics: dict[str, tuple[object, ...]] = {}
        self._shelved = b""

    def shelve(self, shelve: Shelve, *, is_changed: bool, at: dict[str, int]) -> None:
        """Put the book where others answer from, as of the update that was told last.

        Who keeps a book from updates and asks meanwhile gets the one that the next update fits.
        """
        if is_changed or not self._shelved:
            answer = rendering.depth_answer(
                self.market,
                SHELVED_LEVELS,
                last=at["through"],
                time_ms=at["time_ms"],
                now_ms=at["now_ms"],
            )
            self._shelved = _encode(answer)
        shelve(self.market.instrument.symbol, self._shelved)

    def traded(self, trades: list[Trade]) -> None:
        """Tell the trades of whole commands."""
        instrument, publish, name = self.market.instrument, self._publish, f"{self._stream}@trade"
        for trade in trades:
            publish(Delivery.EVERY, name, rendering.trade_event(instrument, trade))
        name = f"{self._stream}@aggTrade"
        for aggregate in aggregates(trades):
            publish(Delivery.EVERY, name, rendering.aggregate_event(instrument, aggregate))

    def tell_top(self, through: int) -> None:
        """Tell the top of the book if it is another than before."""
        top = (self.market.top(Side.BUY), self.market.top(Side.SELL))
        if top != self._top:
            self._top = top
            payload = rendering.book_ticker_event(self.market, through)
            self._publish(Delivery.LATEST, f"{self._stream}@bookTicker", _encode(payload))

    def tell_closed(self, now_ms: int) -> None:
        """Tell the candles that closed."""
        self.market.candles.look_at_clock(now_ms)
        for running, opened_ms, candle in self.market.candles.closed():
            payload = rendering.candle_event(
                self.market, running, opened_ms, candle, is_closed=True, now_ms=now_ms
            )
            self._publish(Delivery.EVERY, f"{self._stream}@kline_{running.name}", _encode(payload))

    def tell_candles(self, now_ms: int) -> None:
        """Tell the candles that run, where they have changed."""
        for running in self.market.candles.by_interval.values():
            if not running.is_changed:
                continue
            running.is_changed = False
            payload = rendering.candle_event(
                self.market,
                running,
                running.opened_ms,
                running.candle,
                is_closed=False,
                now_ms=now_ms,
            )
            self._publish(Delivery.LATEST, f"{self._stream}@kline_{running.name}", _encode(payload))

    def tell_tickers(self, now_ms: int) -> tuple[Json, Json] | None:
        """Tell the tickers that changed; return those of 24 hours if they did."""
        day = None
        for name in WINDOWS_MS:
            statistics, figures = self._window(name, now_ms)
            if figures == self._statistics.get(name):
                continue
            self._statistics[name] = figures
            payload = statistics.event(f"{name}Ticker", now_ms)
            self._publish(Delivery.LATEST, f"{self._stream}@ticker_{name}", _encode(payload))
        statistics, figures = self._window("1d", now_ms)
        figures = (*figures, self._top)
        if figures != self._statistics.get("24hr"):
            self._statistics["24hr"] = figures
            before = self.market.windows["1d"].close_before
            full = rendering.ticker_event(self.market, statistics, before=before, now_ms=now_ms)
            mini = statistics.mini_event(now_ms)
            self._publish(Delivery.LATEST, f"{self._stream}@ticker", _encode(full))
            self._publish(Delivery.LATEST, f"{self._stream}@miniTicker", _encode(mini))
            day = (full, mini)
        self._tell_average(now_ms)
        return day

    def _window(self, name: str, now_ms: int) -> tuple[Statistics, tuple[object, ...]]:
        window = self.market.windows[name]
        total = window.total(now_ms, self.market.minute)
        statistics = Statistics(
            self.market, total, opened_ms=window.begins_at(now_ms), closes_ms=now_ms
        )
        figures = None if total is None else total.numbers()
        return statistics, (figures, self.market.last_price)

    def _tell_average(self, now_ms: int) -> None:
        if not self.market.last_trades:
            return
        price = average_price(self.market, now_ms)
        last = self.market.last_trades[-1]
        if self._statistics.get("average") == (price, last.trade_id):
            return
        self._statistics["average"] = (price, last.trade_id)
        payload = {
            "e": "avgPrice",
            "E": now_ms,
            "s": self.market.instrument.symbol,
            "i": f"{AVERAGE_MINUTES}m",
            "w": price,
            "T": last.time_ms,
        }
        self._publish(Delivery.LATEST, f"{self._stream}@avgPrice", _encode(payload))


def average_price(market: OneMarket, now_ms: int) -> str:
    """Return the average price of the last five whole minutes and of the running one.

    Where nothing traded in them it is the last price.
    """
    begin_ms = MINUTE.opening(now_ms) - AVERAGE_MINUTES * MINUTE.span_ms
    lots = atoms = 0
    newest = [market.minute] if market.minute is not None else []
    for minute in (*newest, *reversed(market.minutes)):
        if minute.opened_ms < begin_ms:
            break
        lots += minute.candle.lots
        atoms += minute.candle.quote_atoms
    if lots == 0:
        return market.instrument.price(market.last_price)
    return market.instrument.average_price(atoms, lots)


class Publisher:
    """Follows a market and publishes what changes in it."""

    def __init__(
        self,
        publish: Publish,
        *,
        trade_changed: Callable[[OneMarket, int], None],
        unstored_max: int,
        shelve: Shelve | None = None,
    ) -> None:
        """Begin without a market.

        Args:
            publish: takes payloads.
            trade_changed: called with a market and an event that undid or corrected a trade.
            unstored_max: see ``Market``.
            shelve: takes books as they change, and all of them each second; None without a shelf.
        """
        self._publish = publish
        self._shelve = shelve
        self._tellers: dict[int, Teller] = {}
        self._pulses = 0
        self._stored_before = 0
        """The last event whose trades were in the database a second ago."""
        self.market = Market(
            Listener(traded=self._traded, changed=trade_changed, listed=self._listed),
            unstored_max=unstored_max,
        )

    def begin(self) -> None:
        """Tell the first state, once the market has taken over the core's answers."""
        self._tell_symbols()
        for teller in self._tellers.values():
            teller.tell_top(self.market.books_through)

    def take(self, data: bytes) -> None:
        """Take events, and tell what cannot wait."""
        self.market.take(data)
        for instrument in self.market.changed_books:
            teller = self._tellers.get(instrument)
            if teller is not None:
                teller.tell_top(self.market.position)
        self.market.changed_books.clear()

    def pulse(self, now_ms: int, *, stored: int) -> None:
        """Tell what is due; called every ``PULSE_SECONDS``.

        Args:
            now_ms: our clock.
            stored: the last event whose trades are in the database.
        """
        self._pulses += 1
        market = self.market
        at = {
            "through": market.position,
            "time_ms": market.time_ns // NANOSECONDS_PER_MS,
            "now_ms": now_ms,
        }
        is_second = self._pulses % PULSES_A_SECOND == 0
        for teller in self._tellers.values():
            is_changed = teller.fast.tell(**at)
            if self._shelve is not None and (is_changed or is_second):
                teller.shelve(self._shelve, is_changed=is_changed, at=at)
            teller.tell_closed(now_ms)
        if not is_second:
            return
        # A picture that was taken of the database within the last second still goes on here.
        market.forget_stored(self._stored_before)
        self._stored_before = stored
        changed: list[tuple[Json, Json]] = []
        for teller in self._tellers.values():
            teller.slow.tell(**at)
            teller.tell_candles(now_ms)
            tickers = teller.tell_tickers(now_ms)
            if tickers is not None:
                changed.append(tickers)
        if changed:
            self._publish(Delivery.EVERY, "!ticker@arr", _encode([full for full, _ in changed]))
            self._publish(Delivery.EVERY, "!miniTicker@arr", _encode([mini for _, mini in changed]))

    def _listed(self, market: OneMarket) -> None:
        self._tellers[market.instrument.number] = Teller(
            market, self._publish, after=self.market.books_through
        )
        self._tell_symbols()

    def _tell_symbols(self) -> None:
        symbols = sorted(self.market.directory.by_symbol)
        self._publish(Delivery.LATEST, SYMBOLS_STREAM, _encode(symbols))

    def _traded(self, market: OneMarket, trades: list[Trade]) -> None:
        self._tellers[market.instrument.number].traded(trades)


assert WINDOWS_MS["1d"] == DAY_MS, "the ticker of 24 hours is that window"

"""What is asked, answered: of what is now from memory, of what was from the database.

An answer from the database is as of a position; the trades after it are in memory still, and are
added. So an answer never lacks the last second, and never counts it twice.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import chain, islice
from typing import Final

import msgspec

from messages import market_data as asks
from services.market_data import rendering
from services.market_data.candles import Candle
from services.market_data.errors import HistoryAwayError, RefusedError
from services.market_data.history import History, Picture
from services.market_data.intervals import DAY_MS, HOUR_MS, INTERVALS, MINUTE, Interval
from services.market_data.market import Market, OneMarket, Unstored
from services.market_data.publisher import AVERAGE_MINUTES, average_price
from services.market_data.records import NANOSECONDS_PER_MS
from services.market_data.rendering import Json, Statistics
from services.market_data.trades import Aggregate, Joining, Trade, aggregates

_ILLEGAL: Final = -1100
_AWAY: Final = -1001
_COMBINATION: Final = -1128
_SYMBOL: Final = -1121

_PAGE: Final = 2000
"""Trades read at once where it is not known how many make the aggregates that are wanted."""

_TRADES_MAX: Final = 50_000
"""Trades read for one answer about aggregates, one page more at most: more than one command makes.
"""

_encode = msgspec.json.Encoder().encode


class Answers:
    """Answers to questions."""

    def __init__(self, market: Market, history: History, now_ms: Callable[[], int]) -> None:
        """Answer from a market that is followed, and from history.

        Args:
            market: what is now.
            history: what was.
            now_ms: our clock.
        """
        self._market = market
        self._history = history
        self._now_ms = now_ms

    async def answer(self, body: memoryview) -> tuple[int, bytes]:
        """Answer the question of an ASK frame: a status of HTTP's, and JSON."""
        try:
            return 200, _encode(await self._of(asks.read_ask(body)))
        except msgspec.MsgspecError as error:
            return 400, _error(_ILLEGAL, str(error))
        except RefusedError as error:
            return 400, _error(error.code, str(error))
        except HistoryAwayError:
            return 503, _error(_AWAY, "History is not available at the moment, try again.")

    async def _of(self, ask: asks.Ask) -> object:
        if isinstance(ask, asks.AskDepth):
            return self._depth(ask)
        if isinstance(ask, asks.AskTrades):
            return self._last_trades(self._one(ask.symbol), ask.limit)
        if isinstance(ask, asks.AskHistoricalTrades):
            return await self._trades(ask)
        if isinstance(ask, asks.AskAggregateTrades):
            return await self._aggregates(ask)
        if isinstance(ask, asks.AskCandles):
            return await self._candles(ask)
        if isinstance(ask, asks.AskAveragePrice):
            return self._average(self._one(ask.symbol))
        if isinstance(ask, asks.AskTicker | asks.AskTradingDay):
            return await self._windows(ask)
        return self._tickers(ask)

    def _one(self, symbol: str) -> OneMarket:
        instrument = self._market.directory.by_symbol.get(symbol)
        if instrument is None:
            raise RefusedError(_SYMBOL, "Invalid symbol.")
        return self._market.markets[instrument.number]

    # --- what is now ---

    def _depth(self, ask: asks.AskDepth) -> Json:
        return rendering.depth_answer(
            self._one(ask.symbol),
            ask.limit,
            last=self._market.position,
            time_ms=self._market.time_ns // NANOSECONDS_PER_MS,
            now_ms=self._now_ms(),
        )

    def _last_trades(self, market: OneMarket, limit: int) -> list[Json]:
        trades = list(market.last_trades)[-limit:]
        return [rendering.trade_row(market.instrument, each) for each in trades]

    def _average(self, market: OneMarket) -> Json:
        now_ms = self._now_ms()
        last_ms = market.last_trades[-1].time_ms if market.last_trades else 0
        return {
            "mins": AVERAGE_MINUTES,
            "price": average_price(market, now_ms),
            "closeTime": last_ms,
        }

    def _tickers(
        self, ask: asks.AskTickerPrice | asks.AskBookTicker | asks.AskTicker24Hours
    ) -> object:
        rows = [self._row_of(ask)(market) for market in self._several(ask.symbol, ask.symbols)]
        return rows if ask.symbol is None else rows[0]

    def _several(self, symbol: str | None, symbols: Sequence[str] | None) -> list[OneMarket]:
        """Return the markets that are asked about: one, some, or all."""
        if symbol is not None and symbols is not None:
            raise RefusedError(_COMBINATION, "Either symbol or symbols, not both.")
        if symbol is not None:
            return [self._one(symbol)]
        names = sorted(self._market.directory.by_symbol) if symbols is None else symbols
        return [self._one(name) for name in names]

    def _row_of(
        self, ask: asks.AskTickerPrice | asks.AskBookTicker | asks.AskTicker24Hours
    ) -> Callable[[OneMarket], Json]:
        if isinstance(ask, asks.AskTickerPrice):
            return _price_row
        if isinstance(ask, asks.AskBookTicker):
            return rendering.book_ticker_row
        return self._mini_day if ask.type == "MINI" else self._day

    async def _windows(self, ask: asks.AskTicker | asks.AskTradingDay) -> object:
        """Answer what traded in a window: of a day from memory, of more from history."""
        now_ms = self._now_ms()
        if isinstance(ask, asks.AskTicker):
            begin_ms = MINUTE.opening(max(now_ms - _size_ms(ask.window_size), 0))
        else:
            begin_ms = INTERVALS["1d"].in_zone(_offset_ms(ask.time_zone)).opening(now_ms)
        rows = []
        for market in self._several(ask.symbol, ask.symbols):
            total = await self._total(market, begin_ms, now_ms)
            told = Statistics(market, total, opened_ms=begin_ms, closes_ms=now_ms)
            rows.append(told.mini_row() if ask.type == "MINI" else told.row())
        return rows if ask.symbol is None else rows[0]

    async def _total(self, market: OneMarket, begin_ms: int, now_ms: int) -> Candle | None:
        if begin_ms >= MINUTE.opening(now_ms - DAY_MS):
            newest = () if market.minute is None else (market.minute,)
            kept = (each for each in (*market.minutes, *newest) if each.opened_ms >= begin_ms)
            return _sum(each.candle for each in kept)
        async with self._history.picture() as picture:
            unstored = self._unstored(market, picture)
            number = market.instrument.number
            found = await picture.candles(number, MINUTE, begin_ms, now_ms)
        later = (Candle.of(each.seen) for each in unstored)
        return _sum(chain(found.values(), later))

    def _day(self, market: OneMarket) -> Json:
        statistics = self._statistics(market)
        # Not before the statistics, which let go of the minutes that are over.
        before = market.windows["1d"].close_before
        return rendering.ticker_row(market, statistics, before=before)

    def _mini_day(self, market: OneMarket) -> Json:
        return self._statistics(market).mini_row()

    def _statistics(self, market: OneMarket) -> Statistics:
        now_ms, window = self._now_ms(), market.windows["1d"]
        total = window.total(now_ms, market.minute)
        return Statistics(market, total, opened_ms=window.begins_at(now_ms), closes_ms=now_ms)

    # --- what was ---

    def _unstored(self, market: OneMarket, picture: Picture) -> list[Unstored]:
        """Return the trades after a picture of what is stored.

        Raises:
            HistoryAwayError: there were too many to keep; they are stored soon.
        """
        if picture.position < self._market.forgotten:
            raise HistoryAwayError("trades are not stored yet")
        return [each for each in market.unstored if each.number > picture.position]

    async def _trades(self, ask: asks.AskHistoricalTrades) -> list[Json]:
        market = self._one(ask.symbol)
        if ask.from_id is None:
            return self._last_trades(market, ask.limit)
        number = market.instrument.number
        async with self._history.picture() as picture:
            unstored = self._unstored(market, picture)
            found = await picture.trades(number, ask.from_id, ask.limit)
        found += [each.trade for each in unstored if each.trade.trade_id >= ask.from_id]
        return [rendering.trade_row(market.instrument, each) for each in found[: ask.limit]]

    async def _aggregates(self, ask: asks.AskAggregateTrades) -> list[Json]:
        market = self._one(ask.symbol)
        has_time = ask.start_time is not None or ask.end_time is not None
        if ask.from_id is not None and has_time:
            raise RefusedError(_COMBINATION, "Combination of optional parameters invalid.")
        async with self._history.picture() as picture:
            unstored = [each.trade for each in self._unstored(market, picture)]
            if ask.from_id is None and not has_time:
                found = await self._last_aggregates(market, picture, unstored, ask.limit)
            else:
                found = await self._aggregates_from(market, picture, unstored, ask)
        return [rendering.aggregate_row(market.instrument, each) for each in found]

    async def _last_aggregates(
        self, market: OneMarket, picture: Picture, unstored: list[Trade], limit: int
    ) -> list[Aggregate]:
        """Return the last aggregates, from as many trades as it takes and may take."""
        count = _PAGE
        while True:
            stored = await picture.last_trades(market.instrument.number, count)
            found = list(aggregates([*stored, *unstored]))
            if len(stored) < count:
                return found[-limit:]
            # The first one may have begun before what was read.
            if len(found) > limit or count >= _TRADES_MAX:
                return found[1:][-limit:]
            count = min(2 * count, _TRADES_MAX)

    async def _aggregates_from(
        self,
        market: OneMarket,
        picture: Picture,
        unstored: list[Trade],
        ask: asks.AskAggregateTrades,
    ) -> list[Aggregate]:
        """Return aggregates from an id or a time on, to a time."""
        begin_ns = (ask.start_time or 0) * NANOSECONDS_PER_MS
        end_ns = None if ask.end_time is None else (ask.end_time + 1) * NANOSECONDS_PER_MS
        found: list[Aggregate] = []
        async with aclosing(_aggregates_after(market, picture, unstored, ask)) as pages:
            async for page, count in pages:
                wanted = (each for each in page if each.first >= (ask.from_id or 0))
                found += [each for each in wanted if each.time_ns >= begin_ns]
                is_past = end_ns is not None and bool(found) and found[-1].time_ns >= end_ns
                # One answer reads so much at most, but never is empty where there is something.
                if is_past or len(found) >= ask.limit or (found and count >= _TRADES_MAX):
                    break
        return [each for each in found if end_ns is None or each.time_ns < end_ns][: ask.limit]

    async def _candles(self, ask: asks.AskCandles) -> list[list[object]]:
        market = self._one(ask.symbol)
        interval = INTERVALS[ask.interval].in_zone(_offset_ms(ask.time_zone))
        if ask.start_time is not None and ask.start_time > self._now_ms():
            return []  # nothing has opened there, and the calendar ends with the year 9999
        first_ms, last_ms = self._range(ask, interval)
        async with self._history.picture() as picture:
            unstored = self._unstored(market, picture)
            found = await _stored_candles(picture, market, interval, (first_ms, last_ms), ask.limit)
        _add_trades(found, unstored, interval, first_ms)
        rows = _rows(market, interval, found, (first_ms, last_ms))
        return list(islice(rows, ask.limit))

    def _range(self, ask: asks.AskCandles, interval: Interval) -> tuple[int, int]:
        """Return the openings of the first and the last candle that may be in the answer."""
        now_ms = self._now_ms()
        end_ms = now_ms if ask.end_time is None else min(ask.end_time, now_ms)
        last_ms = interval.opening(end_ms)
        if ask.start_time is None:
            return interval.earlier_opening(last_ms, ask.limit - 1), last_ms
        first_ms = interval.opening(ask.start_time)
        if first_ms < ask.start_time:
            first_ms = interval.next_opening(first_ms)
        return first_ms, last_ms


class _Found:
    """Candles of an answer, the price before them, and where the first one of all opened."""

    def __init__(self) -> None:
        self.candles: dict[int, Candle] = {}
        self.close_before: int | None = None
        self.first_ms: int | None = None


async def _stored_candles(
    picture: Picture, market: OneMarket, interval: Interval, between: tuple[int, int], limit: int
) -> _Found:
    number, found, stored = market.instrument.number, _Found(), interval.stored
    first_of_all_ms = await picture.first_opening(number, stored)
    if first_of_all_ms is None:
        return found
    found.first_ms = interval.opening(first_of_all_ms)
    first_ms, last_ms = max(between[0], found.first_ms), between[1]
    last_ms = min(last_ms, _later_opening(interval, first_ms, limit - 1))
    end_ms = interval.next_opening(last_ms) - 1
    for opened_ms, candle in (await picture.candles(number, stored, first_ms, end_ms)).items():
        known = found.candles.setdefault(interval.opening(opened_ms), candle)
        if known is not candle:
            known.append(candle)
    if first_ms not in found.candles:
        before = await picture.candle_before(number, stored, first_ms)
        found.close_before = None if before is None else before[1].close
    return found


async def _aggregates_after(
    market: OneMarket, picture: Picture, unstored: list[Trade], ask: asks.AskAggregateTrades
) -> AsyncGenerator[tuple[list[Aggregate], int]]:
    """Yield the aggregates that each page of trades completes, and how many trades were read.

    The first ones may be of before what is asked for.
    """
    number, joining, count = market.instrument.number, Joining(), 0
    if ask.from_id is not None:
        first: int | None = await picture.aggregate_at(number, ask.from_id)
    else:
        first = await picture.first_trade_since(number, ask.start_time or 0)
    while first is not None:
        page = await picture.trades(number, first, _PAGE)
        count += len(page)
        first = page[-1].trade_id + 1 if len(page) == _PAGE else None
        yield list(joining.add(page)), count
    yield [*joining.add(unstored), *joining.end()], count


def _later_opening(interval: Interval, opened_ms: int, count: int) -> int:
    if not interval.is_month:
        return opened_ms + count * interval.span_ms
    for _ in range(count):
        opened_ms = interval.next_opening(opened_ms)
    return opened_ms


def _add_trades(found: _Found, unstored: list[Unstored], interval: Interval, first_ms: int) -> None:
    """Add the trades that are not stored yet to the candles that are."""
    for _, trade, seen in unstored:
        opened_ms = interval.opening(trade.time_ms)
        if found.first_ms is None:
            found.first_ms = opened_ms
        if opened_ms < first_ms:
            found.close_before = trade.price_ticks
            continue
        candle = found.candles.get(opened_ms)
        if candle is None:
            found.candles[opened_ms] = Candle.of(seen)
        else:
            candle.add(seen)


def _rows(
    market: OneMarket, interval: Interval, found: _Found, between: tuple[int, int]
) -> Iterator[list[object]]:
    """Yield the candles between two openings, flat ones where nothing traded."""
    if found.first_ms is None:
        return
    close = found.close_before
    for opened_ms in interval.openings(max(between[0], found.first_ms), between[1]):
        candle = found.candles.get(opened_ms)
        if candle is None:
            assert close is not None, "nothing is asked of before the first candle"
            candle = Candle.flat(close)
        close = candle.close
        closes_ms = interval.next_opening(opened_ms) - 1
        yield rendering.candle_row(market.instrument, opened_ms, closes_ms, candle)


def _sum(candles: Iterable[Candle]) -> Candle | None:
    total: Candle | None = None
    for candle in candles:
        if total is None:
            total = candle.copy()
        else:
            total.append(candle)
    return total


_UNITS_MS: Final = {"m": MINUTE.span_ms, "h": HOUR_MS, "d": DAY_MS}


def _size_ms(window: str) -> int:
    """Read the size of a window, such as ``15m``."""
    return int(window[:-1]) * _UNITS_MS[window[-1]]


def _offset_ms(zone: str) -> int:
    """Read a time zone, such as ``-1:00`` or ``05:45``."""
    hours, _, minutes = zone.lstrip("+-").partition(":")
    offset_ms = int(hours) * HOUR_MS + int(minutes or 0) * MINUTE.span_ms
    if zone.startswith("-"):
        offset_ms = -offset_ms
    if int(minutes or 0) >= 60 or not -12 * HOUR_MS <= offset_ms <= 14 * HOUR_MS:
        raise RefusedError(_ILLEGAL, "timeZone is from -12:00 to +14:00.")
    return offset_ms


def _price_row(market: OneMarket) -> Json:
    instrument = market.instrument
    return {"symbol": instrument.symbol, "price": instrument.price(market.last_price)}


def _error(code: int, text: str) -> bytes:
    return _encode({"code": code, "msg": text})

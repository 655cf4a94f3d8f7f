"""Payloads in the shape of Binance's Spot API v3: of streams, and of what REST answers.

Source:
    docs/market-data.md, "Streams" and "Questions".
"""

from collections.abc import Iterable, Sequence
from typing import Final

from messages.market_data import DepthUpdate, book_checksum
from messages.trading.terms import Side
from services.market_data.book import Key
from services.market_data.candles import Candle
from services.market_data.instruments import Instrument, percent_text
from services.market_data.market import OneMarket
from services.market_data.records import NANOSECONDS_PER_MS
from services.market_data.running import Running
from services.market_data.trades import Aggregate, Trade

Json = dict[str, object]

Level = tuple[str, str]
"""Price and quantity."""

DEPTH_STREAMED: Final = 20
"""Levels of a side in the deepest partial book; the checksum needs ten."""

_JSON: Final = {False: "false", True: "true"}

# --- trades ---


def trade_event(instrument: Instrument, trade: Trade) -> bytes:
    """A trade on its stream; as text, for there are many and each is written once."""
    time_ms = trade.time_ms
    return (
        f'{{"e":"trade","E":{time_ms},"s":"{instrument.symbol}","t":{trade.trade_id},'
        f'"p":"{instrument.price(trade.price_ticks)}","q":"{instrument.quantity(trade.lots)}",'
        f'"T":{time_ms},"m":{_JSON[trade.buyer_is_maker]},"M":true}}'
    ).encode()


def trade_row(instrument: Instrument, trade: Trade) -> Json:
    """A trade in an answer."""
    return {
        "id": trade.trade_id,
        "price": instrument.price(trade.price_ticks),
        "qty": instrument.quantity(trade.lots),
        "quoteQty": instrument.amount(trade.quote_atoms),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_row(instrument: Instrument, aggregate: Aggregate) -> Json:
    """An aggregate in an answer."""
    return {
        "a": aggregate.first,
        "p": instrument.price(aggregate.price_ticks),
        "q": instrument.quantity(aggregate.lots),
        "f": aggregate.first,
        "l": aggregate.last,
        "T": aggregate.time_ns // NANOSECONDS_PER_MS,
        "m": aggregate.taker_side == Side.SELL,
        "M": True,
    }


def aggregate_event(instrument: Instrument, aggregate: Aggregate) -> bytes:
    """An aggregate on its stream; as text, like a trade."""
    first, last, time_ns, price_ticks, lots, taker_side = aggregate
    time_ms = time_ns // NANOSECONDS_PER_MS
    return (
        f'{{"e":"aggTrade","E":{time_ms},"s":"{instrument.symbol}","a":{first},'
        f'"p":"{instrument.price(price_ticks)}","q":"{instrument.quantity(lots)}",'
        f'"f":{first},"l":{last},"T":{time_ms},"m":{_JSON[taker_side == Side.SELL]},"M":true}}'
    ).encode()


# --- books ---


def levels(market: OneMarket, side: Side, count: int) -> list[Level]:
    """A side's best levels as text."""
    return [_level(market, key) for key in market.book.best(side, count)]


def _level(market: OneMarket, key: Key) -> Level:
    """A level as text, written once as long as it does not change."""
    book, instrument = market.book, market.instrument
    text = book.texts.get(key)
    if text is None:
        text = instrument.price(key[1]), instrument.quantity(book.lots(key))
        if book.lots(key):
            book.texts[key] = text
    return text


def depth_update(
    market: OneMarket,
    changed: Iterable[Key],
    *,
    first: int,
    last: int,
    time_ms: int,
    now_ms: int,
    checksum: int,
) -> DepthUpdate:
    """What became of a book: the levels that changed, as they are now."""
    sides: dict[int, list[Level]] = {Side.BUY: [], Side.SELL: []}
    for key in sorted(changed):
        sides[key[0]].append(_level(market, key))
    return DepthUpdate(
        E=now_ms,
        s=market.instrument.symbol,
        U=first,
        u=last,
        b=sides[Side.BUY],
        a=sides[Side.SELL],
        T=time_ms,
        cs=checksum,
    )


def depth_answer(market: OneMarket, limit: int, *, last: int, time_ms: int, now_ms: int) -> Json:
    """A snapshot of a book."""
    depth = max(limit, DEPTH_STREAMED)
    bids, asks = levels(market, Side.BUY, depth), levels(market, Side.SELL, depth)
    return {
        "lastUpdateId": last,
        "E": now_ms,
        "T": time_ms,
        "cs": book_checksum(bids, asks),
        "bids": bids[:limit],
        "asks": asks[:limit],
    }


def partial_book(
    bids: Sequence[Level], asks: Sequence[Level], *, last: int, time_ms: int, now_ms: int
) -> Json:
    """The best levels on their stream."""
    return {"lastUpdateId": last, "E": now_ms, "T": time_ms, "bids": bids, "asks": asks}


def book_ticker_event(market: OneMarket, last: int) -> Json:
    """The top of the book on its stream."""
    instrument = market.instrument
    bid, bid_lots = market.top(Side.BUY)
    ask, ask_lots = market.top(Side.SELL)
    return {
        "u": last,
        "s": instrument.symbol,
        "b": instrument.price(bid),
        "B": instrument.quantity(bid_lots),
        "a": instrument.price(ask),
        "A": instrument.quantity(ask_lots),
    }


def book_ticker_row(market: OneMarket) -> Json:
    """The top of the book in an answer."""
    told = book_ticker_event(market, 0)
    return {
        "symbol": told["s"],
        "bidPrice": told["b"],
        "bidQty": told["B"],
        "askPrice": told["a"],
        "askQty": told["A"],
    }


# --- candles ---


def candle_event(
    market: OneMarket,
    running: Running,
    opened_ms: int,
    candle: Candle,
    *,
    is_closed: bool,
    now_ms: int,
) -> Json:
    """A candle on its stream."""
    instrument = market.instrument
    price, quantity, amount = instrument.price, instrument.quantity, instrument.amount
    return {
        "e": "kline",
        "E": now_ms,
        "s": instrument.symbol,
        "k": {
            "t": opened_ms,
            "T": running.interval.next_opening(opened_ms) - 1,
            "s": instrument.symbol,
            "i": running.name,
            "f": candle.first_trade,
            "L": candle.last_trade,
            "o": price(candle.open),
            "c": price(candle.close),
            "h": price(candle.high),
            "l": price(candle.low),
            "v": quantity(candle.lots),
            "n": candle.trades,
            "x": is_closed,
            "q": amount(candle.quote_atoms),
            "V": quantity(candle.taker_bought_lots),
            "Q": amount(candle.taker_bought_atoms),
            "B": "0",
        },
    }


def candle_row(
    instrument: Instrument, opened_ms: int, closes_ms: int, candle: Candle
) -> list[object]:
    """A candle in an answer."""
    price, quantity, amount = instrument.price, instrument.quantity, instrument.amount
    return [
        opened_ms,
        price(candle.open),
        price(candle.high),
        price(candle.low),
        price(candle.close),
        quantity(candle.lots),
        closes_ms,
        amount(candle.quote_atoms),
        candle.trades,
        quantity(candle.taker_bought_lots),
        amount(candle.taker_bought_atoms),
        "0",
    ]


# --- tickers ---


class Statistics:
    """A window's figures as text, by the names that streams and answers share in part."""

    def __init__(
        self, market: OneMarket, total: Candle | None, *, opened_ms: int, closes_ms: int
    ) -> None:
        """Say what traded in a window; where nothing did, the last price stands for all."""
        instrument = market.instrument
        self.instrument = instrument
        candle = total if total is not None else Candle.flat(market.last_price)
        change = candle.close - candle.open
        self.change = instrument.price(change)
        self.percent = percent_text(change, candle.open)
        self.average = instrument.average_price(candle.quote_atoms, candle.lots)
        self.open = instrument.price(candle.open)
        self.high = instrument.price(candle.high)
        self.low = instrument.price(candle.low)
        self.last = instrument.price(candle.close)
        self.volume = instrument.quantity(candle.lots)
        self.amount = instrument.amount(candle.quote_atoms)
        self.opened_ms, self.closes_ms = opened_ms, closes_ms
        self.first_trade, self.last_trade = candle.first_trade, candle.last_trade
        self.trades = candle.trades

    def event(self, name: str, now_ms: int) -> Json:
        """A window on its stream."""
        return {
            "e": name,
            "E": now_ms,
            "s": self.instrument.symbol,
            "p": self.change,
            "P": self.percent,
            "w": self.average,
            "o": self.open,
            "h": self.high,
            "l": self.low,
            "c": self.last,
            "v": self.volume,
            "q": self.amount,
            "O": self.opened_ms,
            "C": self.closes_ms,
            "F": self.first_trade,
            "L": self.last_trade,
            "n": self.trades,
        }

    def mini_event(self, now_ms: int) -> Json:
        """The small ticker on its stream."""
        return {
            "e": "24hrMiniTicker",
            "E": now_ms,
            "s": self.instrument.symbol,
            "c": self.last,
            "o": self.open,
            "h": self.high,
            "l": self.low,
            "v": self.volume,
            "q": self.amount,
        }

    def row(self) -> Json:
        """A window in an answer."""
        return {
            "symbol": self.instrument.symbol,
            "priceChange": self.change,
            "priceChangePercent": self.percent,
            "weightedAvgPrice": self.average,
        } | self._figures()

    def mini_row(self) -> Json:
        """A window in a short answer."""
        return {"symbol": self.instrument.symbol} | self._figures()

    def _figures(self) -> Json:
        return {
            "openPrice": self.open,
            "highPrice": self.high,
            "lowPrice": self.low,
            "lastPrice": self.last,
            "volume": self.volume,
            "quoteVolume": self.amount,
            "openTime": self.opened_ms,
            "closeTime": self.closes_ms,
            "firstId": self.first_trade,
            "lastId": self.last_trade,
            "count": self.trades,
        }


def ticker_event(market: OneMarket, statistics: Statistics, *, before: int, now_ms: int) -> Json:
    """The ticker of 24 hours on its stream; ``before`` is the last price before it, in ticks."""
    book = book_ticker_event(market, 0)
    return statistics.event("24hrTicker", now_ms) | {
        "x": _before(market, statistics, before),
        "Q": market.instrument.quantity(_last_lots(market)),
        "b": book["b"],
        "B": book["B"],
        "a": book["a"],
        "A": book["A"],
    }


def ticker_row(market: OneMarket, statistics: Statistics, *, before: int) -> Json:
    """The ticker of 24 hours in an answer."""
    book = book_ticker_row(market)
    return statistics.row() | {
        "prevClosePrice": _before(market, statistics, before),
        "lastQty": market.instrument.quantity(_last_lots(market)),
        "bidPrice": book["bidPrice"],
        "bidQty": book["bidQty"],
        "askPrice": book["askPrice"],
        "askQty": book["askQty"],
    }


def _before(market: OneMarket, statistics: Statistics, before: int) -> str:
    return market.instrument.price(before) if before else statistics.open


def _last_lots(market: OneMarket) -> int:
    return market.last_trades[-1].lots if market.last_trades else 0

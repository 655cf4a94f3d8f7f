"""Questions to market data, over one connection that is made again when it is lost.

What market data answers goes to the client as it is: this process renders no public data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from messages import market_data as contract
from retail_gateway.parameters import SYMBOL_DOUBLED, malformed
from retail_gateway.refusals import DoorCode, Refusal, door_refusal
from runtime.shelf import Shelf

log = structlog.get_logger()

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to market data; OSError if it is not there."""

_QUESTIONS_MAX: Final = 1000
_SECONDS_MAX: Final = 10.0
_PAUSE_SECONDS: Final = 0.5
_READ_BYTES: Final = 1 << 18
LIMIT_DIGITS_MAX: Final = 18
"""Of a ``limit`` that is read at all."""

_AWAY: Final = door_refusal(
    DoorCode.MARKET_DATA_AWAY,
    -1001,
    "Internal error; unable to process your request. Please try again.",
    status=503,
)


class Passed(NamedTuple):
    """An answer of another process's, ready to be written."""

    status: int
    body: bytes


class MarketDataLink:
    """Asks market data."""

    def __init__(self, dial: Dial, shelf: Shelf | None = None) -> None:
        """Ask nobody yet.

        Args:
            dial: connects to market data.
            shelf: where market data leaves books; without one it is asked for each.
        """
        self._dial = dial
        self._shelf = shelf
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Passed]] = {}
        self._number = 0

    @property
    def is_linked(self) -> bool:
        """Say whether somebody is there to ask."""
        return self._writer is not None

    async def run(self) -> None:
        """Be linked, for ever."""
        while True:
            try:
                reader, self._writer = await self._dial()
                await self._read(reader)
            except (OSError, contract.ContractError) as error:
                log.info("market_data_away", reason=str(error))
            finally:
                self._unlink()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        splitter = contract.Splitter()
        while data := await reader.read(_READ_BYTES):
            for frame in splitter.feed(data):
                if frame.kind is not contract.Kind.ANSWER:
                    raise contract.ContractError(f"unasked: {frame.kind.name}")
                number, status, body = contract.read_answer(frame.body)
                waiting = self._waiting.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(Passed(status, body))

    def _unlink(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.cancel()

    async def ask(self, question: contract.Ask) -> Passed | Refusal:
        """Ask, and pass the answer on; a book that lies on the shelf need not be asked for."""
        if isinstance(question, contract.AskDepth) and question.limit <= contract.SHELVED_LEVELS:
            found = await self._shelved(question)
            if found is not None:
                return found
        writer = self._writer
        if writer is None or len(self._waiting) >= _QUESTIONS_MAX:
            return _AWAY
        self._number = number = (self._number + 1) % (1 << 32)
        answer: asyncio.Future[Passed] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            writer.write(contract.ask(number, question))
            done, _ = await asyncio.wait([answer], timeout=_SECONDS_MAX)
            return answer.result() if done and not answer.cancelled() else _AWAY
        finally:
            del self._waiting[number]

    async def _shelved(self, question: contract.AskDepth) -> Passed | None:
        """Return a book from the shelf; what lies there and is none is not there."""
        if self._shelf is None:
            return None
        answer = await self._shelf.find(contract.shelved_depth(question.symbol))
        if answer is None:
            return None
        try:
            return Passed(200, contract.shortened_depth(answer, question.limit))
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("shelved_book_malformed", symbol=question.symbol, error=str(error))
            return None


def question_of(values: Mapping[str, str], takes: type[Any]) -> dict[str, Any] | Refusal:
    """Read the list that ``symbols`` is, and let a limit above the most be the most.

    Binance answers such a limit with as much as there is to have, and clients count on it.
    """
    values = dict(values)
    limit = values.get("limit", "")
    if limit.isascii() and limit.isdigit() and len(limit) <= LIMIT_DIGITS_MAX:
        most = contract.LEVELS_MAX if takes is contract.AskDepth else contract.ROWS_MAX
        values["limit"] = str(min(int(limit), most))
    if "symbols" not in values:
        return dict(values)
    try:
        names = msgspec.json.decode(values["symbols"], type=list[str])
    except msgspec.DecodeError:
        return malformed("symbols")
    if len(set(names)) < len(names):
        return SYMBOL_DOUBLED
    return {**values, "symbols": names}


@dataclass(frozen=True, kw_only=True)
class Question:
    """A path that market data answers."""

    path: str
    summary: str
    takes: type[Any]
    weigh: Callable[[Mapping[str, str]], int]
    socket_method: str


def _always(weight: int) -> Callable[[Mapping[str, str]], int]:
    return lambda _values: weight


def _by_depth(values: Mapping[str, str]) -> int:
    text = values.get("limit", "100")
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 5000
    return next(weight for bound, weight in _DEPTH_WEIGHTS if limit <= bound)


_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (9999, 250))


def _by_symbols(*, one: int, each: int, every: int) -> Callable[[Mapping[str, str]], int]:
    def weigh(values: Mapping[str, str]) -> int:
        if "symbol" in values:
            return one
        if "symbols" in values:
            return min(each * (values["symbols"].count(",") + 1), every)
        return every

    return weigh


QUESTIONS: Final = (
    Question(
        path="/api/v3/depth",
        summary="The book",
        takes=contract.AskDepth,
        weigh=_by_depth,
        socket_method="depth",
    ),
    Question(
        path="/api/v3/trades",
        summary="The last trades",
        takes=contract.AskTrades,
        weigh=_always(25),
        socket_method="trades.recent",
    ),
    Question(
        path="/api/v3/historicalTrades",
        summary="Trades from an id on",
        takes=contract.AskHistoricalTrades,
        weigh=_always(25),
        socket_method="trades.historical",
    ),
    Question(
        path="/api/v3/aggTrades",
        summary="Trades of one taker at one price, together",
        takes=contract.AskAggregateTrades,
        weigh=_always(4),
        socket_method="trades.aggregate",
    ),
    Question(
        path="/api/v3/klines",
        summary="Candles",
        takes=contract.AskCandles,
        weigh=_always(2),
        socket_method="klines",
    ),
    Question(
        path="/api/v3/uiKlines",
        summary="Candles",
        takes=contract.AskCandles,
        weigh=_always(2),
        socket_method="uiKlines",
    ),
    Question(
        path="/api/v3/avgPrice",
        summary="The average price of the last minutes",
        takes=contract.AskAveragePrice,
        weigh=_always(2),
        socket_method="avgPrice",
    ),
    Question(
        path="/api/v3/ticker/24hr",
        summary="The last 24 hours",
        takes=contract.AskTicker24Hours,
        weigh=_by_symbols(one=2, each=2, every=80),
        socket_method="ticker.24hr",
    ),
    Question(
        path="/api/v3/ticker/tradingDay",
        summary="The day so far",
        takes=contract.AskTradingDay,
        weigh=_by_symbols(one=4, each=4, every=200),
        socket_method="ticker.tradingDay",
    ),
    Question(
        path="/api/v3/ticker/price",
        summary="The last price",
        takes=contract.AskTickerPrice,
        weigh=_by_symbols(one=2, each=4, every=4),
        socket_method="ticker.price",
    ),
    Question(
        path="/api/v3/ticker/bookTicker",
        summary="The top of the book",
        takes=contract.AskBookTicker,
        weigh=_by_symbols(one=2, each=4, every=4),
        socket_method="ticker.book",
    ),
    Question(
        path="/api/v3/ticker",
        summary="A window up to now",
        takes=contract.AskTicker,
        weigh=_by_symbols(one=4, each=4, every=200),
        socket_method="ticker",
    ),
)
"""What is asked of market data, by its path."""

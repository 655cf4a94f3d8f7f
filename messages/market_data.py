"""What market data and the doors say to one another, and how streams are called: no I/O.

One process, market data, renders every public stream once. Doors (the stream processes, the REST
process) connect to it and copy. A frame is a 32-bit little-endian length of what follows, one byte
of kind, and a body:

====  =========  ===============  ==============================================================
kind  name       sent by          body
====  =========  ===============  ==============================================================
1     FOLLOW     door             empty: send me all published streams from now
2     ASK        door             u32 id, JSON of one of ``Ask``
3     PUBLISHED  market data      u8 delivery, u8 length of the name, the name, JSON payload
4     ANSWER     market data      u32 id, u16 status (200, 400, 404, 503), JSON
====  =========  ===============  ==============================================================

After FOLLOW comes ``SYMBOLS_STREAM`` first, then the present payload of every stream that is
delivered as LATEST and has one, then whatever is new. Answers come in any order. Either end ends a
connection in which the other breaks a rule; nothing is lost by it, a door begins again.

**Update ids are event numbers.** A snapshot's ``lastUpdateId`` is the number of the last event in
it; a ``DepthUpdate`` has ``U``, the previous one's ``u`` + 1, and ``u``, the last event it
includes. So all processes agree, over restarts too, and share no state.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec

FRAME_BYTES_MAX: Final = 8 * 1024 * 1024
"""What follows a length, at most; a longer one is a broken rule."""

ASK_BYTES_MAX: Final = 64 * 1024
"""What follows the length of a door's frame, at most."""

SYMBOLS_STREAM: Final = "!symbols"
"""Published for the doors alone, LATEST: a JSON array of all symbols, such as ``["BTCUSD"]``."""

ALL_BOOK_TICKERS: Final = "!bookTicker"
"""Not published: a door makes it of every ``<symbol>@bookTicker``, whose names then say which
newer one replaces which older."""

Interval: TypeAlias = Literal[
    "1s", "1m", "3m", "5m", "15m", "30m",
    "1h", "2h", "4h", "6h", "8h", "12h",
    "1d", "3d", "1w", "1M",
]  # fmt: skip
INTERVALS: Final[tuple[Interval, ...]] = get_args(Interval)
"""Of candles."""

WINDOWS: Final = ("1h", "4h", "1d")
"""Of the tickers that are streamed beside the one of 24 hours."""

DEPTHS: Final = (5, 10, 20)
"""Levels of a side in a partial book."""

_HEAD = struct.Struct("<IB")
_NUMBER = struct.Struct("<I")  # a frame's length, or an ask's id
_PUBLISHED = struct.Struct("<BB")
_ANSWER = struct.Struct("<IH")


class ContractError(ValueError):
    """Bytes that break a rule of this contract; the sender's fault."""


class Kind(IntEnum):
    """What a frame is."""

    FOLLOW = 1
    ASK = 2
    PUBLISHED = 3
    ANSWER = 4


class Delivery(IntEnum):
    """What may be done with a payload for a reader that is slow."""

    EVERY = 1
    """It goes out, in order, or the reader is cut: ``trade``, ``aggTrade``, ``!…@arr``, and the
    last state of a candle that closes."""
    LATEST = 2
    """A newer one of the same name replaces it: tickers, partial books, running candles."""
    DELTA = 3
    """It may be merged with the next one (``merge``): ``depth``, ``depth@100ms``."""


class Frame(NamedTuple):
    """A frame, taken apart as far as every frame is alike."""

    kind: Kind
    body: memoryview


class Published(NamedTuple):
    """One payload of one stream."""

    delivery: Delivery
    name: str
    payload: bytes


class Answer(NamedTuple):
    """What an ASK of the same id is answered, with the status that REST answers with."""

    id: int
    status: int
    body: bytes


class Splitter:
    """Makes frames of the bytes of one connection, however they come."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._max = frame_bytes_max
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = _HEAD.size

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes and return the frames that they complete.

        Raises:
            ContractError: a frame is too long, is none, or has an unknown kind.
        """
        self._pieces.append(data)
        self._have += len(data)
        if self._have < self._need:
            return []  # a long frame is joined once, not with every piece of it
        view = memoryview(data if len(self._pieces) == 1 else b"".join(self._pieces))
        frames, at, size = [], 0, len(view)
        self._need = _HEAD.size
        while size - at >= _HEAD.size:
            length, kind = _HEAD.unpack_from(view, at)
            if not 1 <= length <= self._max:
                raise ContractError(f"a frame of {length} bytes; it has from 1 to {self._max}")
            if size - at < _NUMBER.size + length:
                self._need = _NUMBER.size + length
                break
            end = at + _NUMBER.size + length
            frames.append(Frame(_kind(kind), view[at + _HEAD.size : end]))
            at = end
        self._pieces = [bytes(view[at:])] if at < size else []
        self._have = size - at
        return frames


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise ContractError(f"no frame is of kind {number}") from error


def follow() -> bytes:
    """Make the frame that asks for all published streams."""
    return _HEAD.pack(1, Kind.FOLLOW)


def published(delivery: Delivery, name: str, payload: bytes) -> bytes:
    """Make the frame of one payload of one stream."""
    head = _published_head(delivery, name)
    return _NUMBER.pack(len(head) + len(payload)) + head + payload


@lru_cache(maxsize=65_536)
def _published_head(delivery: Delivery, name: str) -> bytes:
    """Return what stands between the length of a frame and the payload; streams are few."""
    return bytes((Kind.PUBLISHED, delivery, len(name))) + name.encode("ascii")


def read_published(body: memoryview) -> Published:
    """Take a PUBLISHED frame's body apart.

    Raises:
        ContractError: it is too short, or its delivery is unknown.
    """
    try:
        delivery, length = _PUBLISHED.unpack_from(body)
        end = _PUBLISHED.size + length
        if end > len(body):
            raise ContractError("a payload that ends within its stream's name")
        name = str(body[_PUBLISHED.size : end], "ascii")
        return Published(Delivery(delivery), name, bytes(body[end:]))
    except (struct.error, ValueError) as error:
        raise ContractError(f"no payload of a stream: {error}") from error


def answer(ask: int, status: int, body: bytes) -> bytes:
    """Make the frame that answers the ASK of that id."""
    length = 1 + _ANSWER.size + len(body)
    return _HEAD.pack(length, Kind.ANSWER) + _ANSWER.pack(ask, status) + body


def read_answer(body: memoryview) -> Answer:
    """Take an ANSWER frame's body apart.

    Raises:
        ContractError: it is too short.
    """
    if len(body) < _ANSWER.size:
        raise ContractError(f"an answer of {len(body)} bytes")
    ask, status = _ANSWER.unpack_from(body)
    return Answer(ask, status, bytes(body[_ANSWER.size :]))


# What is asked. The asker has checked what people gave it; market data checks it again.

Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,32}\Z")]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""Since 1970, to the end of the year 9999."""
TradeId = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
ROWS_MAX: Final = 1000
LEVELS_MAX: Final = 5000
Rows = Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)]
TimeZone = Annotated[str, msgspec.Meta(pattern=r"^[+-]?[0-9]{1,2}(:[0-9]{2})?\Z")]
"""Hours and minutes from UTC, from -12:00 to +14:00, such as ``0``, ``-1:00``, ``05:45``."""
WindowSize = Annotated[
    str, msgspec.Meta(pattern=r"^([1-9]|[1-5][0-9])m\Z|^([1-9]|1[0-9]|2[0-3])h\Z|^[1-7]d\Z")
]
Form = Literal["FULL", "MINI"]


class _Ask(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="what",
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """A question; its JSON says which by ``what``, and has the parameters by their REST names."""


class AskDepth(_Ask, frozen=True, tag="depth"):
    """The book: ``lastUpdateId``, ``T``, ``cs``, ``bids``, ``asks``."""

    symbol: Symbol
    limit: Annotated[int, msgspec.Meta(ge=1, le=LEVELS_MAX)] = 100


class AskTrades(_Ask, frozen=True, tag="trades"):
    """The last trades, oldest first."""

    symbol: Symbol
    limit: Rows = 500


class AskHistoricalTrades(_Ask, frozen=True, tag="historicalTrades"):
    """Trades from an id on; the last ones without it."""

    symbol: Symbol
    limit: Rows = 500
    from_id: TradeId | None = None


class AskAggregateTrades(_Ask, frozen=True, tag="aggTrades"):
    """Aggregate trades from an id on, or of a time; the last ones without either."""

    symbol: Symbol
    limit: Rows = 500
    from_id: TradeId | None = None
    start_time: Milliseconds | None = None
    end_time: Milliseconds | None = None


class AskCandles(_Ask, frozen=True, tag="klines"):
    """Candles, oldest first."""

    symbol: Symbol
    interval: Interval
    limit: Rows = 500
    start_time: Milliseconds | None = None
    end_time: Milliseconds | None = None
    time_zone: TimeZone = "0"


class _OfSymbols(_Ask, frozen=True):
    """Of one symbol: the answer is an object. Of several, or all (neither is given): an array."""

    symbol: Symbol | None = None
    symbols: tuple[Symbol, ...] | None = None


class AskTicker24Hours(_OfSymbols, frozen=True, tag="ticker24hr"):
    """The last 24 hours."""

    type: Form = "FULL"


class AskTradingDay(_OfSymbols, frozen=True, tag="ticker/tradingDay"):
    """The day so far."""

    type: Form = "FULL"
    time_zone: TimeZone = "0"


class AskTicker(_OfSymbols, frozen=True, tag="ticker"):
    """A window up to now."""

    type: Form = "FULL"
    window_size: WindowSize = "1d"


class AskTickerPrice(_OfSymbols, frozen=True, tag="tickerPrice"):
    """The last price."""


class AskBookTicker(_OfSymbols, frozen=True, tag="bookTicker"):
    """The top of the book."""


class AskAveragePrice(_Ask, frozen=True, tag="avgPrice"):
    """The average price of the last minutes."""

    symbol: Symbol


Ask: TypeAlias = (
    AskDepth
    | AskTrades
    | AskHistoricalTrades
    | AskAggregateTrades
    | AskCandles
    | AskTicker24Hours
    | AskTradingDay
    | AskTicker
    | AskTickerPrice
    | AskBookTicker
    | AskAveragePrice
)

_asks: msgspec.json.Decoder[Ask] = msgspec.json.Decoder(Ask)


def ask(number: int, question: Ask) -> bytes:
    """Make the frame that asks a question, to be answered under a number."""
    body = _NUMBER.pack(number) + msgspec.json.encode(question)
    return _HEAD.pack(1 + len(body), Kind.ASK) + body


def ask_number(body: memoryview) -> int:
    """Return the id of an ASK frame's body.

    Raises:
        ContractError: it is too short.
    """
    if len(body) < _NUMBER.size:
        raise ContractError(f"a question of {len(body)} bytes")
    return int(_NUMBER.unpack_from(body)[0])


def read_ask(body: memoryview) -> Ask:
    """Read the question of an ASK frame's body.

    Raises:
        msgspec.DecodeError: it is none, or a parameter is not what it should be; the words say
            which. (``msgspec.ValidationError`` is one.)
    """
    return _asks.decode(body[_NUMBER.size :])


# Where books lie for a while, so that many processes can answer for them.

SHELVED_LEVELS: Final = 100
"""Of a side, at most: as many as are answered where nobody says how many."""

SHELVED_SECONDS: Final = 3.0
"""How long a book is found; it is put again each second."""


def shelved_depth(symbol: str) -> str:
    """Say under which name the answer to ``AskDepth`` of so many levels lies."""
    return f"depth:{symbol}"


class _Depth(msgspec.Struct, frozen=True):
    last_update_id: int = msgspec.field(name="lastUpdateId")
    E: int
    T: int
    cs: int
    bids: list[msgspec.Raw]
    asks: list[msgspec.Raw]


def shortened_depth(answer: bytes, limit: int) -> bytes:
    """Return a shelved answer with the best levels only; the checksum is of ten, as always.

    Raises:
        msgspec.DecodeError: it is none.
    """
    depth = msgspec.json.decode(answer, type=_Depth)
    if limit >= SHELVED_LEVELS:
        return answer
    return msgspec.json.encode(
        msgspec.structs.replace(depth, bids=depth.bids[:limit], asks=depth.asks[:limit])
    )


# How streams are called, and the payload that doors may merge.

_STREAM = re.compile(
    r"(?P<symbol>[a-z0-9]{1,32})@(?P<kind>"
    r"trade|aggTrade|bookTicker|ticker|miniTicker|avgPrice"
    rf"|depth({'|'.join(map(str, DEPTHS))})?(@100ms)?"
    rf"|ticker_({'|'.join(WINDOWS)})"
    rf"|kline_({'|'.join(INTERVALS)}))"
)
_OF_ALL = frozenset({"!miniTicker@arr", "!ticker@arr", ALL_BOOK_TICKERS})


class Stream(NamedTuple):
    """A stream's name, understood."""

    symbol: str
    """In upper case, as everywhere but in names of streams; empty: of all."""
    kind: str
    """What follows the symbol's ``@``, or the whole name of a stream of all."""


def stream_of(name: str) -> Stream | None:
    """Understand a stream's name; None if no stream is called so, whatever the symbols are."""
    if name in _OF_ALL:
        return Stream("", name)
    found = _STREAM.fullmatch(name)
    return None if found is None else Stream(found["symbol"].upper(), found["kind"])


class DepthUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a book since the last update: the payload of a DELTA stream, in this order.

    Quantity 0 says that a level is gone.
    """

    e: Literal["depthUpdate"] = "depthUpdate"
    E: int
    """When it was published, in milliseconds."""
    s: str
    U: int
    """The first event that it may include."""
    u: int
    """The last event that it includes."""
    b: list[tuple[str, str]]
    """Bids: price and new quantity."""
    a: list[tuple[str, str]]
    """Asks."""
    T: int
    """When event ``u`` happened, in milliseconds."""
    cs: int
    """``book_checksum`` of the book after it."""


def merge(earlier: DepthUpdate, later: DepthUpdate) -> DepthUpdate:
    """Make one update of two that follow one another; the later's quantities win."""
    return DepthUpdate(
        E=later.E,
        s=later.s,
        U=earlier.U,
        u=later.u,
        b=list((dict(earlier.b) | dict(later.b)).items()),
        a=list((dict(earlier.a) | dict(later.a)).items()),
        T=later.T,
        cs=later.cs,
    )


CHECKSUM_LEVELS: Final = 10


def book_checksum(bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> int:
    """Return the CRC-32 of a book's top, by the rule that Kraken's clients know.

    Of the ten best asks, best first, and then of the ten best bids: price, then quantity, as text
    without the point and without leading zeros, all one after another.

    Args:
        bids: best first, price and quantity at the instrument's precision; ten are looked at.
        asks: likewise.

    Source:
        https://docs.kraken.com/api/docs/guides/spot-ws-book-v1
    """
    return zlib.crc32("".join([*_top(asks), *_top(bids)]).encode("ascii"))


def _top(levels: Iterable[tuple[str, str]]) -> Iterator[str]:
    for _, level in zip(range(CHECKSUM_LEVELS), levels, strict=False):
        for number in level:
            yield number.replace(".", "").lstrip("0")


def public_symbol(text: str) -> str:
    """Return base and quote, one after the other, as letters and digits in upper case."""
    return "".join(each for each in text.upper() if each.isascii() and each.isalnum())

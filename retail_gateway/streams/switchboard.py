"""Which readers follow which streams, and the way of a payload to them.

A payload comes once, is framed once in each of its two forms, and is put before its readers by
reference. What one turn of the loop brings is written to each socket in one piece.
"""

from typing import Final

import msgspec

from messages.market_data import (
    ALL_BOOK_TICKERS,
    SYMBOLS_STREAM,
    ContractError,
    Delivery,
    Published,
)
from retail_gateway.streams.message import Message
from retail_gateway.streams.reader import Reader

_BOOK_TICKER: Final = "@bookTicker"


class _Topic:
    """The readers of one stream under one name."""

    __slots__ = ("combined", "name", "raw", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.raw: dict[Reader, None] = {}
        self.combined: dict[Reader, None] = {}

    def readers(self, *, is_combined: bool) -> dict[Reader, None]:
        return self.combined if is_combined else self.raw


class Switchboard:
    """Streams, their readers, and the present state of what has one."""

    def __init__(self) -> None:
        self.messages = 0
        """Put before readers, since the beginning."""
        self.bytes = 0
        """Of their frames."""
        self._symbols: frozenset[str] | None = None
        self._topics: dict[str, _Topic] = {}
        self._of_source: dict[str, list[_Topic]] = {}
        self._latest: dict[str, bytes] = {}
        self._unwritten: list[Reader] = []

    @property
    def is_ready(self) -> bool:
        """Whether the symbols are known, so that names can be judged."""
        return self._symbols is not None

    @property
    def streams(self) -> int:
        """How many streams have a reader."""
        return len(self._topics)

    def is_symbol(self, symbol: str) -> bool:
        """Say whether there is a symbol of that name."""
        return self._symbols is not None and symbol in self._symbols

    # --- readers ---

    def follow(self, reader: Reader, name: str, source: str) -> None:
        """Send a stream to a reader; what it is now comes first, where it has a state."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic(name, source)
            self._of_source.setdefault(source, []).append(topic)
        topic.readers(is_combined=reader.is_combined)[reader] = None
        state = self._latest.get(source)
        if state is not None:
            self.send(reader, Message(Delivery.LATEST, name, state))

    def leave(self, reader: Reader, name: str) -> None:
        """Send a stream to a reader no more."""
        topic = self._topics[name]
        del topic.readers(is_combined=reader.is_combined)[reader]
        if not topic.raw and not topic.combined:
            del self._topics[name]
            topics = self._of_source[topic.source]
            topics.remove(topic)
            if not topics:
                del self._of_source[topic.source]

    def rewrap(self, reader: Reader, *, is_combined: bool) -> None:
        """Give a reader its streams in the other form from now on."""
        for name in reader.names:
            topic = self._topics[name]
            del topic.readers(is_combined=not is_combined)[reader]
            topic.readers(is_combined=is_combined)[reader] = None

    def send(self, reader: Reader, message: Message) -> None:
        """Put a message before one reader."""
        self._put(message, reader.frame_of(message), {reader: None})

    # --- market data ---

    def publish(self, published: Published) -> None:
        """Put a payload before all who follow its stream.

        Raises:
            ContractError: market data breaks a rule.
        """
        delivery, name, payload = published
        if name == SYMBOLS_STREAM:
            self._take_symbols(payload)
            return
        if delivery is Delivery.LATEST:
            self._latest[name] = payload
        else:
            self._latest.pop(name, None)  # a candle that has closed is no present one
        for topic in self._of_source.get(name, ()):
            self._put_topic(topic, Message(delivery, topic.name, payload))
        if name.endswith(_BOOK_TICKER):
            for topic in self._of_source.get(ALL_BOOK_TICKERS, ()):
                self._put_topic(topic, Message(delivery, topic.name, payload, key=name))

    def lost(self) -> None:
        """Forget states: nobody says whether they are still true."""
        self._latest.clear()

    def flush(self) -> None:
        """Write what this turn has brought."""
        unwritten, self._unwritten = self._unwritten, []
        for reader in unwritten:
            reader.flush()

    def _take_symbols(self, payload: bytes) -> None:
        try:
            self._symbols = frozenset(msgspec.json.decode(payload, type=list[str]))
        except msgspec.DecodeError as error:
            raise ContractError(f"{SYMBOLS_STREAM}: {error}") from error

    def _put_topic(self, topic: _Topic, message: Message) -> None:
        if topic.raw:
            self._put(message, message.raw, topic.raw)
        if topic.combined:
            self._put(message, message.combined, topic.combined)

    def _put(self, message: Message, frame: bytes, readers: dict[Reader, None]) -> None:
        self.messages += len(readers)
        self.bytes += len(readers) * len(frame)
        for reader in readers:
            if reader.backlog is not None:
                if not reader.backlog.put(message):
                    self._unwritten.append(reader)  # to be cut, not within this loop
                continue
            pending = reader.pending
            if not pending:
                self._unwritten.append(reader)
            pending.append(frame)

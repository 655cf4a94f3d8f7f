"""What market data reads of the events: a few fields of a few kinds."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from core.event_finder import EventFinder
from messages.layout import reader
from messages.trading import events as e
from services.market_data.errors import UnreadableEventsError

NANOSECONDS_PER_MS: Final = 1_000_000

Handler = Callable[[bytes, int], None]


class SeenTrade(NamedTuple):
    """A trade, without the people in it."""

    number: int
    sequence: int
    """Of the command that made it."""
    time_ns: int
    instrument: int
    taker_side: int
    is_auction: int
    is_negotiated: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    taker_order_id: int


class SeenLevel(NamedTuple):
    """A price of a book, and what it shows after its command."""

    number: int
    instrument: int
    side: int
    book_sequence: int
    price_ticks: int
    quantity_lots: int


class SeenChange(NamedTuple):
    """A bust or a correction: the trade, and its terms now, which are zero after a bust."""

    number: int
    instrument: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int


read_trade: Final = reader(e.TradeExecuted, SeenTrade)
read_level: Final = reader(e.BookLevelChanged, SeenLevel)
read_change: Final = reader(e.TradeBusted, SeenChange, e.TradeCorrected)


class EventWalk:
    """Gives each event of some kinds to its handler, and sees that none at all is missing."""

    def __init__(self, handlers: Mapping[int, Handler]) -> None:
        """Keep the handlers, by kind."""
        self._handlers = handlers
        self._find = EventFinder(handlers).find

    def take(self, data: bytes, first: int) -> tuple[int, int]:
        """Walk over events.

        Args:
            data: whole records.
            first: the number that the first one must have.

        Returns:
            The last event's number and stamp; ``first - 1`` and zero when there is none.

        Raises:
            UnreadableEventsError: a gap, an unknown kind, a record that is cut short. Nothing was
                given to a handler.
        """
        try:
            last, time_ns, found = self._find(data, first)
        except ValueError as error:
            raise UnreadableEventsError(str(error)) from None
        handlers = self._handlers
        for kind, offset in found:
            handlers[kind](data, offset)
        return last, time_ns

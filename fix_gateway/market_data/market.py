"""All books of the venue, kept by the feed, and what else the public may know of instruments."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from fix_gateway.market_data.books import AnyOrderEvent, BookGapError, Level, PublicBook
from fix_gateway.translation.directory import Directory
from messages.layout import Record
from messages.trading import events
from messages.trading.answers import Book
from messages.trading.events import EVENTS, LAST_OF_COMMAND
from messages.trading.terms import Scope

log = structlog.get_logger()

_HEAD: Final = struct.Struct("<HHBBHQ")
"""Length, kind, version, flags, reserved, number: how every event begins."""


@dataclass(slots=True)
class Venue:
    """Definitions for the public: units, bounds and phases, and whether all trading is killed."""

    directory: Directory = field(default_factory=Directory)
    limits: dict[int, events.InstrumentLimitsSet] = field(default_factory=dict)
    phases: dict[int, events.PhaseChanged] = field(default_factory=dict)
    is_killed: bool = False

    def learn(self, record: Record) -> None:
        """Take one definition event; other events change nothing."""
        if isinstance(record, events.InstrumentLimitsSet):
            self.limits[record.instrument] = record
        elif isinstance(record, events.PhaseChanged):
            self.phases[record.instrument] = record
        elif isinstance(record, events.Killed | events.Resumed):
            if record.scope == Scope.VENUE:
                self.is_killed = isinstance(record, events.Killed)
        else:
            self.directory.learn(record)


class Market:
    """The books, and the walk over the feed that keeps them."""

    def __init__(
        self,
        *,
        book_changed: Callable[[PublicBook], None],
        status_changed: Callable[[Record], None],
    ) -> None:
        """Begin with nothing.

        Args:
            book_changed: called at the end of each command for each book that it changed, before
                the book forgets what was changed.
            status_changed: called with each PhaseChanged, and each Killed and Resumed.
        """
        self.venue = Venue()
        self.books: dict[int, PublicBook] = {}
        self.position = 0
        """The last event taken."""
        self.disagreements = 0
        """Books whose orders do not add up to their levels."""
        self._book_changed = book_changed
        self._status_changed = status_changed
        self._books_at = self._began_at_ns = 0
        self._touched: dict[int, PublicBook] = {}
        self._handlers: dict[int, Callable[[Any], None]] = {
            events.BookLevelChanged.KIND: self._level_changed,
            events.TradeExecuted.KIND: self._traded,
            events.InstrumentCreated.KIND: self.venue.learn,
            events.InstrumentLimitsSet.KIND: self.venue.learn,
            events.AssetCreated.KIND: self.venue.learn,
            events.PhaseChanged.KIND: self._status,
            events.Killed.KIND: self._status,
            events.Resumed.KIND: self._status,
        }
        self._handlers.update(dict.fromkeys(_ORDER_KINDS, self._order_changed))

    def begin(
        self,
        *,
        definitions: Iterable[Record],
        definitions_at: int,
        books: Iterable[Book],
        books_at: int,
        now_ns: int = 0,
    ) -> None:
        """Take over the core's answers.

        Args:
            definitions: what is defined.
            definitions_at: the event after which that was true; the feed goes on from here.
            books: every book with its queues.
            books_at: the event after which they were true, not before the definitions' one.
            now_ns: our clock, which stands for the time of changes that we have not seen.
        """
        assert definitions_at <= books_at, "definitions are asked for first"
        for record in definitions:
            self.venue.learn(record)
        self.books = {
            book.instrument: PublicBook.restored(book.instrument, book.sequence, book.orders)
            for book in books
        }
        self.position, self._books_at = definitions_at, books_at
        self._began_at_ns = now_ns
        for public in self.books.values():
            public.time_ns = now_ns

    def take(self, data: bytes) -> None:
        """Take events: whole commands, following those taken before.

        Raises:
            BookGapError: events are missing.
        """
        at, end, handlers, head = 0, len(data), self._handlers, _HEAD.unpack_from
        number = self.position
        while at < end:
            length, kind, _, flags, _, number = head(data, at)
            handle = handlers.get(kind)
            if handle is not None and (number > self._books_at or kind in _DEFINITIONS):
                handle(EVENTS.by_kind[kind].unpack(data, at))
            if flags & LAST_OF_COMMAND and self._touched:
                self._end_command()
            at += length
        if number < self.position or at != end:
            raise BookGapError(f"events through {number} follow {self.position}")
        self.position = number

    def book(self, instrument: int) -> PublicBook:
        """Return an instrument's book; empty for one that never had an order."""
        found = self.books.get(instrument)
        if found is None:
            found = self.books[instrument] = PublicBook(instrument)
            found.time_ns = self._began_at_ns
        return found

    def _end_command(self) -> None:
        for book in self._touched.values():
            self._book_changed(book)
            book.settle()
        self._touched.clear()

    def _level_changed(self, record: events.BookLevelChanged) -> None:
        book = self._touch(record.instrument)
        had_agreed = not book.orders_disagree
        book.level_changed(
            record.side,
            record.price_ticks,
            Level(record.quantity_lots, record.orders),
            sequence=record.book_sequence,
            time_ns=record.time_ns,
        )
        if book.orders_disagree and had_agreed:
            self.disagreements += 1
            log.error("orders_disagree_with_level", instrument=book.instrument, at=record.number)

    def _order_changed(self, record: AnyOrderEvent) -> None:
        self._touch(record.instrument).order_changed(record)

    def _traded(self, record: events.TradeExecuted) -> None:
        self._touch(record.instrument).traded(record)

    def _touch(self, instrument: int) -> PublicBook:
        book = self._touched[instrument] = self.book(instrument)
        return book

    def _status(self, record: Record) -> None:
        self.venue.learn(record)
        self._status_changed(record)


_ORDER_KINDS: Final = (
    events.OrderAccepted.KIND,
    events.OrderCancelled.KIND,
    events.OrderExpired.KIND,
    events.OrderAmended.KIND,
    events.OrderTriggered.KIND,
    events.OrderRestated.KIND,
)
_DEFINITIONS: Final = frozenset(
    event.KIND
    for event in (
        events.AssetCreated,
        events.InstrumentCreated,
        events.InstrumentLimitsSet,
        events.PhaseChanged,
        events.Killed,
        events.Resumed,
    )
)

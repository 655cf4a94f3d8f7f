"""All books of the venue, kept by the feed, and what else the public may know of instruments."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from core.event_finder import EventFinder
from fix_gateway.market_data.books import BookGapError, PublicBook
from fix_gateway.market_data.records import (
    read_amendment,
    read_end,
    read_level,
    read_order,
    read_trade,
)
from fix_gateway.translation.directory import Directory
from messages.layout import Record
from messages.trading import events
from messages.trading.answers import Book
from messages.trading.terms import Scope

log = structlog.get_logger()

_HEAD: Final = struct.Struct("<8xQQ")
"""Number and sequence, as every event has them."""


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
        self._sequence = 0
        """The command whose events are taken."""
        self._handlers: dict[int, Callable[[bytes, int], None]] = {
            events.BookLevelChanged.KIND: self._level_changed,
            events.TradeExecuted.KIND: self._traded,
            events.OrderAccepted.KIND: self._accepted,
            events.OrderTriggered.KIND: self._triggered,
            events.OrderRestated.KIND: self._restated,
            events.OrderAmended.KIND: self._amended,
            events.OrderCancelled.KIND: self._ended,
            events.OrderExpired.KIND: self._ended,
            **{kind.KIND: partial(self._defined, kind) for kind in _DEFINITIONS},
        }
        self._find = EventFinder(self._handlers).find

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
        try:
            last, _, found = self._find(data, self.position + 1)
        except ValueError as error:
            raise BookGapError(str(error)) from None
        handlers, books_at, head = self._handlers, self._books_at, _HEAD.unpack_from
        for kind, offset in found:
            number, sequence = head(data, offset)
            if sequence != self._sequence:
                self._end_command()
                self._sequence = sequence
            if number > books_at or kind in _DEFINED:
                handlers[kind](data, offset)
        self._end_command()
        self.position = last

    def book(self, instrument: int) -> PublicBook:
        """Return an instrument's book; empty for one that never had an order."""
        found = self.books.get(instrument)
        if found is None:
            found = self.books[instrument] = PublicBook(instrument)
            found.time_ns = self._began_at_ns
        return found

    def _end_command(self) -> None:
        if not self._touched:
            return
        for book in self._touched.values():
            self._book_changed(book)
            book.settle()
        self._touched.clear()

    def _level_changed(self, data: bytes, offset: int) -> None:
        seen = read_level(data, offset)
        book = self._touch(seen.instrument)
        had_agreed = not book.orders_disagree
        book.level_changed(seen)
        if book.orders_disagree and had_agreed:
            self.disagreements += 1
            log.error("orders_disagree_with_level", instrument=book.instrument, at=seen.number)

    def _accepted(self, data: bytes, offset: int) -> None:
        seen = read_order(data, offset)
        self._touch(seen.instrument).accepted(seen)

    def _triggered(self, data: bytes, offset: int) -> None:
        seen = read_order(data, offset)
        self._touch(seen.instrument).triggered(seen)

    def _restated(self, data: bytes, offset: int) -> None:
        seen = read_order(data, offset)
        self._touch(seen.instrument).changed(seen, keeps_place=True)

    def _amended(self, data: bytes, offset: int) -> None:
        seen = read_amendment(data, offset)
        self._touch(seen.instrument).changed(seen, keeps_place=bool(seen.kept_priority))

    def _ended(self, data: bytes, offset: int) -> None:
        instrument, order_id = read_end(data, offset)
        self._touch(instrument).ended(order_id)

    def _traded(self, data: bytes, offset: int) -> None:
        seen = read_trade(data, offset)
        self._touch(seen.instrument).traded(seen)

    def _defined(self, kind: type[Record], data: bytes, offset: int) -> None:
        record = kind.unpack(data, offset)
        self.venue.learn(record)
        if isinstance(record, _STATUSES):
            self._status_changed(record)

    def _touch(self, instrument: int) -> PublicBook:
        book = self._touched.get(instrument)
        if book is None:
            book = self._touched[instrument] = self.book(instrument)
        return book


_STATUSES: Final = (events.PhaseChanged, events.Killed, events.Resumed)
_DEFINITIONS: Final = (
    events.AssetCreated,
    events.InstrumentCreated,
    events.InstrumentLimitsSet,
    *_STATUSES,
)
_DEFINED: Final = frozenset(kind.KIND for kind in _DEFINITIONS)

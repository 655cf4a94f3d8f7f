"""The orders that are open, told to a drop copy after its Logon.

They are asked of the core in pages. A page stands as after its answer's event, and is told once
everything up to that event has been published; an order of which something newer was told in
between is left out, for that message said its whole state. So what a client heard last of an
order is what holds.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from fix_gateway.acceptor import Channel
from fix_gateway.sessions import LiveSession
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.open_orders import no_open_orders, open_order
from messages.trading import events
from messages.trading.answers import OPEN_ORDERS_PAGE_MAX
from runtime.link_frames import Answer

Ask = Callable[[int, int, int], Awaitable[Answer]]
"""Asks for open orders: account, order id after which they begin, how many at most."""


@dataclass(slots=True)
class Listing:
    """One session's open orders on their way to it."""

    session: LiveSession
    channel: Channel
    connection: int
    accounts: tuple[int, ...]
    total: int = 0
    """How many there were when it began."""
    event: int = 0
    """After which event the last page stands."""
    is_counted: bool = False
    is_done: bool = False
    sent: int = 0
    _left: deque[int] = field(default_factory=deque)
    _after: int = 0
    _rows: deque[tuple[int, events.OrderReported]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Begin at the first account, and have what is told meanwhile noted."""
        self._left.extend(self.accounts)
        self.session.touched = {}

    @property
    def is_heard(self) -> bool:
        """Whether whoever logged on is still there."""
        return self.session.is_open and self.session.connection == self.connection

    async def count(self, ask: Ask) -> None:
        """Count the orders, page by page."""
        for account in self.accounts:
            after = 0
            while True:
                answer = await ask(account, after, OPEN_ORDERS_PAGE_MAX)
                page = _rows_of(answer)
                self.total += len(page)
                self.event = answer.event_number
                if len(page) < OPEN_ORDERS_PAGE_MAX:
                    break
                after = page[-1].order_id
        self.is_counted = True

    async def fetch(self, ask: Ask, reached: Callable[[int], Awaitable[None]]) -> None:
        """Have rows at hand, or be done."""
        # One row stays behind until it is known whether another one follows.
        while len(self._rows) < 2 and self._left:
            account = self._left[0]
            answer = await ask(account, self._after, OPEN_ORDERS_PAGE_MAX)
            await reached(answer.event_number)
            page = _rows_of(answer)
            touched = self.session.touched or {}
            self.event = answer.event_number
            self._rows.extend(
                (self.event, row) for row in page if touched.get(row.order_id, 0) <= self.event
            )
            # What is older than this page is older than every later one.
            self.session.touched = {
                order: event for order, event in touched.items() if event > self.event
            }
            if len(page) < OPEN_ORDERS_PAGE_MAX:
                self._left.popleft()
                self._after = 0
            else:
                self._after = page[-1].order_id

    def tell(self, directory: Directory) -> None:
        """Send one row; after the last one the listing is done.

        Raises:
            StoreError: QuickFIX could not store it.
        """
        is_last = len(self._rows) <= 1 and not self._left
        if self._rows:
            event, row = self._rows.popleft()
            is_old = (self.session.touched or {}).get(row.order_id, 0) > event
        else:
            event, row, is_old = self.event, None, True
        self.is_done = is_last
        if row is not None and not is_old:
            text = open_order(row, directory, event=event, total=self.total, is_last=is_last)
        elif is_last:
            text = no_open_orders(event=event, total=self.total, time_ns=time.time_ns())
        else:
            return
        self.channel.send(text)
        self.sent += 1

    def end(self) -> None:
        """Note nothing more."""
        self.session.touched = None


def orders_of(record: events.Event) -> Iterable[int]:
    """Return the ids of the orders whose state an event says."""
    if isinstance(record, events.OrderEvent):
        return (record.order_id,)
    if isinstance(record, events.TradeExecuted):
        return (record.maker_order_id, record.taker_order_id)
    return ()


def _rows_of(answer: Answer) -> list[events.OrderReported]:
    found = []
    for record in events.EVENTS.unpack(answer.payload):
        assert isinstance(record, events.OrderReported)
        found.append(record)
    return found

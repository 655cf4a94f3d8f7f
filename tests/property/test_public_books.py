"""Books that subscribers rebuild of W and X are the engine's, under any flow and at any pace."""

from __future__ import annotations

import random

import pytest

from fix_gateway.market_data.books import Level, LevelKey, PublicBook
from fix_gateway.market_data.encoding import update, whole
from fix_gateway.market_data.market import Market
from fix_gateway.market_data.views import View, ViewKey
from messages.trading.answers import Book, read_books
from messages.trading.events import (
    EVENTS,
    BookLevelChanged,
    OrderAccepted,
    PhaseChanged,
    TradeExecuted,
)
from messages.trading.terms import OrderStatus, OrderType, Side, TimeInForce
from tests.property.flow import INSTRUMENTS, Flow
from tests.unit.fix_gateway.market_data_client import ClientBook
from venue.reference.engine import ReferenceEngine

COMMANDS = 1500
FLOWS_MAX = 10
FILL_OR_KILL = TimeInForce.FILL_OR_KILL
BOTH = (Side.BUY, Side.SELL)
FIX_SIDE = {Side.BUY: "0", Side.SELL: "1"}


class Subscriber:
    """One client of a view, who reads when chance has it."""

    def __init__(self, view: View, *, patience: float, entries_max: int) -> None:
        self.view, self.patience, self.entries_max = view, patience, entries_max
        self.book = ClientBook(is_by_order=view.key.is_by_order, depth=view.key.depth)
        self.position = -1

    def read(self) -> None:
        view = self.view
        if self.position == view.sequence:
            return
        moment = view.since(self.position) if self.position >= 0 else None
        if moment is None:
            for piece in whole(view, entries_max=self.entries_max):
                self.book.take(f"35=W\x01{piece.data.decode()}")
        elif moment.is_empty:
            return
        else:
            for piece in update(view, moment, entries_max=self.entries_max):
                self.book.take(f"35=X\x01{piece.data.decode()}")
        assert self.book.is_complete
        assert self.book.sequence == view.sequence
        self.position = view.sequence


class Rig:
    """An engine under a flow, the market that follows it, and subscribers of every kind."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.engine = ReferenceEngine()
        self.changed: set[int] = set()
        self.market = Market(book_changed=self.note, status_changed=lambda _record: None)
        self.subscribers: list[Subscriber] = []
        self.trades: dict[int, list[str]] = {number: [] for number in INSTRUMENTS}

    def note(self, book: PublicBook) -> None:
        for view in self.views():
            if view.key.instrument == book.instrument:
                view.note()

    def views(self) -> dict[View, None]:
        return dict.fromkeys(each.view for each in self.subscribers)

    def subscribe(self) -> None:
        for instrument in INSTRUMENTS:
            unit = self.market.venue.directory.instrument(instrument)
            for depth, is_by_order in ((0, False), (1, False), (5, False), (0, True)):
                key = ViewKey(instrument, depth, is_by_order, BOTH, True, 0)
                book = self.market.book(instrument)
                view = View(key, book, moments_max=4, trades_max=50, unit=unit)
                for patience in (1.0, 0.3, 0.05):
                    entries_max = self.chance.choice((2, 1000))
                    self.subscribers.append(
                        Subscriber(view, patience=patience, entries_max=entries_max)
                    )

    def give(self, told: bytes) -> None:
        self.market.take(told)
        for event in EVENTS.unpack(told):
            # Fill or kill never rests: such a maker's trade was agreed on by a request for quote.
            if isinstance(event, TradeExecuted) and event.maker_time_in_force != FILL_OR_KILL:
                self.trades[event.instrument].append(str(event.trade_id))
        for view in self.views():
            if self.chance.random() < 0.7 and view.is_dirty:
                view.tick()
        for each in self.subscribers:
            if self.chance.random() < each.patience:
                each.read()

    def settle(self) -> None:
        for view in self.views():
            view.tick()
        for each in self.subscribers:
            each.read()

    def compare(self) -> None:
        books = {book.instrument: book for book in read_books(self.engine.books())}
        for each in self.subscribers:
            book = books[each.view.key.instrument]
            assert each.book.sequence <= book.sequence
            for side in BOTH:
                self.compare_side(each, book, side)

    def compare_side(self, each: Subscriber, book: Book, side: Side) -> None:
        unit = each.view.unit
        assert unit.price_decimals == unit.quantity_decimals == 0, "ticks and lots as they are"
        resting = [order for order in book.orders if order.side == side]
        told = each.book
        if told.is_by_order:
            queue = [(str(o.order_id), str(o.price_ticks), str(o.shown_lots)) for o in resting]
            assert told.queue(FIX_SIDE[side]) == queue
            return
        levels: dict[int, list[int]] = {}
        for order in resting:
            levels.setdefault(order.price_ticks, []).append(order.shown_lots)
        expected = [(str(price), str(sum(lots)), len(lots)) for price, lots in levels.items()]
        assert told.best(FIX_SIDE[side]) == (expected[: told.depth] if told.depth else expected)


@pytest.mark.parametrize("calm", [True, False])
def test_what_is_told_rebuilds_the_engines_books(chance: random.Random, calm: bool) -> None:
    was_late = has_traded = False
    for _ in range(FLOWS_MAX):  # one flow may be without
        late, traded = rebuilt(chance, calm=calm)
        was_late, has_traded = was_late or late, has_traded or traded
        if was_late and has_traded:
            return
    raise AssertionError(f"was anybody too late: {was_late}; did anybody trade: {has_traded}")


def rebuilt(chance: random.Random, *, calm: bool) -> tuple[bool, bool]:
    """Let a flow be told and compare; say whether somebody was too late, and heard of a trade."""
    rig = Rig(chance)
    flow = Flow(chance.getrandbits(32), calm=calm)
    begin = chance.randrange(COMMANDS // 2)
    restart = begin + chance.randrange(COMMANDS // 2)
    for step, (_, told) in enumerate(flow.run(rig.engine, COMMANDS)):
        if step < begin:
            rig.market.take(told)
            continue
        if step == begin:
            rig.market.take(told)
            rig.subscribe()
            continue
        rig.give(told)
        if step % 25 == 0:
            rig.settle()
            rig.compare()
        if step == restart:
            market = restarted(rig)
            assert levels_of(market) == levels_of(rig.market)
            assert queues_of(market) == queues_of(rig.market)
    rig.settle()
    rig.compare()
    assert rig.market.disagreements == 0
    for book in rig.market.books.values():
        assert book._display.keys() <= book.orders.keys(), "nothing is kept of orders that are gone"
    assert all(each.book.checked for each in rig.subscribers)
    prompt = [each for each in rig.subscribers if each.patience == 1.0]
    for each in prompt:
        heard = each.book.trades
        assert heard == rig.trades[each.view.key.instrument][-len(heard) :][: len(heard)]
    was_late = any(each.book.snapshots > 1 for each in rig.subscribers)
    return was_late, any(each.book.trades for each in prompt)


def restarted(rig: Rig) -> Market:
    """What another process would make of the core's answers now."""
    market = Market(book_changed=lambda _book: None, status_changed=lambda _record: None)
    market.begin(
        definitions=EVENTS.unpack(rig.engine.definitions()),
        definitions_at=rig.engine.last_event,
        books=read_books(rig.engine.books()),
        books_at=rig.engine.last_event,
    )
    return market


def levels_of(market: Market) -> dict[int, tuple[int, dict[LevelKey, Level]]]:
    return {
        number: (book.sequence, dict(book.levels))
        for number, book in market.books.items()
        if book.sequence
    }


def queues_of(market: Market) -> dict[int, list[tuple[int, int, int, int]]]:
    return {
        number: [
            (side, price_ticks, order_id, lots)
            for side, price_ticks, _, order_id, lots in sorted(
                (order.side, order.price_ticks, order.rank, order_id, order.lots)
                for order_id, order in book.orders.items()
            )
        ]
        for number, book in market.books.items()
        if book.sequence
    }


def test_a_restarted_process_goes_on_as_if_it_had_never_stopped(chance: random.Random) -> None:
    rig = Rig(chance)
    market: Market | None = None
    for step, (_, told) in enumerate(Flow(chance.getrandbits(32)).run(rig.engine, COMMANDS)):
        rig.market.take(told)
        if market is not None:
            market.take(told)
            assert levels_of(market) == levels_of(rig.market)
        elif step == COMMANDS // 2:
            market = restarted(rig)
    assert market is not None
    assert market.disagreements == rig.market.disagreements == 0


def test_each_command_of_a_delivery_is_told_by_itself() -> None:
    told: list[object] = []
    market = Market(
        book_changed=lambda book: told.append((book.sequence, sorted(book.touched_orders))),
        status_changed=lambda record: told.append(type(record)),
    )
    order = {"instrument": 1, "side": Side.BUY, "price_ticks": 100, "status": OrderStatus.NEW}
    kind = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.DAY}
    level = {"instrument": 1, "side": Side.BUY, "price_ticks": 100}
    records = [
        OrderAccepted.make(number=1, sequence=7, order_id=11, leaves_lots=5, **order, **kind),
        BookLevelChanged.make(
            number=2, sequence=7, quantity_lots=5, orders=1, book_sequence=1, **level
        ),
        OrderAccepted.make(number=3, sequence=8, order_id=12, leaves_lots=4, **order, **kind),
        BookLevelChanged.make(
            number=4, sequence=8, quantity_lots=9, orders=2, book_sequence=2, **level
        ),
        PhaseChanged.make(number=5, sequence=9, instrument=1),
    ]
    market.take(b"".join(record.pack() for record in records))
    assert told == [(1, [11]), (2, [12]), PhaseChanged]
    assert market.disagreements == 0

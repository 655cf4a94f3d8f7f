"""All of the venue's trading state, and the small steps that keep its parts agreeing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from messages.trading.codes import RejectCode
from risk.decisions import Refused, hold_buy
from venue.reference.accounts import Account, Asset, Firm, Withdrawal, change_hold
from venue.reference.bounds import CLIENT_ID_SHARES, CLIENT_IDS_OF_ACCOUNT_MIN
from venue.reference.client_ids import ClientIds
from venue.reference.deadlines import ORDER_EXPIRY, Deadlines
from venue.reference.event_writer import CANCELLED, EXPIRED, EventWriter
from venue.reference.instruments import Instrument
from venue.reference.kept_trades import KeptTrades
from venue.reference.orders import Order
from venue.reference.sessions import Session
from venue.reference.standing_quotes import leave_quote
from venue.reference.values import BUY, NO_CLIENT_ID
from venue.reference.values import CANCELLED as STATUS_CANCELLED
from venue.reference.values import EXPIRED as STATUS_EXPIRED

if TYPE_CHECKING:
    from venue.reference.quote_requests import QuoteRequest, RfqQuote

RULES: int = 1
"""The only rule set there is so far."""


class Configuration(msgspec.Struct, frozen=True, gc=False):
    """The venue's bounds, as ConfigureVenue gives them."""

    client_ids_max: int
    references_max: int
    open_orders_max: int
    accounts_max: int
    instruments_max: int
    sessions_max: int
    client_id_window_ns: int
    indicative_interval_ns: int
    day_offset_ns: int


class VenueState:
    """Everything that a snapshot holds, and the events being written.

    ``sources`` maps a source to its epoch and its last sequence. ``references`` are the money
    references ever honoured: True while it names an open withdrawal or did, False otherwise.
    ``names`` are all names and symbols in use, each with the number of what it names.
    ``steps_left`` is what the present command may still do. ``late_stops`` are the instruments
    in which a command could trigger no more of the stops that it reached. ``quote_requests`` and
    ``rfq_quotes`` are the open ones by number: that of their arrival. ``done_quotes`` are the
    sides of quotes that the present command ended: unless a trade of theirs is kept, they are
    forgotten with it. ``suspensions`` are (scope, target, instrument, side): what clients
    themselves stopped.
    """

    __slots__ = (
        "accounts",
        "assets",
        "client_ids",
        "configuration",
        "deadlines",
        "done_quotes",
        "events",
        "fee_schedules",
        "firms",
        "instruments",
        "is_killed",
        "kept_trades",
        "last_arrival",
        "last_order_id",
        "last_sequence",
        "last_time_ns",
        "last_trade_id",
        "late_stops",
        "names",
        "open_orders",
        "quote_requests",
        "references",
        "rfq_quotes",
        "rules",
        "sessions",
        "sources",
        "steps_left",
        "suspensions",
        "withdrawals",
    )

    def __init__(self) -> None:
        self.events = EventWriter()
        self.configuration: Configuration | None = None
        self.rules = RULES
        self.is_killed = False
        self.last_sequence = 0
        self.last_time_ns = 0
        self.last_order_id = 0
        self.last_trade_id = 0
        self.last_arrival = 0
        self.open_orders = 0
        self.assets: dict[int, Asset] = {}
        self.firms: dict[int, Firm] = {}
        self.accounts: dict[int, Account] = {}
        self.sessions: dict[int, Session] = {}
        self.instruments: dict[int, Instrument] = {}
        self.fee_schedules: dict[int, tuple[int, int]] = {}
        self.sources: dict[int, tuple[int, int]] = {}
        self.references: dict[bytes, bool] = {}
        self.withdrawals: dict[bytes, Withdrawal] = {}
        self.names: dict[tuple[type[object], bytes], int] = {}
        self.steps_left = 0
        self.suspensions: set[tuple[int, int, int, int]] = set()
        self.late_stops: set[int] = set()
        self.done_quotes: list[Order] = []
        self.quote_requests: dict[int, QuoteRequest] = {}
        self.rfq_quotes: dict[int, RfqQuote] = {}
        self.client_ids = ClientIds()
        self.kept_trades = KeptTrades()
        self.deadlines = Deadlines()

    def next_arrival(self) -> int:
        """Number an arrival in a queue."""
        self.last_arrival += 1
        return self.last_arrival

    def late_instruments(self) -> list[Instrument]:
        """Return, the smallest number first, where the last price has reached a waiting stop."""
        late = (self.instruments[number] for number in sorted(self.late_stops))
        return [instrument for instrument in late if instrument.has_late_stops]

    def fee_rates(self, account: Account, instrument: Instrument) -> tuple[int, int]:
        """Return the maker and taker rate (ppm) of an account's orders from now on.

        The account's schedule for the instrument, else its schedule for all, else the
        instrument's own.
        """
        schedules = account.fee_schedules
        number = instrument.definition.fee_schedule
        if schedules:
            number = schedules.get(instrument.number) or schedules.get(0) or number
        return self.fee_schedules[number]


class Prevented(NamedTuple):
    """What self-trade prevention kept from trading: with which order, how much, at which price."""

    counter_order_id: int
    lots: int
    price_ticks: int


NOTHING_PREVENTED = Prevented(0, 0, 0)


def hold_of(
    order: Order, *, leaves_lots: int, price_ticks: int, maker_ppm: int, taker_ppm: int
) -> int:
    """Return what an order would tie up with such terms: quote of a buy, base of a sell."""
    if order.side == BUY:
        rate_ppm = max(taker_ppm, maker_ppm)
        return hold_buy(
            notional_atoms=leaves_lots * price_ticks * order.instrument.tick_lot_atoms,
            rate_ppm=max(rate_ppm, 0),
            credit=order.fee_credit,
        )
    return leaves_lots * order.instrument.lot_atoms


def open_order(venue: VenueState, order: Order, *, client_order_id: bytes) -> None:
    """Let an accepted order be known and counted; its hold is already taken."""
    venue.client_ids.orders[order.order_id] = order
    if order.quoted is None:
        venue.client_ids.attach(order, client_order_id)
    order.account.open_orders[order.order_id] = order
    order.instrument.open_orders += 1
    venue.open_orders += 1
    if order.side == BUY:
        order.base.buying_atoms += order.leaves_lots * order.instrument.lot_atoms
    if order.expires_at_ns:
        venue.deadlines.add(order.expires_at_ns, ORDER_EXPIRY, order.order_id)


def close_order(venue: VenueState, order: Order, *, status: int, reason: int) -> None:
    """Make an order done: release what it held; its ids are remembered for a while.

    It has left its queue already. A side of a quote has no ids; its kept trades remember it.
    """
    if order.side == BUY:
        order.base.buying_atoms -= order.leaves_lots * order.instrument.lot_atoms
    change_hold(order, 0)
    order.leaves_lots = 0
    order.status = status
    order.reason = reason
    del order.account.open_orders[order.order_id]
    order.instrument.open_orders -= 1
    venue.open_orders -= 1
    if order.expires_at_ns:
        venue.deadlines.remove(order.expires_at_ns, ORDER_EXPIRY, order.order_id)
    if order.quoted is None:
        venue.client_ids.gone.append((venue.last_time_ns, order))
    else:
        leave_quote(order)
        venue.done_quotes.append(order)


def forget_done_quotes(venue: VenueState) -> None:
    """Forget the sides of quotes that are done, and that could not be busted or corrected.

    No id of the client's names them; a kept trade does.
    """
    orders, kept = venue.client_ids.orders, venue.kept_trades
    for order in venue.done_quotes:
        if order.last_trade_id not in kept.trades:
            del orders[order.order_id]
    venue.done_quotes.clear()
    for order in kept.let_go():
        orders.pop(order.order_id, None)


def leave_queue(venue: VenueState, order: Order) -> None:
    """Take an open order out of the book or from among the waiting stops, where it is in one."""
    if order.is_pending:
        order.instrument.stops.remove(order)
    elif order.level is not None:
        book = order.instrument.book
        side = book.bids if order.side == BUY else book.asks
        venue.events.touched[side, order.price_ticks] = book
        side.remove(order)


def cancel_order(
    venue: VenueState,
    order: Order,
    *,
    reason: int,
    origin_session: int = 0,
    origin_connection: int = 0,
    request_id: bytes = NO_CLIENT_ID,
    prevented: Prevented = NOTHING_PREVENTED,
) -> None:
    """Cancel an open order, wherever it is, and say so."""
    leave_queue(venue, order)
    close_order(venue, order, status=STATUS_CANCELLED, reason=reason)
    venue.events.order(CANCELLED, order, origin_session, origin_connection, request_id, *prevented)


def expire_order(venue: VenueState, order: Order, *, reason: int) -> None:
    """Let an open order's time end, wherever it is, and say so."""
    leave_queue(venue, order)
    close_order(venue, order, status=STATUS_EXPIRED, reason=reason)
    venue.events.order(EXPIRED, order)


def decide_client_id(
    venue: VenueState, account: Account, client_order_id: bytes, *, is_needed: bool
) -> Refused | None:
    """Say whether a client id is new, and whether there is room to remember it.

    Unless room is needed, a full memory refuses nothing: a cancel must always be possible, and
    one that comes again finds nothing left to cancel.
    """
    if client_order_id in account.client_ids:
        return Refused(RejectCode.DUPLICATE_CLIENT_ORDER_ID)
    return decide_id_room(venue, account) if is_needed else None


def decide_id_room(venue: VenueState, account: Account) -> Refused | None:
    """Say whether one more id can be remembered: of the venue's, and of the account's share."""
    assert venue.configuration is not None
    limit = venue.configuration.client_ids_max
    if venue.client_ids.count >= limit:
        return Refused(RejectCode.CLIENT_ORDER_ID_MEMORY_FULL, limit, venue.client_ids.count + 1)
    share = max(CLIENT_IDS_OF_ACCOUNT_MIN, limit // CLIENT_ID_SHARES)
    used = len(account.client_ids)
    if used >= share:
        return Refused(RejectCode.CLIENT_ORDER_ID_MEMORY_FULL, share, used + 1)
    return None

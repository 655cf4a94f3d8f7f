"""Mass quotes: many two-sided quotes of one account, replaced by one command.

First the standing sides that the message replaces are taken out of their books, so that nothing
of the maker's own stands in the way. Then each entry is judged, and what is accepted is opened:
numbered, counted and held for. Then all of it is acknowledged. Only after that do the new sides
act, in the order of the entries: so an acknowledgement comes before what its quotes trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import EnterQuote, GroupHeader, PlaceOrder
from messages.trading.events import (
    OUTCOMES_PER_EVENT,
    MassQuoteAcknowledged,
    QuoteOutcome,
)
from messages.trading.terms import QuoteFlag
from risk.decisions import (
    CLIENT_ID_SIZE,
    Refused,
    decide_counts,
    decide_funds,
    decide_notional,
    decide_phase,
    decide_terms,
    is_client_id,
)
from venue.reference.accounts import Account
from venue.reference.entry import (
    decide_asker,
    decide_buying,
    decide_post_only,
    decide_price,
    hold_of_new,
    order_of,
    pass_throttle,
)
from venue.reference.event_writer import ACCEPTED, AMENDED, clipped, shape
from venue.reference.instruments import Instrument
from venue.reference.matching import reduce_resting, rehold
from venue.reference.orders import Order
from venue.reference.protection import decide_protection
from venue.reference.standing_quotes import (
    ENTRY_ID_SIZE,
    SEPARATOR,
    Quote,
    QuoteKey,
    join_quote,
    name_of_side,
)
from venue.reference.state import VenueState, cancel_order, open_order
from venue.reference.suspensions import decide_suspension
from venue.reference.triggers import act
from venue.reference.values import (
    BUY,
    GOOD_TILL_CANCEL,
    LIMIT,
    POST_ONLY,
    QUOTE,
    QUOTE_REPLACED,
    QUOTE_WITHDRAWN,
    SELL,
    WOULD_TAKE,
)

_MASS_QUOTE_ACKNOWLEDGED: Final = shape(MassQuoteAcknowledged)

_GIVES: Final = {BUY: int(QuoteFlag.GIVES_BID), SELL: int(QuoteFlag.GIVES_ASK)}
_MAY_TAKE: Final = int(QuoteFlag.MAY_TAKE)
_KNOWN_FLAGS: Final = int(QuoteFlag.GIVES_BID | QuoteFlag.GIVES_ASK | QuoteFlag.MAY_TAKE)
_UNREADABLE: Final = int(QuoteFlag.UNREADABLE)
_GATEWAY_CODES: Final = range(1000, 2000)
_SIDES: Final = (BUY, SELL)


def mass_quote(venue: VenueState, header: GroupHeader, entries: list[EnterQuote]) -> None:
    """Replace quotes of an account, or refuse to: all of them, or entry by entry."""
    account = venue.accounts.get(header.account)
    refused = decide_asker(venue, header, account, None)
    if refused is None:
        assert account is not None
        refused = pass_throttle(venue, account)
    if refused is not None:
        _acknowledge(venue, header, entries, refused=refused)
        return
    assert account is not None
    quoting = _Quoting(venue, header, account)
    named = [quoting.take_name(entry) for entry in entries]
    for entry, key in zip(entries, named, strict=True):
        if not isinstance(key, Refused):
            quoting.lift(entry, key)
    outcomes = [quoting.enter(entry, key) for entry, key in zip(entries, named, strict=True)]
    for first in range(0, len(outcomes), OUTCOMES_PER_EVENT):
        _acknowledge(venue, header, entries, outcomes=outcomes, first=first)
    for order in quoting.entering:
        _act(venue, order)


def _acknowledge(
    venue: VenueState,
    header: GroupHeader,
    entries: list[EnterQuote],
    *,
    refused: Refused | None = None,
    outcomes: Sequence[QuoteOutcome] = (),
    first: int = 0,
) -> None:
    """Say what became of the entries from ``first`` on, as many as one event holds."""
    code, limit, usage = refused or (0, 0, 0)
    told = outcomes[first : first + OUTCOMES_PER_EVENT]
    data = b"".join(outcome.pack() for outcome in told)
    venue.events.emit(
        _MASS_QUOTE_ACKNOWLEDGED,
        header.account,
        header.session,
        header.connection,
        code,
        entries[0].response,
        0,
        len(entries),
        sum(outcome.code == 0 for outcome in outcomes),
        first,
        len(told),
        clipped(limit),
        clipped(usage),
        entries[0].quote_id,
        data,
    )


def _act(venue: VenueState, order: Order) -> None:
    """Let a new side act, unless it went meanwhile: its protection group may have been frozen.

    What a side before it traded may have set off stops that rest opposite now, so that a
    post-only one looks again.
    """
    if not order.is_open:
        return
    if decide_post_only(order, price_ticks=order.price_ticks) is not None:
        cancel_order(venue, order, reason=WOULD_TAKE)
        return
    act(venue, order)


def _is_unreadable(entry: EnterQuote) -> bool:
    """Say whether the gateway says by its own code why it could not read an entry."""
    flags = entry.quote_flags
    is_known = not flags & ~(_KNOWN_FLAGS | _UNREADABLE)
    return is_known and flags & _UNREADABLE != 0 and entry.valid_until_ns in _GATEWAY_CODES


def _lots_of(entry: EnterQuote, side: int) -> int:
    return entry.bid_lots if side == BUY else entry.ask_lots


def _price_of(entry: EnterQuote, side: int) -> int:
    return entry.bid_price_ticks if side == BUY else entry.ask_price_ticks


def _keeps_place(order: Order, entry: EnterQuote) -> bool:
    """Say whether a standing side stays in its queue: at its price, with no more than it has."""
    return (
        order.level is not None
        and order.price_ticks == _price_of(entry, order.side)
        and 0 < _lots_of(entry, order.side) <= order.leaves_lots
    )


class _Quoting:
    """One mass quote of an account, which may ask: what of it was accepted so far."""

    def __init__(self, venue: VenueState, header: GroupHeader, account: Account) -> None:
        self.venue = venue
        self.header = header
        self.account = account
        self.names: set[QuoteKey] = set()
        self.entering: list[Order] = []

    def take_name(self, entry: EnterQuote) -> QuoteKey | Refused:
        """Return what an entry is known by, unless it has no name or one that came before."""
        quote_id, entry_id = entry.quote_id.rstrip(b"\0"), entry.entry_id.rstrip(b"\0")
        if (
            not is_client_id(entry.quote_id)
            or not is_client_id(entry.entry_id)
            or SEPARATOR in entry_id
        ):
            return Refused(RejectCode.QUOTE_ID_INVALID)
        if len(entry_id) > ENTRY_ID_SIZE:
            return Refused(RejectCode.QUOTE_ID_INVALID, ENTRY_ID_SIZE, len(entry_id))
        size = len(quote_id) + len(SEPARATOR) + len(entry_id)
        if size > CLIENT_ID_SIZE:
            return Refused(RejectCode.QUOTE_ID_INVALID, CLIENT_ID_SIZE, size)
        key = (entry.instrument, entry_id)
        if key in self.names:
            return Refused(RejectCode.QUOTE_ENTRY_REPEATED)
        self.names.add(key)
        return key

    def lift(self, entry: EnterQuote, key: QuoteKey) -> None:
        """Take what an entry replaces or withdraws out of its book."""
        quote = self.account.quotes.get(key)
        if quote is None:
            return
        for order in self._given(entry, quote):
            if not _keeps_place(order, entry):
                reason = QUOTE_REPLACED if _lots_of(entry, order.side) else QUOTE_WITHDRAWN
                self._withdraw(order, reason)

    def _given(self, entry: EnterQuote, quote: Quote) -> list[Order]:
        standing = (quote.bid, quote.ask)
        return [
            each for each in standing if each is not None and entry.quote_flags & _GIVES[each.side]
        ]

    def _withdraw(self, order: Order, reason: int) -> None:
        header = self.header
        cancel_order(
            self.venue,
            order,
            reason=reason,
            origin_session=header.session,
            origin_connection=header.connection,
        )

    def enter(self, entry: EnterQuote, key: QuoteKey | Refused) -> QuoteOutcome:
        """Accept an entry, both sides or none, and open what is new of it."""
        found: list[Order] | Refused | tuple[int, int, int]
        if not isinstance(key, Refused) and _is_unreadable(entry):
            found = (entry.valid_until_ns, 0, entry.bid_price_ticks)
        else:
            found = self._decide(entry, key)
        quote = None if isinstance(key, Refused) else self.account.quotes.get(key)
        given = [] if quote is None else self._given(entry, quote)
        if isinstance(found, tuple):
            for order in given:
                self._withdraw(order, QUOTE_WITHDRAWN)
            return self._outcome(entry, key, found)
        assert not isinstance(key, Refused)
        for order in given:
            self._keep(order, entry)
        for order in found:
            self._open(order, key)
        return self._outcome(entry, key, None)

    def _outcome(
        self, entry: EnterQuote, key: QuoteKey | Refused, refused: tuple[int, int, int] | None
    ) -> QuoteOutcome:
        quote = None if isinstance(key, Refused) else self.account.quotes.get(key)
        code, limit, usage = refused or (0, 0, 0)
        return QuoteOutcome(
            entry.entry_id,
            entry.instrument,
            entry.protection_group,
            code,
            sum(_GIVES[side] for side in _SIDES if quote and quote.side(side)),
            clipped(limit),
            clipped(usage),
        )

    def _decide(self, entry: EnterQuote, key: QuoteKey | Refused) -> list[Order] | Refused:
        """Return the orders of an entry's new sides, or why none of it may stand."""
        if isinstance(key, Refused):
            return key
        venue, gives = self.venue, entry.quote_flags
        if gives & ~_KNOWN_FLAGS or not gives & ~_MAY_TAKE or entry.self_trade_prevention > 4:
            return Refused(RejectCode.FIELD_INVALID)
        if entry.valid_until_ns and venue.last_time_ns > entry.valid_until_ns:
            return Refused(RejectCode.EXPIRY_INVALID, entry.valid_until_ns, venue.last_time_ns)
        instrument = venue.instruments.get(entry.instrument)
        if instrument is None:
            return Refused(RejectCode.INSTRUMENT_UNKNOWN)
        sides = [side for side in _SIDES if gives & _GIVES[side] and _lots_of(entry, side)]
        if not sides:
            return []  # what only goes may always go
        refused = self._decide_standing(instrument, entry, sides)
        if refused is not None:
            return refused
        wanted = [self._side_of(entry, side) for side in sides]
        for each in wanted:
            refused = _decide_alone(venue, instrument, each)
            if refused is not None:
                return refused
        quote = self.account.quotes.get(key)
        refused = _decide_crossed(entry, quote)
        if refused is not None:
            return refused
        new = [each for each in wanted if quote is None or quote.side(each.side) is None]
        return self._decide_orders(instrument, entry, new)

    def _decide_standing(
        self, instrument: Instrument, entry: EnterQuote, sides: list[int]
    ) -> Refused | None:
        """Say whether these sides may stand in an instrument and a protection group."""
        if instrument.is_killed:
            return Refused(RejectCode.INSTRUMENT_KILLED)
        for side in sides:
            refused = decide_suspension(
                self.venue,
                session=self.header.session,
                account=self.header.account,
                instrument=instrument.number,
                side=side,
            )
            if refused is not None:
                return refused
        definition = instrument.definition
        return decide_protection(
            self.account,
            entry.protection_group,
            base=definition.base_asset,
            quote=definition.quote_asset,
        )

    def _side_of(self, entry: EnterQuote, side: int) -> PlaceOrder:
        """Return what an entry's side would be as an order of its own."""
        header = self.header
        return PlaceOrder.make(
            account=header.account,
            session=header.session,
            connection=header.connection,
            instrument=entry.instrument,
            side=side,
            order_type=LIMIT,
            time_in_force=GOOD_TILL_CANCEL,
            self_trade_prevention=entry.self_trade_prevention,
            order_flags=0 if entry.quote_flags & _MAY_TAKE else POST_ONLY,
            trader=entry.trader,
            price_ticks=_price_of(entry, side),
            quantity_lots=_lots_of(entry, side),
            client_order_id=name_of_side(entry.quote_id, entry.entry_id),
        )

    def _decide_orders(
        self, instrument: Instrument, entry: EnterQuote, new: list[PlaceOrder]
    ) -> list[Order] | Refused:
        """Return the new sides as orders, with what they would hold, if all of them may stand."""
        venue, account = self.venue, self.account
        assert venue.configuration is not None
        orders = []
        for ahead, command in enumerate(new):
            price_ticks, lots = command.price_ticks, command.quantity_lots
            order = order_of(venue, command, account, instrument, price_ticks)
            order.order_flags |= QUOTE
            order.protection_group = entry.protection_group
            notional_atoms = price_ticks * lots * instrument.tick_lot_atoms
            order.held_atoms = hold_of_new(order, notional_atoms)
            refused = (
                decide_counts(
                    account_orders=len(account.open_orders) + ahead,
                    account_orders_max=account.open_orders_max,
                    book_orders=instrument.open_orders + ahead,
                    book_orders_max=instrument.limits.orders_max,
                    venue_orders=venue.open_orders + ahead,
                    venue_orders_max=venue.configuration.open_orders_max,
                )
                or decide_buying(order, more_lots=lots)
                or decide_funds(
                    available_atoms=order.holding.available_atoms, needed_atoms=order.held_atoms
                )
                or decide_post_only(order, price_ticks=price_ticks)
            )
            if refused is not None:
                return refused
            orders.append(order)
        return orders

    def _keep(self, order: Order, entry: EnterQuote) -> None:
        """Let a standing side stay in its place, with no more lots than it had."""
        less_lots = order.leaves_lots - _lots_of(entry, order.side)
        if less_lots:
            reduce_resting(self.venue, order, less_lots)
            order.quantity_lots -= less_lots
            if order.side == BUY:
                order.base.buying_atoms -= less_lots * order.instrument.lot_atoms
            rehold(order)
        previous_name = order.client_order_id
        order.client_order_id = name_of_side(entry.quote_id, entry.entry_id)
        order.session, order.connection = self.header.session, self.header.connection
        order.trader = entry.trader
        order.self_trade_prevention = (
            entry.self_trade_prevention or self.account.self_trade_prevention
        )
        order.order_flags = QUOTE if entry.quote_flags & _MAY_TAKE else QUOTE | POST_ONLY
        order.protection_group = entry.protection_group
        self.venue.events.order(
            AMENDED, order, order.session, order.connection, 1, 0, 0, 0, previous_name
        )

    def _open(self, order: Order, key: QuoteKey) -> None:
        venue = self.venue
        venue.last_order_id += 1
        order.order_id = venue.last_order_id
        order.arrival = venue.next_arrival()
        order.holding.held_atoms += order.held_atoms
        join_quote(order, key)
        open_order(venue, order, client_order_id=order.client_order_id)
        venue.events.order(ACCEPTED, order)
        self.entering.append(order)


def _decide_alone(venue: VenueState, instrument: Instrument, command: PlaceOrder) -> Refused | None:
    """Say whether a side is an order that the instrument takes, whatever else stands."""
    notional_atoms = command.price_ticks * command.quantity_lots * instrument.tick_lot_atoms
    return (
        decide_phase(phase=instrument.phase, order=command)
        or decide_terms(order=command, limits=instrument.limits, now_ns=venue.last_time_ns)
        or decide_price(instrument, command)
        or decide_notional(notional_atoms=notional_atoms, limits=instrument.limits)
    )


def _decide_crossed(entry: EnterQuote, quote: Quote | None) -> Refused | None:
    """Say whether a quote's bid would reach its own ask, given now or standing already."""
    bid_ticks, ask_ticks = (_price_with(entry, quote, side) for side in _SIDES)
    if bid_ticks and ask_ticks and bid_ticks >= ask_ticks:
        return Refused(RejectCode.QUOTE_CROSSED, ask_ticks, bid_ticks)
    return None


def _price_with(entry: EnterQuote, quote: Quote | None, side: int) -> int:
    """Return the price that a side would stand at, zero for none."""
    if entry.quote_flags & _GIVES[side]:
        return _price_of(entry, side) if _lots_of(entry, side) else 0
    standing = None if quote is None else quote.side(side)
    return 0 if standing is None else standing.price_ticks

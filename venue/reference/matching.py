"""Continuous matching: price-time priority, self-trade prevention, price bands.

An incoming order trades with the best opposite price, earliest order first, each trade at the
resting order's price, until it is done, finds no more, or the price band stops trading.
"""

from __future__ import annotations

from typing import Final

from messages.trading.events import TradeExecuted
from messages.trading.terms import AMOUNT_LIMIT
from risk.decisions import fee_of_fill, is_outside_band
from venue.reference.accounts import change_hold
from venue.reference.book import BookSide
from venue.reference.cash import lots_left
from venue.reference.event_writer import RESTATED, shape
from venue.reference.instruments import Instrument
from venue.reference.kept_trades import KeptTrade
from venue.reference.orders import Order
from venue.reference.phases import halt_by_band
from venue.reference.protection import Foresight, count_fill
from venue.reference.state import (
    Prevented,
    VenueState,
    cancel_order,
    close_order,
    expire_order,
    hold_of,
)
from venue.reference.values import (
    BUY,
    CANCEL_INCOMING,
    CANCEL_RESTING,
    CASH_QUANTITY,
    CASH_SPENT,
    CONTINUOUS,
    DECREMENT_AND_CANCEL,
    FILL_OR_KILL,
    FILLED,
    IMMEDIATE_REMAINDER,
    MINIMUM_QUANTITY,
    PARTIALLY_FILLED,
    PRICE_BAND,
    QUOTE,
    SELF_TRADE,
    UNFILLED_OR_KILLED,
)

_TRADE: Final = shape(TradeExecuted)


def execute_order(venue: VenueState, order: Order) -> None:
    """Let an accepted order act on the book now: trade what it can, then rest or go.

    Where nothing is matched (orders gather for an auction), it rests.
    """
    instrument = order.instrument
    stopped = 0
    if instrument.phase == CONTINUOUS:
        if (order.time_in_force == FILL_OR_KILL or order.minimum_lots) and not _is_fillable(
            venue, order
        ):
            is_all = order.time_in_force == FILL_OR_KILL
            expire_order(venue, order, reason=UNFILLED_OR_KILLED if is_all else MINIMUM_QUANTITY)
            return
        stopped = _match(venue, order)
    if order.leaves_lots == 0:
        return
    if order.is_immediate:
        is_halted = instrument.phase != CONTINUOUS
        remainder = stopped or IMMEDIATE_REMAINDER
        expire_order(venue, order, reason=PRICE_BAND if is_halted else remainder)
        return
    if stopped:  # resting, it would cross the book
        cancel_order(venue, order, reason=IMMEDIATE_REMAINDER)
        return
    rest_order(venue, order)


def rest_order(venue: VenueState, order: Order) -> None:
    """Put an order at the back of its price's queue."""
    book = order.instrument.book
    side = book.bids if order.side == BUY else book.asks
    side.append(order)
    venue.events.touched[side, order.price_ticks] = book


def _match(venue: VenueState, taker: Order) -> int:
    """Trade; say why it stopped although the other side is still in reach.

    IMMEDIATE_REMAINDER when the command has done all that one may, CASH_SPENT when the rest of a
    cash quantity is less than a lot; otherwise 0.
    """
    instrument = taker.instrument
    book = instrument.book
    is_buy = taker.side == BUY
    side = book.asks if is_buy else book.bids
    group = taker.account.group
    limit_ticks = taker.price_ticks
    level = side.best
    if level is None:
        return 0
    has_band = _roll_band_window(venue, instrument)
    while level is not None and taker.leaves_lots:
        price_ticks = level.price_ticks
        if price_ticks > limit_ticks if is_buy else price_ticks < limit_ticks:
            return 0
        if has_band and _is_beyond_band(instrument, price_ticks):
            halt_by_band(venue, instrument)
            return 0
        if venue.steps_left == 0:
            return IMMEDIATE_REMAINDER
        leaves_lots = _tradable_lots(taker, price_ticks)
        if leaves_lots == 0:
            return CASH_SPENT
        venue.steps_left -= 1
        maker = level.head
        assert maker is not None, price_ticks
        if maker.account.group == group:
            prevent_self_trade(
                venue,
                incoming=taker,
                resting=maker,
                price_ticks=price_ticks,
                is_incoming_resting=False,
            )
        else:
            shown_lots = maker.shown_lots
            lots = min(leaves_lots, shown_lots)
            venue.events.touched[side, price_ticks] = book
            side.take(maker, lots)
            taker.leaves_lots -= lots
            record_trade(venue, maker=maker, taker=taker, lots=lots, price_ticks=price_ticks)
        level = side.best
    return 0


def _tradable_lots(order: Order, price_ticks: int) -> int:
    """Return what an incoming order could trade at a price: all that it has, or its cash buys."""
    if order.order_flags & CASH_QUANTITY:
        return min(order.leaves_lots, lots_left(order, price_ticks=price_ticks))
    return order.leaves_lots


def _roll_band_window(venue: VenueState, instrument: Instrument) -> bool:
    """Begin the band window that the present stamp is in; say whether there is a band."""
    limits = instrument.limits
    if limits.band_ppm == 0:
        return False
    now_ns = venue.last_time_ns
    if now_ns >= instrument.band_window_at_ns + limits.band_window_ns:
        instrument.band_window_at_ns = now_ns - now_ns % limits.band_window_ns
        instrument.band_ticks = instrument.band_next_ticks
    return True


def _is_beyond_band(instrument: Instrument, price_ticks: int) -> bool:
    return is_outside_band(
        price_ticks=price_ticks,
        reference_ticks=instrument.band_ticks,
        band_ppm=instrument.limits.band_ppm,
    )


def _is_fillable(venue: VenueState, taker: Order) -> bool:
    """Say whether enough could trade now: all of a fill-or-kill, the minimum of the others.

    Hidden quantity counts. Own orders do not: when the resting one would be cancelled it is
    passed over, in the other modes of self-trade prevention counting stops at it. Quotes that
    their protection takes away before the order gets to them do not count. What might take more
    steps than the command has left cannot trade now either.
    """
    instrument = taker.instrument
    needed = taker.minimum_lots or taker.leaves_lots
    side = instrument.book.asks if taker.side == BUY else instrument.book.bids
    has_band = _roll_band_window(venue, instrument)
    steps_left = venue.steps_left
    foresight = Foresight(venue.last_time_ns)
    for level in side:
        price_ticks = level.price_ticks
        is_reached = (
            price_ticks <= taker.price_ticks
            if taker.side == BUY
            else price_ticks >= taker.price_ticks
        )
        if not is_reached or (has_band and _is_beyond_band(instrument, price_ticks)):
            return False
        shown_lots, hidden_lots, tranches = 0, 0, 0
        for resting in level:
            steps_left -= 1
            if resting.account.group == taker.account.group:
                if taker.self_trade_prevention == CANCEL_RESTING:
                    continue
                # A refreshed tranche queues behind the own order, so it is out of reach.
                return False
            if not foresight.meets(resting):
                continue
            shown_lots += resting.shown_lots
            if shown_lots >= needed:
                return steps_left >= 0
            hidden = resting.leaves_lots - resting.shown_lots
            if hidden:
                hidden_lots += hidden
                tranches += -(-hidden // resting.display_lots)
        # A trade takes a whole tranche, or at least the last lot.
        steps_left -= min(tranches, needed - shown_lots)
        needed -= shown_lots + hidden_lots
        if needed <= 0 or steps_left < 0:
            return steps_left >= 0
    return False


def prevent_self_trade(
    venue: VenueState,
    *,
    incoming: Order,
    resting: Order,
    price_ticks: int,
    is_incoming_resting: bool,
) -> None:
    """Do what the incoming order's mode says instead of trading with its own group.

    In an uncross both are in the book (``is_incoming_resting``).
    """
    mode = incoming.self_trade_prevention
    lots = min(_tradable_lots(incoming, price_ticks), resting.leaves_lots)
    of_resting = Prevented(incoming.order_id, lots, price_ticks)
    of_incoming = Prevented(resting.order_id, lots, price_ticks)
    if mode == DECREMENT_AND_CANCEL:
        _decrement(venue, resting, of_resting, is_resting=True)
        _decrement(venue, incoming, of_incoming, is_resting=is_incoming_resting)
        return
    if mode != CANCEL_INCOMING:
        cancel_order(venue, resting, reason=SELF_TRADE, prevented=of_resting)
    if mode != CANCEL_RESTING:
        cancel_order(venue, incoming, reason=SELF_TRADE, prevented=of_incoming)


def _decrement(venue: VenueState, order: Order, prevented: Prevented, *, is_resting: bool) -> None:
    lots = prevented.lots
    if lots == order.leaves_lots:
        cancel_order(venue, order, reason=SELF_TRADE, prevented=prevented)
        return
    if is_resting:
        reduce_resting(venue, order, lots)
    else:
        order.leaves_lots -= lots
    order.quantity_lots -= lots
    if order.side == BUY:
        order.base.buying_atoms -= lots * order.instrument.lot_atoms
    if order.order_flags & CASH_QUANTITY:
        _reduce_cash(order, lots * prevented.price_ticks * order.instrument.tick_lot_atoms)
    else:
        rehold(order)
    order.reason = SELF_TRADE
    venue.events.order(RESTATED, order, *prevented)
    order.reason = 0


def _reduce_cash(order: Order, atoms: int) -> None:
    """Take the value of lots that a cash order does not trade off its amount."""
    order.cash_atoms -= atoms
    if order.side == BUY:
        change_hold(order, order.held_atoms - atoms)
    else:
        rehold(order)


def reduce_resting(venue: VenueState, order: Order, lots: int) -> None:
    """Take lots off a resting order, in its place; its level is told when it shows less."""
    book = order.instrument.book
    side: BookSide = book.bids if order.side == BUY else book.asks
    shown_lots = order.shown_lots
    side.reduce(order, lots)
    if order.shown_lots != shown_lots:
        venue.events.touched[side, order.price_ticks] = book


def rehold(order: Order) -> None:
    """Let an order hold what its present leaves, price, rates and fee credit need."""
    change_hold(
        order,
        hold_of(
            order,
            leaves_lots=order.leaves_lots,
            price_ticks=order.price_ticks,
            maker_ppm=order.maker_ppm,
            taker_ppm=order.taker_ppm,
        ),
    )


def _settle_fill(order: Order, *, lots: int, notional_atoms: int, rate_ppm: int) -> int:
    """Move an order's money for a fill whose lots have left its leaves; return the fee."""
    fee_atoms, order.fee_credit = fee_of_fill(
        notional_atoms=notional_atoms, rate_ppm=rate_ppm, credit=order.fee_credit
    )
    base_atoms = lots * order.instrument.lot_atoms
    if order.side == BUY:
        order.base.balance_atoms += base_atoms
        order.base.buying_atoms -= base_atoms
        order.quote.balance_atoms -= notional_atoms + fee_atoms
    else:
        order.base.balance_atoms -= base_atoms
        order.quote.balance_atoms += notional_atoms - fee_atoms
    if order.order_flags & CASH_QUANTITY and order.side == BUY:
        change_hold(order, order.held_atoms - notional_atoms - max(fee_atoms, 0))
    else:
        rehold(order)
    order.filled_lots += lots
    return fee_atoms


def record_trade(
    venue: VenueState,
    *,
    maker: Order,
    taker: Order,
    lots: int,
    price_ticks: int,
    is_auction: bool = False,
    is_negotiated: bool = False,
) -> None:
    """Move the money of a trade, say it, and close what is filled.

    The maker is the resting order, in an uncross the earlier one. The leaves of both no longer
    include ``lots``. In an uncross (``is_auction``) both pay the maker's rate, but get no rebate.
    A negotiated trade passes by the book: it moves no price that others rely on.
    """
    instrument = maker.instrument
    value = price_ticks * lots
    notional_atoms = value * instrument.tick_lot_atoms
    if is_auction:
        maker_ppm, taker_ppm = max(maker.maker_ppm, 0), max(taker.maker_ppm, 0)
    else:
        maker_ppm, taker_ppm = maker.maker_ppm, taker.taker_ppm
    maker_fee = _settle_fill(maker, lots=lots, notional_atoms=notional_atoms, rate_ppm=maker_ppm)
    taker_fee = _settle_fill(taker, lots=lots, notional_atoms=notional_atoms, rate_ppm=taker_ppm)
    quote = venue.assets[instrument.definition.quote_asset]
    quote.fees_atoms += maker_fee + taker_fee
    assert -AMOUNT_LIMIT < quote.fees_atoms < AMOUNT_LIMIT, quote.number
    maker.filled_value += value
    taker.filled_value += value
    maker.status = PARTIALLY_FILLED if maker.leaves_lots else FILLED
    taker.status = PARTIALLY_FILLED if taker.leaves_lots else FILLED
    if not is_negotiated:
        _print(instrument, price_ticks)
    venue.last_trade_id += 1
    venue.events.emit(
        _TRADE,
        instrument.number,
        taker.side,
        1 if is_auction else 0,
        1 if is_negotiated else 0,
        venue.last_trade_id,
        price_ticks,
        lots,
        notional_atoms,
        lots * instrument.lot_atoms,
        *_trade_side(maker, maker_fee, maker_ppm),
        *_trade_side(taker, taker_fee, taker_ppm),
        taker.cash_atoms,
    )
    if venue.kept_trades.trades_max:
        trade = KeptTrade(
            event_number=venue.events.number,
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            price_ticks=price_ticks,
            quantity_lots=lots,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            maker_ppm=maker_ppm,
            taker_ppm=taker_ppm,
        )
        _keep(venue, trade, maker, taker)
    if maker.leaves_lots == 0:
        close_order(venue, maker, status=FILLED, reason=0)
    if taker.leaves_lots == 0:
        close_order(venue, taker, status=FILLED, reason=0)
    base_atoms = lots * instrument.lot_atoms
    for order in (maker, taker):
        count_fill(venue, order, base_atoms=base_atoms, notional_atoms=notional_atoms)


def _keep(venue: VenueState, trade: KeptTrade, maker: Order, taker: Order) -> None:
    """Keep a trade, and let it keep those of its orders known that are sides of quotes."""
    kept = venue.kept_trades
    kept.keep(venue.last_trade_id, trade)
    for order in (maker, taker):
        if order.order_flags & QUOTE:
            kept.keep_side(venue.last_trade_id, order)


def _print(instrument: Instrument, price_ticks: int) -> None:
    """Let a trade's price be the last one, which stops, collar and band go by."""
    instrument.last_ticks = instrument.reference_ticks = price_ticks
    instrument.band_next_ticks = price_ticks
    instrument.stops.print(price_ticks)


def _trade_side(order: Order, fee_atoms: int, fee_ppm: int) -> tuple[int | bytes, ...]:
    return (
        order.order_id,
        order.account_number,
        order.session,
        order.connection,
        order.order_type,
        order.time_in_force,
        order.status,
        order.order_flags,
        order.trader,
        fee_ppm,
        order.price_ticks,
        order.stop_price_ticks,
        order.quantity_lots,
        order.leaves_lots,
        order.filled_lots,
        order.filled_value,
        fee_atoms,
        order.held_atoms,
        order.base.balance_atoms,
        order.quote.balance_atoms,
        order.client_order_id,
    )

"""What a snapshot must say to be taken over: the ranges of its records, and how they agree.

Every state that commands can lead to passes. What passes survives every command: matching, risk and
the next snapshot rely on nothing that is not checked here, or by writing the same bytes again.
"""

from __future__ import annotations

import msgspec

from messages.trading.terms import AMOUNT_LIMIT, PPM, AccountKind
from risk.decisions import decide_rebate, decide_tranches
from venue.reference.definitions import SCALE_MAX, is_name
from venue.reference.instruments import NO_LIMITS, Instrument
from venue.reference.limits import decide_limits, decide_products
from venue.reference.orders import Order
from venue.reference.standing_quotes import is_quote_name
from venue.reference.state import RULES, VenueState, hold_of
from venue.reference.state_records import (
    AccountRecord,
    AssetRecord,
    BalanceRecord,
    FeeScheduleRecord,
    InstrumentRecord,
    MarketRecord,
    OrderRecord,
    SessionRecord,
    VenueRecord,
)
from venue.reference.values import (
    BUY,
    BY_OPERATOR,
    BY_PRICE_BAND,
    CALL_AUCTION,
    CANCEL_ACCOUNT_ORDERS,
    CANCEL_RESTING,
    CASH_QUANTITY,
    CLOSED,
    CONTINUOUS,
    DAY,
    DECREMENT_AND_CANCEL,
    EXPIRED,
    GOOD_TILL_CANCEL,
    GOOD_TILL_DATE,
    HALTED,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    MARKET,
    NEVER_RESTS,
    PARTIALLY_FILLED,
    PENDING_TRIGGER,
    POST_ONLY,
    PRE_OPEN,
    PRICED,
    QUOTE,
    SELL,
    STOP,
    STOP_LIMIT,
    WITHOUT_PRICE,
)


class SnapshotMalformedError(ValueError):
    """Bytes that are not a snapshot of this engine; nothing was taken over."""


def require(condition: bool, what: str) -> None:  # noqa: FBT001  # it is the whole question
    """Refuse the snapshot unless something holds of it."""
    if not condition:
        raise SnapshotMalformedError(f"the snapshot {what}")


def is_bound(value: int) -> bool:
    """Say whether a bound or duration is in range: zero means none."""
    return 0 <= value < AMOUNT_LIMIT


def is_amount(value: int) -> bool:
    """Say whether something of which there must be some is in range."""
    return 0 < value < AMOUNT_LIMIT


# Records, each by itself.


def is_venue_in_range(record: VenueRecord) -> bool:
    """Say whether a venue may stand there: its counters have room left for ever."""
    counters = (
        record.last_sequence,
        record.last_time_ns,
        record.last_event,
        record.last_order_id,
        record.last_trade_id,
        record.last_arrival,
    )
    return record.rules == RULES and all(is_bound(each) for each in counters)


def is_asset_in_range(record: AssetRecord) -> bool:
    """Say whether an asset may be so; its supply may be negative, for what is lent may leave."""
    return (
        record.asset != 0
        and is_name(record.symbol)
        and record.scale <= SCALE_MAX
        and is_amount(record.supply_max_atoms)
        and -AMOUNT_LIMIT < record.supply_atoms <= record.supply_max_atoms
        and is_bound(record.fees_atoms)
    )


def is_fee_schedule_in_range(record: FeeScheduleRecord) -> bool:
    """Say whether a fee schedule may be so, by itself."""
    rates = (record.maker_ppm, record.taker_ppm)
    return record.fee_schedule != 0 and all(-PPM <= each <= PPM for each in rates)


def is_instrument_in_range(record: InstrumentRecord) -> bool:
    """Say whether an instrument may be so."""
    factors = (record.lot_atoms, record.tick_lot_atoms, record.tick_units, record.lot_units)
    return (
        record.instrument != 0
        and is_name(record.symbol)
        and record.base_asset != record.quote_asset
        and all(is_amount(each) for each in factors)
        and max(record.price_decimals, record.quantity_decimals) <= SCALE_MAX
    )


def are_limits_in_range(instrument: Instrument) -> bool:
    """Say whether an instrument's limits are such as it may be given, or none."""
    limits = instrument.limits
    price_ceiling, quantity_ceiling = instrument.price_ceiling, instrument.quantity_ceiling
    if limits == NO_LIMITS:
        return price_ceiling == quantity_ceiling == 0
    # The reference may be of earlier bounds.
    bounds = msgspec.structs.replace(limits, reference_ticks=0)
    return (
        decide_limits(bounds) is None
        and is_bound(limits.reference_ticks)
        and price_ceiling >= limits.price_ticks_max
        and quantity_ceiling >= limits.quantity_lots_max
        and decide_products(
            instrument, price_ceiling=price_ceiling, quantity_ceiling=quantity_ceiling
        )
        is None
    )


def is_market_in_range(record: MarketRecord, instrument: Instrument) -> bool:
    """Say whether an instrument, whose limits are known, may stand there."""
    phase = record.mark
    prices = (
        record.last_ticks,
        record.reference_ticks,
        record.band_ticks,
        record.band_next_ticks,
        record.indicative_ticks,
    )
    is_indicating = (
        record.indicative_ticks
        or record.indicative_volume_lots
        or record.indicative_surplus_lots
        or record.indicative_at_ns
    )
    return (
        PRE_OPEN <= phase <= CLOSED
        and (phase == CLOSED or instrument.has_limits)
        and BY_OPERATOR <= record.phase_reason <= BY_PRICE_BAND
        and record.phase_until_ns >= 0
        and (record.phase_until_ns == 0 or phase in {CALL_AUCTION, HALTED})
        and all(is_bound(each) for each in prices)
        and is_bound(record.band_window_at_ns)
        and is_bound(record.indicative_volume_lots)
        and is_bound(abs(record.indicative_surplus_lots))
        and record.indicative_at_ns >= 0
        and (phase == CALL_AUCTION or not is_indicating)
        and is_bound(record.book_sequence)
    )


def is_account_in_range(record: AccountRecord) -> bool:
    """Say whether an account may be so."""
    return (
        record.account != 0
        and is_name(record.name)
        and record.account_kind in {AccountKind.CLIENT, AccountKind.HOUSE}
        and CANCEL_RESTING <= record.self_trade_prevention <= DECREMENT_AND_CANCEL
        and is_bound(record.message_interval_ns)
        and is_bound(record.message_interval_ns * record.message_burst)
        and record.next_free_ns >= 0
    )


def is_balance_in_range(record: BalanceRecord) -> bool:
    """Say whether a balance's limits may be so; its money is explained, or not, by the rest."""
    return is_bound(record.credit_line_atoms) and is_bound(record.position_max_atoms)


def is_session_in_range(record: SessionRecord) -> bool:
    """Say whether a session may be so; one that waits for its client has no connection."""
    return (
        record.session != 0
        and is_name(record.name)
        and record.cancel_on_disconnect <= CANCEL_ACCOUNT_ORDERS
        and record.connection in {0, record.last_connection}
        and is_bound(record.disconnect_grace_ns)
        and record.has_chosen <= 1
        and record.chosen_cancel_on_disconnect <= CANCEL_ACCOUNT_ORDERS
        and is_bound(record.chosen_grace_ns)
        and record.grace_until_ns >= 0
        and (record.grace_until_ns == 0 or record.connection == 0)
    )


def is_order_in_range(record: OrderRecord, venue: VenueState) -> bool:
    """Say whether an order, open or done, may be so."""
    return (
        1 <= record.order_id <= venue.last_order_id
        and 1 <= record.arrival <= venue.last_arrival
        and record.side in {BUY, SELL}
        and PENDING_TRIGGER <= record.mark <= EXPIRED
        and LIMIT <= record.order_type <= STOP_LIMIT
        and DAY <= record.time_in_force <= GOOD_TILL_DATE
        and CANCEL_RESTING <= record.self_trade_prevention <= DECREMENT_AND_CANCEL
        and record.order_flags in {0, POST_ONLY, QUOTE, QUOTE | POST_ONLY, CASH_QUANTITY}
        and _is_cash_in_range(record)
        and record.fee_credit < PPM
        and is_bound(record.stop_price_ticks)
        and (record.stop_price_ticks != 0) == (record.order_type >= STOP)
        and _is_expiry_in_range(record)
    )


def _is_cash_in_range(record: OrderRecord) -> bool:
    """Say whether only a market order without minimum and display has an amount."""
    if record.order_flags != CASH_QUANTITY:
        return record.cash_atoms == 0
    is_plain = record.order_type == MARKET and record.minimum_lots == record.display_lots == 0
    return is_plain and is_bound(record.cash_atoms)


def _is_expiry_in_range(record: OrderRecord) -> bool:
    if record.time_in_force == GOOD_TILL_DATE:
        return record.expires_at_ns == record.expire_at_ns > 0
    if record.time_in_force == DAY:
        return record.expires_at_ns > record.expire_at_ns == 0
    return record.expires_at_ns == record.expire_at_ns == 0


def is_done_order_in_range(order: Order) -> bool:
    """Say whether an order that is done ties nothing up any more."""
    is_idle = order.held_atoms == order.leaves_lots == order.shown_lots == 0
    return is_idle and (not order.order_flags & QUOTE or _is_side_in_range(order))


def is_open_order_in_range(order: Order) -> bool:
    """Say whether an order may wait or rest like this."""
    instrument = order.instrument
    return (
        1 <= order.price_ticks <= instrument.price_ceiling
        and 1 <= order.quantity_lots <= instrument.quantity_ceiling
        and 0 <= order.filled_lots < order.quantity_lots
        and order.leaves_lots == order.quantity_lots - order.filled_lots
        and 0 <= order.filled_value <= instrument.price_ceiling * order.filled_lots
        and (order.status == PARTIALLY_FILLED) == (order.filled_lots > 0)
        and order.reason == 0
        and (not order.order_flags & QUOTE or _is_side_in_range(order))
        and _is_display_in_range(order)
        and _is_minimum_in_range(order)
        and _is_waiting_in_range(order)
        and order.held_atoms
        == hold_of(
            order,
            leaves_lots=order.leaves_lots,
            price_ticks=order.price_ticks,
            maker_ppm=order.maker_ppm,
            taker_ppm=order.taker_ppm,
        )
    )


def _is_side_in_range(order: Order) -> bool:
    is_plain = order.display_lots == order.minimum_lots == 0
    return (
        is_plain and order.order_type == LIMIT and order.time_in_force == GOOD_TILL_CANCEL
    ) and is_quote_name(order.client_order_id)


def _is_display_in_range(order: Order) -> bool:
    display_lots = order.display_lots
    if display_lots == 0:
        return True
    return (
        is_bound(display_lots)
        and order.order_type in PRICED
        and order.time_in_force not in NEVER_RESTS
        and decide_tranches(display_lots=display_lots, quantity_lots=order.quantity_lots) is None
    )


def _is_minimum_in_range(order: Order) -> bool:
    minimum_lots = order.minimum_lots
    is_allowed = minimum_lots == 0 or order.time_in_force == IMMEDIATE_OR_CANCEL
    return is_allowed and 0 <= minimum_lots <= order.quantity_lots


def _is_waiting_in_range(order: Order) -> bool:
    """Say whether a stop shows nothing, and what rests may rest and shows its tranche at most."""
    if order.is_pending:
        return order.order_type >= STOP and order.shown_lots == 0
    if order.display_lots:
        is_shown = 1 <= order.shown_lots <= min(order.display_lots, order.leaves_lots)
    else:
        is_shown = order.shown_lots == order.leaves_lots
    may_rest = order.order_type not in WITHOUT_PRICE and order.time_in_force not in NEVER_RESTS
    return is_shown and may_rest


# What all of it says together.


def check_orders(venue: VenueState) -> None:
    """Require that each order is where it belongs, once, and is known by its ids.

    A done side of a quote has none: it is known by the kept trades, which were read before.
    """
    orders = venue.client_ids.orders
    gone = [owner.order_id for _, owner in venue.client_ids.gone if isinstance(owner, Order)]
    forgotten = set(gone)
    require(len(forgotten) == len(gone), "forgets an order twice")
    require(len({each.arrival for each in orders.values()}) == len(orders), "has an arrival twice")
    rates = set(venue.fee_schedules.values())
    for order in orders.values():
        number = order.order_id
        is_quote = order.order_flags & QUOTE != 0
        if order.is_open:
            is_somewhere = order.is_pending or order.level is not None
        else:
            is_somewhere = order.last_trade_id != 0 if is_quote else number in forgotten
        require(is_somewhere, f"has order {number} in no queue")
        is_named = order.client_order_id in order.client_ids
        if is_quote:
            is_named = not order.client_ids and order.is_open == (order.quoted is not None)
        require(is_named, f"has order {number} without its id")
        require((order.maker_ppm, order.taker_ppm) in rates, f"has order {number} of no schedule")
        session = venue.sessions.get(order.session)
        is_own = session is not None and session.firm is order.account.firm
        require(is_own, f"has order {number} of no session of its firm")


def check_books(venue: VenueState) -> None:
    """Require that no book is crossed where trading goes on."""
    for number, instrument in venue.instruments.items():
        is_crossed = instrument.phase == CONTINUOUS and instrument.book.is_crossed
        require(not is_crossed, f"has a crossed book of instrument {number}")


def check_money(venue: VenueState) -> None:
    """Require that holds are explained, that money adds up, and that no sum can overflow."""
    if venue.fee_schedules:
        refused = decide_rebate(venue.fee_schedules.values())
        require(refused is None, "has a rebate above a fee")
    held = _explained_holds(venue)
    sums = dict.fromkeys(venue.assets, 0)
    for account in venue.accounts.values():
        for number, balance in account.balances.items():
            is_explained = balance.held_atoms == held.get((account.number, number), 0)
            require(is_explained, f"holds of account {account.number} what nothing explains")
            is_bounded = balance.buying_atoms < 2 * AMOUNT_LIMIT
            require(is_bounded, f"has buys of account {account.number} out of range")
            sums[number] += balance.balance_atoms
    for number, asset in venue.assets.items():
        total_atoms = sums[number] + asset.fees_atoms - asset.receivable_atoms
        is_whole = total_atoms == asset.supply_atoms
        require(is_whole, f"has balances and fees of asset {number} that are not its supply")
        is_bounded = asset.lent_atoms() + asset.supply_max_atoms < AMOUNT_LIMIT
        require(is_bounded, f"has too much of asset {number} lent")


def _explained_holds(venue: VenueState) -> dict[tuple[int, int], int]:
    """Return what orders, quotes and withdrawals hold, by account and asset."""
    held: dict[tuple[int, int], int] = {}
    for order in venue.client_ids.orders.values():
        definition = order.instrument.definition
        asset = definition.quote_asset if order.side == BUY else definition.base_asset
        key = (order.account_number, asset)
        held[key] = held.get(key, 0) + order.held_atoms
    for quote in venue.rfq_quotes.values():
        definition = quote.request.instrument.definition
        for asset, held_atoms in (
            (definition.quote_asset, quote.bid_held_atoms),
            (definition.base_asset, quote.ask_held_atoms),
        ):
            key = (quote.account.number, asset)
            held[key] = held.get(key, 0) + held_atoms
    for withdrawal in venue.withdrawals.values():
        key = (withdrawal.account.number, withdrawal.asset)
        held[key] = held.get(key, 0) + withdrawal.amount_atoms
    return held

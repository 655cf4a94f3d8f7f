"""Reads back what a snapshot keeps for busts and corrections, and requires that it can be used.

A trade that passes can be busted or corrected without any amount leaving its range.
"""

from __future__ import annotations

from collections import Counter

from messages.trading.terms import AMOUNT_LIMIT, PPM
from venue.reference.bounds import TRADES_KEPT_MAX
from venue.reference.kept_trades import KeptTrade
from venue.reference.orders import Order
from venue.reference.snapshot_checks import is_amount, is_bound, require
from venue.reference.state import VenueState
from venue.reference.state_records import KeptTradeRecord, KeptTradesRecord, ReceivableRecord
from venue.reference.values import QUOTE


def read_kept_trades(venue: VenueState, record: KeptTradesRecord) -> None:
    """Take over how many trades are kept."""
    is_valid = venue.configuration is not None and 1 <= record.trades_max <= TRADES_KEPT_MAX
    require(is_valid, "keeps more trades than may be, or none, or before its configuration")
    venue.kept_trades.trades_max = record.trades_max


def read_kept_trade(venue: VenueState, record: KeptTradeRecord) -> None:
    """Take over a trade."""
    trades = venue.kept_trades.trades
    number = record.trade_id
    require(not trades or number - 1 in trades, f"has a gap before trade {number}")
    trades[number] = KeptTrade(
        event_number=record.event_number,
        maker_order_id=record.maker_order_id,
        taker_order_id=record.taker_order_id,
        price_ticks=record.price_ticks,
        quantity_lots=record.quantity_lots,
        maker_fee=record.maker_fee_atoms,
        taker_fee=record.taker_fee_atoms,
        maker_ppm=record.maker_ppm,
        taker_ppm=record.taker_ppm,
    )


def read_receivable(venue: VenueState, record: ReceivableRecord) -> None:
    """Take over what an account owes."""
    asset = venue.assets[record.asset]
    is_valid = is_amount(record.receivable_atoms)
    require(is_valid, f"has a receivable of account {record.account} out of range")
    balance = venue.accounts[record.account].balance(record.asset)
    balance.receivable_atoms = record.receivable_atoms
    asset.receivable_atoms += record.receivable_atoms


def check_kept_trades(venue: VenueState) -> None:
    """Require that the last trades are kept, and that each can be undone.

    The sides of quotes among their orders are remembered by them from here on.
    """
    kept = venue.kept_trades
    count = len(kept.trades)
    newest = next(reversed(kept.trades), 0)
    is_last = count == 0 or newest == venue.last_trade_id >= count
    require(is_last and count <= kept.trades_max, "keeps other trades than the last")
    lots: Counter[int] = Counter()
    values: Counter[int] = Counter()
    fees: Counter[int] = Counter()
    orders = venue.client_ids.orders
    for number, trade in kept.trades.items():
        require(_is_in_range(venue, trade), f"has trade {number} out of range")
        maker, taker = orders.get(trade.maker_order_id), orders.get(trade.taker_order_id)
        for order in (maker, taker):
            if order is not None and order.order_flags & QUOTE:
                kept.keep_side(number, order)
        if maker is None or taker is None or trade.quantity_lots == 0:
            continue
        is_undoable = _is_pair(maker, taker) and _is_undoable(trade, maker, taker)
        require(is_undoable, f"has trade {number} that its orders cannot have made")
        for order in (maker, taker):
            lots[order.order_id] += trade.quantity_lots
            values[order.order_id] += trade.quantity_lots * trade.price_ticks
        quote_asset = maker.instrument.definition.quote_asset
        fees[quote_asset] += trade.maker_fee + trade.taker_fee
    for order_id in lots:
        is_filled = _has_filled(orders[order_id], lots[order_id], values[order_id])
        require(is_filled, f"has trades that order {order_id} did not fill")
    for asset, atoms in fees.items():
        require(atoms <= venue.assets[asset].fees_atoms, f"has fees of asset {asset} not collected")


def _is_in_range(venue: VenueState, trade: KeptTrade) -> bool:
    numbers = (trade.maker_order_id, trade.taker_order_id)
    rates = (trade.maker_ppm, trade.taker_ppm)
    has_terms = is_amount(trade.price_ticks) and is_amount(trade.quantity_lots)
    is_busted = trade.price_ticks == trade.quantity_lots == trade.maker_fee == trade.taker_fee == 0
    return (
        1 <= trade.event_number <= venue.events.number
        and all(1 <= each <= venue.last_order_id for each in numbers)
        and numbers[0] != numbers[1]
        and (has_terms or is_busted)
        and is_bound(abs(trade.maker_fee))
        and is_bound(abs(trade.taker_fee))
        and trade.maker_fee + trade.taker_fee >= 0
        and all(-PPM <= each <= PPM for each in rates)
        and sum(rates) >= 0
    )


def _is_pair(maker: Order, taker: Order) -> bool:
    return (
        maker.instrument is taker.instrument
        and maker.side != taker.side
        and maker.account is not taker.account
    )


def _is_undoable(trade: KeptTrade, maker: Order, taker: Order) -> bool:
    instrument = maker.instrument
    notional_atoms = trade.price_ticks * trade.quantity_lots * instrument.tick_lot_atoms
    is_open = maker.is_open or taker.is_open
    return (
        notional_atoms < AMOUNT_LIMIT
        and trade.quantity_lots * instrument.lot_atoms < AMOUNT_LIMIT
        and max(abs(trade.maker_fee), abs(trade.taker_fee)) <= notional_atoms
        and (not is_open or trade.price_ticks <= instrument.price_ceiling)
    )


def _has_filled(order: Order, lots: int, value: int) -> bool:
    """Say whether an order filled its kept trades, and what is left of it may be so by itself."""
    lots_before, value_before = order.filled_lots - lots, order.filled_value - value
    instrument = order.instrument
    return (
        lots_before >= 0
        and value_before >= 0
        and is_bound(order.filled_lots)
        and order.filled_value * instrument.tick_lot_atoms < AMOUNT_LIMIT
        and (not order.is_open or value_before <= instrument.price_ceiling * lots_before)
    )

"""What is told of a trade after it was reported: busts, corrections, captures, disputes.

A capture (AE) is one side's record of a trade: it names nobody of the other side. It is told to
the sessions whose file asks for captures, besides the execution reports.
"""

from typing import NamedTuple

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory
from fix_gateway.translation.parts import (
    account,
    capacity,
    identifier,
    parties,
    price,
    quantity,
    quoted,
)
from fix_gateway.translation.parts import side as side_text
from fix_gateway.translation.reasons import code_name
from fix_gateway.translation.reports import (
    maker_of,
    order_terms,
    progress,
    status_of,
    taker_of,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.decimals import decimal_text
from messages.trading.identity import NO_CLIENT_ID, execution_id
from messages.trading.terms import DisputeReason, Side

Change = events.TradeBusted | events.TradeCorrected
Trade = events.TradeExecuted | Change

REASON_OF = {
    tags.DK_REASON_UNKNOWN_SYMBOL: DisputeReason.UNKNOWN_INSTRUMENT,
    tags.DK_REASON_WRONG_SIDE: DisputeReason.WRONG_SIDE,
    tags.DK_REASON_QUANTITY_EXCEEDS_ORDER: DisputeReason.QUANTITY_EXCEEDS_ORDER,
    tags.DK_REASON_NO_MATCHING_ORDER: DisputeReason.NO_MATCHING_ORDER,
    tags.DK_REASON_PRICE_EXCEEDS_LIMIT: DisputeReason.PRICE_EXCEEDS_LIMIT,
    tags.DK_REASON_CALCULATION_DIFFERENCE: DisputeReason.CALCULATION_DIFFERENCE,
    tags.DK_REASON_OTHER: DisputeReason.OTHER,
}
"""What DKReason (127) says."""

_REASON_TEXT = {int(reason): value for value, reason in REASON_OF.items()}


def changed(record: Change, directory: Directory, *, side: Side) -> str:
    """Report a bust (150=H) or a correction (150=G) to one of the trade's two sides.

    LastQty and LastPx are what was undone, or what holds instead; OrderQty, LeavesQty, CumQty and
    AvgPx are the order's afterwards.
    """
    unit = directory.instrument(record.instrument)
    is_taker = record.taker_side == side
    own = taker_of(record) if is_taker else maker_of(record)
    quote = directory.asset(unit.quote_asset)
    money = _Money.of(record, is_taker=is_taker)
    is_bust = isinstance(record, events.TradeBusted)
    kind = tags.EXEC_TYPE_TRADE_CANCEL if is_bust else tags.EXEC_TYPE_TRADE_CORRECT
    return (
        f"35=8\x0137={own.order_id}\x01{identifier(own.client_order_id)}"
        f"{quoted(own.client_order_id, own.order_flags)}"
        f"{parties(own.account, own.session, directory, trader=own.trader)}"
        f"880={record.trade_id}\x0117={execution_id(record.number, side)}\x01"
        f"19={execution_id(record.corrected_event, side)}\x01150={kind}\x01"
        f"39={status_of(own)}\x01{account(own.account, directory)}"
        f"55={unit.symbol}\x0154={int(side)}\x01"
        f"{order_terms(own, unit, directory)}{capacity(own.account, directory)}"
        f"32={quantity(money.lots, unit)}\x0131={price(money.ticks, unit)}\x01"
        f"30={directory.market}\x0129={tags.LAST_CAPACITY_AGENT}\x01"
        f"{progress(own, unit)}60={timestamp_text(record.time_ns)}\x01{_why(record)}"
        f"136=1\x01137={decimal_text(money.fee_atoms, quote.scale)}\x01"
        f"138={quote.symbol}\x01139={tags.MISC_FEE_TYPE_EXCHANGE_FEES}\x01"
    )


def capture(record: Trade, directory: Directory, *, side: Side, request: str = "") -> str:
    """Write one side's capture of a trade, a correction or a bust.

    Args:
        record: what happened.
        directory: the venue's definitions.
        side: whose capture it is.
        request: TradeRequestID (568) of the request that it answers, if any.
    """
    unit = directory.instrument(record.instrument)
    name = execution_id(record.number, side)
    executed, kind, does, reference, note = "F", "0", "0", "", ""
    if not isinstance(record, events.TradeExecuted):
        is_bust = isinstance(record, events.TradeBusted)
        executed, kind, does = ("H", "6", "1") if is_bust else ("G", "5", "2")
        reference = f"572={execution_id(record.corrected_event, side)}\x01"
        note = _why(record)
    money = _Money.of(record, is_taker=record.taker_side == side)
    day = timestamp_text(record.time_ns)[:8]
    return (
        f"35=AE\x01571={name}\x01487={does}\x01856={kind}\x01"
        + (f"568={request}\x01" if request else "")
        + f"150={executed}\x01{reference}17={name}\x01"
        f"570={tags.PREVIOUSLY_REPORTED_NOT_REPORTED}\x0155={unit.symbol}\x01"
        f"32={quantity(money.lots, unit)}\x0131={price(money.ticks, unit)}\x01"
        f"30={directory.market}\x0175={day}\x01715={day}\x01"
        f"60={timestamp_text(record.time_ns)}\x0163={tags.SETTL_TYPE_CASH}\x0164={day}\x01"
        f"573={tags.MATCH_STATUS_COMPARED}\x01{_side(record, money, directory, side=side)}"
        f"{note}1003={record.trade_id}\x01"
    )


def dispute(record: events.TradeDisputed, directory: Directory) -> str:
    """Write the copy of a DontKnowTrade (Q)."""
    unit = directory.instruments.get(record.instrument)
    lots, ticks = record.quantity_lots, record.price_ticks
    named = record.client_order_id != NO_CLIENT_ID
    text = safe_text(record.text)
    return (
        f"35=Q\x0137={record.order_id or 'NONE'}\x01"
        f"17={execution_id(record.event_number, record.side)}\x01"
        f"127={_REASON_TEXT.get(record.reason, tags.DK_REASON_OTHER)}\x01"
        f"{account(record.account, directory)}"
        f"55={unit.symbol if unit else NO_SYMBOL}\x0154={side_text(record.side)}\x01"
        + (f"32={quantity(lots, unit)}\x01" if lots and unit else "")
        + (f"31={price(ticks, unit)}\x01" if ticks and unit else "")
        + (identifier(record.client_order_id) if named else "")
        + (f"58={text}\x01" if text else "")
    )


def dispute_reject(record: events.CommandRejected) -> str:
    """Refuse a DontKnowTrade that the venue did not take."""
    reference = safe_text(record.reference)
    named = f"379={reference}\x01" if reference else ""
    return (
        f"35=j\x01372={tags.DONT_KNOW_TRADE}\x01{named}"
        f"380={tags.BUSINESS_REJECT_REASON_NOT_AUTHORIZED}\x01"
        f"58={code_name(record.code)}\x015001={record.code}\x015002={record.number}\x01"
    )


class _Money(NamedTuple):
    """What one side's report of a trade says of it: of a bust, what was undone; no fee is left."""

    lots: int
    ticks: int
    notional_atoms: int
    fee_atoms: int

    @classmethod
    def of(cls, record: Trade, *, is_taker: bool) -> "_Money":
        fee_atoms = record.taker_fee_atoms if is_taker else record.maker_fee_atoms
        if isinstance(record, events.TradeBusted):
            return cls(
                record.previous_quantity_lots,
                record.previous_price_ticks,
                record.previous_notional_atoms,
                fee_atoms,
            )
        return cls(record.quantity_lots, record.price_ticks, record.notional_atoms, fee_atoms)


def _side(record: Trade, money: _Money, directory: Directory, *, side: Side) -> str:
    is_taker = record.taker_side == side
    own = taker_of(record) if is_taker else maker_of(record)
    quote = directory.asset(directory.instrument(record.instrument).quote_asset)
    aggressor = ""
    if isinstance(record, events.TradeExecuted) and not record.is_auction:
        aggressor = f"1057={'Y' if is_taker else 'N'}\x01"
    return (
        f"552=1\x0154={int(side)}\x011154={quote.symbol}\x01"
        f"{parties(own.account, own.session, directory, trader=own.trader)}"
        f"{account(own.account, directory)}"
        f"136=1\x01137={decimal_text(money.fee_atoms, quote.scale)}\x01138={quote.symbol}\x01"
        f"139={tags.MISC_FEE_TYPE_EXCHANGE_FEES}\x01"
        f"1072={decimal_text(money.notional_atoms, quote.scale)}\x01{aggressor}"
        f"37={own.order_id}\x01{identifier(own.client_order_id)}"
        f"{capacity(own.account, directory)}"
    )


def _why(record: Change) -> str:
    text = safe_text(record.text)
    return f"58={text}\x01" if text else ""

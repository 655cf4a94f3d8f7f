"""Busts, corrections, receivables and transfers as entries, and as lines of the order history."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.trading.events import (
    FundsTransferred,
    OrderAccepted,
    ReceivableChanged,
    TradeBusted,
    TradeChanged,
    TradeCorrected,
    TradeExecuted,
)
from messages.trading.terms import CancelReason, OrderStatus, Side
from settlement.chart import EntryCause, LedgerAccountKind
from settlement.errors import UnsettleableEventError
from settlement.ledger_batch import CORRECTION_COLUMNS, LedgerBatch
from settlement.order_history import OrderHistoryBatch
from settlement.postings import (
    Entry,
    Market,
    correction_entries,
    is_balanced,
    receivable_entries,
    trade_entries,
    transfer_entries,
)

BASE, QUOTE = 7, 8
MARKET = Market(base_asset=BASE, quote_asset=QUOTE)
FUNDS = LedgerAccountKind.FUNDS
AMOUNTS = st.integers(1, 1 << 60)
FEES = st.integers(-(1 << 40), 1 << 40)


def moved(entries: list[Entry]) -> Counter[tuple[int, int, int]]:
    sums: Counter[tuple[int, int, int]] = Counter()
    for entry in entries:
        sums[entry.kind, entry.account, entry.asset] += entry.amount_atoms
    return Counter({key: atoms for key, atoms in sums.items() if atoms})


@st.composite
def changes(draw: st.DrawFn) -> tuple[TradeExecuted, TradeBusted, TradeCorrected, TradeExecuted]:
    """A trade, its bust, its correction, and a trade with the corrected terms."""
    who = {"instrument": 1, "taker_side": draw(st.sampled_from(Side))}
    who |= {"maker_account": 3, "taker_account": 4}
    names = ("notional_atoms", "base_atoms", "maker_fee_atoms", "taker_fee_atoms")
    old, new = (
        dict(zip(names, (draw(AMOUNTS), draw(AMOUNTS), draw(FEES), draw(FEES)), strict=True))
        for _ in range(2)
    )
    previous = {
        "previous_notional_atoms": old["notional_atoms"],
        "previous_base_atoms": old["base_atoms"],
        "maker_previous_fee_atoms": old["maker_fee_atoms"],
        "taker_previous_fee_atoms": old["taker_fee_atoms"],
    }
    return (
        TradeExecuted.make(**who, **old),
        TradeBusted.make(**who, **previous),
        TradeCorrected.make(**who, **previous, **new),
        TradeExecuted.make(**who, **new),
    )


@given(changes())
def test_a_bust_undoes_and_a_correction_replaces(
    told: tuple[TradeExecuted, TradeBusted, TradeCorrected, TradeExecuted],
) -> None:
    trade, bust, correction, other = told
    busted, corrected = (correction_entries(each, MARKET) for each in (bust, correction))

    assert is_balanced(busted)
    assert is_balanced(corrected)
    assert moved([*trade_entries(trade, MARKET), *busted]) == Counter()
    assert moved([*trade_entries(trade, MARKET), *corrected]) == moved(trade_entries(other, MARKET))
    assert {entry.leg for entry in busted} <= set(range(1, 9))
    assert len({entry.leg for entry in corrected}) == len(corrected)
    assert not {entry.cause for entry in corrected} & {EntryCause.TRADE, EntryCause.FEE}


def test_what_the_venue_lends_is_its_claim() -> None:
    lent = ReceivableChanged.make(account=4, asset=QUOTE, change_atoms=90)
    owed = LedgerAccountKind.RECEIVABLES
    assert receivable_entries(lent) == [
        Entry(1, owed, EntryCause.RECEIVABLE_RAISED, 4, QUOTE, -90),
        Entry(2, FUNDS, EntryCause.RECEIVABLE_RAISED, 4, QUOTE, 90),
    ]
    paid = ReceivableChanged.make(account=4, asset=QUOTE, change_atoms=-90)
    assert receivable_entries(paid) == [
        Entry(1, owed, EntryCause.RECEIVABLE_SETTLED, 4, QUOTE, 90),
        Entry(2, FUNDS, EntryCause.RECEIVABLE_SETTLED, 4, QUOTE, -90),
    ]


def test_a_transfer_goes_from_funds_to_funds() -> None:
    event = FundsTransferred.make(account=4, to_account=5, asset=QUOTE, amount_atoms=90)
    assert transfer_entries(event) == [
        Entry(1, FUNDS, EntryCause.TRANSFER, 4, QUOTE, -90),
        Entry(2, FUNDS, EntryCause.TRANSFER, 5, QUOTE, 90),
    ]


def test_a_batch_has_a_line_for_each_change_and_its_entries() -> None:
    ready = LedgerBatch({1: MARKET})
    event = TradeBusted.make(
        number=9,
        instrument=1,
        trade_id=7,
        corrected_event=5,
        previous_notional_atoms=600,
        maker_account=3,
        taker_account=4,
        operator=1,
        approver=2,
        text=b"why",
    )
    ready.trade_changed(TradeBusted)(event.pack(), 0)
    (line,) = ready.corrections
    said = dict(zip(CORRECTION_COLUMNS, line, strict=True))
    assert (said["event_number"], said["trade_id"], said["is_bust"]) == (9, 7, True)
    assert (said["corrected_event"], said["operator"], said["text"]) == (5, 1, "why")
    assert [row[:2] for row in ready.entries] == [(9, 3), (9, 4)]
    with pytest.raises(UnsettleableEventError, match="event 9: unknown instrument 1"):
        LedgerBatch({}).trade_changed(TradeBusted)(event.pack(), 0)


ORDER: dict[str, Any] = {
    "order_id": 5,
    "account": 3,
    "status": OrderStatus.FILLED,
    "quantity_lots": 10,
    "filled_lots": 10,
    "client_order_id": b"o-5",
}


def party(name: str, **fields: Any) -> dict[str, Any]:
    return {f"{name}_{field}": value for field, value in (ORDER | fields).items()}


def trade() -> TradeExecuted:
    sides = party("maker") | party("taker", order_id=6, account=4)
    return TradeExecuted.make(number=20, trade_id=7, instrument=1, quantity_lots=10, **sides)


def bust(**fields: Any) -> TradeBusted:
    cut = {"status": OrderStatus.CANCELLED, "filled_lots": 0}
    sides = party("maker", **cut) | party("taker", order_id=6, account=4, **cut)
    values: dict[str, Any] = {"number": 30, "trade_id": 7, "instrument": 1, "taker_side": Side.BUY}
    values |= {"previous_price_ticks": 100, "previous_quantity_lots": 10, "text": b"why"}
    return TradeBusted.make(**(values | sides | fields))


def taken(*events: TradeExecuted | TradeChanged | OrderAccepted) -> OrderHistoryBatch:
    ready = OrderHistoryBatch()
    handlers = ready.handlers()
    for event in events:
        handlers[event.KIND](event.pack(), 0)
    return ready


def test_a_bust_changes_orders_that_were_there_before() -> None:
    ready = taken(trade(), bust())
    assert not ready.filled, "what the fill said is no longer so"
    assert set(ready.corrected) == {5, 6}
    maker = ready.corrected[5]
    assert (maker.status, maker.filled_lots, maker.is_open) == (OrderStatus.CANCELLED, 0, False)
    assert maker.updated_event == 30


def test_a_filled_order_of_the_same_batch_was_cancelled_by_the_bust() -> None:
    begun = OrderAccepted.make(number=10, **ORDER | {"status": OrderStatus.NEW, "filled_lots": 0})
    ready = taken(begun, trade(), bust())
    row = ready.begun[5]
    assert (row.status, row.reason) == (OrderStatus.CANCELLED, CancelReason.BUST)
    assert set(ready.corrected) == {6}


def test_both_sides_have_a_line_that_says_what_was_undone() -> None:
    lines = taken(bust()).history
    assert [line[:3] for line in lines] == [(30, 1, TradeBusted.KIND), (30, 2, TradeBusted.KIND)]
    assert all("why" in line for line in lines)
    assert all(100 in line for line in lines)

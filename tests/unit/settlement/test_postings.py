import struct
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.trading.events import (
    LAST_OF_COMMAND,
    AssetLimitsSet,
    BalanceChanged,
    InstrumentCreated,
    TradeExecuted,
)
from messages.trading.terms import BalanceCause, Side
from settlement.adapters.memory import MemoryBatch
from settlement.binary_copy import encode_entries
from settlement.chart import MEMORANDA, VENUE, EntryCause, LedgerAccountKind
from settlement.errors import EventGapError, UnsettleableEventError
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import TRADE_COLUMNS, LedgerBatch
from settlement.order_rows import HistoryRow, fill_lines
from settlement.postings import (
    Entry,
    Market,
    balance_entries,
    credit_line_entries,
    is_balanced,
    trade_entries,
)
from settlement.records import picker, stored_id, stored_text
from tests.unit.settlement.flow import flow_of

BASE, QUOTE = 7, 8
MARKET = Market(base_asset=BASE, quote_asset=QUOTE)
AMOUNTS = st.integers(1, 1 << 61)
FEES = st.integers(-(1 << 40), 1 << 40)


@st.composite
def trades(draw: st.DrawFn) -> TradeExecuted:
    return TradeExecuted.make(
        number=draw(st.integers(2, 1 << 62)),
        time_ns=draw(st.integers(0, 1 << 62)),
        instrument=1,
        trade_id=draw(st.integers(1, 1 << 62)),
        taker_side=draw(st.sampled_from(Side)),
        is_auction=draw(st.integers(0, 1)),
        price_ticks=draw(AMOUNTS),
        quantity_lots=draw(AMOUNTS),
        notional_atoms=draw(AMOUNTS),
        base_atoms=draw(AMOUNTS),
        maker_order_id=draw(AMOUNTS),
        maker_account=draw(st.integers(1, 5)),
        maker_fee_atoms=draw(FEES),
        maker_client_order_id=draw(st.binary(max_size=36)),
        maker_leaves_lots=draw(AMOUNTS),
        maker_status=draw(st.integers(2, 4)),
        taker_order_id=draw(AMOUNTS),
        taker_account=draw(st.integers(1, 5)),
        taker_fee_atoms=draw(FEES),
        taker_client_order_id=draw(st.binary(max_size=36)),
        taker_filled_value=draw(AMOUNTS),
    )


@given(trades())
def test_entries_of_a_trade_sum_to_zero_in_each_asset(trade: TradeExecuted) -> None:
    entries = trade_entries(trade, MARKET)

    assert is_balanced(entries)
    assert len({entry.leg for entry in entries}) == len(entries)
    assert all(entry.amount_atoms for entry in entries)


@given(trades())
def test_a_trade_gives_each_side_what_the_rules_of_money_say(trade: TradeExecuted) -> None:
    moved: Counter[tuple[int, int]] = Counter()
    for entry in trade_entries(trade, MARKET):
        moved[entry.account, entry.asset] += entry.amount_atoms

    expected: Counter[tuple[int, int]] = Counter()
    is_buyer_taker = trade.taker_side == Side.BUY
    for account, is_buyer, fee in (
        (trade.maker_account, not is_buyer_taker, trade.maker_fee_atoms),
        (trade.taker_account, is_buyer_taker, trade.taker_fee_atoms),
    ):
        expected[account, BASE] += trade.base_atoms if is_buyer else -trade.base_atoms
        expected[account, QUOTE] -= trade.notional_atoms if is_buyer else -trade.notional_atoms
        expected[account, QUOTE] -= fee
    expected[VENUE, QUOTE] += trade.maker_fee_atoms + trade.taker_fee_atoms
    assert {key: value for key, value in moved.items() if value} == {
        key: value for key, value in expected.items() if value
    }


def test_a_rebate_comes_from_an_account_of_its_own() -> None:
    trade = TradeExecuted.make(
        taker_side=Side.SELL,
        notional_atoms=1_000,
        base_atoms=50,
        maker_account=1,
        maker_fee_atoms=-2,
        taker_account=2,
        taker_fee_atoms=5,
    )

    fees = [entry for entry in trade_entries(trade, MARKET) if entry.cause != EntryCause.TRADE]

    assert fees == [
        Entry(5, LedgerAccountKind.FUNDS, EntryCause.REBATE, 1, QUOTE, 2),
        Entry(6, LedgerAccountKind.FUNDS, EntryCause.FEE, 2, QUOTE, -5),
        Entry(7, LedgerAccountKind.FEE_INCOME, EntryCause.FEE, VENUE, QUOTE, 5),
        Entry(8, LedgerAccountKind.REBATES, EntryCause.REBATE, VENUE, QUOTE, -2),
    ]


@given(trades())
def test_fee_income_only_grows_and_rebates_only_fall(trade: TradeExecuted) -> None:
    moved: Counter[LedgerAccountKind] = Counter()
    for entry in trade_entries(trade, MARKET):
        if entry.account == VENUE:
            moved[entry.kind] += entry.amount_atoms

    fees = trade.maker_fee_atoms, trade.taker_fee_atoms
    assert moved[LedgerAccountKind.FEE_INCOME] == sum(fee for fee in fees if fee > 0)
    assert moved[LedgerAccountKind.REBATES] == sum(fee for fee in fees if fee < 0)


def test_a_credit_line_is_a_memorandum_of_its_change() -> None:
    event = AssetLimitsSet.make(account=4, asset=QUOTE, credit_line_atoms=30)

    assert credit_line_entries(event, previous_atoms=100) == [
        Entry(1, LedgerAccountKind.CREDIT_LINE, EntryCause.CREDIT_LINE_SET, 4, QUOTE, -70),
        Entry(2, LedgerAccountKind.CREDIT_GRANTED, EntryCause.CREDIT_LINE_SET, VENUE, QUOTE, 70),
    ]
    assert credit_line_entries(event, previous_atoms=30) == []


MONEY = {
    BalanceCause.CREDIT: (1, {LedgerAccountKind.CLEARING: -1, LedgerAccountKind.FUNDS: 1}),
    BalanceCause.DEBIT: (-1, {LedgerAccountKind.CLEARING: 1, LedgerAccountKind.FUNDS: -1}),
    BalanceCause.WITHDRAWAL_RESERVED: (
        0,
        {LedgerAccountKind.FUNDS: -1, LedgerAccountKind.WITHDRAWALS: 1},
    ),
    BalanceCause.WITHDRAWAL_COMMITTED: (
        -1,
        {LedgerAccountKind.WITHDRAWALS: -1, LedgerAccountKind.CLEARING: 1},
    ),
    BalanceCause.WITHDRAWAL_RELEASED: (
        0,
        {LedgerAccountKind.WITHDRAWALS: -1, LedgerAccountKind.FUNDS: 1},
    ),
    BalanceCause.REWARD: (1, {LedgerAccountKind.REWARDS: -1, LedgerAccountKind.FUNDS: 1}),
    BalanceCause.ADJUSTMENT_CREDIT: (
        1,
        {LedgerAccountKind.SUSPENSE: -1, LedgerAccountKind.FUNDS: 1},
    ),
    BalanceCause.ADJUSTMENT_DEBIT: (
        -1,
        {LedgerAccountKind.FUNDS: -1, LedgerAccountKind.SUSPENSE: 1},
    ),
}


@pytest.mark.parametrize("cause", MONEY)
def test_money_in_and_out_moves_between_the_right_accounts(cause: BalanceCause) -> None:
    change, moves = MONEY[cause]
    event = BalanceChanged.make(
        account=4, asset=QUOTE, cause=cause, amount_atoms=90, change_atoms=change * 90
    )

    entries = balance_entries(event)

    assert is_balanced(entries)
    assert {entry.kind: entry.amount_atoms // 90 for entry in entries} == moves
    assert {entry.account for entry in entries if entry.kind < 10} == {4}
    assert {entry.account for entry in entries if entry.kind >= 10} <= {VENUE}


@pytest.mark.parametrize("cause", MONEY)
def test_a_change_that_contradicts_its_cause_is_refused(cause: BalanceCause) -> None:
    event = BalanceChanged.make(
        account=4, asset=QUOTE, cause=cause, amount_atoms=90, change_atoms=MONEY[cause][0] * 90 + 1
    )

    with pytest.raises(UnsettleableEventError, match="changes the balance by"):
        balance_entries(event)


def test_a_cause_without_a_rule_stops_settlement() -> None:
    with pytest.raises(UnsettleableEventError, match="no posting rule for balance cause 6"):
        balance_entries(BalanceChanged.make(cause=BalanceCause.TRANSFER, amount_atoms=1))


def rows_of(encoded: bytes) -> list[list[bytes]]:
    """Read rows of a binary COPY: of each the bytes of its fields."""
    rows, at = [], 0
    while at < len(encoded):
        (count,) = struct.unpack_from(">h", encoded, at)
        at, row = at + 2, []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", encoded, at)
            row.append(encoded[at + 4 : at + 4 + length])
            at += 4 + length
        rows.append(row)
    return rows


def numbers(row: list[bytes]) -> tuple[int, ...]:
    return tuple(int.from_bytes(field, signed=True) for field in row)


def natively(trade: TradeExecuted) -> LedgerBatch:
    projection = LedgerProjection()
    first = InstrumentCreated.make(
        number=trade.number - 1, instrument=1, base_asset=BASE, quote_asset=QUOTE
    )
    whole = msgspec.structs.replace(trade, flags=LAST_OF_COMMAND)
    frame = MemoryBatch(trade.number - 1, trade.number, first.pack() + whole.pack())
    return projection.decode([frame])[0]


@given(trades())
def test_the_native_rows_are_the_entries_that_the_postings_describe(
    trade: TradeExecuted,
) -> None:
    ready = natively(trade)

    assert [numbers(row) for row in rows_of(b"".join(ready.entry_rows()))] == [
        (trade.number, leg, kind, cause, account, asset, amount, trade.time_ns)
        for leg, kind, cause, account, asset, amount in trade_entries(trade, MARKET)
    ]


@given(trades())
def test_the_native_row_of_a_trade_has_its_fields_in_the_tables_order(
    trade: TradeExecuted,
) -> None:
    ready = natively(trade)

    (row,) = rows_of(ready.trades)
    assert len(row) == len(TRADE_COLUMNS)
    for name, field in zip(TRADE_COLUMNS, row, strict=True):
        value = getattr(trade, "number" if name == "event_number" else name)
        if isinstance(value, bytes):
            assert field.decode("ascii") == stored_text(value)
        else:
            assert int.from_bytes(field, signed=True) == value


@given(st.lists(st.tuples(*[st.integers(-(1 << 15), (1 << 15) - 1)] * 8), max_size=3))
def test_entries_of_other_events_are_encoded_the_same_way(
    rows: list[tuple[int, int, int, int, int, int, int, int]],
) -> None:
    assert [numbers(row) for row in rows_of(encode_entries(rows))] == rows


@given(trades())
def test_the_fast_fill_lines_are_whole_history_rows(trade: TradeExecuted) -> None:
    maker, taker = (
        HistoryRow(**dict(zip(HistoryRow.__struct_fields__, line, strict=True)))  # type: ignore[arg-type]
        for line in fill_lines(trade)
    )

    assert (maker.leg, taker.leg) == (1, 2)
    assert (maker.is_maker, taker.is_maker) == (True, False)
    assert {maker.side, taker.side} == {Side.BUY, Side.SELL}
    assert taker.side == trade.taker_side
    assert (maker.order_id, taker.order_id) == (trade.maker_order_id, trade.taker_order_id)
    assert (maker.fee_atoms, taker.fee_atoms) == (trade.maker_fee_atoms, trade.taker_fee_atoms)
    assert maker.leaves_lots == trade.maker_leaves_lots
    assert taker.filled_value == trade.taker_filled_value
    assert maker.last_ticks == taker.last_ticks == trade.price_ticks
    assert maker.time_ns == taker.time_ns == trade.time_ns


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_decoded_stream_adds_up_to_what_the_model_says(chance) -> None:  # type: ignore[no-untyped-def]
    flow = flow_of(chance, steps=60)

    ready, time_ns = LedgerProjection().decode(flow.batches(commands_max=9))

    sums: Counter[tuple[int, int]] = Counter()
    for row in rows_of(b"".join(ready.entry_rows())):
        _, _, kind, _, account, asset, amount, _ = numbers(row)
        if account != VENUE and kind not in MEMORANDA:
            sums[account, asset] += amount
    assert {key: sums[key] for key in flow.balances} == flow.balances
    assert ready.trade_count == len(rows_of(ready.trades)) == flow.trades
    assert time_ns == flow.records[-1].time_ns  # type: ignore[attr-defined]


def test_a_trade_of_an_unknown_instrument_stops_settlement() -> None:
    with pytest.raises(UnsettleableEventError, match="event 9: unknown instrument 1"):
        LedgerProjection().decode(
            [MemoryBatch(9, 9, TradeExecuted.make(number=9, instrument=1, flags=1).pack())]
        )


def frame(*numbers: int, last_flag: int = 1) -> MemoryBatch:
    records = [
        InstrumentCreated.make(
            number=number, instrument=number, flags=last_flag if number == numbers[-1] else 0
        )
        for number in numbers
    ]
    data = b"".join(record.pack() for record in records)
    return MemoryBatch(numbers[0], numbers[0] + len(numbers) - 1, data)


def test_a_gap_inside_a_frame_is_found() -> None:
    with pytest.raises(EventGapError, match="expected event 2, found 3"):
        LedgerProjection().decode([frame(1, 3)])


def test_half_a_command_is_found() -> None:
    with pytest.raises(EventGapError, match="inside a command"):
        LedgerProjection().decode([frame(1, 2, last_flag=0)])


def test_a_frame_that_ends_early_is_found() -> None:
    with pytest.raises(EventGapError, match="ended at 2"):
        LedgerProjection().decode([frame(1, 2)._replace(last=3)])


def test_a_record_cut_short_is_found() -> None:
    batch = frame(1, 2)
    with pytest.raises(UnsettleableEventError, match="event 2"):
        LedgerProjection().decode([batch._replace(data=batch.data[:-1])])


def test_an_unknown_kind_stops_settlement_because_it_may_move_money() -> None:
    data = bytearray(frame(1).data)
    data[2:4] = (999).to_bytes(2, "little")
    with pytest.raises(UnsettleableEventError, match="kind 999"):
        LedgerProjection().decode([MemoryBatch(1, 1, bytes(data))])


def test_a_credit_line_is_as_wide_as_it_was_at_any_moment_of_the_batch() -> None:
    ready = LedgerBatch({})
    for line in (5, 90, 20):
        event = AssetLimitsSet.make(account=1, asset=2, credit_line_atoms=line)
        ready.asset_limits_set(event.pack(), 0)

    assert ready.limits == {(1, 2): (20, 90, 0)}
    assert ready.lines == {(1, 2): 20}
    assert [entry[6] for entry in ready.entries if entry[4] == 1] == [5, 85, -70]


def test_a_picker_reads_exactly_the_named_fields() -> None:
    event = BalanceChanged.make(number=3, account=4, amount_atoms=5, reference=b"r")

    codec = picker(BalanceChanged, ("number", "account", "amount_atoms", "reference"))

    assert codec.unpack(event.pack()) == (3, 4, 5, b"r".ljust(40, b"\0"))


def test_stored_values_fit_their_columns_whatever_a_gateway_recorded() -> None:
    assert stored_text(b"a\0\xff\0\0") == "a\\x00\\xff"
    assert stored_id(0) is None
    assert stored_id((1 << 64) - 1) is None
    assert stored_id((1 << 63) - 1) == (1 << 63) - 1

"""Promises of snapshots, definitions and the choice of an engine."""

from __future__ import annotations

import msgspec
import pytest

from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.answers import RestingOrder, read_books
from messages.trading.identity import client_id
from messages.trading.terms import MassActionType, OrderType, Phase, Scope, Side, TimeInForce
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import ALAN, ALICE, BOB, BOOK, CAROL, QUOTE, SECOND, START, Market
from venue.engines import ENGINES, create_engine
from venue.reference.engine import ReferenceEngine
from venue.reference.snapshot_checks import SnapshotMalformedError
from venue.reference.state_records import STATE, EndRecord, GoneRecord, OrderRecord


@pytest.mark.parametrize("record", STATE.by_kind.values(), ids=lambda each: each.__name__)
def test_fields_stand_on_their_natural_alignment(record: type[Record]) -> None:
    assert record.LENGTH % 8 == 0
    for field in record.FIELDS:
        assert field.code.endswith("s") or field.offset % field.size == 0, field


def busy_market() -> QuotingMarket:
    """Return a market in which every kind of state record is needed."""
    market = QuotingMarket(maker_ppm=10, taker_ppm=777)
    market.configure(indicative_interval_ns=SECOND)
    market.send(c.KeepTrades, trades_max=5)
    market.grant(ALICE, rights=7, cancel_on_disconnect=1, disconnect_grace_ns=5 * SECOND)
    market.send(c.SetAssetLimits, account=BOB, asset=1, credit_line_atoms=7)
    market.send(c.AssignFeeSchedule, account=BOB, fee_schedule=1)
    market.send(c.ReserveWithdrawal, account=BOB, asset=1, amount_atoms=5, reference=client_id("w"))
    market.sell(10, at=101, display_lots=4)
    market.sell(3, at=101, account=31)
    market.buy(6, at=101, account=BOB)
    market.buy(5, at=99, account=BOB, time_in_force=TimeInForce.DAY)
    market.buy(5, order_type=OrderType.STOP, stop_price_ticks=120, account=BOB)
    market.amend(4, account=BOB, quantity_lots=4, client_order_id=client_id("amended"))
    market.mass_cancel(Scope.SESSION, account=31, client_order_id=client_id("mass"))
    market.protect(account=BOB)
    market.mass_quote(entry((5, 60), (5, 100), protection_group=7), account=BOB)
    market.buy(1, at=100, account=ALAN)
    _bust(market)
    ask_and_quote(market)
    market.mass_action(MassActionType.SUSPEND, Scope.ACCOUNT, account=ALAN, side=2)
    market.mass_action(MassActionType.SUSPEND, Scope.SESSION, account=BOB, instrument=BOOK)
    market.kill(Scope.FIRM, 3)
    market.close(1)
    market.phase(Phase.CALL_AUCTION, until_ns=market.now_ns + 60 * SECOND)
    return market


def _bust(market: Market) -> None:
    """Undo the trade in which Carol sold, after she has spent what it brought her."""
    trade = next(
        each
        for each in market.history
        if isinstance(each, e.TradeExecuted) and each.maker_account == CAROL
    )
    spent = {"account": CAROL, "asset": QUOTE, "amount_atoms": trade.maker_quote_balance}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    named = ("trade_id", "instrument", "price_ticks", "quantity_lots")
    terms = {name: getattr(trade, name) for name in (*named, "maker_account", "taker_account")}
    reference = client_id("bust")
    market.send(c.BustTrade, **terms, operator=1, approver=2, reference=reference)
    assert market.engine.receivables()


def ask_and_quote(market: Market) -> None:
    """Let Bob ask in a second instrument, and Alice answer him."""
    market.create_instrument(BOOK + 1)
    market.limit(instrument=BOOK + 1)
    market.phase(Phase.CONTINUOUS, instrument=BOOK + 1)
    market.send(
        c.RequestForQuote,
        account=BOB,
        session=2,
        connection=1,
        instrument=BOOK + 1,
        quantity_lots=5,
        expire_at_ns=market.now_ns + 100 * SECOND,
        client_request_id=client_id("request"),
    )
    market.send(
        c.GiveRfqQuote,
        account=ALICE,
        session=1,
        connection=1,
        request_id=market.event(e.QuoteRequested).request_id,
        bid_price_ticks=99,
        ask_price_ticks=102,
        client_quote_id=client_id("quote"),
    )
    assert [type(each) for each in market.records] == [e.RfqQuoteGiven]


def test_a_restored_engine_goes_on_as_if_nothing_had_happened() -> None:
    market = busy_market()
    snapshot = market.engine.snapshot()
    kinds = {type(each) for each in STATE.unpack(snapshot)}
    assert kinds == set(STATE.by_kind.values())
    other = ReferenceEngine()
    other.restore(snapshot)
    assert other.snapshot() == snapshot
    assert other.next_deadline() == market.engine.next_deadline()
    assert other.definitions() == market.engine.definitions()
    lines = market.later(120 * SECOND)
    assert "cancelled 1 DISCONNECT" in lines
    assert [line for line in lines if "ended" in line] == [
        "quote 10 ended DISCONNECT",
        "request 9 ended EXPIRED",
    ]
    market.sell(6, at=99)
    for each in c.COMMANDS.unpack(market.journal):
        if each.sequence > other.last_sequence:  # type: ignore[attr-defined]
            other.apply(each.pack())
    assert other.snapshot() == market.engine.snapshot()


def test_a_malformed_snapshot_changes_nothing() -> None:
    market = busy_market()
    snapshot = market.engine.snapshot()
    first = next(iter(STATE.walk(snapshot)))[1].LENGTH
    for damaged in (b"", b"x" * 80, snapshot[first:], snapshot[:-8], snapshot + snapshot[:first]):
        with pytest.raises(SnapshotMalformedError):
            market.engine.restore(damaged)
    assert market.engine.snapshot() == snapshot


def waiting_market() -> Market:
    """Return a trading market with two equal stops, an iceberg, a dated order and a done one."""
    market = Market(maker_ppm=10, taker_ppm=777)
    market.buy(1, at=90)
    market.cancel(1)
    for account in (ALICE, BOB):
        market.buy(5, order_type=OrderType.STOP, stop_price_ticks=120, account=account)
    market.sell(10, at=101, display_lots=4)
    dated = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_at_ns": START + SECOND}
    market.buy(5, at=99, **dated)
    return market


DONE, STOP, OTHER_STOP, ICEBERG, DATED = 1, 2, 3, 4, 5


def altered(snapshot: bytes, order_id: int, **values: int) -> bytes:
    """Return a snapshot in which one order's record says something else."""
    records = list(STATE.unpack(snapshot))
    return b"".join(
        (
            msgspec.structs.replace(each, **values)
            if isinstance(each, OrderRecord) and each.order_id == order_id
            else each
        ).pack()
        for each in records
    )


def doubled(snapshot: bytes, kind: type[Record]) -> bytes:
    """Return a snapshot that says each record of a kind twice, and counts right."""
    records: list[Record] = []
    for each in STATE.unpack(snapshot):
        records += [each] * (2 if type(each) is kind else 1)
    end = EndRecord.make(records=len(records) - 1)
    return b"".join(each.pack() for each in (*records[:-1], end))


def test_nothing_that_is_done_is_forgotten_twice() -> None:
    market = waiting_market()
    snapshot = market.engine.snapshot()
    with pytest.raises(SnapshotMalformedError, match="twice"):
        market.engine.restore(doubled(snapshot, GoneRecord))
    assert market.engine.snapshot() == snapshot


@pytest.mark.parametrize(
    ("order_id", "values"),
    [
        (ICEBERG, {"display_lots": 0}),  # and yet some of it hidden
        (ICEBERG, {"display_lots": 3}),  # less than it shows
        (ICEBERG, {"shown_lots": 11}),
        (ICEBERG, {"shown_lots": 0}),
        (ICEBERG, {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}),  # it rests
        (ICEBERG, {"order_type": OrderType.MARKET}),
        (ICEBERG, {"minimum_lots": 1}),
        (ICEBERG, {"maker_ppm": 11}),  # no schedule says so
        (ICEBERG, {"session": 2}),  # another firm's
        (ICEBERG, {"price_ticks": 99}),  # crosses the bid
        (OTHER_STOP, {"arrival": 2}),  # as the other, at the same price
        (OTHER_STOP, {"stop_price_ticks": 0}),
        (OTHER_STOP, {"order_type": OrderType.LIMIT, "stop_price_ticks": 0}),
        (DATED, {"expires_at_ns": 0}),
        (DATED, {"expires_at_ns": 0, "expire_at_ns": 0}),
        (DATED, {"held_atoms": 999}),
        (DONE, {"held_atoms": 1}),
        (DONE, {"arrival": 99}),
        (DONE, {"arrival": 2}),
    ],
)
def test_an_order_that_cannot_be_so_is_not_taken_over(
    order_id: int, values: dict[str, int]
) -> None:
    market = waiting_market()
    snapshot = market.engine.snapshot()
    assert altered(snapshot, order_id) == snapshot
    with pytest.raises(SnapshotMalformedError):
        market.engine.restore(altered(snapshot, order_id, **values))
    assert market.engine.snapshot() == snapshot


def test_definitions_describe_what_is_now() -> None:
    market = busy_market()
    described = list(e.EVENTS.unpack(market.engine.definitions()))
    assert {each.number for each in described} == {0}  # type: ignore[attr-defined]
    by_kind = [type(each).__name__ for each in described]
    assert by_kind == [
        "VenueConfigured",
        "TradesKept",
        *["AssetCreated"] * 2,
        "FeeScheduleDefined",
        *["FirmCreated"] * 3,
        *["InstrumentCreated", "InstrumentLimitsSet", "PhaseChanged"] * 2,
        *["AccountCreated", "AccountLimitsSet"] * 3,
        "AssetLimitsSet",
        "FeeScheduleAssigned",
        "ProtectionDefined",
        "AccountCreated",
        "AccountLimitsSet",
        *["SessionGranted"] * 4,
        *["Killed"] * 2,
    ]
    phase = next(each for each in described if isinstance(each, e.PhaseChanged))
    assert (phase.instrument, phase.phase) == (BOOK, Phase.CALL_AUCTION)
    assert ReferenceEngine().definitions() == b""


def test_an_engine_is_chosen_by_name() -> None:
    for name in ENGINES:
        assert create_engine(name).last_sequence == 0
    with pytest.raises(ValueError, match="unknown engine 'quick'"):
        create_engine("quick")


def test_books_tell_each_queue_in_the_order_in_which_it_would_trade() -> None:
    market = Market()
    market.sell(10, at=101, display_lots=3)  # 1
    market.sell(2, at=101, account=BOB)  # 2
    market.sell(4, at=100)  # 3
    market.buy(5, at=99)  # 4
    market.buy(4, at=100, account=BOB)  # 5 takes 3
    market.buy(4, at=101, account=CAROL)  # 6 takes the tranche of 1, and half of 2
    (book,) = read_books(market.engine.books())
    assert (book.instrument, book.orders) == (
        BOOK,
        [
            RestingOrder(4, 99, 5, 5, 0, Side.BUY),
            RestingOrder(2, 101, 1, 1, 0, Side.SELL),
            RestingOrder(1, 101, 3, 7, 3, Side.SELL),
        ],
    )
    told = [each for each in market.history if isinstance(each, e.BookLevelChanged)]
    assert book.sequence == told[-1].book_sequence == len(told)
    assert ReferenceEngine().books() == b""


def test_open_orders_are_told_in_pages_as_they_stand() -> None:
    market = Market()
    market.sell(10, at=101, display_lots=3)  # 1
    market.sell(2, at=102, account=BOB)  # 2
    market.buy(5, at=99)  # 3
    market.buy(4, at=101, account=CAROL)  # 4 takes of 1
    market.buy(5, order_type=OrderType.STOP, stop_price_ticks=120)  # 5 waits
    market.sell(1, at=105)  # 6
    market.cancel(3)

    def page(account: int, *, after: int = 0, limit: int = 100) -> list[tuple[int, int, int]]:
        records = e.EVENTS.unpack(market.engine.open_orders(account, after=after, limit=limit))
        found = []
        for record in records:
            assert isinstance(record, e.OrderReported)
            assert (record.number, record.sequence, record.account) == (0, 0, account)
            assert record.time_ns == market.engine.last_time_ns
            found.append((record.order_id, record.leaves_lots, record.filled_lots))
        return found

    assert page(ALICE) == [(1, 6, 4), (5, 5, 0), (6, 1, 0)]
    assert page(ALICE, limit=2) == [(1, 6, 4), (5, 5, 0)]
    assert page(ALICE, after=5, limit=2) == [(6, 1, 0)]
    assert page(ALICE, after=6) == []
    assert page(BOB) == [(2, 2, 0)]
    assert page(CAROL) == []
    assert page(999) == []


def test_books_that_are_cut_short_are_no_books() -> None:
    market = Market()
    market.buy(1, at=100)
    whole = market.engine.books()
    for size in range(1, len(whole)):
        with pytest.raises(ValueError, match="books"):
            list(read_books(whole[:size]))

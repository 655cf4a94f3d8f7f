"""What the process keeps of people: complete until the database has it, and bounded."""

from messages.layout import padded_text
from messages.trading import events
from messages.trading.identity import client_id
from messages.trading.terms import OrderStatus, OrderType, Side
from retail_gateway.state import RetailState
from tests.unit.retail_gateway.desk import a_state

USD, BTC, MARKET, ADA, BEN, STRANGER = 1, 2, 7, 100, 101, 5


def known(**bounds: int) -> RetailState:
    state = a_state(**bounds)
    state.define(
        [
            events.AssetCreated.make(asset=USD, scale=6, symbol=padded_text("USD", 16)),
            events.AssetCreated.make(asset=BTC, scale=8, symbol=padded_text("BTC", 16)),
            events.InstrumentCreated.make(
                instrument=MARKET, base_asset=BTC, quote_asset=USD, lot_atoms=1, tick_lot_atoms=1,
                tick_units=1, lot_units=1, price_decimals=2, quantity_decimals=4,
                symbol=padded_text("BTC-USD", 16),
            ),
        ],
        through=0,
    )  # fmt: skip
    state.fund([(ADA, USD, 1000, 0), (STRANGER, USD, 5, 0)], through=0)
    return state


def an_order(
    number: int, kind: type[events.OrderEvent] = events.OrderAccepted, **changes: int
) -> bytes:
    fields: dict[str, int] = {
        "number": number, "account": ADA, "order_id": number, "instrument": MARKET,
        "side": Side.BUY, "order_type": OrderType.LIMIT, "status": OrderStatus.NEW,
        "price_ticks": 10, "quantity_lots": 5, "leaves_lots": 5, "held_atoms": 50,
    }  # fmt: skip
    return kind.make(**fields | changes, client_order_id=client_id(f"c{number}")).pack()


def gone(number: int, order_id: int) -> bytes:
    status = OrderStatus.CANCELLED
    return an_order(number, events.OrderCancelled, order_id=order_id, status=status, held_atoms=0)


def traded(number: int, **changes: int) -> bytes:
    fields: dict[str, int] = {
        "number": number, "trade_id": number, "instrument": MARKET, "taker_side": Side.SELL,
        "maker_account": ADA, "maker_order_id": 1, "maker_status": OrderStatus.PARTIALLY_FILLED,
        "maker_leaves_lots": 3, "maker_filled_lots": 2, "maker_held_atoms": 30,
        "maker_base_balance": 2, "maker_quote_balance": 980, "taker_account": STRANGER,
        "taker_order_id": 99, "price_ticks": 10, "quantity_lots": 2, "notional_atoms": 20,
    }  # fmt: skip
    return events.TradeExecuted.make(**fields | changes).pack()


def follow(state: RetailState, *records: bytes) -> None:
    for _ in state.follow(b"".join(records)):
        pass


def test_money_follows_holds_trades_and_cancels() -> None:
    state = known()
    follow(state, an_order(1))
    assert state.balance(ADA, USD) == (1000, 50)
    follow(state, traded(2))
    assert (state.balance(ADA, USD), state.balance(ADA, BTC)) == ((980, 30), (2, 0))
    assert state.open_orders(ADA)[0].filled_lots == 2
    follow(state, gone(3, 1))
    assert state.balance(ADA, USD) == (980, 0)
    assert state.open_orders(ADA) == []
    assert state.balance(STRANGER, USD) == (0, 0)


def test_what_the_balances_already_had_is_not_counted_twice() -> None:
    state = known()
    state.fund([(ADA, USD, 980, 30), (ADA, BTC, 2, 0)], through=2)
    follow(state, an_order(1), traded(2))
    assert state.balance(ADA, USD) == (980, 30)
    follow(state, gone(3, 1))
    assert state.balance(ADA, USD) == (980, 0)


def test_done_orders_and_trades_are_kept_until_they_are_written() -> None:
    state = known()
    follow(state, an_order(1), traded(2), gone(3, 1), an_order(4), gone(5, 4))
    state.forget(orders_through=4, trades_through=1)
    assert [each.order_id for each in state.kept_orders(ADA, MARKET)] == [4]
    assert [each.trade_id for each in state.kept_trades(ADA, MARKET)] == [2]
    assert state.order_of_client_id(ADA, "c1") is None
    state.forget(orders_through=5, trades_through=5)
    assert state.kept_orders(ADA, MARKET) == []
    assert state.kept_trades(ADA, MARKET) == []


def test_beyond_the_bound_the_oldest_goes_and_it_is_said_until_the_database_has_it() -> None:
    state = known(kept_max=2)
    for number in (1, 3, 5):
        follow(state, an_order(number), gone(number + 1, number))
    assert [each.order_id for each in state.kept_orders(ADA, MARKET)] == [3, 5]
    assert state.missing_through == 2
    state.forget(orders_through=1, trades_through=9)
    assert state.missing_through == 2
    state.forget(orders_through=2, trades_through=9)
    assert state.missing_through == 0


def test_a_bust_takes_the_trade_away_from_both_places() -> None:
    state = known()
    follow(state, an_order(1), traded(2))
    bust = events.TradeBusted.make(
        number=3, trade_id=2, instrument=MARKET, taker_side=Side.SELL, maker_account=ADA,
        maker_order_id=1, maker_status=OrderStatus.NEW, maker_leaves_lots=3, maker_held_atoms=30,
        maker_quote_balance=1000, taker_account=STRANGER,
    ).pack()  # fmt: skip
    follow(state, bust)
    assert state.kept_trades(ADA, MARKET) == []
    assert state.is_busted(2)
    assert state.balance(ADA, USD) == (1000, 30)


def test_of_others_nothing_is_kept() -> None:
    state = known()
    told = [event for _, event in state.follow(an_order(1, account=STRANGER))]
    assert told == [None]
    assert state.order(STRANGER, 1) is None
    follow(state, an_order(2))
    assert state.order(BEN, 2) is None

"""Each pattern planted through the real engine, and beside it what only looks like one."""

from __future__ import annotations

import pytest

from messages.trading.terms import Phase
from tests.unit.engine.scenario import ALAN, ALICE, BOB, CAROL, SECOND
from tests.unit.surveillance.stage import DORA, EVE, Stage, tuned

# --- wash trades ---


def test_a_trade_between_two_owner_groups_of_one_firm_is_a_wash_trade() -> None:
    stage = Stage()
    stage.trade(BOB, DORA, 5, 100)
    (alert,) = stage.alerts
    assert alert.kind == "wash_trade"
    assert alert.accounts == (BOB, DORA)
    assert alert.owner == 7
    assert alert.figures == {"count": 1, "lots": 5, "is_one_owner_group": 0, "firm": 2}
    assert alert.parameters["trades_min"] == 1
    assert alert.alert_id == f"wash_trade-{alert.event_number}-g7"
    assert alert.events == (alert.event_number,)
    assert alert.orders == (1, 2)


def test_trades_of_different_firms_are_no_wash_trades() -> None:
    stage = Stage()
    stage.trade(BOB, CAROL, 5, 100)
    stage.trade(EVE, CAROL, 5, 100)
    assert stage.alerts == []


def test_a_firm_whose_groups_may_trade_with_each_other_is_let_be() -> None:
    stage = Stage(tuned(wash={"same_firm": False}))
    stage.trade(BOB, DORA, 5, 100)
    assert stage.alerts == []


def test_wash_trades_count_within_the_window_only() -> None:
    stage = Stage(tuned(wash={"trades_min": 2, "window_seconds": 10}))
    stage.trade(BOB, DORA, 5, 100)
    stage.later(10 * SECOND + 1)
    stage.trade(BOB, DORA, 5, 100)
    assert stage.alerts == []
    stage.later(10 * SECOND)
    stage.trade(BOB, DORA, 5, 100)
    assert stage.kinds() == ["wash_trade"]
    assert stage.alerts[0].figures["count"] == 2


def test_trades_that_prevention_stops_again_and_again_are_told() -> None:
    stage = Stage(tuned(wash={"attempts_min": 3}))
    for number in range(3):
        assert len(stage.alerts) == 0, number
        stage.sell(5, 100, account=ALICE)
        stage.buy(5, 100, account=ALAN)
        stage.mass_cancel(3, account=ALAN)
    assert stage.kinds() == ["self_trade_attempts"]
    assert stage.alerts[0].figures == {"count": 3, "lots": 15, "traded_sides": 0}
    assert len(stage.alerts[0].orders) == 6


@pytest.mark.parametrize(("share_ppm", "count"), [(600_000, 1), (600_001, 0)])
def test_who_trades_more_than_is_prevented_is_let_be(share_ppm: int, count: int) -> None:
    stage = Stage(tuned(wash={"attempts_min": 6, "attempts_share_ppm": share_ppm}))

    def attempt() -> None:
        stage.sell(5, 100, account=ALICE)
        stage.buy(5, 100, account=ALAN)
        stage.mass_cancel(3, account=ALAN)

    for _ in range(4):
        attempt()
        stage.trade(ALICE, CAROL, 5, 101)
    attempt()
    assert stage.alerts == []
    attempt()
    assert stage.kinds() == ["self_trade_attempts"] * count
    if count:
        assert stage.alerts[0].figures == {"count": 6, "lots": 30, "traded_sides": 4}


def test_attempts_count_within_the_window_only() -> None:
    stage = Stage(tuned(wash={"attempts_min": 2, "window_seconds": 10}))
    for gap_ns in (10 * SECOND + 1, 10 * SECOND, 0):
        assert stage.alerts == []
        stage.sell(5, 100, account=ALICE)
        stage.buy(5, 100, account=ALAN)
        stage.mass_cancel(3, account=ALAN)
        stage.later(gap_ns)
    assert stage.kinds() == ["self_trade_attempts"]


# --- circular trades ---


def there_and_back(stage: Stage, *, lots: int = 7, back: int = 7, rest_ns: int = 0) -> None:
    stage.sell(lots, 100, account=BOB)
    stage.later(rest_ns)
    stage.buy(lots, 100, account=CAROL)
    stage.sell(back, 100, account=CAROL)
    stage.later(rest_ns)
    stage.buy(back, 100, account=BOB)


def test_one_quantity_back_and_forth_between_two_firms_is_circular() -> None:
    stage = Stage()
    for _ in range(2):
        there_and_back(stage)
    assert stage.alerts == []
    there_and_back(stage)
    (alert,) = stage.alerts
    assert alert.kind == "circular_trades"
    assert alert.accounts == (BOB, CAROL)
    assert alert.figures == {"rounds": 3, "lots": 42, "value_difference": 0}
    assert len(alert.events) == 6
    assert len(alert.orders) == 12


def test_a_way_back_may_differ_by_the_tolerance_and_no_more() -> None:
    stage = Stage(tuned(circular={"rounds_min": 1, "quantity_tolerance_ppm": 100_000}))
    there_and_back(stage, lots=100, back=111)
    assert stage.alerts == []
    stage = Stage(tuned(circular={"rounds_min": 1, "quantity_tolerance_ppm": 100_000}))
    there_and_back(stage, lots=100, back=110)
    assert stage.kinds() == ["circular_trades"]


@pytest.mark.parametrize(("rest_ns", "count"), [(2 * SECOND, 1), (2 * SECOND + 1, 0)])
def test_orders_that_waited_for_anybody_are_not_circular(rest_ns: int, count: int) -> None:
    stage = Stage()
    for _ in range(3):
        there_and_back(stage, rest_ns=rest_ns)
    assert len(stage.alerts) == count


def test_a_piece_of_a_larger_quote_is_not_circular() -> None:
    stage = Stage()
    for _ in range(5):
        stage.sell(50, 101, account=BOB)
        stage.buy(50, 99, account=BOB)
        stage.buy(7, 101, account=CAROL)
        stage.sell(7, 99, account=CAROL)
        stage.mass_cancel(3, account=BOB)
    assert stage.alerts == []


def test_one_direction_only_is_not_circular() -> None:
    stage = Stage()
    for _ in range(10):
        stage.trade(BOB, CAROL, 7, 100)
    assert stage.alerts == []


# --- layering and spoofing ---


def dressed(stage: Stage, *prices: int, lots: int = 50, wanted: int = 10) -> None:
    """Let Bob want to sell a little, and show much on the other side until he has sold."""
    stage.buy(20, 90, account=CAROL)
    stage.sell(wanted, 100, account=BOB)
    orders = []
    for price in prices:
        stage.buy(lots, price, account=BOB)
        orders.append(stage.placed())
    stage.buy(wanted, 100, account=EVE)
    stage.later(SECOND)
    for order in orders:
        stage.cancel(order, account=BOB)


def test_size_taken_away_after_the_other_side_traded_is_spoofing() -> None:
    stage = Stage()
    dressed(stage, 99)
    (alert,) = stage.alerts
    assert alert.kind == "spoofing"
    assert alert.owner == 2
    assert alert.figures == {
        "side": 1,
        "withdrawn_orders": 1,
        "standing_orders": 0,
        "layers": 1,
        "shown_lots": 50,
        "wanted_lots": 10,
        "book_share_ppm": 1_000_000,
    }
    assert alert.orders == (2, 3)
    assert len(alert.events) == 3


def test_size_on_several_prices_is_layering() -> None:
    stage = Stage()
    dressed(stage, 97, 98, 99, lots=20)
    (alert,) = stage.alerts
    assert alert.kind == "layering"
    assert (alert.figures["layers"], alert.figures["shown_lots"]) == (3, 60)


def test_layers_count_that_still_stand_when_the_first_is_taken_away() -> None:
    stage = Stage()
    dressed(stage, 97, 98, 99)
    (alert,) = stage.alerts
    assert alert.kind == "layering"
    assert (alert.figures["withdrawn_orders"], alert.figures["standing_orders"]) == (1, 2)
    assert len(alert.orders) == 4


def test_less_than_the_ratio_is_nothing() -> None:
    stage = Stage()
    dressed(stage, 99, lots=49)
    assert stage.alerts == []


def test_a_small_share_of_the_book_is_nothing() -> None:
    stage = Stage()
    stage.buy(201, 98, account=CAROL)
    dressed(stage, 99)
    assert stage.alerts == []
    stage = Stage()
    stage.buy(200, 98, account=CAROL)
    dressed(stage, 99)
    assert stage.kinds() == ["spoofing"]
    assert stage.alerts[0].figures["book_share_ppm"] == 200_000


def test_size_that_stays_longer_than_the_window_was_meant() -> None:
    stage = Stage()
    stage.sell(10, 100, account=BOB)
    stage.buy(50, 99, account=BOB)
    order = stage.placed()
    stage.buy(10, 100, account=EVE)
    stage.later(30 * SECOND + 1)
    stage.cancel(order, account=BOB)
    assert stage.alerts == []


def test_size_that_traded_was_meant() -> None:
    stage = Stage()
    stage.sell(10, 100, account=BOB)
    stage.buy(51, 99, account=BOB)
    order = stage.placed()
    stage.buy(10, 100, account=EVE)
    stage.sell(1, 99, account=EVE)
    stage.cancel(order, account=BOB)
    assert stage.alerts == []


def test_a_maker_who_quotes_anew_when_hit_is_no_spoofer() -> None:
    stage = Stage()
    for number in range(20):
        stage.sell(50, 101, account=BOB)
        stage.buy(50, 99, account=BOB)
        take, at = (stage.buy, 101) if number % 2 else (stage.sell, 99)
        take(1 + number, at, account=CAROL)
        stage.mass_cancel(3, account=BOB)
        stage.later(SECOND // 10)
    assert stage.alerts == []


def test_size_placed_after_the_trade_pushed_nothing() -> None:
    stage = Stage()
    stage.trade(BOB, EVE, 10, 100)
    stage.buy(50, 99, account=BOB)
    stage.cancel(stage.placed(), account=BOB)
    assert stage.alerts == []


# --- quote stuffing ---

STUFFING = {"window_seconds": 2, "messages_min": 40, "messages_per_trade_min": 20}


def stuffed(stage: Stage, messages: int, *, gap_ns: int = SECOND // 100) -> None:
    for _ in range(messages // 2):
        stage.buy(1, 50, account=BOB)
        stage.cancel(stage.placed(), account=BOB)
        stage.later(gap_ns)


def test_many_messages_and_no_trade_are_stuffing() -> None:
    stage = Stage(tuned(stuffing=STUFFING))
    stuffed(stage, 38)
    assert stage.alerts == []
    stuffed(stage, 2)
    (alert,) = stage.alerts
    assert alert.kind == "quote_stuffing"
    assert alert.figures == {"messages": 40, "trades": 0}
    stuffed(stage, 38)
    assert len(stage.alerts) == 1


def test_as_many_messages_over_a_longer_time_are_none() -> None:
    stage = Stage(tuned(stuffing=STUFFING))
    stuffed(stage, 200, gap_ns=SECOND // 5)
    assert stage.alerts == []


def test_who_trades_may_send_many_messages() -> None:
    stage = Stage(tuned(stuffing=STUFFING))
    for _ in range(20):
        stuffed(stage, 8)
        stage.trade(BOB, CAROL, 1, 100)
    assert stage.alerts == []


# --- fat fingers ---


def traded(stage: Stage, at: int = 1000) -> Stage:
    for _ in range(5):
        stage.trade(BOB, CAROL, 10, at)
    return stage


@pytest.mark.parametrize(("price", "count"), [(1050, 1), (1049, 0), (2, 0)])
def test_a_price_that_costs_too_much_is_a_fat_finger(price: int, count: int) -> None:
    stage = traded(Stage())
    stage.buy(1, price, account=EVE)
    assert stage.kinds() == ["fat_finger_price"] * count
    if count:
        figures = stage.alerts[0].figures
        assert (figures["usual_ticks"], figures["away_ppm"]) == (1000, 50_000)


@pytest.mark.parametrize(("price", "count"), [(950, 1), (951, 0), (3000, 0)])
def test_a_price_that_asks_too_little_is_a_fat_finger(price: int, count: int) -> None:
    stage = traded(Stage())
    stage.sell(1, price, account=EVE)
    assert stage.kinds() == ["fat_finger_price"] * count


def test_there_is_no_usual_price_before_enough_trades() -> None:
    stage = Stage()
    for _ in range(4):
        stage.trade(BOB, CAROL, 10, 1000)
    stage.buy(1, 1500, account=EVE)
    assert stage.alerts == []


def test_a_market_order_that_runs_far_is_told_once() -> None:
    stage = traded(Stage(protection_ppm=900_000))
    for price in (1000, 1060, 1070):
        stage.sell(1, price, account=BOB)
    stage.buy(3, account=EVE, order_type=2, time_in_force=3)
    (alert,) = stage.alerts
    assert alert.kind == "fat_finger_price"
    assert alert.figures["price_ticks"] == 1060
    assert alert.accounts == (EVE,)


@pytest.mark.parametrize(
    ("lots", "price", "count"), [(1000, 999, 1), (999, 999, 0), (1000, 951, 1), (1000, 950, 0)]
)
def test_a_size_far_above_the_accounts_own_near_the_price_is_a_fat_finger(
    lots: int, price: int, count: int
) -> None:
    stage = traded(Stage())
    for _ in range(16):
        stage.buy(10, 990, account=BOB)
    stage.buy(5000, 990, account=CAROL)
    stage.buy(lots, price, account=BOB)
    assert stage.kinds() == ["fat_finger_size"] * count
    if count:
        assert stage.alerts[0].figures == {"side": 1, "quantity_lots": 1000, "usual_lots": 10}


def test_a_size_is_nothing_while_the_market_has_no_price() -> None:
    stage = Stage()
    for _ in range(16):
        stage.buy(10, 990, account=BOB)
    stage.buy(1000, 990, account=BOB)
    assert stage.alerts == []


# --- marking the close ---


def closed(stage: Stage, *pushes: int, by: int = EVE, lots: int = 10) -> None:
    stage.trade(BOB, CAROL, 10, 1000)
    stage.later(61 * SECOND)
    for price in pushes:
        stage.trade(BOB, by, lots, price)
        stage.later(SECOND)
    stage.phase(Phase.CLOSED)


def test_who_moves_the_price_before_the_close_is_told() -> None:
    stage = Stage()
    closed(stage, 1003, 1005)
    (alert,) = stage.alerts
    assert alert.kind == "marking_the_close"
    assert alert.owner == -EVE
    assert alert.alert_id.endswith(f"-a{EVE}")
    assert alert.accounts == (EVE,)
    assert alert.figures == {
        "price_before": 1000,
        "price_after": 1005,
        "move_ppm": 5000,
        "pushed_lots": 20,
        "window_lots": 20,
    }


def test_a_smaller_move_is_nothing() -> None:
    stage = Stage()
    closed(stage, 1003, 1004)
    assert stage.alerts == []


def test_a_small_part_in_the_move_is_nothing() -> None:
    stage = Stage()
    stage.trade(BOB, CAROL, 10, 1000)
    stage.later(61 * SECOND)
    for taker, lots in ((EVE, 29), (CAROL, 71)):
        stage.trade(BOB, taker, lots, 1005)
    stage.phase(Phase.CLOSED)
    assert [alert.accounts for alert in stage.alerts] == [(CAROL,)]


def test_a_move_before_the_window_is_nothing() -> None:
    stage = Stage()
    stage.trade(BOB, CAROL, 10, 1000)
    stage.trade(BOB, EVE, 10, 1005)
    stage.later(60 * SECOND + 1)
    stage.trade(BOB, EVE, 10, 1005)
    stage.phase(Phase.CLOSED)
    assert stage.alerts == []


def test_a_halt_is_no_close() -> None:
    stage = Stage()
    stage.trade(BOB, CAROL, 10, 1000)
    stage.later(61 * SECOND)
    stage.trade(BOB, EVE, 10, 1005)
    stage.phase(Phase.HALTED)
    assert stage.alerts == []


def auction() -> Stage:
    stage = Stage()
    stage.configure(indicative_interval_ns=SECOND)
    stage.phase(Phase.CALL_AUCTION)
    return stage


def test_a_late_order_that_moves_an_auction_is_told() -> None:
    stage = auction()
    stage.sell(10, 1000, account=BOB)
    stage.buy(10, 1000, account=CAROL)
    stage.sell(50, 1010, account=BOB)
    stage.later(70 * SECOND)
    stage.buy(40, 1010, account=EVE)
    stage.later(SECOND)
    stage.phase(Phase.CONTINUOUS)
    (alert,) = stage.alerts
    assert alert.kind == "marking_the_close"
    assert alert.accounts == (EVE,)
    assert (alert.figures["price_before"], alert.figures["price_after"]) == (1000, 1010)


def test_an_auction_that_ends_where_it_stood_is_nothing() -> None:
    stage = auction()
    stage.sell(50, 1000, account=BOB)
    stage.buy(10, 1000, account=CAROL)
    stage.later(70 * SECOND)
    stage.buy(40, 1010, account=EVE)
    stage.later(SECOND)
    stage.phase(Phase.CONTINUOUS)
    assert stage.alerts == []

from __future__ import annotations

from exchange.demo.book_state import TRADES_KEPT, Level, MarketState
from messages.trading import events
from messages.trading.terms import Side


def level(side: Side, ticks: int, lots: int, *, instrument: int = 1) -> bytes:
    return events.BookLevelChanged.make(
        instrument=instrument, side=side, price_ticks=ticks, quantity_lots=lots, orders=min(lots, 1)
    ).pack()


def trade(ticks: int) -> bytes:
    return events.TradeExecuted.make(
        instrument=1, taker_side=Side.BUY, price_ticks=ticks, quantity_lots=1
    ).pack()


def test_levels_are_kept_best_first_and_go_when_empty() -> None:
    state = MarketState()
    state.take(level(Side.BUY, 99, 5) + level(Side.BUY, 98, 6) + level(Side.SELL, 101, 7))
    state.take(level(Side.SELL, 103, 1) + level(Side.SELL, 102, 2) + level(Side.BUY, 98, 0))
    state.take(level(Side.BUY, 1, 1, instrument=2))
    assert state.levels(1, Side.BUY, 8) == [Level(99, 5, 1)]
    assert [each.price_ticks for each in state.levels(1, Side.SELL, 2)] == [101, 102]
    assert state.levels(3, Side.SELL, 2) == []
    assert state.level_count == 5
    assert state.events == 7


def test_only_the_last_trades_are_kept() -> None:
    state = MarketState()
    state.take(b"".join(trade(ticks) for ticks in range(1, 101)))
    assert state.trade_count == 100
    assert [each.price_ticks for each in state.trades] == list(range(101 - TRADES_KEPT, 101))


def test_other_events_are_passed_over() -> None:
    state = MarketState()
    state.take(events.SessionOpened.make(session=1).pack() + level(Side.BUY, 99, 5))
    assert (state.events, state.level_count) == (2, 1)

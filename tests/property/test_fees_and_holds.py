"""The arithmetic of fees, holds and throttles, over all its range."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from messages.trading.terms import AMOUNT_LIMIT, PPM
from risk.decisions import decide_rate, decide_rebate, fee_of_fill, hold_buy

RATES = st.integers(-PPM, PPM)
FILLS = st.lists(
    st.tuples(st.integers(1, 10**6), st.booleans(), st.integers(0, 50)), min_size=1, max_size=30
)


@given(fills=FILLS, maker=RATES, taker=RATES, price=st.integers(50, 10**12 // 2))
@settings(max_examples=200, deadline=None)
def test_a_buys_hold_covers_every_fill_and_what_is_left(
    fills: list[tuple[int, bool, int]], maker: int, taker: int, price: int
) -> None:
    leaves = sum(lots for lots, _, _ in fills)
    rate = max(maker, taker, 0)
    credit = 0
    held = available = hold_buy(notional_atoms=leaves * price, rate_ppm=rate, credit=0)
    exact = Fraction(0)
    paid = 0
    for lots, is_maker, better in fills:
        notional = lots * (price - better)
        fill_rate = maker if is_maker else taker
        fee, credit = fee_of_fill(notional_atoms=notional, rate_ppm=fill_rate, credit=credit)
        assert 0 <= credit < PPM
        leaves -= lots
        available -= notional + fee
        held = hold_buy(notional_atoms=leaves * price, rate_ppm=rate, credit=credit)
        assert available >= held
        if fill_rate >= 0:
            exact += Fraction(notional * fill_rate, PPM)
            paid += fee
        else:
            assert fee == -(notional * -fill_rate // PPM)
    assert held == 0
    assert 0 <= paid - exact < 1  # all fees of an order together round up once


@given(
    notional=st.integers(0, 10**9),
    rates=st.lists(st.tuples(RATES, RATES), min_size=1, max_size=4),
    carried=st.tuples(st.integers(0, PPM - 1), st.integers(0, PPM - 1)),
)
@settings(max_examples=500, deadline=None)
def test_no_fill_pays_out_more_than_it_takes_in(
    notional: int, rates: list[tuple[int, int]], carried: tuple[int, int]
) -> None:
    largest_rebate = max(-maker for maker, _ in rates)
    allowed = [(maker, max(taker, largest_rebate)) for maker, taker in rates]
    assert decide_rebate(allowed) is None
    for maker, _ in allowed:
        for _, taker in allowed:
            maker_fee, _ = fee_of_fill(notional_atoms=notional, rate_ppm=maker, credit=carried[0])
            taker_fee, _ = fee_of_fill(notional_atoms=notional, rate_ppm=taker, credit=carried[1])
            assert maker_fee + taker_fee >= 0


@given(notional=st.integers(0, AMOUNT_LIMIT - 1), rate=st.integers(0, PPM))
def test_a_hold_fits_64_bits(notional: int, rate: int) -> None:
    assert notional <= hold_buy(notional_atoms=notional, rate_ppm=rate, credit=0) < 1 << 63


@given(
    gaps=st.lists(st.integers(0, 30), max_size=60),
    burst=st.integers(1, 5),
    interval=st.integers(1, 10),
)
def test_the_throttle_admits_at_most_a_burst_and_one_each_interval(
    gaps: list[int], burst: int, interval: int
) -> None:
    now = next_free = 0
    admitted: list[int] = []
    for gap in gaps:
        now += gap
        refused = decide_rate(now_ns=now, next_free_ns=next_free, burst=burst, interval_ns=interval)
        # Never more than burst + elapsed / interval over any span that ends now.
        fits = all(
            len(admitted) - at + 1 <= burst + (now - began) // interval
            for at, began in enumerate(admitted)
        )
        assert (refused is None) == fits
        if refused is None:
            next_free = max(now, next_free) + interval
            admitted.append(now)

"""The auditor's arithmetic beside the same in exact fractions, which is slower and plainer."""

from fractions import Fraction
from math import ceil, floor

from hypothesis import given
from hypothesis import strategies as st

from auditor.checks.arithmetic import is_within_collar
from messages.trading.terms import PPM, Side

PRICES = st.integers(min_value=1, max_value=1 << 40)


def is_within_exactly(*, side: int, price: int, reference: int, collar_ppm: int) -> bool:
    """The bound as docs/risk.md has it: a fraction of a tick, towards the reference."""
    reach = Fraction(reference * collar_ppm, PPM)
    if side == Side.BUY:
        return price <= floor(reference + reach)
    return price >= ceil(reference - reach)


@given(
    side=st.sampled_from(Side),
    reference=PRICES,
    collar_ppm=st.integers(min_value=1, max_value=2 * PPM),
    ticks_off=st.integers(min_value=-2, max_value=2),
    away=PRICES,
)
def test_the_collar_in_whole_numbers_is_the_exact_one(
    side: Side, reference: int, collar_ppm: int, ticks_off: int, away: int
) -> None:
    reach = reference * collar_ppm // PPM
    bound = reference + reach if side == Side.BUY else reference - reach
    for price in (bound + ticks_off, reference, away):
        asked = {"side": side, "price": price, "reference": reference, "collar_ppm": collar_ppm}
        assert is_within_collar(**asked) == is_within_exactly(**asked)


def test_without_a_collar_or_a_reference_every_price_is_within() -> None:
    for side in Side:
        for reference, collar_ppm in ((0, 100), (100, 0)):
            assert is_within_collar(
                side=side, price=1 << 40, reference=reference, collar_ppm=collar_ppm
            )

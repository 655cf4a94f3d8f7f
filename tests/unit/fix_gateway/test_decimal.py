import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.trading.decimals import DecimalFault, decimal_text, short_decimal_text, steps
from messages.trading.terms import AMOUNT_LIMIT


@pytest.mark.parametrize(
    ("text", "count"),
    [("100.05", 2001), ("100.0500", 2001), ("0.05", 1), ("100", 2000), ("5", 100)],
)
def test_exact_decimals_become_steps(text: str, count: int) -> None:
    assert steps(text, decimals=2, units=5) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "1.",
        ".5",
        "01",
        "00",
        "1e5",
        "1E+2000000",
        "NaN",
        "nan",
        "Infinity",
        "0x10",
        "1_000",
        "1,000",
        "1.2.3",
        "\u0661\u0662",
        "1\n",
        "1" * 19,
        "0." + "1" * 19,
        "--1",
        "1/2",
        "\uff11",
    ],
)
def test_everything_else_is_malformed_and_answered_at_once(text: str) -> None:
    began = time.thread_time()
    assert steps(text, decimals=2, units=5) is DecimalFault.MALFORMED
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize("text", ["100.01", "100.051", "0.0500001", "0.01"])
def test_what_lies_between_steps_is_never_rounded(text: str) -> None:
    assert steps(text, decimals=2, units=5) is DecimalFault.OFF_GRID


@pytest.mark.parametrize("text", ["0", "0.00", "999999999999999999", "9" * 18 + ".95"])
def test_zero_and_overflow_are_out_of_range(text: str) -> None:
    assert steps(text, decimals=2, units=5) is DecimalFault.OUT_OF_RANGE


@given(
    count=st.integers(1, AMOUNT_LIMIT - 1), decimals=st.integers(0, 18), units=st.integers(1, 1000)
)
def test_what_is_written_is_read_back_the_same(count: int, decimals: int, units: int) -> None:
    for text in (
        decimal_text(count * units, decimals),
        short_decimal_text(count * units, decimals),
    ):
        if len(text.partition(".")[0]) <= 18:
            assert steps(text, decimals=decimals, units=units) == count


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    found = steps(text, decimals=8, units=1)
    assert isinstance(found, DecimalFault) or 0 < found < AMOUNT_LIMIT


def test_negative_amounts_keep_their_sign() -> None:
    assert decimal_text(-5, 2) == "-0.05"
    assert short_decimal_text(-150, 2) == "-1.5"
    assert short_decimal_text(100, 0) == "100"

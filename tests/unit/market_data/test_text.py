"""Numbers as text, symbols, and what is in a snapshot of a book."""

from __future__ import annotations

import pytest

from messages.layout import padded_text
from messages.trading import events as e
from services.market_data.instruments import Directory, decimal_text, percent_text


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (123, 2, "1.23"),
        (-5, 2, "-0.05"),
        (-123, 0, "-123"),
        (10**30, 18, "1000000000000.000000000000000000"),
    ],
)
def test_integers_become_text_exactly(units: int, decimals: int, text: str) -> None:
    assert decimal_text(units, decimals) == text


@pytest.mark.parametrize(
    ("change", "of", "text"),
    [(1, 3, "33.333"), (-1, 3, "-33.333"), (2, 3, "66.666"), (0, 5, "0.000"), (5, 0, "0.000")],
)
def test_percents_are_rounded_toward_zero(change: int, of: int, text: str) -> None:
    assert percent_text(change, of) == text


def directory() -> Directory:
    made = Directory()
    for asset, symbol, scale in ((1, "BTC", 8), (2, "USD", 6), (3, "A.B-C", 2)):
        made.learn(e.AssetCreated.make(asset=asset, scale=scale, symbol=padded_text(symbol, 16)))
    return made


def instrument(number: int, base: int, quote: int) -> e.InstrumentCreated:
    return e.InstrumentCreated.make(
        instrument=number,
        base_asset=base,
        quote_asset=quote,
        tick_units=5,
        lot_units=100,
        tick_lot_atoms=500,
        price_decimals=2,
        quantity_decimals=8,
        symbol=padded_text(f"X{number}", 16),
    )


def test_a_symbol_is_base_and_quote() -> None:
    known = directory()
    made = known.learn(instrument(1, 1, 2))
    assert made is not None
    assert (made.symbol, made.stream) == ("BTCUSD", "btcusd")
    assert (made.price(3), made.quantity(7), made.amount(1)) == ("0.15", "0.00000700", "0.000001")
    other = known.learn(instrument(2, 3, 2))
    assert other is not None
    assert other.symbol == "ABCUSD"
    assert known.learn(instrument(3, 1, 2)) is None, "that symbol is another's"
    assert set(known.by_symbol) == {"BTCUSD", "ABCUSD"}


def test_an_average_price_is_in_the_prices_units() -> None:
    made = directory().learn(instrument(1, 1, 2))
    assert made is not None
    # Two lots at three ticks and one at six.
    atoms = (2 * 3 + 1 * 6) * made.tick_lot_atoms
    assert made.average_price(atoms, 3) == "0.20"
    assert made.average_price(0, 0) == "0.00"

"""An order's whole life through the libraries that people use, at the versions locked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.open_market import OpenMarket
from tests.locked_packages import locked_packages


@pytest.fixture(scope="module")
def quoted(market: OpenMarket) -> Iterator[OpenMarket]:
    """The market, with a market maker in it."""
    with market.script("fix_market_maker.py", *market.fix("MM1"), "--quantity", "1") as maker:
        maker.said("offer 1.0000")
        yield market


def lived(market: OpenMarket, script: str, key: Path) -> list[str]:
    environment = {"PYTHONPATH": str(locked_packages("clients"))}
    return market.finished(script, *market.rest, "--key", str(key), environment=environment)


def test_an_order_lives_through_ccxt(quoted: OpenMarket, ada: Path) -> None:
    lines = lived(quoted, "rialto_ccxt.py", ada)
    number = lines[0].split()[1].rstrip(":")
    assert lines[:3] == [
        f"order {number}: open",
        f"order {number}: open, open",
        f"order {number}: canceled",
    ]
    assert lines[3].startswith("the same id again: rialto")
    assert '"code":-2010' in lines[3]
    assert lines[4].startswith("cancelled again: rialto")
    assert '"code":-2011' in lines[4]
    assert lines[5].endswith("closed, 0.01 at 60010.0")
    assert lines[6].endswith("0.01 at 60010.0")
    assert float(lines[7].split()[1]) >= 0.01
    assert lines[8].endswith(": 500000.0 USD")
    assert lines[9:] == ["timer: 60000 ms", "timer: 0 ms"]


def test_an_order_lives_through_python_binance(quoted: OpenMarket, ada: Path) -> None:
    lines = lived(quoted, "rialto_python_binance.py", ada)
    number = lines[0].split()[1].rstrip(":")
    assert lines[:5] == [
        f"order {number}: NEW",
        f"order {number}: NEW, open",
        f"order {number}: CANCELED",
        "the same id again: -2010 Duplicate order sent.",
        "cancelled again: -2011 Unknown order sent.",
    ]
    assert lines[5].endswith("FILLED")
    assert lines[6].endswith("0.0100 at 60010.00, fee 0.300050")

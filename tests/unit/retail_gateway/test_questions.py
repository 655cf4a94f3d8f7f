"""What is made of a question to market data before it is asked."""

from typing import Any

import pytest

from messages import market_data as contract
from retail_gateway.market_data import question_of
from retail_gateway.parameters import SYMBOL_DOUBLED


@pytest.mark.parametrize(
    ("takes", "limit", "asked"),
    [
        (contract.AskAggregateTrades, "1000", "1000"),
        (contract.AskAggregateTrades, "1001", "1000"),
        (contract.AskCandles, "12000", "1000"),
        (contract.AskDepth, "5000", "5000"),
        (contract.AskDepth, "5001", "5000"),
        (contract.AskTrades, "0", "0"),
        (contract.AskTrades, "-1", "-1"),
        (contract.AskTrades, "1e9", "1e9"),
        (contract.AskTrades, "9" * 19, "9" * 19),
    ],
)
def test_a_limit_above_the_most_is_the_most(takes: type[Any], limit: str, asked: str) -> None:
    assert question_of({"symbol": "BTCUSD", "limit": limit}, takes) == {
        "symbol": "BTCUSD",
        "limit": asked,
    }


def test_a_symbol_is_named_once() -> None:
    twice = {"symbols": '["BTCUSD","ETHUSD","BTCUSD"]'}
    assert question_of(twice, contract.AskTicker) is SYMBOL_DOUBLED
    once = {"symbols": '["BTCUSD","ETHUSD"]'}
    assert question_of(once, contract.AskTicker) == {"symbols": ["BTCUSD", "ETHUSD"]}

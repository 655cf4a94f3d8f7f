"""What URLs and names ask for."""

import pytest

from retail_gateway.streams.naming import Asked, read_target, source_of
from retail_gateway.streams.refusals import Reason, Refusal, farewell


def _source(name: str) -> str | Reason:
    found = source_of(name, is_symbol={"BTCUSD"}.__contains__)
    return found.reason if isinstance(found, Refusal) else found


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        ("/ws", Asked(False, ())),
        ("/ws/", Asked(False, ())),
        ("/ws/17", Asked(False, ())),
        ("/ws/btcusd@trade", Asked(False, ("btcusd@trade",))),
        ("/ws/btcusd%40trade", Asked(False, ("btcusd@trade",))),
        ("/ws/btcusd@trade/btcusd@depth", Asked(False, ("btcusd@trade", "btcusd@depth"))),
        ("/stream", Asked(True, ())),
        ("/stream?streams=", Asked(True, ())),
        ("/stream?streams=a@trade/b@trade", Asked(True, ("a@trade", "b@trade"))),
        ("/stream?streams=a%40trade%2Fb%40trade", Asked(True, ("a@trade", "b@trade"))),
        ("/stream?other=1&streams=a@trade", Asked(True, ("a@trade",))),
    ],
)
def test_a_url_says_what_it_asks_for(target: str, asked: Asked) -> None:
    assert read_target(target) == asked


@pytest.mark.parametrize("target", ["", "/", "/wss", "/streams", "/stream/a", "/api/v3/ping", "*"])
def test_other_paths_are_refused(target: str) -> None:
    refusal = read_target(target)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NO_SUCH_PATH


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("btcusd@trade", "btcusd@trade"),
        ("btcusd@depth@100ms", "btcusd@depth@100ms"),
        ("btcusd@depth@1000ms", "btcusd@depth"),
        ("btcusd@depth20@1000ms", "btcusd@depth20"),
        ("!miniTicker@arr@1000ms", "!miniTicker@arr"),
        ("!bookTicker", "!bookTicker"),
        ("btcusd@trade@1000ms", Reason.NO_SUCH_STREAM),
        ("btcusd@depth@100ms@1000ms", Reason.NO_SUCH_STREAM),
        ("btcusd@depth@1000ms@1000ms", Reason.NO_SUCH_STREAM),
        ("xxxusd@trade", Reason.NO_SUCH_SYMBOL),
        ("xxxusd@depth@1000ms", Reason.NO_SUCH_SYMBOL),
        ("!symbols", Reason.NO_SUCH_STREAM),
    ],
)
def test_names_lead_to_what_market_data_publishes(name: str, source: str | Reason) -> None:
    assert _source(name) == source


def test_a_wrong_name_is_said_back_in_plain_text_and_not_in_full() -> None:
    found = source_of("\u2603" * 1000, is_symbol=bool)
    assert isinstance(found, Refusal)
    assert found.text.isascii()
    assert len(farewell(found).encode()) <= 123

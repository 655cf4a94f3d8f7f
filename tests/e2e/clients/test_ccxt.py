"""ccxt's own tests of an exchange, REST and WebSocket, against a venue where people trade."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.clients.open_market import EXAMPLES, OpenMarket
from tests.locked_packages import locked_packages

SUITE = Path(__file__).with_name("ccxt_suite.py")
SUITE_SECONDS_MAX = 600
DONE = re.compile(r"TESTING DONE\s+rialto (\w+)")
REST_PUBLIC = {
    "loadMarkets", "features", "afterConstruct", "fetchTicker", "fetchTickers", "fetchLastPrices",
    "fetchOHLCV", "fetchTrades", "fetchOrderBook",
}  # fmt: skip
REST_PRIVATE = {
    "fetchBalance", "fetchOrders", "fetchOpenOrders", "fetchClosedOrders", "fetchMyTrades",
    "fetchCurrencies", "fetchTradingFees", "fetchDeposits", "fetchWithdrawals", "fetchStatus",
    "fetchTransactionFees",
}  # fmt: skip
SKIPPED = {
    "fetchCurrencies": {
        "amountOfCurrencies": "the venue trades three assets",
        "activeMajorCurrencies": "nobody deposits or withdraws by the API before there is custody",
    },
}
"""What the suite asks of every venue and this one does not have, each with its reason."""
STREAMS = {
    "loadMarkets", "watchTicker", "watchTickers", "watchBidsAsks", "watchOrderBook",
    "watchOrderBookForSymbols", "watchTrades", "watchTradesForSymbols", "watchOHLCV",
    "watchOHLCVForSymbols",
}  # fmt: skip


@contextmanager
def trading(market: OpenMarket, key: Path) -> Iterator[None]:
    """Let somebody buy and sell in turn beside the block, for streams say only what is new."""
    stop = threading.Event()

    def trade() -> None:
        while not stop.is_set():
            for side in ("BUY", "SELL"):
                terms = ("--take", "--side", side, "--quantity", "0.01")
                market.finished("rest_order.py", *market.rest, "--key", str(key), *terms)

    trader = threading.Thread(target=trade)
    trader.start()
    try:
        yield
    finally:
        stop.set()
        trader.join()


@pytest.fixture(scope="module")
def cleo(market: OpenMarket) -> Path:
    """Somebody with both, and a withdrawal; none of the orders expires: the suite knows no such
    status."""
    key = market.person("cleo", "hmac-sha256", USD="500000", BTC="10")
    terms = ("--account", market.accounts[key], "--asset", "BTC", "--amount", "1")
    market.run.operated("debit", *terms, "--reference", "cleo-debit")
    return key


@pytest.fixture(scope="module")
def busy(market: OpenMarket, cleo: Path) -> Iterator[OpenMarket]:
    """The market, with quotes and trades in it all the time."""
    with market.script("fix_market_maker.py", *market.fix("MM1"), "--quantity", "1") as maker:
        maker.said("offer 1.0000")
        with trading(market, cleo):
            yield market


def suite(market: OpenMarket, key: Path, *flags: str) -> str:
    """Run the suite, and return what it printed."""
    packages, document = locked_packages("clients"), json.loads(key.read_text())
    secret = base64.b64decode(document["secret"]).decode()
    keys = {"rialto": {"apiKey": document["key_id"], "secret": secret}}
    (packages.parent / "keys.json").write_text(json.dumps(keys))
    (packages.parent / "skip-tests.json").write_text(
        json.dumps({"rialto": {"skipMethods": SKIPPED}})
    )
    doors = (market.rest[1], market.streams[1], market.socket[1])
    done = subprocess.run(
        [sys.executable, "-S", SUITE, packages, EXAMPLES, *doors, *flags, "--info"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SUITE_SECONDS_MAX,
        check=False,
    )
    return done.stdout


def test_rest_passes_the_suite(busy: OpenMarket, cleo: Path) -> None:
    said = suite(busy, cleo, "--private")
    assert "[TEST_FAILURE]" not in said, said
    assert set(DONE.findall(said)) == REST_PUBLIC | REST_PRIVATE, said


def test_streams_pass_the_suite(busy: OpenMarket, cleo: Path) -> None:
    said = suite(busy, cleo, "--ws")
    assert "[TEST_FAILURE]" not in said, said
    assert set(DONE.findall(said)) == STREAMS, said

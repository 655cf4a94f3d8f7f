"""ccxt, pointed at Rialto, and an order's whole life through it.

    pip install ccxt
    python examples/rialto_ccxt.py --key ada.json

``urls`` and ``OFFERED_NOT`` are all that is needed; ``ccxt.async_support`` and ``ccxt.pro`` take
them alike. The key must be of the kind hmac-sha256.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import ccxt

from rialto_client.command_line import REST, SOCKET, STREAMS, parser, say
from rialto_client.keys import read_api_key

OFFERED_NOT = (
    "fetchAccounts",
    "fetchBorrowInterest",
    "fetchDepositAddress",
    "fetchDepositAddresses",
    "fetchDepositAddressesByNetwork",
    "fetchLedger",
    "fetchLedgerEntry",
    "fetchLeverageTiers",
    "fetchMarginModes",
    "fetchTransactions",
    "fetchTransfers",
)


def terms(rest: str, streams: str, socket: str) -> dict[str, Any]:
    """Return what differs from Binance: where it is, and what it does not have.

    Args:
        rest: the URL of the REST door.
        streams: of the public streams.
        socket: of the WebSocket API.
    """
    return {
        "id": "rialto",
        "name": "Rialto",
        "hostname": "localhost",
        "rateLimit": 10,
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "sapi": f"{rest}/sapi/v1",
                "ws": {"spot": f"{streams}/ws", "ws-api": {"spot": socket}},
            }
        },
        # There is one ledger: money of states has no endpoint of its own.
        "options": {"fetchCurrencies": True, "legalMoney": None},
        "has": dict.fromkeys(OFFERED_NOT, False) | {"cancelAllOrdersAfter": True},
    }


class Rialto(ccxt.binanceus):
    """ccxt's class for a Binance that has spot markets only, at Rialto's URLs."""

    def describe(self) -> dict[str, Any]:
        """Describe it as ccxt wants it."""
        return self.deep_extend(super().describe(), terms(REST, STREAMS, SOCKET))

    def cancel_all_orders_after(
        self, timeout: int, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Have all orders cancelled in ``timeout`` milliseconds, unless told again; 0: not."""
        wanted = self.extend({"countdownTime": timeout}, params or {})
        return dict(self.request("countdownCancelAll", ["private"], "POST", wanted))


def live(exchange: Rialto, symbol: str, price: float, amount: float) -> None:
    """Place an order, look at it, cancel it, be refused, and trade."""
    name = f"life-{time.time_ns()}"
    named = {"newClientOrderId": name}
    placed = exchange.create_order(symbol, "limit", "buy", amount, price, named)
    number = placed["id"]
    say(f"order {number}: {placed['status']}")
    seen = exchange.fetch_order(number, symbol)
    is_open = number in [each["id"] for each in exchange.fetch_open_orders(symbol)]
    say(f"order {seen['id']}: {seen['status']}, {'open' if is_open else 'not open'}")
    say(f"order {number}: {exchange.cancel_order(number, symbol)['status']}")
    try:
        exchange.create_order(symbol, "limit", "buy", amount, price, named)
    except ccxt.InvalidOrder as refusal:
        say(f"the same id again: {refusal}")
    try:
        exchange.cancel_order(number, symbol)
    except ccxt.OrderNotFound as refusal:
        say(f"cancelled again: {refusal}")
    taken = exchange.create_order(symbol, "market", "buy", amount)
    say(f"order {taken['id']}: {taken['status']}, {taken['filled']} at {taken['average']}")
    for trade in exchange.fetch_my_trades(symbol):
        if trade["order"] == taken["id"]:
            say(f"trade {trade['id']}: {trade['amount']} at {trade['price']}")
    say(f"BTC: {exchange.fetch_balance()['BTC']['free']} free")
    for deposit in exchange.fetch_deposits("USD"):
        say(f"deposit {deposit['id']}: {deposit['amount']} {deposit['currency']}")
    for timeout in (60_000, 0):
        timer = exchange.cancel_all_orders_after(timeout)
        say(f"timer: {timer['countdownTime']} ms")


def run(options: argparse.Namespace) -> None:
    """Live it."""
    key = read_api_key(options.key)
    where = terms(options.rest, STREAMS, SOCKET)["urls"]
    exchange = Rialto({"apiKey": key.key_id, "secret": key.secret.decode("ascii"), "urls": where})
    live(exchange, options.symbol, options.price, options.amount)


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("--rest", default=REST, help="the URL of the REST door")
    arguments.add_argument("--key", type=Path, required=True, help="the file of an API key")
    arguments.add_argument("--symbol", default="BTC/USD")
    arguments.add_argument("--price", type=float, default=59000)
    arguments.add_argument("--amount", type=float, default=0.01)
    run(arguments.parse_args())


if __name__ == "__main__":
    main()

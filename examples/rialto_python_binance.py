"""python-binance, pointed at Rialto, and an order's whole life through it.

    pip install python-binance
    python examples/rialto_python_binance.py --key ada.json

The key must be of the kind hmac-sha256.
"""

import argparse
import time
from pathlib import Path

from binance import BinanceAPIException, Client

from rialto_client.command_line import REST, parser, say
from rialto_client.keys import ApiKey, read_api_key


class Rialto(Client):
    """The library's client, with Rialto's URLs."""

    def __init__(self, rest: str, key: ApiKey) -> None:
        self.API_URL = f"{rest}/api"
        self.MARGIN_API_URL = f"{rest}/sapi"
        super().__init__(key.key_id, key.secret.decode("ascii"))


def live(client: Client, symbol: str, price: str, quantity: str) -> None:
    """Place an order, look at it, cancel it, be refused, and trade."""
    name = f"life-{time.time_ns()}"
    terms = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    terms |= {"price": price, "quantity": quantity, "newClientOrderId": name}
    placed = client.create_order(**terms)
    number = placed["orderId"]
    say(f"order {number}: {placed['status']}")
    seen = client.get_order(symbol=symbol, origClientOrderId=name)
    is_open = number in [each["orderId"] for each in client.get_open_orders(symbol=symbol)]
    say(f"order {seen['orderId']}: {seen['status']}, {'open' if is_open else 'not open'}")
    gone = client.cancel_order(symbol=symbol, orderId=number)
    say(f"order {number}: {gone['status']}")
    try:
        client.create_order(**terms)
    except BinanceAPIException as refusal:
        say(f"the same id again: {refusal.code} {refusal.message}")
    try:
        client.cancel_order(symbol=symbol, orderId=number)
    except BinanceAPIException as refusal:
        say(f"cancelled again: {refusal.code} {refusal.message}")
    taken = client.create_order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity)
    say(f"order {taken['orderId']}: {taken['status']}")
    for trade in client.get_my_trades(symbol=symbol, orderId=taken["orderId"]):
        say(f"trade {trade['id']}: {trade['qty']} at {trade['price']}, fee {trade['commission']}")
    say(f"BTC: {client.get_asset_balance('BTC')['free']} free")


def run(options: argparse.Namespace) -> None:
    """Live it."""
    client = Rialto(options.rest, read_api_key(options.key))
    live(client, options.symbol, options.price, options.quantity)


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("--rest", default=REST, help="the URL of the REST door")
    arguments.add_argument("--key", type=Path, required=True, help="the file of an API key")
    arguments.add_argument("--symbol", default="BTCUSD")
    arguments.add_argument("--price", default="59000")
    arguments.add_argument("--quantity", default="0.01")
    run(arguments.parse_args())


if __name__ == "__main__":
    main()

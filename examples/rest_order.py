"""Place an order by REST, look at it, cancel it; with ``--take``, trade instead.

    .venv/bin/python examples/rest_order.py --key ada.json
    .venv/bin/python examples/rest_order.py --key ada.json --take --quantity 0.1

The key may be of either kind, HMAC-SHA256 or Ed25519: examples/open_account.py makes both.
"""

import argparse
import uuid
from pathlib import Path
from typing import Any

from rialto_client.command_line import REST, parser, say
from rialto_client.keys import read_api_key
from rialto_client.rest import RefusedError, RestClient, UnknownOutcomeError


def rest(client: RestClient, symbol: str, side: str, quantity: str, price: str) -> None:
    """Let an order rest, look at it, and cancel it."""
    placed = placed_once(
        client,
        symbol=symbol,
        side=side,
        quantity=quantity,
        type="LIMIT",
        timeInForce="GTC",
        price=price,
    )
    order_id = placed["orderId"]
    say(f"order {order_id}: {placed['status']}, {placed['origQty']} at {placed['price']}")
    seen = client.order(symbol=symbol, order_id=order_id)
    say(f"order {order_id}: {seen['status']}, filled {seen['executedQty']}")
    gone = client.cancel(symbol=symbol, order_id=order_id)
    say(f"order {order_id}: {gone['status']}")


def take(client: RestClient, symbol: str, side: str, quantity: str) -> None:
    """Trade with what is in the book."""
    placed = placed_once(client, symbol=symbol, side=side, quantity=quantity, type="MARKET")
    say(f"order {placed['orderId']}: {placed['status']}")
    for fill in placed["fills"]:
        say(f"trade {fill['tradeId']}: {fill['qty']} at {fill['price']}, fee {fill['commission']}")


def placed_once(client: RestClient, **terms: str) -> Any:
    """Place an order, and ask again when the answer is lost: an id is good once, so it is safe."""
    name = uuid.uuid4().hex
    try:
        return client.place(**terms, newClientOrderId=name)
    except UnknownOutcomeError:
        say("no answer in time; asking what became of it")
        return client.signed("GET", "/api/v3/order", symbol=terms["symbol"], origClientOrderId=name)


def run(options: argparse.Namespace) -> None:
    """Do what was asked for, and say what money is left."""
    with RestClient(options.rest, read_api_key(options.key)) as client:
        try:
            if options.take:
                take(client, options.symbol, options.side, options.quantity)
            else:
                rest(client, options.symbol, options.side, options.quantity, options.price)
        except RefusedError as refusal:
            say(f"refused: {refusal}")
        for balance in client.account()["balances"]:
            say(f"{balance['asset']}: {balance['free']} free, {balance['locked']} locked")


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("--rest", default=REST, help="the URL of the REST door")
    arguments.add_argument("--key", type=Path, required=True, help="the file of an API key")
    arguments.add_argument("--symbol", default="BTCUSD")
    arguments.add_argument("--side", choices=("BUY", "SELL"), default="BUY")
    arguments.add_argument("--quantity", default="0.01")
    arguments.add_argument("--price", default="59000")
    arguments.add_argument("--take", action="store_true", help="a market order")
    run(arguments.parse_args())


if __name__ == "__main__":
    main()

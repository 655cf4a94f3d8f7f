"""Streams over WebSocket: docs/protocols/websocket.md."""

import json
import time
from collections.abc import Iterator
from typing import Any

from websockets.sync.client import connect

from rialto_client.book import Book, GapError
from rialto_client.keys import ApiKey
from rialto_client.rest import RestClient

SNAPSHOT_LEVELS = 5000


def follow(url: str, *names: str) -> Iterator[Any]:
    """Yield the answer to a subscription, then what the streams say, until the connection ends.

    Args:
        url: such as ws://127.0.0.1:9443.
        names: such as btcusd@trade.

    Raises:
        ValueError: the venue has no such stream.
        websockets.ConnectionClosedError: the connection ended without a good-bye.
    """
    with connect(f"{url}/ws", open_timeout=30) as line:
        line.send(json.dumps({"method": "SUBSCRIBE", "params": list(names), "id": 1}))
        for text in line:
            said = json.loads(text)
            if "error" in said:
                raise ValueError(f"not subscribed: {said['error']}")
            yield said


def follow_book(url: str, rest: RestClient, symbol: str) -> Iterator[Book]:
    """Yield a market's book, by a snapshot first and then after each update.

    The procedure: listen, and take the snapshot once the subscription is answered; drop updates
    that it has in it already; after a gap, take another one.
    """
    book: Book | None = None
    for said in follow(url, f"{symbol.lower()}@depth@100ms"):
        if said.get("e", "depthUpdate") != "depthUpdate":
            continue  # such as serverShutdown: the connection ends soon
        if book is not None:
            try:
                if book.take(said):
                    yield book
            except GapError:
                book = None
        if book is None:
            book = Book(rest.public("/api/v3/depth", symbol=symbol, limit=SNAPSHOT_LEVELS))
            yield book


def follow_account(url: str, key: ApiKey) -> Iterator[Any]:
    """Yield None once subscribed, then the events of the key's account, until the connection ends.

    Args:
        url: of the WebSocket API, such as ws://127.0.0.1:9883/ws-api/v3.
        key: with the right to read.

    Raises:
        ValueError: the key was refused.
        websockets.ConnectionClosedError: the connection ended without a good-bye.
    """
    stamp = time.time_ns() // 1_000_000
    # Signed are all parameters but the signature itself, in the order of their names.
    signature = key.sign(f"apiKey={key.key_id}&timestamp={stamp}".encode())
    params = {"apiKey": key.key_id, "timestamp": stamp, "signature": signature}
    method = "userDataStream.subscribe.signature"
    with connect(url, open_timeout=30) as line:
        line.send(json.dumps({"id": 1, "method": method, "params": params}))
        for text in line:
            said = json.loads(text)
            if "error" in said:
                raise ValueError(f"not subscribed: {said['error']}")
            yield said.get("event")

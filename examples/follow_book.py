"""Follow a market's book: a snapshot, then deltas, each proved by its checksum.

    .venv/bin/python examples/follow_book.py --symbol BTCUSD

One line for each change of the top of the book. When the connection ends, it begins again.
"""

import argparse
import contextlib
import time

from websockets.exceptions import ConnectionClosed

from rialto_client.book import Book
from rialto_client.command_line import REST, STREAMS, parser, say
from rialto_client.rest import RestClient
from rialto_client.streams import follow_book

PAUSE_SECONDS = 1.0


def described(book: Book) -> str:
    """Say the best bid and offer."""
    bid, ask = (
        f"{side[0][1]} at {side[0][0]}" if side else "nothing" for side in (book.bids, book.asks)
    )
    levels = len(book.bids) + len(book.asks)
    return f"update {book.update_id}: bid {bid}, offer {ask}; {levels} levels"


def run(options: argparse.Namespace) -> None:
    """Follow until somebody stops it."""
    with RestClient(options.rest) as client, contextlib.suppress(KeyboardInterrupt):
        while True:
            top = None
            try:
                for book in follow_book(options.streams, client, options.symbol):
                    if (fresh := (book.bids[:1], book.asks[:1])) != top:
                        top = fresh
                        say(described(book))
            except (ConnectionClosed, OSError) as error:
                say(f"the connection ended: {error}")
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("--rest", default=REST, help="the URL of the REST door")
    arguments.add_argument("--streams", default=STREAMS, help="the URL of the streams")
    arguments.add_argument("--symbol", default="BTCUSD")
    run(arguments.parse_args())


if __name__ == "__main__":
    main()

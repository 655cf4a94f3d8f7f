"""Make a market over FIX: a bid and an offer around a price that follows what trades.

    .venv/bin/python examples/fix_market_maker.py --middle 60000 --quantity 0.1

A quote that is filled is put up again, and both move by the spread in the direction of the trade,
so whoever takes one side again and again pays more and more. On Ctrl-C, or after ``--seconds``,
all orders are cancelled.
"""

import argparse
import contextlib
import itertools
import time
from decimal import Decimal

from simplefix import FixMessage

from rialto_client.command_line import say
from rialto_client.fix import FixSession, now, text
from rialto_client.fix_command_line import fix_parser, fix_session

BUY, SELL = "1", "2"
NAMES = {BUY: "bid", SELL: "offer"}
SIGNS = {BUY: -1, SELL: 1}


class MarketMaker:
    """Keeps one order on each side."""

    def __init__(
        self, session: FixSession, symbol: str, *, middle: Decimal, half: Decimal, quantity: str
    ) -> None:
        self._session = session
        self._symbol = symbol
        self._middle = middle
        self._half = half
        self._quantity = quantity
        self._ids = (f"mm-{time.time_ns()}-{count}" for count in itertools.count(1))
        self._quotes: dict[str, str] = {}
        """The side of each live quote, by its client order id."""

    def quote(self, side: str) -> None:
        """Put up one side."""
        name = next(self._ids)
        self._quotes[name] = side
        self._session.send("D", (11, name), *self._terms(side), (59, "1"))

    def took(self, message: FixMessage) -> None:
        """Do what a message asks for."""
        kind, name = text(message, 35), text(message, 11)
        if kind != "8" or name not in self._quotes:
            if kind in "39j":
                say(f"refused: {text(message, 58)}")
            return
        side, execution = self._quotes[name], text(message, 150)
        if execution == "0":
            say(f"{NAMES[side]} {text(message, 38)} at {text(message, 44)}")
        elif execution == "F":
            traded = "bought" if side == BUY else "sold"
            terms = f"{text(message, 32)} at {text(message, 31)}"
            say(f"{traded} {terms}, execution {text(message, 17)}")
            if text(message, 39) == "2":
                del self._quotes[name]
                self._move(side)
        elif execution in "48C":
            say(f"{NAMES[side]} is gone: {text(message, 58)}")
            del self._quotes[name]

    def withdraw(self) -> None:
        """Cancel all that this session has open in the account."""
        self._session.send("q", (11, next(self._ids)), (530, "6"), (60, now()))

    @property
    def is_quoting(self) -> bool:
        """Say whether an order may be open."""
        return bool(self._quotes)

    def _move(self, filled: str) -> None:
        self._middle += SIGNS[filled] * self._half
        for name, side in list(self._quotes.items()):
            fresh = next(self._ids)
            self._quotes[fresh] = self._quotes.pop(name)
            self._session.send("G", (41, name), (11, fresh), *self._terms(side))
        self.quote(filled)

    def _terms(self, side: str) -> tuple[tuple[int, str], ...]:
        price = self._middle + SIGNS[side] * self._half
        return (
            (55, self._symbol),
            (54, side),
            (38, self._quantity),
            (40, "2"),  # limit
            (44, f"{price:f}"),
            (60, now()),
        )


def run(options: argparse.Namespace) -> None:
    """Quote until time is up or somebody stops it."""
    with fix_session(options) as session:
        maker = MarketMaker(
            session,
            options.symbol,
            middle=options.middle,
            half=options.spread / 2,
            quantity=options.quantity,
        )
        for side in (BUY, SELL):
            maker.quote(side)
        with contextlib.suppress(KeyboardInterrupt):
            for message in session.received(options.seconds):
                maker.took(message)
        maker.withdraw()
        for message in session.received(5):
            maker.took(message)
            if not maker.is_quoting:
                break


def main() -> None:
    """Read what was asked for, and do it."""
    parser = fix_parser(__doc__, session="MM1", seconds=3600.0)
    parser.add_argument("--symbol", default="BTC-USD")
    parser.add_argument("--middle", type=Decimal, default=Decimal(60000))
    parser.add_argument("--spread", type=Decimal, default=Decimal(20))
    parser.add_argument("--quantity", default="0.1")
    run(parser.parse_args())


if __name__ == "__main__":
    main()

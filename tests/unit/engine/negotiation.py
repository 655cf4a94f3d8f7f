"""A market in which Alice asks for quotes, and Bob and Carol may give them."""

from __future__ import annotations

from typing import Any

from messages.trading import commands as c
from messages.trading.identity import client_id
from messages.trading.terms import RfqSubject, SessionRight, Side
from tests.unit.engine.scenario import ALICE, BOB, BOOK, CAROL, SECOND, SESSION_OF, Market

MAKER_RIGHTS = SessionRight.TRADE | SessionRight.DROP_COPY | SessionRight.QUOTE_REQUESTS
LIFETIME = 30 * SECOND


class Negotiation(Market):
    """Numbers of requests and quotes are those of arrivals; tests read them from the lines."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        for maker in (BOB, CAROL):
            self.grant(maker, rights=MAKER_RIGHTS)

    def _asker(self, account: int) -> dict[str, Any]:
        return {"account": account, "session": SESSION_OF.get(account, 0), "connection": 1}

    def ask(self, lots: int = 10, *, account: int = ALICE, **fields: Any) -> list[str]:
        """Ask for quotes, on either side unless said otherwise."""
        self.ids += 1
        values: dict[str, Any] = {
            "instrument": BOOK,
            "quantity_lots": lots,
            "expire_at_ns": self.now_ns + LIFETIME,
            "client_request_id": client_id(f"r{self.ids}"),
        }
        return self.send(c.RequestForQuote, **self._asker(account) | values | fields)

    def quote(
        self, request: int, bid: int = 0, ask: int = 0, *, account: int = BOB, **fields: Any
    ) -> list[str]:
        """Answer a request."""
        self.ids += 1
        values: dict[str, Any] = {
            "request_id": request,
            "bid_price_ticks": bid,
            "ask_price_ticks": ask,
            "client_quote_id": client_id(f"q{self.ids}"),
        }
        return self.send(c.GiveRfqQuote, **self._asker(account) | values | fields)

    def accept(
        self, quote: int, side: int = Side.BUY, *, account: int = ALICE, **fields: Any
    ) -> list[str]:
        """Trade with a quote."""
        self.ids += 1
        values: dict[str, Any] = {
            "quote_id": quote,
            "side": side,
            "client_order_id": client_id(f"a{self.ids}"),
        }
        return self.send(c.AcceptRfqQuote, **self._asker(account) | values | fields)

    def withdraw(
        self, subject: int = RfqSubject.QUOTES, *, account: int = BOB, **fields: Any
    ) -> list[str]:
        """End the account's quotes, or what else is said."""
        return self.send(c.WithdrawRfq, **self._asker(account) | {"subject": subject} | fields)

    def ask_what_is_open(self, *, account: int = ALICE, **fields: Any) -> list[str]:
        """Query requests and quotes."""
        return self.send(c.QueryRfq, **self._asker(account) | fields)

    def number(self) -> int:
        """Return the number of the request or quote that the last command made."""
        first: Any = self.records[-1]
        return int(first.request_id if hasattr(first, "quotes") else first.quote_id)

"""Requests for quote in the mixed flow: asked, answered, accepted, withdrawn and queried."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id

SECOND = 1_000_000_000
Place = dict[str, Any]


class RfqFlow:
    """What is open, as the events say, and commands about it; most make sense, some do not."""

    def __init__(
        self,
        chance: random.Random,
        *,
        asker: Callable[[int | None], Place],
        new_id: Callable[[], bytes],
        price: Callable[[int], int],
    ) -> None:
        self.chance = chance
        self.asker = asker
        self.new_id = new_id
        self.price = price
        self.requests: dict[int, Any] = {}
        self.quotes: dict[int, Any] = {}

    def observe(self, event: Any) -> None:
        """Keep up with what is open."""
        if isinstance(event, e.QuoteRequested):
            self.requests[event.request_id] = event
        elif isinstance(event, e.QuoteRequestEnded):
            del self.requests[event.request_id]
        elif isinstance(event, e.RfqQuoteGiven):
            self.quotes[event.quote_id] = event
        elif isinstance(event, e.RfqQuoteEnded):
            del self.quotes[event.quote_id]

    def next(self, now_ns: int) -> tuple[type[Record], Place]:
        """Return a command about requests for quote."""
        weights = (9, 10 if self.requests else 1, 4 if self.quotes else 0.5, 1.5, 2)
        makers = (self._ask, self._give, self._accept, self._withdraw, self._query)
        (maker,) = self.chance.choices(makers, weights)
        return maker(now_ns)

    def _expiry(self, now_ns: int) -> int:
        return now_ns + self.chance.choice((SECOND, 100 * SECOND, 600 * SECOND))

    def _ask(self, now_ns: int) -> tuple[type[Record], Place]:
        chance = self.chance
        expiry = self._expiry(now_ns)
        if chance.random() < 0.03:
            expiry = chance.choice((0, now_ns, now_ns + 600 * SECOND + 1))
        lots = chance.choice((0, -1, 10_001)) if chance.random() < 0.03 else chance.randint(1, 100)
        return c.RequestForQuote, self.asker(None) | {
            "instrument": chance.choice((1, 1, 2, 3)) if chance.random() < 0.98 else 9,
            "side": chance.choices((0, 1, 2, 3), (6, 2, 2, 0.2))[0],
            "quantity_lots": lots,
            "expire_at_ns": expiry,
            "trader": chance.randrange(3),
            "client_request_id": client_id(f"rfq-{chance.randrange(12)}")
            if chance.random() < 0.98
            else bytes(40),
        }

    def _give(self, now_ns: int) -> tuple[type[Record], Place]:
        chance = self.chance
        request = chance.choice(list(self.requests.values())) if self.requests else None
        instrument = 1 if request is None else request.instrument
        side = 0 if request is None else request.side
        bid = ask = self.price(instrument)
        if bid > 0 and chance.random() < 0.97:
            bid, ask = max(1, bid - chance.randrange(10)), ask + chance.randrange(1, 10)
        if side == 1 or chance.random() < 0.2:
            bid = 0
        if side == 2 or chance.random() < 0.1:
            ask = 0
        known = 0 if request is None else request.request_id
        lots = 0 if request is None else request.quantity_lots
        return c.GiveRfqQuote, self.asker(None) | {
            "request_id": known if chance.random() < 0.98 else chance.choice((0, known + 1)),
            "bid_price_ticks": bid,
            "ask_price_ticks": ask,
            "quantity_lots": chance.choice((0, lots)) if chance.random() < 0.98 else lots + 1,
            "instrument": chance.choice((0, instrument)) if chance.random() < 0.98 else 9,
            "expire_at_ns": chance.choice((0, 0, self._expiry(now_ns)))
            if chance.random() < 0.98
            else now_ns,
            "trader": chance.randrange(3),
            "client_quote_id": self.new_id(),
        }

    def _accept(self, now_ns: int) -> tuple[type[Record], Place]:
        chance = self.chance
        quote = chance.choice(list(self.quotes.values())) if self.quotes else None
        if quote is None:
            return c.AcceptRfqQuote, self.asker(None) | {"quote_id": 7, "side": 1}
        side = chance.choice((1, 2))
        if chance.random() < 0.9:
            side = 1 if quote.ask_price_ticks and (side == 1 or not quote.bid_price_ticks) else 2
        price = quote.ask_price_ticks if side == 1 else quote.bid_price_ticks
        fields = self.asker(quote.requester_account if chance.random() < 0.97 else None)
        return c.AcceptRfqQuote, fields | {
            "instrument": chance.choice((0, quote.instrument)) if chance.random() < 0.98 else 2,
            "side": side if chance.random() < 0.99 else 0,
            "quote_id": quote.quote_id,
            "price_ticks": chance.choice((0, price)) if chance.random() < 0.97 else price + 1,
            "quantity_lots": chance.choice((0, 0, quote.quantity_lots)),
            "valid_until_ns": now_ns - 1 if chance.random() < 0.02 else 0,
            "trader": chance.randrange(3),
            "client_order_id": self.new_id(),
        }

    def _withdraw(self, _: int) -> tuple[type[Record], Place]:
        chance = self.chance
        subject = chance.choices((1, 2, 3, 0), (3, 3, 3, 0.2))[0]
        quote = chance.choice(list(self.quotes.values())) if self.quotes else None
        request = chance.choice(list(self.requests.values())) if self.requests else None
        fields: Place = {"subject": subject, "client_request_id": self.new_id()}
        owner = None
        if subject == 1 and request is not None:
            owner = request.account
            names: Place = {
                "request_id": request.request_id,
                "client_id": request.client_request_id,
                "instrument": request.instrument,
            }
        elif subject in {2, 3} and quote is not None:
            owner = quote.account if subject == 2 else quote.requester_account
            names = {
                "quote_id": quote.quote_id,
                "request_id": quote.request_id,
                "client_id": quote.client_quote_id,
                "instrument": quote.instrument,
            }
        else:
            names = {"quote_id": 5}
        name = "quote_id" if subject == 3 else chance.choice(list(names))
        if chance.random() < 0.95:
            fields[name] = names[name]
        return c.WithdrawRfq, self.asker(owner if chance.random() < 0.95 else None) | fields

    def _query(self, _: int) -> tuple[type[Record], Place]:
        chance = self.chance
        fields: Place = {"status_request_id": client_id("status")}
        quote = chance.choice(list(self.quotes.values())) if self.quotes else None
        request = chance.choice(list(self.requests.values())) if self.requests else None
        draw = chance.random()
        owner = None
        if draw < 0.25 and quote is not None:
            owner = chance.choice((quote.account, quote.requester_account))
            fields |= chance.choice(
                ({"quote_id": quote.quote_id}, {"client_id": quote.client_quote_id})
            )
        elif draw < 0.5 and request is not None:
            owner = chance.choice((request.account, None))
            fields |= chance.choice(
                ({"request_id": request.request_id}, {"client_id": request.client_request_id})
            )
        return c.QueryRfq, self.asker(owner) | fields

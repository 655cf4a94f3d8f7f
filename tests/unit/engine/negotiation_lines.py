"""What engine tests say of requests for quote and of their quotes, one line an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from messages.layout import Record
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.terms import RfqEnd

_SIDES = {0: "either way", 1: "buy", 2: "sell"}


def _request(word: str) -> Callable[[Any], str]:
    return lambda event: (
        f"{word} {event.request_id} {_SIDES[event.side]} {event.quantity_lots} "
        f"until +{event.expires_at_ns - event.time_ns}"
    )


def _quote(word: str) -> Callable[[Any], str]:
    return lambda event: (
        f"{word} {event.quote_id} of {event.account} for {event.request_id} "
        f"{event.bid_price_ticks}/{event.ask_price_ticks} "
        f"holding {event.bid_held_atoms}/{event.ask_held_atoms}"
    )


def _refused(word: str) -> Callable[[Any], str]:
    return lambda event: f"{word} {RejectCode(event.code).name} {event.limit} {event.usage}"


NEGOTIATION_LINES: dict[type[Record], Callable[[Any], str]] = {
    e.QuoteRequested: _request("requested"),
    e.QuoteRequestRejected: _refused("request rejected"),
    e.QuoteRequestEnded: lambda event: (
        f"request {event.request_id} ended {RfqEnd(event.reason).name}"
    ),
    e.RfqQuoteGiven: _quote("quote"),
    e.RfqQuoteRejected: _refused("quote rejected"),
    e.RfqQuoteEnded: lambda event: f"quote {event.quote_id} ended {RfqEnd(event.reason).name}",
    e.RfqRefused: _refused("refused"),
    e.QuoteRequestReported: _request("reported request"),
    e.RfqQuoteReported: _quote("reported quote"),
    e.RfqAnswered: lambda event: f"answered {event.requests} requests {event.quotes} quotes",
}

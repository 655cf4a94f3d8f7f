"""A request for quote in the demo: the institution asks, both makers quote, the better trades."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from exchange.demo.fix_codec import Fields, utc_timestamp
from exchange.demo.market import Market
from exchange.demo.participant import Participant
from exchange.demo.proof import BookedTrade, Check
from exchange.demo.requests import BUY
from messages.trading.terms import PPM

ANSWER_SECONDS_MAX: Final = 20.0
_POLL_SECONDS: Final = 0.01
_LIFETIME_NS: Final = 60 * 1_000_000_000
_WORTH: Final = 1000
_HALF_SPREADS_PPM: Final = (500, 300)
"""The second maker is the better one."""


Found = TypeVar("Found")


class Negotiated(NamedTuple):
    """The ClOrdIDs (11) of the trade's sides and how many quotes there were, or what is missing."""

    taker_id: str = ""
    maker_id: str = ""
    quotes: int = 0
    missing: str = ""


async def negotiate(
    requester: Participant, makers: Sequence[Participant], market: Market, *, run: str
) -> Negotiated:
    """Ask for quotes, have them given, and buy at the best offer.

    Returns:
        What traded, or the first thing that did not come in time: the proof says it.
    """
    ask, take = f"ask-{run}", f"take-{run}"
    quantity = market.quantity_text(market.lots_worth(_WORTH))
    expiry = utc_timestamp(time.time_ns() + _LIFETIME_NS)
    entry = ((55, market.symbol), (38, quantity), (126, expiry))
    requester.session.send("R", ((131, ask), (146, "1"), *entry))
    for maker, half_spread_ppm in zip(makers, _HALF_SPREADS_PPM, strict=True):
        asked = await _heard(partial(_first, maker.negotiation, "R"))
        if asked is None:
            return Negotiated(missing=f"{maker.name} was not asked")
        maker.session.send("S", _quote(maker, asked[131], market, half_spread_ppm, run=run))
    offers = await _heard(lambda: _offers(requester.negotiation, ask, count=len(makers)))
    if offers is None:
        return Negotiated(missing="a quote did not come")
    best = min(offers, key=lambda each: market.ticks(each[133]))
    answer = ((693, take), (117, best[117]), (694, "1"), (55, market.symbol), (54, BUY))
    stamp = (60, utc_timestamp(time.time_ns()))
    requester.session.send("AJ", (*answer, (38, quantity), stamp, (44, best[133])))
    sold = await _heard(lambda: _maker_of(requester, makers, take))
    if sold is None:
        return Negotiated(missing="the acceptance did not trade")
    return Negotiated(take, sold, len(offers))


def negotiated_trade_is_booked(
    negotiated: Negotiated, booked: Sequence[BookedTrade], *, executions: int
) -> Check:
    """Check that the request traded once, with both sides told, and is booked as it was told.

    Args:
        negotiated: what the clients saw.
        booked: the trades since the run began.
        executions: how many of the clients' executions carry either id.
    """
    ids = (negotiated.maker_id, negotiated.taker_id)
    trades = [
        each for each in booked if (each.maker_client_order_id, each.taker_client_order_id) == ids
    ]
    differences = [negotiated.missing] if negotiated.missing else []
    if not differences and (len(trades), executions) != (1, 2):
        differences.append(f"{len(trades)} trades booked, {executions} executions told, not 1, 2")
    return Check(
        "a request for quote traded",
        f"{negotiated.quotes} quotes, {executions} executions, {len(trades)} trade in PostgreSQL",
        tuple(differences),
    )


def executions_of(negotiated: Negotiated, participants: Sequence[Participant]) -> int:
    """Count the executions that carry the ids of the negotiated trade."""
    ids = {negotiated.maker_id, negotiated.taker_id} - {""}
    reports = (report for each in participants for report in each.reports)
    return sum(report.is_trade and report.client_order_id in ids for report in reports)


def _quote(
    maker: Participant, request: str, market: Market, half_spread_ppm: int, *, run: str
) -> tuple[tuple[int, str], ...]:
    """Quote both sides around the reference price."""
    away = market.reference_ticks * half_spread_ppm // PPM
    bid, ask = market.reference_ticks - away, market.reference_ticks + away
    prices = ((132, market.price_text(bid)), (133, market.price_text(ask)))
    return ((131, request), (117, f"{maker.name}-rfq-{run}"), (55, market.symbol), *prices)


async def _heard(look: Callable[[], Found | None]) -> Found | None:
    """Look until something is there, or give up in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS_MAX
    while loop.time() < deadline:
        found = look()
        if found is not None:
            return found
        await asyncio.sleep(_POLL_SECONDS)
    return None


def _first(told: Sequence[Fields], kind: str) -> Fields | None:
    return next((each for each in told if each[35] == kind), None)


def _offers(told: Sequence[Fields], ask: str, *, count: int) -> list[Fields] | None:
    """Return the quotes for a request, once there are so many."""
    found = [each for each in told if each[35] == "S" and each.get(131) == ask]
    return found if len(found) >= count else None


def _maker_of(requester: Participant, makers: Sequence[Participant], take: str) -> str | None:
    """Return the maker's ClOrdID of the requester's trade, once both sides are told of it."""
    if not any(each.is_trade and each.client_order_id == take for each in requester.reports):
        return None
    sold = (
        report.client_order_id
        for maker in makers
        for report in maker.reports
        if report.is_trade and "-rfq-" in report.client_order_id
    )
    return next(sold, None)

"""Call auctions: the one price at which most would trade, and the uncross at it.

Hidden quantity counts as much as displayed. Docs: docs/matching.md, "Call auctions".
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final, NamedTuple

from messages.trading.events import AuctionUncrossed, IndicativePriceChanged
from venue.reference import bounds
from venue.reference.book import Book, BookSide, Level
from venue.reference.event_writer import shape
from venue.reference.instruments import Instrument
from venue.reference.matching import prevent_self_trade, record_trade
from venue.reference.orders import Order
from venue.reference.state import VenueState
from venue.reference.values import BUY

_AUCTION_UNCROSSED: Final = shape(AuctionUncrossed)
_INDICATIVE_PRICE_CHANGED: Final = shape(IndicativePriceChanged)


class Equilibrium(NamedTuple):
    """Where an auction would uncross; ``surplus_lots`` is positive on the buy side."""

    price_ticks: int
    volume_lots: int
    surplus_lots: int


NOTHING: Final = Equilibrium(0, 0, 0)


def equilibrium(book: Book, *, reference_ticks: int) -> Equilibrium:
    """Find the auction price among the prices of orders from the best ask to the best bid.

    The largest executable volume wins; then the smallest surplus; then, when every price left
    has its surplus on the buy side, the highest, and on the sell side, the lowest; then the
    nearest to the reference price, if there is one; then the higher.
    """
    if not book.is_crossed:
        return NOTHING
    bid, ask = book.bids.best, book.asks.best
    assert bid is not None
    assert ask is not None
    buys = _quantities(_crossing(book.bids, ask.price_ticks))
    sells = _quantities(_crossing(book.asks, bid.price_ticks))
    candidates = _candidates(buys, sells)
    volume = max(each.volume_lots for each in candidates)
    candidates = [each for each in candidates if each.volume_lots == volume]
    surplus = min(abs(each.surplus_lots) for each in candidates)
    candidates = [each for each in candidates if abs(each.surplus_lots) == surplus]
    if all(each.surplus_lots > 0 for each in candidates):
        return candidates[-1]
    if all(each.surplus_lots < 0 for each in candidates):
        return candidates[0]
    if reference_ticks == 0:
        return candidates[-1]
    return min(reversed(candidates), key=lambda each: abs(each.price_ticks - reference_ticks))


def _crossing(side: BookSide, opposite_ticks: int) -> list[Level]:
    """Return the levels of a side, best first, that reach the other side's best price."""
    if side.is_buy:
        return list(takewhile(lambda level: level.price_ticks >= opposite_ticks, side))
    return list(takewhile(lambda level: level.price_ticks <= opposite_ticks, side))


def _crossing_orders(book: Book) -> int:
    """Return how many orders a round looks at."""
    if not book.is_crossed:
        return 0
    bid, ask = book.bids.best, book.asks.best
    assert bid is not None
    assert ask is not None
    levels = _crossing(book.bids, ask.price_ticks) + _crossing(book.asks, bid.price_ticks)
    return sum(level.orders for level in levels)


def _quantities(levels: list[Level]) -> dict[int, int]:
    return {level.price_ticks: sum(order.leaves_lots for order in level) for level in levels}


def _candidates(buys: dict[int, int], sells: dict[int, int]) -> list[Equilibrium]:
    """Return what would happen at each price, the lowest first."""
    demand_lots, supply_lots = sum(buys.values()), 0
    candidates = []
    for price_ticks in sorted(buys.keys() | sells.keys()):
        supply_lots += sells.get(price_ticks, 0)
        volume_lots = min(demand_lots, supply_lots)
        candidates.append(Equilibrium(price_ticks, volume_lots, demand_lots - supply_lots))
        demand_lots -= buys.get(price_ticks, 0)
    return candidates


def uncross(venue: VenueState, instrument: Instrument, *, is_auction: bool) -> None:
    """Execute all that crosses, each round at one price, until the book is not crossed.

    One round is enough unless self-trade prevention took orders away: what is still crossed
    then gets a price of its own. Each step removes or reduces an order, and looking at orders
    takes steps as well, so the work is bounded by what one command may do, after which the book
    may still be crossed. When a call auction ends (``is_auction``) the result is said even when
    nothing trades.
    """
    book = instrument.book
    is_first = True
    while (book.is_crossed and venue.steps_left) or (is_first and is_auction):
        is_first = False
        price_ticks = equilibrium(book, reference_ticks=instrument.reference_ticks).price_ticks
        venue.steps_left -= min(venue.steps_left, _crossing_orders(book) // bounds.ORDERS_PER_STEP)
        trades, volume_lots = _execute_at(venue, book, price_ticks) if price_ticks else (0, 0)
        venue.events.emit(
            _AUCTION_UNCROSSED,
            instrument.number,
            trades,
            price_ticks if trades else 0,
            volume_lots,
        )
    instrument.band_ticks = instrument.band_next_ticks = _band_reference(instrument)
    window_ns = instrument.limits.band_window_ns
    if window_ns:
        instrument.band_window_at_ns = venue.last_time_ns - venue.last_time_ns % window_ns


def _band_reference(instrument: Instrument) -> int:
    """Return the band's reference after an auction: its price, moved into the spread if needed.

    An auction without a trade would otherwise leave a reference that the quotes have left
    behind, and every order that comes would halt trading again.
    """
    price_ticks = instrument.band_next_ticks
    bid, ask = instrument.book.bids.best, instrument.book.asks.best
    if price_ticks == 0:
        return 0
    if bid is not None and price_ticks < bid.price_ticks:
        return bid.price_ticks
    if ask is not None and price_ticks > ask.price_ticks:
        return ask.price_ticks
    return price_ticks


def _execute_at(venue: VenueState, book: Book, price_ticks: int) -> tuple[int, int]:
    """Pair the two sides at one price in price-time priority; return trades and lots."""
    trades = volume_lots = 0
    while venue.steps_left:
        bid, ask = book.bids.best, book.asks.best
        if bid is None or ask is None:
            break
        if bid.price_ticks < price_ticks or ask.price_ticks > price_ticks:
            break
        buy, sell = bid.head, ask.head
        assert buy is not None
        assert sell is not None
        venue.steps_left -= 1
        earlier, later = (buy, sell) if buy.arrival < sell.arrival else (sell, buy)
        if buy.account.group == sell.account.group:
            prevent_self_trade(
                venue,
                incoming=later,
                resting=earlier,
                price_ticks=price_ticks,
                is_incoming_resting=True,
            )
            continue
        lots = min(buy.shown_lots, sell.shown_lots)
        for order in (buy, sell):
            _take(venue, book, order, lots)
        record_trade(
            venue,
            maker=earlier,
            taker=later,
            lots=lots,
            price_ticks=price_ticks,
            is_auction=True,
        )
        trades += 1
        volume_lots += lots
    return trades, volume_lots


def _take(venue: VenueState, book: Book, order: Order, lots: int) -> None:
    side = book.bids if order.side == BUY else book.asks
    venue.events.touched[side, order.price_ticks] = book
    side.take(order, lots)


def publish_indicative(venue: VenueState, instrument: Instrument) -> None:
    """Say where the auction would uncross now, if that is news."""
    now = equilibrium(instrument.book, reference_ticks=instrument.reference_ticks)
    if now != instrument.indicative:
        instrument.indicative = now
        venue.events.emit(
            _INDICATIVE_PRICE_CHANGED,
            instrument.number,
            0,
            now.price_ticks,
            now.volume_lots,
            now.surplus_lots,
        )

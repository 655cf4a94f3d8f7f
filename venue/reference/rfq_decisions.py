"""What a request for quote, and a quote that answers one, must be: pure decisions.

Source:
    docs/risk.md, "Requests for quote".
"""

from __future__ import annotations

from messages.trading.codes import RejectCode
from risk.decisions import (
    InstrumentLimits,
    Refused,
    decide_amend_phase,
    decide_collar,
    decide_price_range,
)
from venue.reference import bounds
from venue.reference.values import BUY, CONTINUOUS, SELL


def decide_negotiation_phase(*, phase: int) -> Refused | None:
    """Say whether an instrument's phase takes negotiated trades: only continuous trading does."""
    if phase == CONTINUOUS:
        return None
    return decide_amend_phase(phase=phase) or Refused(
        RejectCode.ORDER_NOT_ALLOWED_IN_PHASE, 0, phase
    )


def decide_lifetime(*, expire_at_ns: int, now_ns: int) -> Refused | None:
    """Say whether a request ends in time: after now, and not later than it may last."""
    latest_ns = now_ns + bounds.QUOTE_REQUEST_LIFETIME_MAX_NS
    if expire_at_ns <= now_ns:
        return Refused(RejectCode.EXPIRY_INVALID, now_ns, expire_at_ns)
    if expire_at_ns > latest_ns:
        return Refused(RejectCode.EXPIRY_INVALID, latest_ns, expire_at_ns)
    return None


def decide_quoted_sides(*, request_side: int, bid_ticks: int, ask_ticks: int) -> Refused | None:
    """Say whether a quote has the side asked for and no other; if none was asked, at least one.

    A requester who buys needs an ask. A bid at or above its own ask would trade with itself.
    """
    wants_bid, wants_ask = request_side != BUY, request_side != SELL
    if bid_ticks and not wants_bid:
        return Refused(RejectCode.PRICE_NOT_ALLOWED, 0, bid_ticks)
    if ask_ticks and not wants_ask:
        return Refused(RejectCode.PRICE_NOT_ALLOWED, 0, ask_ticks)
    if not bid_ticks and not ask_ticks:
        return Refused(RejectCode.PRICE_REQUIRED)
    if bid_ticks and ask_ticks and bid_ticks >= ask_ticks:
        return Refused(RejectCode.RFQ_PRICES_CROSSED, ask_ticks - 1, bid_ticks)
    return None


def decide_quote_price(
    *, side: int, price_ticks: int, reference_ticks: int, limits: InstrumentLimits
) -> Refused | None:
    """Say whether a quoted price is in the instrument's range and within its maker's collar."""
    return decide_price_range(price_ticks=price_ticks, limits=limits) or decide_collar(
        side=side,
        price_ticks=price_ticks,
        reference_ticks=reference_ticks,
        collar_ppm=limits.collar_ppm,
    )


def decide_terms_match(*, given: int, agreed: int) -> Refused | None:
    """Say whether a term that is repeated is the agreed one; zero repeats nothing."""
    if given in {0, agreed}:
        return None
    return Refused(RejectCode.RFQ_TERMS_MISMATCH, agreed, given)

"""Instruments and phases for the public: the bodies of y, f and h."""

from collections.abc import Sequence

from fix_gateway.market_data.market import Venue
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Instrument
from fix_gateway.translation.parts import price, quantity
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.terms import Phase, PhaseReason

_PHASES: dict[int, tuple[str, str]] = {
    Phase.PRE_OPEN: (
        tags.SECURITY_TRADING_STATUS_PRE_OPEN,
        tags.TRADING_SESSION_SUB_ID_PRE_TRADING,
    ),
    Phase.CALL_AUCTION: (
        tags.SECURITY_TRADING_STATUS_OPENING_ROTATION,
        tags.TRADING_SESSION_SUB_ID_ANY_AUCTION,
    ),
    Phase.CONTINUOUS: (
        tags.SECURITY_TRADING_STATUS_READY_TO_TRADE,
        tags.TRADING_SESSION_SUB_ID_CONTINUOUS,
    ),
    Phase.HALTED: (
        tags.SECURITY_TRADING_STATUS_TRADING_HALT,
        tags.TRADING_SESSION_SUB_ID_QUIESCENT,
    ),
    Phase.CLOSED: (
        tags.SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING,
        tags.TRADING_SESSION_SUB_ID_POST_TRADING,
    ),
}
"""SecurityTradingStatus (326) and TradingSessionSubID (625) of each phase."""


def security_list(
    request_id: str, instruments: Sequence[Instrument], venue: Venue, *, entries_max: int
) -> list[str]:
    """Write the bodies of the SecurityLists (y) that answer a request.

    Args:
        request_id: SecurityReqID (320) of the request.
        instruments: to be listed; none is an answer too.
        venue: what is known of them.
        entries_max: of one message.
    """
    head = f"320={request_id}\x01322={request_id}\x01"
    if not instruments:
        result = tags.SECURITY_REQUEST_RESULT_NO_INSTRUMENTS_FOUND_THAT_MATCH_SELECTION_CRITERIA
        return [f"{head}560={result}\x01"]
    bodies = []
    for at in range(0, len(instruments), entries_max):
        part = instruments[at : at + entries_max]
        is_last = at + entries_max >= len(instruments)
        entries = "".join(_listed(each, venue) for each in part)
        bodies.append(
            f"{head}560={tags.SECURITY_REQUEST_RESULT_VALID_REQUEST}\x01393={len(instruments)}\x01"
            f"893={'Y' if is_last else 'N'}\x01146={len(part)}\x01{entries}"
        )
    return bodies


def security_status(
    request_id: str, instrument: Instrument, venue: Venue, *, is_update: bool
) -> str:
    """Write the body of a SecurityStatus (f)."""
    phase = venue.phases.get(instrument.number)
    found = _PHASES.get(phase.phase) if phase is not None else None
    if phase is None or found is None:
        status = tags.SECURITY_TRADING_STATUS_UNKNOWN_OR_INVALID
        return f"324={request_id}\x0155={instrument.symbol}\x01326={status}\x01"
    status, session = found
    text = f"324={request_id}\x0155={instrument.symbol}\x01625={session}\x01"
    if not is_update:
        return f"{text}326={status}\x01"
    return (
        f"{text}325=Y\x01326={status}\x0160={timestamp_text(phase.time_ns)}\x01"
        f"58={_reason(phase)}\x01"
    )


def unknown_security(request_id: str, symbol: str) -> str:
    """Write the body of a SecurityStatus (f) for a symbol that is none."""
    status = tags.SECURITY_TRADING_STATUS_UNKNOWN_OR_INVALID
    return f"324={request_id}\x0155={symbol}\x01326={status}\x0158=unknown symbol\x01"


def venue_status(request_id: str, venue: Venue, *, is_update: bool) -> str:
    """Write the body of a TradingSessionStatus (h): open, unless the venue's kill switch is on."""
    status = tags.TRAD_SES_STATUS_HALTED if venue.is_killed else tags.TRAD_SES_STATUS_OPEN
    return (
        f"335={request_id}\x01336=1\x01"
        + ("325=Y\x01" if is_update else "")
        + f"340={status}\x01"
        + ("58=VENUE_KILLED\x01" if venue.is_killed else "")
    )


def _listed(instrument: Instrument, venue: Venue) -> str:
    limits = venue.limits.get(instrument.number)
    bounds = ""
    if limits is not None:
        bounds = (
            f"1148={price(limits.price_ticks_min, instrument)}\x01"
            f"1149={price(limits.price_ticks_max, instrument)}\x01"
            f"562={quantity(limits.quantity_lots_min, instrument)}\x01"
            f"1140={quantity(limits.quantity_lots_max, instrument)}\x01"
        )
    currency = venue.directory.asset(instrument.quote_asset).symbol
    return (
        f"55={instrument.symbol}\x01969={price(1, instrument)}\x01{bounds}"
        f"561={quantity(1, instrument)}\x0115={currency}\x01"
    )


def _reason(phase: events.PhaseChanged) -> str:
    try:
        return PhaseReason(phase.reason).name
    except ValueError:
        return f"REASON_{phase.reason}"

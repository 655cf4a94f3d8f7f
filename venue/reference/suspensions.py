"""What clients themselves stopped: no new orders and amends of an account or a session."""

from __future__ import annotations

from messages.trading.codes import RejectCode
from risk.decisions import Refused
from venue.reference import bounds
from venue.reference.state import VenueState
from venue.reference.values import ACCOUNT, SESSION

Target = tuple[int, int]
"""A scope, ACCOUNT or SESSION, and the number of the one meant."""


def decide_suspension(
    venue: VenueState, *, session: int, account: int, instrument: int, side: int
) -> Refused | None:
    """Say whether a client stopped such orders itself, by their session or their account."""
    suspensions = venue.suspensions
    if not suspensions:
        return None
    for scope, target, code in (
        (SESSION, session, RejectCode.SESSION_SUSPENDED),
        (ACCOUNT, account, RejectCode.ACCOUNT_SUSPENDED),
    ):
        for number in (0, instrument):
            if (scope, target, number, 0) in suspensions or (
                scope,
                target,
                number,
                side,
            ) in suspensions:
                return Refused(code)
    return None


def decide_room(
    venue: VenueState, targets: list[Target], *, instrument: int, side: int
) -> Refused | None:
    """Say whether each target may have this suspension as well."""
    limit = bounds.SUSPENSIONS_OF_TARGET_MAX
    for scope, number in targets:
        if (scope, number, instrument, side) in venue.suspensions:
            continue
        count = sum(each[:2] == (scope, number) for each in venue.suspensions)
        if count >= limit:
            return Refused(RejectCode.SUSPENSIONS_EXCEEDED, limit, count + 1)
    return None


def suspend(venue: VenueState, targets: list[Target], *, instrument: int, side: int) -> int:
    """Put a suspension on each target; return how many had it not."""
    put = {(scope, number, instrument, side) for scope, number in targets} - venue.suspensions
    venue.suspensions |= put
    return len(put)


def release(venue: VenueState, targets: list[Target], *, instrument: int, side: int) -> int:
    """Lift what lies within an instrument and a side, zero for any; return how many went."""
    lifted = {
        each
        for each in venue.suspensions
        if each[:2] in targets and instrument in {0, each[2]} and side in {0, each[3]}
    }
    venue.suspensions -= lifted
    return len(lifted)

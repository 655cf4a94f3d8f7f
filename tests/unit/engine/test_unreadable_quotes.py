"""An entry of a mass quote that the gateway could not read is refused by itself, and says why."""

from __future__ import annotations

import pytest

from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.events import QuoteOutcome
from messages.trading.terms import QuoteFlag
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import without_levels

OFF_TICK = int(RejectCode.GATEWAY_PRICE_OFF_TICK)
GATEWAY = [int(code) for code in RejectCode if 1000 <= code < 2000]
INVALID = int(RejectCode.FIELD_INVALID)


@pytest.mark.parametrize(
    ("flags", "given", "code", "usage"),
    [
        (0, OFF_TICK, OFF_TICK, 132),
        (QuoteFlag.MAY_TAKE, max(GATEWAY), max(GATEWAY), 132),
        (0, min(GATEWAY), min(GATEWAY), 132),
        (16, OFF_TICK, INVALID, 0),
        (0, 999, INVALID, 0),
        (0, 2000, INVALID, 0),
    ],
)
def test_it_is_refused_by_the_gateways_code_and_the_others_are_taken(
    flags: int, given: int, code: int, usage: int
) -> None:
    market = QuotingMarket()
    market.mass_quote(entry((5, 99), (4, 101)), entry((5, 98), name="e2"))
    flags |= QuoteFlag.UNREADABLE | QuoteFlag.GIVES_BID
    unread = entry(valid_until_ns=given, bid_price_ticks=132) | {"quote_flags": flags}
    lines = without_levels(market.mass_quote(unread, entry((5, 97), name="e2")))
    assert lines[:2] == ["cancelled 1 QUOTE_WITHDRAWN", "cancelled 3 QUOTE_REPLACED"]
    first, second = QuoteOutcome.unpack(market.event(e.MassQuoteAcknowledged).outcomes)[:2]
    assert (first.code, first.limit, first.usage) == (code, 0, usage)
    assert (first.stands, second.code) == (QuoteFlag.GIVES_ASK, 0)


def test_a_side_that_would_keep_its_place_goes_too() -> None:
    market = QuotingMarket()
    market.mass_quote(entry((5, 99)))
    flags = QuoteFlag.UNREADABLE | QuoteFlag.GIVES_BID
    unread = entry((5, 99), valid_until_ns=OFF_TICK) | {"quote_flags": flags}
    assert market.mass_quote(unread)[0] == "cancelled 1 QUOTE_WITHDRAWN"


def test_without_a_name_nothing_is_withdrawn() -> None:
    market = QuotingMarket()
    market.mass_quote(entry((5, 99)))
    flags = QuoteFlag.UNREADABLE | QuoteFlag.GIVES_BID
    unread = entry(name="a/b", valid_until_ns=OFF_TICK) | {"quote_flags": flags}
    market.mass_quote(unread)
    (first,) = QuoteOutcome.unpack(market.event(e.MassQuoteAcknowledged).outcomes)[:1]
    assert first.code == RejectCode.QUOTE_ID_INVALID
    assert market.query(1) == ["reported 1 buy 5@99 NEW leaves 5"]

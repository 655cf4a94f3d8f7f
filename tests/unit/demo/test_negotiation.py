"""The demo's request for quote: asked, answered, taken at the best offer, and proved."""

from __future__ import annotations

from typing import cast

import pytest

from exchange.demo import negotiation
from exchange.demo.fix_codec import Fields
from exchange.demo.fix_session import FixSession, SessionSettings
from exchange.demo.logon_proof import LogonKey
from exchange.demo.negotiation import (
    Negotiated,
    executions_of,
    negotiate,
    negotiated_trade_is_booked,
)
from exchange.demo.orders import Body, Report
from exchange.demo.participant import Participant
from exchange.demo.proof import BookedTrade
from tests.unit.demo.test_flow import MARKETS

BITCOIN = MARKETS["BTC-USD"]
KEY = LogonKey("k-1", "hmac-sha256", b"s" * 32)
TRADE = BookedTrade(9, 1, 100, 5, 1, 2, 0, "MM2-rfq-r", 3, 0, "take-r")


def participant(name: str) -> Participant:
    return Participant(SessionSettings(sender=name, target="RIALTO", key=KEY), MARKETS)


def execution(client_order_id: str) -> Report:
    return Report.of({17: "9B", 11: client_order_id, 150: "F", 39: "2", 55: "BTC-USD", 54: "1"})


class Venue:
    """Carries what is sent, as the venue would; makers that are deaf are told nothing."""

    def __init__(self, *, deaf: str = "", is_trading: bool = True) -> None:
        self.deaf = deaf
        self.is_trading = is_trading
        self.requester = participant("INST1")
        self.makers = [participant("MM1"), participant("MM2")]
        self.accepted: Fields = {}
        self.quotes: dict[str, tuple[Participant, str]] = {}
        for each in (self.requester, *self.makers):
            each.session = cast(FixSession, Wire(self, each))

    def take(self, sender: Participant, kind: str, fields: Fields) -> None:
        if kind == "R":
            for maker in self.makers:
                if maker.name != self.deaf:
                    maker.negotiation.append({35: "R", 131: "RFQ-1"})
        elif kind == "S":
            quote = {35: "S", 131: "ask-r", 117: f"RFQ-1-{sender.name}", 133: fields[133]}
            self.requester.negotiation.append(quote)
            self.quotes[quote[117]] = (sender, fields[117])
        else:
            self.accepted = dict(fields)
            if self.is_trading:
                maker, maker_id = self.quotes[fields[117]]
                maker.reports.append(execution(maker_id))
                self.requester.reports.append(execution(fields[693]))


class Wire:
    """A session's sending side."""

    def __init__(self, venue: Venue, owner: Participant) -> None:
        self.venue = venue
        self.owner = owner

    def send(self, message_type: str, fields: Body) -> int:
        self.venue.take(self.owner, message_type, dict(fields))
        return 1


async def test_the_better_of_two_offers_is_taken() -> None:
    venue = Venue()
    found = await negotiate(venue.requester, venue.makers, BITCOIN, run="r")
    assert found == Negotiated("take-r", "MM2-rfq-r", 2)
    assert venue.accepted[117] == "RFQ-1-MM2"
    assert (venue.accepted[694], venue.accepted[54]) == ("1", "1")
    executions = executions_of(found, [venue.requester, *venue.makers])
    check = negotiated_trade_is_booked(found, [TRADE], executions=executions)
    assert check.is_ok, check


@pytest.mark.parametrize(
    ("venue", "missing"),
    [
        (Venue(deaf="MM2"), "MM2 was not asked"),
        (Venue(is_trading=False), "the acceptance did not trade"),
    ],
)
async def test_what_does_not_come_is_said(
    monkeypatch: pytest.MonkeyPatch, venue: Venue, missing: str
) -> None:
    monkeypatch.setattr(negotiation, "ANSWER_SECONDS_MAX", 0.05)
    found = await negotiate(venue.requester, venue.makers, BITCOIN, run="r")
    assert found == Negotiated(missing=missing)
    check = negotiated_trade_is_booked(found, [], executions=0)
    assert check.differences == (missing,)


@pytest.mark.parametrize(
    ("booked", "executions"),
    [([], 2), ([TRADE, TRADE], 2), ([TRADE], 1), ([TRADE._replace(maker_client_order_id="x")], 2)],
)
def test_a_trade_that_is_not_booked_once_as_told_differs(
    booked: list[BookedTrade], executions: int
) -> None:
    found = Negotiated("take-r", "MM2-rfq-r", 2)
    assert not negotiated_trade_is_booked(found, booked, executions=executions).is_ok

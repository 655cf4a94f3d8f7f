"""The bounds of requests for quote, which the mixed flow has too few accounts to reach, alike."""

from __future__ import annotations

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading.identity import client_id
from messages.trading.terms import Scope
from tests.crash.killed_core import records as cut_records
from tests.native.comparison import Pair
from tests.unit.engine.negotiation import MAKER_RIGHTS, Negotiation
from tests.unit.engine.scenario import ALICE, QUOTE, RICH
from venue.reference import bounds


def add_maker(market: Negotiation, number: int) -> dict[str, int]:
    """Let one more firm be asked; return who its session and account are."""
    account = 100 + number
    market.send(c.CreateFirm, firm=account, name=padded_text(f"F{account}", 32))
    name = padded_text(f"A{account}", 32)
    owner = {"account": account, "firm": account}
    market.send(c.CreateAccount, **owner, account_kind=1, self_trade_prevention=1, name=name)
    market.send(c.SetAccountLimits, account=account, open_orders_max=9)
    market.send(c.GrantSession, **owner, session=account, rights=MAKER_RIGHTS, name=name)
    market.open(account, connection=1)
    market.credit(account, QUOTE, RICH)
    return {"account": account, "session": account, "connection": 1}


def test_the_bounds_of_requests_and_quotes_are_met_alike() -> None:
    market = Negotiation()
    market.configure(accounts_max=40, sessions_max=40)
    lines: list[str] = []
    for _ in range(bounds.QUOTE_REQUESTS_OF_ACCOUNT_MAX + 1):
        lines += market.ask(10)
    for number in range(bounds.QUOTES_OF_REQUEST_MAX + 1):
        maker = add_maker(market, number)
        quote = {"request_id": 1, "bid_price_ticks": 90 + number}
        lines += market.send(
            c.GiveRfqQuote, **maker, **quote, client_quote_id=client_id(f"q-{number}")
        )
    assert "request rejected QUOTE_REQUESTS_EXCEEDED 16 17" in lines
    assert "quote rejected RFQ_QUOTES_EXCEEDED 16 17" in lines
    ended = market.kill(Scope.ACCOUNT, ALICE, cancel=True)
    assert len([line for line in ended if line.startswith("quote")]) == 16
    pair = Pair()
    for step, command in enumerate(cut_records(bytes(market.journal))):
        pair.give(command)
        if step % 20 == 19:
            pair.exchange_states()
    pair.check()

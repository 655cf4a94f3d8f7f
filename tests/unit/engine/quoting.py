"""Mass quotes and protection groups, added to the small language of ``scenario``."""

from __future__ import annotations

from typing import Any

from messages.trading import commands as c
from messages.trading.identity import client_id
from messages.trading.terms import GroupKind, QuoteFlag, QuoteResponse
from tests.unit.engine.scenario import ALICE, BASE, BOOK, QUOTE, SECOND, SESSION_OF, Market

Side = tuple[int, int] | None
"""Lots and price, or not given."""


def entry(bid: Side = None, ask: Side = None, *, name: str = "e1", **fields: Any) -> dict[str, Any]:
    """Return the fields of one entry: ``entry((5, 99), (4, 101))`` quotes both sides."""
    flags = QuoteFlag(0)
    values: dict[str, Any] = {
        "instrument": BOOK,
        "response": QuoteResponse.ALL_ENTRIES,
        "entry_id": client_id(name),
    }
    if bid is not None:
        flags |= QuoteFlag.GIVES_BID
        values["bid_lots"], values["bid_price_ticks"] = bid
    if ask is not None:
        flags |= QuoteFlag.GIVES_ASK
        values["ask_lots"], values["ask_price_ticks"] = ask
    if fields.pop("takes", False):
        flags |= QuoteFlag.MAY_TAKE
    return {"quote_flags": flags} | values | fields


class QuotingMarket(Market):
    """A market whose accounts quote."""

    quotes = 0

    def mass_quote(
        self, *entries: dict[str, Any], account: int = ALICE, **fields: Any
    ) -> list[str]:
        """Send a mass quote."""
        self.quotes += 1
        self.sequence += 1
        head: dict[str, Any] = {
            "sequence": self.sequence,
            "time_ns": self.now_ns,
            "account": account,
            "session": SESSION_OF.get(account, 0),
            "connection": 1,
        }
        kind = fields.pop("group_kind", GroupKind.MASS_QUOTE)
        head |= fields
        left = len(entries)
        data = c.GroupHeader.make(**head, group_kind=kind, group_left=left).pack()
        for each in entries:
            left -= 1
            values = {"quote_id": client_id(f"q{self.quotes}")} | each
            data += c.EnterQuote.make(**head, **values, group_left=left).pack()
        return self.apply(data)

    def cancel_quotes(self, scope: int, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.CancelQuotes, account=account, scope=scope, **values)

    def protect(self, group: int = 7, *, account: int = ALICE, **fields: Any) -> list[str]:
        """Define a protection group, without limits unless said otherwise."""
        values = {"base_asset": BASE, "quote_asset": QUOTE, "window_ns": SECOND} | fields
        return self.send(c.DefineProtection, account=account, protection_group=group, **values)

    def reset(self, group: int = 7, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.ResetProtection, account=account, protection_group=group, **values)

    def report(self, group: int = 7, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.QueryProtection, account=account, protection_group=group, **values)

"""Random streams in which credit is given, spent, taken away and given again, in vast amounts.

Prices, quantities and lines are so large that a few trades reach the bound on all money together.
"""

from __future__ import annotations

import random

from messages.layout import Record
from messages.trading import commands as c
from messages.trading.identity import client_id
from messages.trading.terms import AMOUNT_LIMIT
from tests.unit.engine.scenario import ALICE, BASE, BOB, CAROL, QUOTE, Market

TRADERS = (ALICE, BOB, CAROL)
ASSETS = (BASE, QUOTE)
AMOUNTS = (0, 1, 1 << 57, 1 << 59, 1 << 60, 1 << 61, AMOUNT_LIMIT - 1, AMOUNT_LIMIT)


class CreditCycles:
    """A market of three who live on credit; each ``step`` sends one command."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.market = Market(
            funds=0,
            maker_ppm=chance.choice((0, -1000, 1_000_000)),
            taker_ppm=chance.choice((1000, 500_000, 1_000_000)),
            price_ticks_max=16,
            quantity_lots_max=1 << 56,
            reference_ticks=0,
        )
        self.market.configure(client_ids_max=1 << 20, references_max=1 << 20)

    def step(self) -> list[str]:
        """Do something, and return what the engine said."""
        act = self.chance.choices(
            (self._limit, self._place, self._cancel, self._move), (4, 6, 2, 3)
        )
        return act[0]()

    def _limit(self) -> list[str]:
        return self.market.send(
            c.SetAssetLimits,
            account=self.chance.choice(TRADERS),
            asset=self.chance.choice(ASSETS),
            credit_line_atoms=self.chance.choice(AMOUNTS),
        )

    def _place(self) -> list[str]:
        chance = self.chance
        place = chance.choice((self.market.buy, self.market.sell))
        return place(
            chance.choice((1, 1 << 40, 1 << 54, 1 << 56)),
            at=chance.randint(1, 16),
            account=chance.choice(TRADERS),
        )

    def _cancel(self) -> list[str]:
        account = self.chance.choice(TRADERS)
        return self.market.cancel(self.chance.randint(1, self.market.ids + 1), account=account)

    def _move(self) -> list[str]:
        kind: type[Record] = self.chance.choice((c.Credit, c.Debit, c.ReserveWithdrawal))
        return self.market.send(
            kind,
            account=self.chance.choice(TRADERS),
            asset=self.chance.choice(ASSETS),
            amount_atoms=self.chance.choice(AMOUNTS[1:]),
            reference=client_id(f"m{self.market.sequence}"),
        )

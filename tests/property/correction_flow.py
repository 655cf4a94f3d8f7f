"""The part of the mixed flow that comes after trades: busts, corrections, transfers, debts."""

from __future__ import annotations

import random
from typing import Any

from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import AMOUNT_LIMIT, Scope

Place = dict[str, Any]
Chosen = tuple[type[Record], Place]

REMEMBERED = 150
LARGEST_LINE = AMOUNT_LIMIT - 1 - (1 << 58)
"""With supplies of 2**58, more than this is never lent: nothing is left for a receivable."""


class Corrections:
    """Chooses such commands; what takes several of them in a row waits in ``planned``."""

    def __init__(self, chance: random.Random, accounts: tuple[int, ...]) -> None:
        self.chance = chance
        self.accounts = accounts
        self.references = 0
        self.trades: dict[int, Any] = {}
        self.last_trade_id = 0
        self.assets_of: dict[int, tuple[int, int]] = {}
        self.owed: dict[tuple[int, int], int] = {}
        self.lines: dict[tuple[int, int], int] = {}
        self.planned: list[Chosen] = []

    def observe(self, event: Any) -> None:
        """Learn from an event which trades there are, and who owes what."""
        if isinstance(event, e.TradeExecuted | e.TradeCorrected):
            self.trades[event.trade_id] = event
            self.last_trade_id = max(self.last_trade_id, event.trade_id)
            for trade_id in list(self.trades)[:-REMEMBERED]:
                del self.trades[trade_id]
        elif isinstance(event, e.InstrumentCreated):
            self.assets_of[event.instrument] = (event.base_asset, event.quote_asset)
        elif isinstance(event, e.AssetLimitsSet):
            self.lines[event.account, event.asset] = event.credit_line_atoms
        elif isinstance(event, e.ReceivableChanged):
            self.owed[event.account, event.asset] = event.receivable_atoms

    def choose(self) -> Chosen:
        """Return the next command."""
        if self.planned:
            return self.planned.pop(0)
        makers = (
            (self._bust, 20),
            (self._correct, 20),
            (self._impoverish, 8),
            (self._settle, 8),
            (self._transfer, 12),
            (self._keep, 2),
            (self._dispute, 5),
        )
        chosen = self.chance.choices([each for each, _ in makers], [each for _, each in makers])
        return chosen[0]()

    def keep(self, trades_max: int) -> Chosen:
        """Return what lets trades be kept."""
        return c.KeepTrades, {"trades_max": trades_max, "operator": 1}

    def _keep(self) -> Chosen:
        return self.keep(self.chance.choice((500,) * 12 + (0, 3, 2000, 1_000_001)))

    def _reference(self) -> bytes:
        if self.chance.random() < 0.02:
            return self.chance.choice((client_id("after-1"), bytes(40)))
        self.references += 1
        return client_id(f"after-{self.references}")

    def _operators(self) -> Place:
        operator, approver = self.chance.choice(((1, 2),) * 30 + ((1, 1), (0, 2), (1, 0)))
        return {"operator": operator, "approver": approver, "reference": self._reference()}

    def _trade(self) -> Place:
        """Name a trade, mostly one of the last, mostly by its true terms."""
        chance = self.chance
        if not self.trades or chance.random() < 0.02:
            unknown = chance.choice((0, 1, self.last_trade_id, self.last_trade_id + 1))
            return self._operators() | {"trade_id": unknown}
        ids = list(self.trades)
        trade = self.trades[chance.choice(ids[-4:] if chance.random() < 0.9 else ids)]
        return self._terms(trade)

    def _terms(self, trade: Any) -> Place:
        fields = {
            "trade_id": trade.trade_id,
            "instrument": trade.instrument,
            "maker_account": trade.maker_account,
            "taker_account": trade.taker_account,
            "price_ticks": trade.price_ticks,
            "quantity_lots": trade.quantity_lots,
        }
        if self.chance.random() < 0.03:
            wrong = self.chance.choice(list(fields)[1:])
            fields[wrong] += 1
        return self._operators() | fields

    def _bust(self) -> Chosen:
        return c.BustTrade, self._trade()

    def _correct(self) -> Chosen:
        return c.CorrectTrade, self._corrected(self._trade())

    def _corrected(self, fields: Place) -> Place:
        chance = self.chance
        lots, price = fields.get("quantity_lots", 5), fields.get("price_ticks", 1000)
        new_lots = chance.choice((lots, lots, lots, lots - 1, max(lots // 2, 1), 1))
        new_price = max(price + chance.choice((0, 1, -1, 100, -100, 2000)), 1)
        if chance.random() < 0.04:
            new_lots = chance.choice((0, -1, lots + 1, 1 << 61))
        if chance.random() < 0.03:
            new_price = chance.choice((0, -1, 1 << 61))
        return fields | {"new_price_ticks": new_price, "new_quantity_lots": new_lots}

    def _impoverish(self) -> Chosen:
        """Take from a party what a trade brought it, and then undo the trade."""
        chance = self.chance
        if not self.trades:
            return self._transfer()
        trade = chance.choice(list(self.trades.values())[-3:])
        base, quote = self.assets_of[trade.instrument]
        party = chance.choice(("maker", "taker"))
        account = getattr(trade, f"{party}_account")
        is_buyer = (party == "taker") == (trade.taker_side == 1)
        asset = base if is_buyer else quote
        balance = getattr(trade, f"{party}_{'base' if is_buyer else 'quote'}_balance")
        left = chance.choice((0, 1, 100, 1 << 20))
        debit = {"asset": asset, "amount_atoms": balance - left, "account": account}
        line = {"account": self.accounts[-1], "asset": asset}
        undo: Chosen = (c.BustTrade, self._terms(trade))
        if chance.random() < 0.4:
            undo = (c.CorrectTrade, self._corrected(self._terms(trade)))
        self.planned = [undo]
        if chance.random() < 0.25:
            lent = (*self.lines.items(), *self.owed.items())
            others = sum(atoms for (_, number), atoms in lent if number == asset)
            others -= self.lines.get((self.accounts[-1], asset), 0)
            largest = {"credit_line_atoms": LARGEST_LINE - others - chance.choice((0, 5))}
            self.planned = [
                (c.SetAssetLimits, line | largest),
                undo,
                (c.SetAssetLimits, line),
            ]
        credit = {"account": account, "asset": asset, "amount_atoms": 1 << 44}
        self.planned += [
            (c.Debit, {"account": account, "asset": asset, "amount_atoms": 1}),
            (c.Resume, {"scope": Scope.ACCOUNT, "target": account}),
            (c.Credit, credit | {"reference": self._reference()}),
        ]
        self.planned[-3][1]["reference"] = self._reference()
        if chance.random() < 0.4:
            return c.Debit, debit | {"reference": self._reference()}
        # Without open orders more can be taken.
        switch = {"scope": Scope.ACCOUNT, "target": account}
        self.planned.insert(0, (c.Debit, debit | {"reference": self._reference()}))
        return c.Kill, switch | {"cancel_orders": 1}

    def _settle(self) -> Chosen:
        chance = self.chance
        owing = [(key, atoms) for key, atoms in self.owed.items() if atoms]
        if not owing or chance.random() < 0.1:
            fields: Place = {"account": chance.choice((11, 99)), "asset": 1, "amount_atoms": 5}
            return c.SettleReceivable, self._operators() | fields
        (account, asset), atoms = chance.choice(owing)
        amount = chance.choice((atoms, atoms, atoms, atoms // 2 or 1, atoms + 1))
        if amount == atoms:
            self.planned = [(c.Resume, {"scope": Scope.ACCOUNT, "target": account})]
        fields = {"account": account, "asset": asset, "amount_atoms": amount}
        return c.SettleReceivable, self._operators() | fields

    def _transfer(self) -> Chosen:
        chance = self.chance
        pair = chance.choice(((11, 12),) * 5 + ((12, 11), (21, 22), (22, 21), (11, 21), (11, 11)))
        if chance.random() < 0.03:
            pair = chance.choice(((11, 99), (99, 11)))
        fields = {
            "account": pair[0],
            "to_account": pair[1],
            "asset": chance.choice((1, 2, 3)) if chance.random() < 0.97 else 9,
            "amount_atoms": chance.choice((1, 1000, 1 << 30, 1 << 40, 1 << 50, 0, -1, 1 << 62)),
            "reference": self._reference(),
        }
        if chance.random() < 0.5:
            return c.TransferFunds, self._operators() | fields
        session = {11: 1, 12: 1, 21: 2, 22: 2}.get(pair[0], 9)
        return c.TransferFunds, fields | {"session": session, "connection": chance.randint(1, 3)}

    def _dispute(self) -> Chosen:
        chance = self.chance
        trade = chance.choice(list(self.trades.values())) if self.trades else None
        return c.DisputeTrade, {
            "account": 11 if trade is None else trade.maker_account,
            "session": chance.choice((1, 2, 3, 4)) if trade is None else trade.maker_session,
            "connection": 1 if trade is None else trade.maker_connection,
            "reason": chance.choice((1, 2, 3, 4, 5, 6, 7, 7, 7, 0, 8)),
            "side": 1,
            "instrument": 1,
            "event_number": 0 if trade is None else trade.number,
            "client_order_id": client_id("dispute"),
        }

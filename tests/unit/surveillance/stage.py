"""Planted patterns: orders through the real engine, and what surveillance says of its events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading import events as e
from services.surveillance.alerts import Alert
from services.surveillance.parameters import Parameters, read_parameters
from services.surveillance.watch import Watch
from tests.unit.engine.scenario import ALICE, SESSION_OF, Market

ROOT = Path(__file__).resolve().parents[3]
CONFIGURED = read_parameters(ROOT / "config" / "surveillance.toml")

DORA, EVE = 22, 41
"""Dora trades for Bob's firm in an owner group of her own; Eve for a firm of her own, alone."""

SESSIONS_MORE = {DORA: 2, EVE: 4}


def tuned(**tables: dict[str, Any]) -> Parameters:
    """Return the configured parameters with some of them changed."""
    changed = {
        name: msgspec.structs.replace(getattr(CONFIGURED, name), **values)
        for name, values in tables.items()
    }
    return msgspec.structs.replace(CONFIGURED, **changed)


class Stage(Market):
    """A market with a watch over all that its engine says."""

    def __init__(self, parameters: Parameters = CONFIGURED, **fields: Any) -> None:
        self.watch = Watch(parameters)
        self.alerts: list[Alert] = []
        super().__init__(**fields)
        self.send(c.CreateFirm, firm=4, name=padded_text("F4", 32))
        for account, firm, group in ((DORA, 2, 7), (EVE, 4, 0)):
            self.send(
                c.CreateAccount,
                account=account,
                firm=firm,
                owner_group=group,
                account_kind=1,
                self_trade_prevention=1,
                name=padded_text(f"A{account}", 32),
            )
            self.send(c.SetAccountLimits, account=account, open_orders_max=100)
            self.send(
                c.GrantSession,
                account=account,
                session=firm,
                rights=3,
                firm=firm,
                name=padded_text(f"S{firm}", 32),
            )
            for asset in (1, 2):
                self.credit(account, asset, 1_000_000_000_000)
        self.open(4, connection=1)

    def place(self, *, account: int = ALICE, client: str | None = None, **fields: Any) -> list[str]:
        session = SESSIONS_MORE.get(account) or SESSION_OF[account]
        return super().place(account=account, client=client, session=session, **fields)

    def apply(self, record: bytes) -> list[str]:
        lines = super().apply(record)
        found = self.watch.see(b"".join(each.pack() for each in self.records))
        self.alerts += found.alerts
        return lines

    def kinds(self) -> list[str]:
        return [str(alert.kind) for alert in self.alerts]

    def placed(self) -> int:
        """Return the number of the order that was placed last."""
        return int(self.event(e.OrderAccepted).order_id)

    def trade(self, maker: int, taker: int, lots: int, at: int, *, is_buy: bool = True) -> None:
        """Let a taker take all of a maker's order that was placed just before."""
        place = (self.sell, self.buy) if is_buy else (self.buy, self.sell)
        place[0](lots, at, account=maker)
        place[1](lots, at, account=taker)

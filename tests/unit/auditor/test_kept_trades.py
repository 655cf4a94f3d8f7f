"""The auditor keeps the trades that the engine keeps, and forgets the oldest."""

from __future__ import annotations

from typing import Any

import msgspec

from auditor.audit import EventAudit
from auditor.findings import Findings
from auditor.picture import Picture
from messages.trading import commands as c
from tests.unit.engine.scenario import ALICE, BOB, Market

KEPT = 3


class Audited(Market):
    """A market beside its audit."""

    def __init__(self, **fields: Any) -> None:
        self.findings = Findings()
        self.audit = EventAudit(Picture(), self.findings)
        super().__init__(**fields)

    def apply(self, record: bytes) -> list[str]:
        lines = super().apply(record)
        self.audit.see(b"".join(each.pack() for each in self.records))
        return lines

    def trade(self) -> None:
        self.sell(1, 100, account=ALICE)
        self.buy(1, 100, account=BOB)

    def kept(self) -> list[int]:
        assert list(self.findings.kept) == []
        return list(self.audit.picture.trades)


def test_of_more_trades_than_are_kept_the_oldest_are_forgotten() -> None:
    market = Audited()
    market.send(c.KeepTrades, trades_max=KEPT)
    for _ in range(KEPT):
        market.trade()
    assert market.kept() == [1, 2, 3]
    market.trade()
    assert market.kept() == [2, 3, 4]


def test_fewer_are_kept_from_the_next_trade_on_when_the_bound_is_lowered() -> None:
    market = Audited()
    market.send(c.KeepTrades, trades_max=KEPT)
    for _ in range(KEPT):
        market.trade()
    market.send(c.KeepTrades, trades_max=1)
    market.trade()
    assert market.kept() == [4]


def test_a_picture_that_was_written_down_forgets_in_the_same_order() -> None:
    market = Audited()
    market.send(c.KeepTrades, trades_max=KEPT)
    for _ in range(KEPT + 1):
        market.trade()
    written = msgspec.msgpack.encode(market.audit.picture)
    market.audit = EventAudit(msgspec.msgpack.decode(written, type=Picture), market.findings)
    market.trade()
    assert market.kept() == [3, 4, 5]

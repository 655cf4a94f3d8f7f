"""One day with every pattern in it, as batches of events."""

from __future__ import annotations

from functools import cache

from messages.trading.terms import Phase
from settlement.adapters.memory import MemoryBatch
from tests.unit.engine.scenario import ALAN, ALICE, BOB, CAROL, SECOND
from tests.unit.surveillance.stage import DORA, EVE, Stage, tuned

PARAMETERS = tuned(
    stuffing={"messages_min": 40, "messages_per_trade_min": 20}, wash={"attempts_min": 3}
)


class Recorded(Stage):
    """A stage that keeps what its engine said, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[MemoryBatch] = []
        super().__init__(PARAMETERS)

    def apply(self, record: bytes) -> list[str]:
        lines = super().apply(record)
        data = b"".join(each.pack() for each in self.records)
        first = self.batches[-1].last + 1 if self.batches else 1
        if data:
            self.batches.append(MemoryBatch(first, first + len(self.records) - 1, data))
        return lines


@cache
def day() -> Recorded:
    """Return a day that has all kinds of alerts."""
    stage = Recorded()
    for _ in range(6):
        stage.trade(BOB, CAROL, 10, 1000)
        stage.later(3 * SECOND)
    stage.trade(BOB, DORA, 5, 1000)
    for _ in range(3):
        stage.sell(5, 1000, account=ALICE)
        stage.buy(5, 1000, account=ALAN)
        stage.mass_cancel(3, account=ALAN)
        stage.trade(EVE, CAROL, 7, 1000)
        stage.trade(CAROL, EVE, 7, 1000)
    for prices in ((990,), (990, 991, 992)):
        stage.later(60 * SECOND)
        stage.sell(10, 1001, account=BOB)
        orders = []
        for price in prices:
            stage.buy(50, price, account=BOB)
            orders.append(stage.placed())
        stage.buy(10, 1001, account=EVE)
        for order in orders:
            stage.cancel(order, account=BOB)
    for _ in range(20):
        stage.buy(1, 50, account=CAROL)
        stage.cancel(stage.placed(), account=CAROL)
    stage.later(SECOND)
    stage.buy(1000, 990, account=CAROL)
    stage.buy(1, 1060, account=EVE)
    stage.sell(1, 1060, account=BOB)
    stage.later(70 * SECOND)
    stage.trade(BOB, EVE, 10, 1010, is_buy=False)
    stage.phase(Phase.CLOSED)
    return stage

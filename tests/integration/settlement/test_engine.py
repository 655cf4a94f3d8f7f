"""The engines' own events, of every kind, through to the ledger and back to their answers.

They and their flow share nothing with settlement but the vocabulary.
"""

import random
from itertools import product

import pytest

from messages.layout import RECORD_PREFIX
from runtime.feed import LinkFeed
from runtime.postgres import Connection
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.ports import EventFeed
from settlement.reconcile import AssetSum, Debt, EngineFigures, Holding, RfqHold
from settlement.reconcile_loader import reconcile
from tests.integration.settlement.conftest import settle
from tests.property.flow import Flow
from tests.unit.settlement.flow import VENUE
from venue.engines import ENGINES, create_engine
from venue.ports import Engine


def figures(engine: Engine) -> EngineFigures:
    return EngineFigures(
        event_number=engine.last_event,
        balances=[Holding(*row) for row in engine.balances()],
        assets=[AssetSum(*row) for row in engine.assets()],
        receivables=[Debt(*row) for row in engine.receivables()],
        rfq_holds=[RfqHold(*row) for row in engine.rfq_holds()],
    )


def count_of(data: bytes) -> int:
    count = offset = 0
    while offset < len(data):
        offset += RECORD_PREFIX.unpack_from(data, offset)[0]
        count += 1
    return count


@pytest.mark.parametrize("commands", [4_000, pytest.param(60_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(("name", "calm"), list(product(ENGINES, [True, False])))
async def test_the_ledger_agrees_with_the_engine_on_everything(
    ledger_dsn: str,
    owner: Connection,
    chance: random.Random,
    *,
    name: str,
    calm: bool,
    commands: int,
) -> None:
    engine, batches, last = create_engine(name), list[MemoryBatch](), 0
    moments = []
    for index, (_, events) in enumerate(
        Flow(chance.getrandbits(32), calm=calm).run(engine, commands)
    ):
        if events:
            batches.append(MemoryBatch(last + 1, last + count_of(events), events))
            last = batches[-1].last
        if index % (commands // 4) == 0 and last:
            moments.append(figures(engine))
    moments.append(figures(engine))

    await settle(ledger_dsn, batches, batch_events_max=chance.randint(50, 2_000))

    for moment in moments:
        report = await reconcile(owner, moment)
        assert report.differences == []
        # What was compared was something.
        assert report.counts["trades"] > 0


def test_both_feeds_are_what_settlement_asks_for() -> None:
    memory: EventFeed = MemoryFeed([], venue=VENUE)
    link: EventFeed = LinkFeed("unix:nowhere", "settlement", b"token", venue=VENUE)
    assert memory.venue == link.venue == VENUE

"""The operators' plane over a real ledger: what the house posts, and what the books refuse it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.admin.live_ledger import LiveLedger
from exchange.admin.refusals import AdminRefusedError
from exchange.directory import Directory
from exchange.errors import CommandError
from runtime.postgres import Connection
from tests.unit.exchange.plane_desk import PlaneDesk

EARNED = {
    "cause": "insurance_funded",
    "giver": "fees_taken",
    "taker": "insurance",
    "asset": "USD",
}


@pytest.fixture
async def desk(tmp_path: Path, ledger_dsn: str, owner: Connection) -> PlaneDesk:
    """A plane whose ledger is PostgreSQL, where 100 of fees were paid in USD."""
    desk = PlaneDesk(tmp_path)
    path = desk.config / "venue.toml"
    text = path.read_text()
    assert text.count('\ndsn = ""') == 1
    path.write_text(text.replace('\ndsn = ""', f'\ndsn = "{ledger_dsn}"'))
    known = Directory(await desk.venue.definitions())
    usd = known.asset("USD")
    earned = known.atoms(usd, "100")
    insert = "insert into settlement.assets values ($1, 'USD', $2, $3, 1)"
    await owner.execute(insert, usd.asset, usd.scale, earned)
    await owner.execute(
        "insert into settlement.entries values (5, 1, 20, 11, 0, $1, -$2::bigint, 0),"
        " (5, 2, 10, 2, 0, $1, $2::bigint, 0)",
        usd.asset,
        earned,
    )
    desk.ledger = LiveLedger(desk.state, desk.config)  # type: ignore[assignment]
    desk.restarted()
    return desk


async def test_a_house_posting_is_made_and_one_that_breaks_a_rule_is_refused_on_record(
    desk: PlaneDesk, owner: Connection
) -> None:
    made = await desk.agreed("house", **EARNED, amount="70")
    assert made.said.endswith("from fees_taken to insurance: done, house posting 1")

    proposed = await desk.act("ann", "house", **EARNED, amount="30.01")
    with pytest.raises(CommandError, match="more would be taken than was earned, by 1"):
        await desk.approve("ben", proposed)
    last = desk.entries()[-1]
    assert (last.step, last.action, last.operator) == ("refused", "house", "ben")
    assert "more would be taken than was earned" in last.outcome
    with pytest.raises(AdminRefusedError, match="refused: the ledger refuses the posting"):
        await desk.approve("ben", proposed)

    rows = await owner.fetch("select posting, operator, approver from settlement.house_postings")
    assert [tuple(row) for row in rows] == [(1, 1, 2)]

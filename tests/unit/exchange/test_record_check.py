"""What the record does not explain is found: unsigned, alone, or beside the plane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from exchange.admin.record import Entry
from exchange.admin.record_check import event_findings, record_findings
from exchange.errors import VenueAwayError
from exchange.operators import Operators
from messages.trading import commands
from messages.trading.identity import client_id
from tests.unit.exchange.plane_desk import PlaneDesk

MONEY = {"account": "MM1", "asset": "USD", "amount": "1000", "reference": "r-1"}


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


def findings(desk: PlaneDesk) -> tuple[list[str], list[str]]:
    entries = list(desk.plane.record.entries())
    operators = desk.operators.all()
    recorded = {event: entry for _, entry in entries for event in entry.events}
    names = {each.number: each.name for each in operators}
    return record_findings(entries, operators), event_findings(desk.venue.told, recorded, names)


async def a_day(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    await desk.act("ann", "kill", scope="venue")
    await desk.agreed("resume", scope="venue")
    await desk.agreed("limits", account="MM1", asset="USD", credit_line="5", open_orders=9)
    path = desk.config / "instruments.toml"
    path.write_text(path.read_text().replace('notional_max = "50000000"', 'notional_max = "9"', 1))
    await desk.agreed("apply")
    await desk.agreed("operators.change", name="cid", public_key="cd" * 32)
    await desk.act("ann", "operators.revoke", name="cid")


async def test_a_day_of_operators_is_explained(desk: PlaneDesk) -> None:
    await desk.act("cid", "phase", instrument="BTC-USD", phase="halted")
    await a_day(desk)
    assert findings(desk) == ([], [])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (commands.Credit.make(operator=1, approver=2, reference=client_id("x")), "CREDIT by oper"),
        (commands.Credit.make(reference=client_id("x")), "BalanceChanged CREDIT by operator 0"),
        (commands.Resume.make(scope=1), "Resumed by operator 0 is on no record"),
        (commands.SetAssetLimits.make(credit_line_atoms=9, operator=2), "AssetLimitsSet by oper"),
    ],
)
async def test_what_came_in_beside_the_plane_is_found(
    desk: PlaneDesk, command: commands.Command, said: str
) -> None:
    await a_day(desk)
    fields = {"account": 1001, "asset": 1, "amount_atoms": 7}
    there = {name: value for name, value in fields.items() if hasattr(command, name)}
    desk.venue.apply(msgspec.structs.replace(command, **there))
    found = findings(desk)[1]
    assert len(found) == 1
    assert said in found[0]


async def test_an_outcome_that_was_lost_is_found_until_somebody_finds_out(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    proposed = await desk.act("ann", "debit", **MONEY | {"reference": "d-1"})
    desk.venue.loses_answers = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.loses_answers = False
    assert len(findings(desk)[1]) == 1


def _unsigned(entry: Entry) -> Entry:
    assert entry.request is not None
    return msgspec.structs.replace(
        entry, request=msgspec.structs.replace(entry.request, body='{"reason":"another"}')
    )


def _by_another(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, operator="ben")


@pytest.mark.parametrize("change", [_unsigned, _by_another])
async def test_a_record_written_anew_by_somebody_else_is_found(
    desk: PlaneDesk, change: Callable[[Entry], Entry]
) -> None:
    await desk.act("ann", "kill", scope="venue")
    entries = [
        (number, change(entry))
        for number, entry in desk.plane.record.entries()
        if entry.step != "founded"
    ]
    said = record_findings(entries, desk.operators.all())
    assert len(said) == len(entries)
    assert "did not sign kill" in said[0]


async def test_an_approval_that_is_missing_or_ones_own_is_found(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    entries = list(desk.plane.record.entries())
    operators = desk.operators.all()
    for wrong in (
        [each for each in entries if each[1].step != "approved"],
        [each for each in entries if each[1].step != "proposed"],
    ):
        assert record_findings(wrong, operators) == [
            "entry 6: credit was done, and two did not agree"
        ]
    alone = [
        (number, msgspec.structs.replace(entry, proposal=""))
        for number, entry in entries
        if entry.step == "done"
    ]
    assert record_findings(alone, operators) == ["entry 6: credit takes two, and one did it"]


async def test_a_key_that_nobody_let_in_signs_nothing(desk: PlaneDesk, tmp_path: Path) -> None:
    elsewhere = Operators(tmp_path / "elsewhere")
    elsewhere.found(["ann", "eve"])
    await desk.act("ann", "kill", scope="venue")
    entries = [each for each in desk.plane.record.entries() if each[1].step != "founded"]
    assert record_findings(entries, desk.operators.all()) == []
    assert len(record_findings(entries, elsewhere.all())) == 2

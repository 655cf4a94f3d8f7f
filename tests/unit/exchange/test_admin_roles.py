"""Role by action, cell by cell: the table in the document, the code, and what the plane does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from exchange.admin.catalogue import ACTIONS
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import MATRIX, READ, Persons, Role, may
from exchange.commands.admin_arguments import ACTIONS as ARGUMENTS
from exchange.commands.admin_arguments import destination
from exchange.errors import CommandError
from messages.trading import commands
from tests.unit.exchange.plane_desk import ROOT, PlaneDesk

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
MONEY = {"account": "MM1", "asset": "BTC", "amount": "1"}
BODIES: dict[str, dict[str, Any]] = {
    "kill": {"scope": "firm", "target": "MM1"},
    "resume": {"scope": "firm", "target": "MM1"},
    "phase": {"instrument": "BTC-USD", "phase": "halted"},
    "announce": {"stop_in": 10},
    "apply": {},
    "revoke": {"session": "INST1-DC", "account": "INST1"},
    "drill.kill": {"scope": "venue", "stops_trading": True},
    "limits": {"account": "MM1", "open_orders": 5},
    "protection": {"account": "MM1", "group": 7, "base": "BTC", "trades_max": 3},
    "bust": {"trade": 1},
    "correct": {"trade": 1, "price": "60001"},
    "credit": MONEY | {"reference": "r-1"},
    "debit": MONEY | {"reference": "r-2"},
    "reward": MONEY | {"reference": "r-6"},
    "adjust.up": MONEY | {"reference": "r-7"},
    "adjust.down": MONEY | {"reference": "r-8"},
    "reserve": MONEY | {"reference": "r-3"},
    "commit": {"account": "MM1", "reference": "r-4"},
    "release": {"account": "MM1", "reference": "r-5"},
    "transfer": MONEY | {"to": "MM2"},
    "settle": MONEY,
    "house": {
        "cause": "custody_moved",
        "giver": "custody_hot",
        "taker": "clearing",
        "asset": "BTC",
        "amount": "2",
    },
    "cycles.close": {"reference": "eod"},
    "cycles.confirm": {"instructions": [3]},
    "cycles.fail": {"cycle": 2, "account": "INST1"},
    "cycles.mode": {"account": "INST1", "mode": "gross", "reference": "m-1"},
    "fees.assign": {"account": "INST1", "schedule": 2},
    "fees.recompute": {},
    "keys.add": {"session": "MM1", "ed25519": KEY},
    "keys.rotate": {"session": "MM1", "ed25519": KEY},
    "keys.revoke": {"session": "MM1", "key": "MM1-1"},
    "operators.add": {"name": "dan", "number": 9, "public_key": "ab" * 32, "roles": ["viewer"]},
    "operators.change": {"name": "cid", "roles": ["viewer"]},
    "operators.revoke": {"name": "cid"},
}
NOT_ACTIONS = {READ}
OF_TRADES = ("bust", "correct")
"""There is no trade here to propose them for; tests/e2e/test_post_trade.py carries them out."""


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


def documented() -> dict[str, tuple[set[Role], Persons]]:
    text = (ROOT / "docs" / "operators.md").read_text()
    heading = re.search(r"^\| action \|(.*)\| operators \|$", text, re.MULTILINE)
    assert heading is not None
    roles = [Role(name.strip()) for name in heading[1].split("|")]
    table = {}
    for line in text[heading.end() :].splitlines()[2:]:
        if not line.startswith("|"):
            break
        name, *cells, persons = [cell.strip() for cell in line.strip("|").split("|")]
        allowed = {role for role, cell in zip(roles, cells, strict=True) if cell == "yes"}
        table[name.strip("`")] = (allowed, Persons(persons))
    return table


def test_the_document_says_what_the_code_does() -> None:
    assert documented() == {
        name: (set(roles), persons) for name, (roles, persons) in MATRIX.items()
    }


def test_every_action_has_roles_a_body_and_arguments() -> None:
    assert set(ACTIONS) == set(MATRIX) - NOT_ACTIONS
    assert set(ARGUMENTS) == set(ACTIONS) == set(BODIES)
    for name, (_, arguments) in ARGUMENTS.items():
        fields = set(ACTIONS[name].__struct_fields__)
        assert fields == {"reason", *map(destination, arguments)}, name


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", sorted(BODIES))
async def test_a_cell(desk: PlaneDesk, role: Role, action: str) -> None:
    desk.give("ann", role)
    allowed, persons = MATRIX[action]
    if role not in allowed:
        before = len(desk.venue.asked)
        with pytest.raises(AdminRefusedError) as refused:
            await desk.act("ann", action, **BODIES[action])
        assert refused.value.code is AdminCode.ROLE_MISSING
        assert len(desk.venue.asked) == before
        assert [entry.step for entry in desk.entries()][-1:] == ["refused"]
        return
    try:
        outcome = await desk.act("ann", action, **BODIES[action])
    except CommandError:
        # Allowed, and impossible on a fresh venue: there is no such trade, withdrawal or gateway.
        assert action in ("bust", "correct", "release", "keys.revoke", "announce", "reserve")
        return
    if persons is Persons.TWO:
        assert outcome.proposal is not None
        assert not desk.venue.asked, "nothing is done before a second operator agrees"
    else:
        assert outcome.proposal is None
        assert all(_names(command, 1, 0) for command in desk.venue.asked)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "action",
    sorted(
        name for name, cell in MATRIX.items() if cell[1] is Persons.TWO and name not in OF_TRADES
    ),
)
async def test_an_approver_needs_the_role_of_the_action(
    desk: PlaneDesk, role: Role, action: str
) -> None:
    proposed = await desk.act("ann", action, **BODIES[action])
    desk.give("ben", role)
    if may((role,), action):
        try:
            await desk.approve("ben", proposed)
        except CommandError:
            # The venue's own no, to what nobody has or owes; the two operators were let through.
            assert action in ("debit", "adjust.down", "commit", "transfer", "settle", "keys.rotate")
        if ACTIONS[action].NEEDS_VENUE and action not in ("apply", "resume", "house"):
            assert any(_names(command, 1, 2) for command in desk.venue.asked)
        if action == "house":
            (posting,) = desk.ledger.postings
            assert (posting.operator, posting.approver) == (1, 2)
        return
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", proposed)
    assert refused.value.code is AdminCode.ROLE_MISSING
    assert not desk.venue.asked


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_with_a_role_may_read_and_nobody_without(
    desk: PlaneDesk, role: Role
) -> None:
    desk.give("ann", role)
    assert desk.plane.reader(desk.signed("ann", "/v1/me", {})).name == "ann"
    desk.give("ann")
    with pytest.raises(AdminRefusedError, match="has none"):
        desk.plane.reader(desk.signed("ann", "/v1/me", {}))


def _names(command: commands.Command, operator: int, approver: int) -> bool:
    there = (getattr(command, "operator", None), getattr(command, "approver", None))
    return there == (operator, approver)

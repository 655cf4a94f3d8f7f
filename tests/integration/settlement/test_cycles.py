"""Net settlement against an independent model, in a real database."""

from __future__ import annotations

import random

import asyncpg
import pytest

from runtime.postgres import Connection
from settlement import cycle_queries
from settlement.cycle_check import cycle_findings, settled_amounts
from settlement.cycle_terms import InstructionState, SettlementCode, SettlementMode
from settlement.cycles import close_cycle
from settlement.errors import SettlementRefusedError
from settlement.instructions import Chosen, confirm, fail
from settlement.modes import set_mode
from settlement.netting import JournalLine, ModeChange, net
from tests.integration.settlement.cycle_model import Model, ModelInstruction

TABLES = ("decisions", "account_modes", "cycles", "obligations", "instructions",
          "instruction_events")  # fmt: skip


@pytest.fixture
async def model(application: Connection, chance: random.Random) -> Model:
    made = Model(application, chance)
    await made.found()
    return made


async def close(model: Model) -> None:
    await close_cycle(model.connection, model.ask())
    model.closed()


async def decide(model: Model) -> None:
    """Confirm or fail an instruction, or try what must be refused."""
    instruction = model.chance.choice(model.instructions)
    if not instruction.is_open:
        await refused(model, instruction, SettlementCode.INSTRUCTION_IS_OVER)
    elif model.chance.random() < 0.25:
        await fail(model.connection, model.ask(), Chosen(numbers=(instruction.number,)))
        model.failed(instruction)
    else:
        await confirm_some(model, instruction)


async def refused(
    model: Model, instruction: ModelInstruction, code: SettlementCode, amount: int | None = None
) -> SettlementRefusedError:
    with pytest.raises(SettlementRefusedError) as caught:
        await confirm(
            model.connection,
            model.ask(),
            Chosen(numbers=(instruction.number,)),
            amount_atoms=amount,
        )
    assert caught.value.code is code
    return caught.value


async def confirm_some(model: Model, instruction: ModelInstruction) -> None:
    rest = abs(instruction.rest)
    amount = model.chance.choice((rest, model.chance.randint(1, rest), rest + 1))
    if amount > rest:
        error = await refused(model, instruction, SettlementCode.AMOUNT_ABOVE_REST, amount)
        assert (error.limit, error.usage) == (rest, amount)
        return
    settled = model.settled(instruction.account, instruction.asset)
    if instruction.account and instruction.amount < 0 and settled < amount:
        error = await refused(model, instruction, SettlementCode.NOT_COVERED, amount)
        assert (error.limit, error.usage) == (max(settled, 0), amount)
        return
    chosen = Chosen(numbers=(instruction.number,))
    ask = model.ask()
    outcome = await confirm(model.connection, ask, chosen, amount_atoms=amount)
    model.confirmed(instruction, amount)
    assert not outcome.is_repeat
    repeated = await confirm(model.connection, ask, chosen, amount_atoms=amount)
    assert (repeated.decision, repeated.is_repeat) == (outcome.decision, True)


async def change_mode(model: Model) -> None:
    account = model.chance.choice(sorted(model.mode))
    mode = model.chance.choice(list(SettlementMode))
    if mode is model.mode[account]:
        with pytest.raises(SettlementRefusedError) as caught:
            await set_mode(model.connection, model.ask(), account=account, mode=mode)
        assert caught.value.code is SettlementCode.MODE_HOLDS_ALREADY
        return
    await set_mode(model.connection, model.ask(), account=account, mode=mode)
    model.mode[account] = mode
    model.decisions += 1


async def step(model: Model) -> None:
    what = model.chance.choices(
        ("trade", "bust", "correct", "credit", "close", "decide", "mode"), (10, 2, 2, 1, 2, 6, 1)
    )[0]
    if what in ("bust", "correct") and not model.trades:
        what = "trade"
    if what == "decide" and not model.instructions:
        what = "close"
    match what:
        case "trade":
            await model.trade()
        case "bust":
            await model.bust()
        case "correct":
            await model.correct()
        case "credit":
            await model.credit(model.chance.choice(sorted(model.mode)), 1, 100)
        case "close":
            await close(model)
        case "decide":
            await decide(model)
        case _:
            await change_mode(model)


async def agree(model: Model) -> None:
    """Compare everything that can be asked with what the model says."""
    connection = model.connection
    rows = await cycle_queries.unsettled(connection)
    assert {(r.party, r.account, r.asset): r.unsettled_atoms for r in rows} == model.unsettled()
    sums: dict[int, int] = {}
    for row in rows:
        sums[row.asset] = sums.get(row.asset, 0) + row.unsettled_atoms
    open_rows = await cycle_queries.open_cycle(connection)
    assert {(r.party, r.account, r.asset): r.amount_atoms for r in open_rows} == {
        key: atoms for key, atoms in model.open.items() if atoms
    }
    told = await cycle_queries.instructions(connection)
    assert [
        (r.instruction, r.cycle, r.party, r.account, r.asset, r.attempt, r.amount_atoms,
         r.confirmed_atoms, r.state, r.age_cycles)
        for r in told
    ] == [
        (m.number, m.cycle, m.party, m.account, m.asset, m.attempt, m.amount, m.confirmed,
         m.state, model.cycles - m.cycle)
        for m in model.instructions
    ]  # fmt: skip
    decisions = await connection.fetchval("select count(*) from settlement.decisions")
    assert decisions == model.decisions


async def obligations_by_the_pure_function(
    connection: Connection,
) -> dict[int, dict[tuple[int, int, int], int]]:
    """Net every cycle again, from entries and modes alone."""
    modes: dict[int, list[ModeChange]] = {}
    for account, *change in await connection.fetch(
        "select account, after_event, decision, mode from settlement.account_modes"
    ):
        modes.setdefault(account, []).append(ModeChange(*change))
    found = {}
    for cycle, after, through in await connection.fetch(
        "select cycle, after_event, through_event from settlement.cycles"
    ):
        lines = await connection.fetch(
            "select event_number, cause, account, asset, amount_atoms from settlement.entries"
            " where event_number > $1 and event_number <= $2",
            after,
            through,
        )
        netted = net((JournalLine(*line) for line in lines), modes)
        found[cycle] = {(*owed,): atoms for owed, atoms in netted.items()}
    return found


@pytest.mark.parametrize("steps", [250, pytest.param(4_000, marks=pytest.mark.long)])
async def test_settlement_is_what_the_model_says(model: Model, steps: int) -> None:
    for at in range(steps):
        await step(model)
        if at % 10 == 0:
            await agree(model)
    await close(model)
    await agree(model)
    states = {each.state for each in model.instructions}
    assert len(states) == 4, f"the run reached {states} only"

    stored: dict[int, dict[tuple[int, int, int], int]] = {n + 1: {} for n in range(model.cycles)}
    for row in await cycle_queries.obligations(model.connection):
        stored[row.cycle][row.party, row.account, row.asset] = row.amount_atoms
    assert await obligations_by_the_pure_function(model.connection) == stored
    assert await cycle_findings(model.connection, findings_max=100) == []
    for have in await settled_amounts(model.connection, model.event):
        assert have.settled_atoms == model.settled(have.account, have.asset)
        balance = model.balance[have.account, have.asset]
        assert have.settled_atoms + have.unsettled_atoms == balance


async def test_a_cycle_takes_what_came_before_its_cutoff(model: Model) -> None:
    model.mode = {13: model.mode[13], 14: model.mode[14]}
    await model.trade()
    before = {key: atoms for key, atoms in model.open.items() if atoms}
    through, cutoff_ns = model.event, model.time_ns + 1
    await model.trade()

    cycle = await close_cycle(model.connection, model.ask("day one"), cutoff_ns=cutoff_ns)

    assert (cycle.cycle, cycle.after_event, cycle.through_event) == (1, 0, through)
    rows = await cycle_queries.obligations(model.connection)
    assert {(r.party, r.account, r.asset): r.amount_atoms for r in rows} == before
    again = await close_cycle(model.connection, model.ask("day one"), cutoff_ns=cutoff_ns)
    assert again == cycle
    with pytest.raises(SettlementRefusedError) as caught:
        await close_cycle(model.connection, model.ask("day one"), cutoff_ns=cutoff_ns + 1)
    assert caught.value.code is SettlementCode.REFERENCE_IN_USE


async def test_an_instruction_that_failed_is_asked_again_for_what_is_left(model: Model) -> None:
    model.mode = {13: model.mode[13], 14: model.mode[14]}
    await model.trade()
    await close(model)
    due = next(i for i in model.instructions if i.account and i.amount < -1)
    await confirm(model.connection, model.ask(), Chosen(numbers=(due.number,)), amount_atoms=1)
    model.confirmed(due, 1)
    await fail(model.connection, model.ask(), Chosen(numbers=(due.number,)))
    model.failed(due)
    await close(model)
    await close(model)
    await agree(model)

    again = model.instructions[-1]
    assert (again.attempt, again.amount) == (2, due.amount + 1)
    rows = await cycle_queries.instructions(model.connection, numbers=[again.number])
    assert [(row.cycle, row.issued_in, row.age_cycles) for row in rows] == [(1, 2, 2)]


async def test_a_cycles_open_instructions_are_confirmed_together_or_not_at_all(
    model: Model,
) -> None:
    for _ in range(30):
        await model.trade()
    await close(model)
    short = next(i for i in model.instructions if i.account and i.amount < 0)
    await model.debit(short.account, short.asset, model.settled(short.account, short.asset))

    with pytest.raises(SettlementRefusedError, match="NOT_COVERED"):
        await confirm(model.connection, model.ask(), Chosen(cycle=1))
    await agree(model)

    await model.credit(short.account, short.asset, -short.amount)
    outcome = await confirm(model.connection, model.ask("all"), Chosen(cycle=1))
    assert outcome.instructions == len(model.instructions)
    assert await cycle_queries.unsettled(model.connection) == []
    assert (await confirm(model.connection, model.ask("all"), Chosen(cycle=1))).is_repeat
    with pytest.raises(SettlementRefusedError, match="NO_SUCH_CYCLE"):
        await confirm(model.connection, model.ask("more"), Chosen(cycle=1))


@pytest.mark.parametrize("table", TABLES)
async def test_what_was_decided_is_never_changed_or_removed(
    model: Model, owner: Connection, table: str
) -> None:
    await model.trade()
    await close(model)
    column = KEYS[table]
    for statement in ("update {0} set {1} = 9", "delete from {0}", "truncate {0} cascade"):
        for connection in (model.connection, owner):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(f"settlement.{table}", column))


KEYS = {
    "decisions": "operator", "account_modes": "mode", "cycles": "cycle", "obligations": "cycle",
    "instructions": "attempt", "instruction_events": "kind",
}  # fmt: skip


async def test_obligations_that_do_not_sum_to_zero_are_refused(model: Model) -> None:
    await close(model)
    with pytest.raises(asyncpg.CheckViolationError, match="cycle 1 do not balance: asset 1"):
        await model.connection.execute(
            "insert into settlement.obligations values (1, 1, 13, 1, 5), (1, 2, 0, 1, -4)"
        )


async def test_cycles_and_decisions_leave_no_gap(model: Model) -> None:
    await close(model)
    row = "insert into settlement.decisions values ($1, 1, 7, $2, '', '{}', 0, 0)"
    with pytest.raises(asyncpg.CheckViolationError, match="decision 3 does not follow decision 1"):
        await model.connection.execute(row, 3, "three")
    await model.connection.execute(row, 2, "two")
    for cycle, after in ((3, model.event), (2, model.event + 1), (2, model.event - 1)):
        with pytest.raises(asyncpg.CheckViolationError, match="does not follow cycle 1"):
            await model.connection.execute(
                "insert into settlement.cycles values ($1, $2, $3, '2026-01-01', null, 2)",
                cycle,
                after,
                after + 5,
            )


async def test_the_database_settles_no_instruction_beyond_its_amount(model: Model) -> None:
    model.mode = {13: model.mode[13], 14: model.mode[14]}
    await model.trade()
    await close(model)
    due = next(i for i in model.instructions if abs(i.amount) > 1)
    way = 1 if due.amount > 0 else -1
    await model.connection.execute(
        "insert into settlement.decisions values (2, 2, 7, 'two', '', '{}', 0, 0),"
        " (3, 3, 7, 'three', '', '{}', 0, 0), (4, 2, 7, 'four', '', '{}', 0, 0)"
    )

    async def tell(decision: int, kind: int, amount: int) -> None:
        await model.connection.execute(
            "insert into settlement.instruction_events values ($1, $2, $3, $4)",
            decision, due.number, kind, amount,
        )  # fmt: skip

    for amount in (due.amount + way, -way):
        with pytest.raises(asyncpg.CheckViolationError, match="is over"):
            await tell(2, 1, amount)
    await tell(2, 1, way)
    await tell(3, 2, 0)
    with pytest.raises(asyncpg.CheckViolationError, match="failed 1 times"):
        await tell(4, 1, way)


@pytest.mark.parametrize("state", list(InstructionState))
async def test_a_bust_goes_into_the_open_cycle_whatever_became_of_the_trade(
    model: Model, state: InstructionState
) -> None:
    model.mode = {13: model.mode[13], 14: model.mode[14]}
    for account in model.mode:
        await model.credit(account, 1, 100_000)
    await model.trade()
    await close(model)
    for due in model.instructions:
        chosen = Chosen(numbers=(due.number,))
        if state is InstructionState.FAILED:
            await fail(model.connection, model.ask(), chosen)
            model.failed(due)
        elif state is not InstructionState.PENDING:
            whole = state is InstructionState.SETTLED
            amount = abs(due.amount) if whole else max(1, abs(due.amount) // 2)
            await confirm(model.connection, model.ask(), chosen, amount_atoms=amount)
            model.confirmed(due, amount)
    told = await cycle_queries.obligations(model.connection, cycle=1)

    await model.bust()

    back = await cycle_queries.open_cycle(model.connection)
    assert {(r.party, r.account, r.asset): -r.amount_atoms for r in back} == {
        (r.party, r.account, r.asset): r.amount_atoms for r in told
    }
    await close(model)
    await agree(model)
    assert await cycle_findings(model.connection, findings_max=10) == []

"""Confirming and failing settlement instructions.

An account delivers out of its settled money: what it has at the venue and no cycle still has to
settle. Money that it brings for the purpose is credited first, as a command of the venue; the
confirmation then moves nothing in the engine, it says that a part of the balance is settled.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.postgres import Connection
from settlement.cycle_decisions import Ask, deciding, record
from settlement.cycle_queries import Standing, instructions, unsettled
from settlement.cycle_terms import (
    INSTRUCTIONS_PER_DECISION_MAX,
    DecisionKind,
    InstructionEventKind,
    InstructionState,
    Party,
    SettlementCode,
)
from settlement.errors import SettlementRefusedError

_DIGEST_DIGITS = 16

OPEN_STATES = (InstructionState.PENDING, InstructionState.PARTIALLY_SETTLED)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which instructions a decision is about: some by number, or all open ones of a cycle.

    ``account`` narrows a cycle's to those of one account.
    """

    numbers: tuple[int, ...] = ()
    cycle: int | None = None
    account: int | None = None
    digest: str = ""
    """``digest_of`` what was agreed to; empty takes what is found."""

    def __str__(self) -> str:
        if self.cycle is None:
            return f"instruction {', '.join(map(str, self.numbers))}"
        whose = "" if self.account is None else f" of account {self.account}"
        return f"what is open of cycle {self.cycle}{whose}"

    def request(self) -> dict[str, Any]:
        """Return the choice as part of a decision's request."""
        if self.cycle is None:
            return {"instructions": sorted(self.numbers)}
        return {"cycle": self.cycle, "account": self.account}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a decision: its number, and how many instructions it was about."""

    decision: int
    instructions: int
    is_repeat: bool


def digest_of(found: Sequence[Standing]) -> str:
    """Return a word for instructions and what is left of each: another list has another."""
    told = ",".join(f"{each.instruction}:{each.rest_atoms}" for each in found)
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGEST_DIGITS]


async def confirm(
    connection: Connection, ask: Ask, chosen: Chosen, *, amount_atoms: int | None = None
) -> Outcome:
    """Confirm that instructions were carried out: all of them, or none.

    Args:
        connection: without a transaction, as the application's role.
        ask: who, when and why; a repeat of its reference changes nothing.
        chosen: which; those of a cycle are taken in the order of their numbers.
        amount_atoms: how much of each, above zero; None for what is left.

    Raises:
        SettlementRefusedError: one is over, or not that much is left, or an account that would
            deliver has too little settled money.
    """
    async with deciding(connection):
        request = chosen.request() | {"amount_atoms": amount_atoms}
        made = await record(connection, ask, DecisionKind.CONFIRM, request)
        if made.is_repeat:
            return await _repeated(connection, made.decision)
        count = await enact_confirm(connection, made.decision, chosen, amount_atoms=amount_atoms)
        return Outcome(decision=made.decision, instructions=count, is_repeat=False)


async def fail(connection: Connection, ask: Ask, chosen: Chosen) -> Outcome:
    """Say that nothing more comes of instructions; the next close asks again for what is left.

    Raises:
        SettlementRefusedError: one is over.
    """
    async with deciding(connection):
        made = await record(connection, ask, DecisionKind.FAIL, chosen.request())
        if made.is_repeat:
            return await _repeated(connection, made.decision)
        count = await enact_fail(connection, made.decision, chosen)
        return Outcome(decision=made.decision, instructions=count, is_repeat=False)


async def enact_confirm(
    connection: Connection,
    decision: int,
    chosen: Chosen,
    *,
    amount_atoms: int | None,
    is_covered: bool = False,
) -> int:
    """Write what a recorded confirmation comes to, in the caller's transaction; say of how many.

    Args:
        connection: in a transaction.
        decision: its number.
        chosen: which instructions.
        amount_atoms: as for ``confirm``.
        is_covered: whether deliveries were found covered before, at their own moment.
    """
    found = await _open(connection, chosen)
    rows = [
        (decision, each.instruction, InstructionEventKind.CONFIRMED, amount)
        for each, amount in ((each, _confirmed(each, amount_atoms)) for each in found)
    ]
    if not is_covered:
        await _require_cover(connection, found, [row[3] for row in rows])
    await _tell(connection, rows)
    return len(rows)


async def enact_fail(connection: Connection, decision: int, chosen: Chosen) -> int:
    """Write what a recorded fail comes to, in the caller's transaction; say of how many."""
    found = await _open(connection, chosen)
    await _tell(
        connection,
        [(decision, each.instruction, InstructionEventKind.FAILED, 0) for each in found],
    )
    return len(found)


def _confirmed(standing: Standing, amount_atoms: int | None) -> int:
    rest = abs(standing.rest_atoms)
    amount = rest if amount_atoms is None else amount_atoms
    if amount <= 0:
        raise SettlementRefusedError(
            SettlementCode.AMOUNT_NOT_POSITIVE, f"{amount} atoms are nothing to confirm"
        )
    if amount > rest:
        raise SettlementRefusedError(
            SettlementCode.AMOUNT_ABOVE_REST,
            f"instruction {standing.instruction} has {rest} atoms left",
            limit=rest,
            usage=amount,
        )
    return amount if standing.amount_atoms > 0 else -amount


async def _open(connection: Connection, chosen: Chosen) -> list[Standing]:
    if chosen.cycle is None:
        found = await instructions(
            connection, numbers=chosen.numbers, limit=INSTRUCTIONS_PER_DECISION_MAX + 1
        )
        _require_all(chosen.numbers, found)
    else:
        found = await instructions(
            connection,
            cycle=chosen.cycle,
            account=chosen.account,
            states=OPEN_STATES,
            limit=INSTRUCTIONS_PER_DECISION_MAX + 1,
        )
        if not found:
            raise SettlementRefusedError(
                SettlementCode.NO_SUCH_CYCLE,
                f"cycle {chosen.cycle} has no open instructions"
                + ("" if chosen.account is None else f" of account {chosen.account}"),
            )
    if len(found) > INSTRUCTIONS_PER_DECISION_MAX:
        raise SettlementRefusedError(
            SettlementCode.TOO_MANY_INSTRUCTIONS,
            "one decision is about fewer instructions; choose by account or number",
            limit=INSTRUCTIONS_PER_DECISION_MAX,
            usage=len(found),
        )
    if chosen.digest and chosen.digest != digest_of(found):
        raise SettlementRefusedError(
            SettlementCode.INSTRUCTIONS_CHANGED,
            f"{chosen} is no longer what was agreed to, of digest {chosen.digest}",
        )
    return found


def _require_all(numbers: Sequence[int], found: list[Standing]) -> None:
    there = {each.instruction for each in found}
    for number in numbers:
        if number not in there:
            raise SettlementRefusedError(
                SettlementCode.NO_SUCH_INSTRUCTION, f"no instruction {number}", usage=number
            )
    for each in found:
        if each.state not in OPEN_STATES:
            raise SettlementRefusedError(
                SettlementCode.INSTRUCTION_IS_OVER,
                f"instruction {each.instruction} is {InstructionState(each.state).name.lower()}",
                limit=abs(each.amount_atoms),
                usage=abs(each.confirmed_atoms),
            )


async def _require_cover(connection: Connection, found: list[Standing], amounts: list[int]) -> None:
    """Require that each account has the settled money that it is to deliver."""
    accounts = sorted({each.account for each in found if each.party == Party.ACCOUNT})
    if not accounts:
        return
    settled: defaultdict[tuple[int, int], int] = defaultdict(int)
    rows = await connection.fetch(
        "select account, asset, balance_atoms from settlement.balances"
        " where kind = 1 and account = any($1)",
        accounts,
    )
    for account, asset, balance in rows:
        settled[account, asset] += balance
    for row in await unsettled(connection, accounts=accounts):
        settled[row.account, row.asset] -= row.unsettled_atoms
    for each, amount in zip(found, amounts, strict=True):
        if each.party != Party.ACCOUNT:
            continue
        there = settled[each.account, each.asset]
        if amount < 0 and there < -amount:
            raise SettlementRefusedError(
                SettlementCode.NOT_COVERED,
                f"instruction {each.instruction}: account {each.account} has {there} atoms of"
                f" asset {each.asset} settled; what it brings is credited first",
                limit=max(there, 0),
                usage=-amount,
            )
        settled[each.account, each.asset] += amount


async def _tell(connection: Connection, rows: Sequence[tuple[int, int, int, int]]) -> None:
    # One statement, for the database's rule looks at what a statement added.
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(
        "insert into settlement.instruction_events (decision, instruction, kind, amount_atoms)"
        " select * from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])",
        *columns,
    )


async def _repeated(connection: Connection, decision: int) -> Outcome:
    count: int = await connection.fetchval(
        "select count(*) from settlement.instruction_events where decision = $1", decision
    )
    return Outcome(decision=decision, instructions=count, is_repeat=True)

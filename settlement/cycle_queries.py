"""What people ask about settlement cycles: who owes what, where it stands, and how old it is."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from runtime.postgres import Connection
from settlement.cycle_terms import InstructionState, SettlementMode
from settlement.cycles import MODE_SPANS, NETTED_LINES

ROWS_MAX = 100_000
"""Of one answer, whatever is asked for."""

_LAST_EVENT = 9223372036854775807

# A state follows from what was decided: 1 pending, 2 partially settled, 3 settled, 4 failed.
_STANDING = """
with standing as (
    select asked.*, coalesce(told.confirmed_atoms, 0) as confirmed_atoms,
        case when told.has_failed then 4
            when told.confirmed_atoms = asked.amount_atoms then 3
            when told.confirmed_atoms <> 0 then 2 else 1 end as state,
        of.business_date::text as business_date,
        latest.cycle - asked.cycle as age_cycles,
        latest.business_date - of.business_date as age_days
    from settlement.instructions as asked
    cross join lateral (
        select sum(amount_atoms)::bigint as confirmed_atoms, bool_or(kind = 2) as has_failed
        from settlement.instruction_events as happened
        where happened.instruction = asked.instruction
    ) as told
    join settlement.cycles as of on of.cycle = asked.cycle
    cross join (
        select cycle, business_date from settlement.cycles order by cycle desc limit 1
    ) as latest
    where ($1::bigint[] is null or asked.instruction = any($1))
        and ($2::bigint is null or asked.cycle = $2)
)
select instruction, cycle, party, account, asset, attempt, issued_in, amount_atoms,
    confirmed_atoms, state, business_date, age_cycles, age_days
from standing
where ($3::bigint is null or account = $3)
    and ($4::int[] is null or state = any($4))
order by instruction limit $5
"""

_OBLIGATIONS = """
with told as (
    select asked.cycle, asked.party, asked.account, asked.asset,
        sum(happened.amount_atoms)::bigint as confirmed_atoms
    from settlement.instructions as asked
    join settlement.instruction_events as happened using (instruction)
    group by asked.cycle, asked.party, asked.account, asked.asset
)
select owed.cycle, owed.party, owed.account, owed.asset, owed.amount_atoms,
    coalesce(told.confirmed_atoms, 0) as confirmed_atoms
from settlement.obligations as owed
left join told using (cycle, party, account, asset)
where ($1::bigint is null or cycle = $1) and ($2::bigint is null or account = $2)
    and (not $3 or owed.amount_atoms <> coalesce(told.confirmed_atoms, 0))
order by cycle, asset, party, account limit $4
"""

_OPEN_CYCLE = f"""
with {NETTED_LINES}
select party, account, asset, amount_atoms from netted
where amount_atoms <> 0 and ($3::bigint[] is null or account = any($3))
order by asset, party, account
"""  # noqa: S608  # our own text

_UNSETTLED = f"""
with {NETTED_LINES}, told as (
    select asked.cycle, asked.party, asked.account, asked.asset,
        sum(happened.amount_atoms) as confirmed
    from settlement.instructions as asked
    join settlement.instruction_events as happened using (instruction)
    group by asked.cycle, asked.party, asked.account, asked.asset
), parts as (
    select party, account, asset, amount_atoms from netted
    union all
    select party, account, asset, amount_atoms - coalesce(told.confirmed, 0)
    from settlement.obligations left join told using (cycle, party, account, asset)
)
select party, account, asset, sum(amount_atoms)::bigint as unsettled_atoms from parts
where $3::bigint[] is null or account = any($3)
group by party, account, asset having sum(amount_atoms) <> 0 order by asset, party, account
"""  # noqa: S608  # our own text

_MODES = f"""
with {MODE_SPANS}
select distinct on (account) account, mode, after_event, decision from spans
order by account, after_event desc, decision desc
"""  # noqa: S608  # our own text


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction, where it stands, and how old the obligation behind it is."""

    instruction: int
    cycle: int
    party: int
    account: int
    asset: int
    attempt: int
    issued_in: int
    amount_atoms: int
    confirmed_atoms: int
    state: int
    business_date: str
    age_cycles: int
    """Cycles that were closed since the obligation's own."""
    age_days: int
    """Between the business dates of the obligation's cycle and the last one."""

    @property
    def rest_atoms(self) -> int:
        """What is not confirmed, with the instruction's sign."""
        return self.amount_atoms - self.confirmed_atoms


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """What a cycle came to for a party, and how much of it is settled."""

    cycle: int
    party: int
    account: int
    asset: int
    amount_atoms: int
    confirmed_atoms: int


class OpenAmount(msgspec.Struct, frozen=True, kw_only=True):
    """What the open cycle comes to for a party so far."""

    party: int
    account: int
    asset: int
    amount_atoms: int


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """What of a party's balance is not settled: open cycle and obligations, less confirmations."""

    party: int
    account: int
    asset: int
    unsettled_atoms: int


class ModeRow(msgspec.Struct, frozen=True, kw_only=True):
    """How an account settles now, since when, and by which decision; 0 for its credit line."""

    account: int
    mode: int
    after_event: int
    decision: int


async def instructions(
    connection: Connection,
    *,
    numbers: Sequence[int] | None = None,
    cycle: int | None = None,
    account: int | None = None,
    states: Collection[InstructionState] | None = None,
    limit: int = ROWS_MAX,
) -> list[Standing]:
    """Return instructions by number; what is not given does not narrow."""
    rows = await connection.fetch(
        _STANDING,
        None if numbers is None else list(numbers),
        cycle,
        account,
        None if states is None else [int(state) for state in states],
        min(limit, ROWS_MAX),
    )
    return _converted(rows, Standing)


async def obligations(
    connection: Connection,
    *,
    cycle: int | None = None,
    account: int | None = None,
    is_open: bool = False,
    limit: int = ROWS_MAX,
) -> list[Obligation]:
    """Return obligations by cycle; ``is_open`` leaves out what is settled."""
    rows = await connection.fetch(_OBLIGATIONS, cycle, account, is_open, min(limit, ROWS_MAX))
    return _converted(rows, Obligation)


async def open_cycle(
    connection: Connection, *, accounts: Sequence[int] | None = None
) -> list[OpenAmount]:
    """Return what the entries since the last cycle come to so far."""
    after = await _last_through(connection)
    rows = await connection.fetch(_OPEN_CYCLE, after, _LAST_EVENT, _numbers(accounts))
    return _converted(rows, OpenAmount)


async def unsettled(
    connection: Connection, *, accounts: Sequence[int] | None = None
) -> list[Unsettled]:
    """Return what is not settled, of some accounts or of every party."""
    after = await _last_through(connection)
    rows = await connection.fetch(_UNSETTLED, after, _LAST_EVENT, _numbers(accounts))
    return _converted(rows, Unsettled)


async def modes(connection: Connection) -> dict[int, ModeRow]:
    """Return how each account settles that does not settle gross for want of a word."""
    rows = await connection.fetch(_MODES)
    return {row.account: row for row in _converted(rows, ModeRow)}


def mode_of(known: dict[int, ModeRow], account: int) -> SettlementMode:
    """Say how an account settles now."""
    return SettlementMode(known[account].mode) if account in known else SettlementMode.GROSS


async def _last_through(connection: Connection) -> int:
    found: int = await connection.fetchval(
        "select coalesce(max(through_event), 0) from settlement.cycles"
    )
    return found


def _numbers(accounts: Sequence[int] | None) -> list[int] | None:
    return None if accounts is None else list(accounts)


def _converted(rows: Sequence[Any], row: type[Any]) -> list[Any]:
    return [msgspec.convert(dict(found), row) for found in rows]

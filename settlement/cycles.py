"""Closing a settlement cycle: obligations and instructions, in one transaction.

A cycle holds the entries after the last one's end and through its own. What they come to is
computed in the database by one statement, the fast twin of ``settlement.netting``. All of a close
commits together with the decision that asked for it, so there is never half a cycle.
"""

from datetime import UTC, date, datetime

import msgspec

from runtime.postgres import Connection
from settlement.cycle_decisions import Ask, deciding, record
from settlement.cycle_terms import DecisionKind

_NANOSECONDS = 1_000_000_000

MODE_SPANS = """
spans as (
    select account, mode, after_event, decision,
        lead(after_event, 1, 9223372036854775807)
            over (partition by account order by after_event, decision) as through_event
    from settlement.account_modes as word
    where decision > 0 or not exists (
        select from settlement.account_modes as earlier where earlier.decision > 0
            and earlier.account = word.account and earlier.after_event <= word.after_event
    )
)
"""
"""Modes as spans of events. A credit line says nothing where somebody had said a word before."""

# Causes 2, 4 and 6 are fees, 7 to 9 rebates; parties are those of cycle_terms.Party.
# A line is part of an account's obligation when the account settles net at its event; otherwise
# it was settled at once, and the venue stands in for it.
NETTED_LINES = f"""
{MODE_SPANS}, lines as (
    select entry.event_number, entry.account, entry.asset, entry.amount_atoms,
        case when span.mode = 2 then 1
            when entry.account = 0 or entry.cause in (2, 4, 6, 7, 8, 9) then 2 else 3 end as party
    from settlement.entries as entry
    left join spans as span on span.account = entry.account
        and entry.event_number > span.after_event and entry.event_number <= span.through_event
    where entry.cause between 1 and 9
        and entry.event_number > $1 and entry.event_number <= $2
), netted as (
    select party, case party when 1 then account else 0 end as account, asset,
        sum(amount_atoms)::bigint as amount_atoms
    from lines group by 1, 2, 3
)
"""  # noqa: S608  # our own text

_OWE = f"""
with {NETTED_LINES}
insert into settlement.obligations (cycle, party, account, asset, amount_atoms)
select $3, party, account, asset, amount_atoms from netted where amount_atoms <> 0
"""  # noqa: S608  # our own text

# For new obligations the whole, for those whose last instruction failed what is left.
_INSTRUCT = """
with due as (
    select cycle, party, account, asset, 1 as attempt, amount_atoms as rest
    from settlement.obligations where cycle = $1
    union all
    select cycle, party, account, asset, asked.attempt + 1, asked.amount_atoms - told.confirmed
    from settlement.instructions as asked
    join (
        select instruction, sum(amount_atoms)::bigint as confirmed
        from settlement.instruction_events group by instruction having bool_or(kind = 2)
    ) as told using (instruction)
    where not exists (
        select from settlement.instructions as later
        where (later.cycle, later.party, later.account, later.asset)
            = (asked.cycle, asked.party, asked.account, asked.asset)
            and later.attempt > asked.attempt
    )
)
insert into settlement.instructions
    (instruction, cycle, party, account, asset, attempt, issued_in, amount_atoms)
select (select coalesce(max(instruction), 0) from settlement.instructions)
        + row_number() over (order by cycle, party, account, asset),
    cycle, party, account, asset, attempt, $1, rest
from due
"""

# Events are in the order of their stamps, so this looks at what came after the cutoff and no more.
_LAST_BEFORE = """
select event_number from settlement.entries
where event_number > $1 and event_number <= $2 and time_ns < $3
order by event_number desc limit 1
"""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle that was closed, its fields in the table's order."""

    cycle: int
    after_event: int
    through_event: int
    business_date: date
    cutoff_ns: int | None
    decision: int


async def close_cycle(connection: Connection, ask: Ask, *, cutoff_ns: int | None = None) -> Cycle:
    """Close the open cycle.

    Args:
        connection: without a transaction, as the application's role.
        ask: who, when and why; a repeat of its reference returns the cycle that it closed.
        cutoff_ns: entries with this stamp or a later one are left to the next cycle; None takes
            all that is in the ledger.

    Raises:
        SettlementRefusedError: the reference is another decision's.
    """
    async with deciding(connection):
        request = {} if cutoff_ns is None else {"cutoff_ns": cutoff_ns}
        made = await record(connection, ask, DecisionKind.CLOSE_CYCLE, request)
        if made.is_repeat:
            return await _closed_by(connection, made.decision)
        return await enact_close(
            connection,
            decision=made.decision,
            at_event=made.at_event,
            decided_at_ns=ask.decided_at_ns,
            cutoff_ns=cutoff_ns,
        )


async def enact_close(
    connection: Connection,
    *,
    decision: int,
    at_event: int,
    decided_at_ns: int,
    cutoff_ns: int | None,
) -> Cycle:
    """Write what a recorded decision to close comes to, in the caller's transaction."""
    last = await last_cycle(connection)
    number, after = (last.cycle + 1, last.through_event) if last else (1, 0)
    through = at_event
    if cutoff_ns is not None:
        through = await connection.fetchval(_LAST_BEFORE, after, through, cutoff_ns) or after
    closed = Cycle(
        cycle=number,
        after_event=after,
        through_event=through,
        business_date=business_date(decided_at_ns if cutoff_ns is None else cutoff_ns - 1),
        cutoff_ns=cutoff_ns,
        decision=decision,
    )
    await connection.execute(
        "insert into settlement.cycles values ($1, $2, $3, $4, $5, $6)",
        *msgspec.structs.astuple(closed),
    )
    await connection.execute(_OWE, after, through, number)
    await connection.execute(_INSTRUCT, number)
    return closed


async def last_cycle(connection: Connection) -> Cycle | None:
    """Return the last cycle that was closed, if any was."""
    found = await connection.fetchrow("select * from settlement.cycles order by cycle desc limit 1")
    return None if found is None else Cycle(**dict(found))


async def _closed_by(connection: Connection, decision: int) -> Cycle:
    found = await connection.fetchrow(
        "select * from settlement.cycles where decision = $1", decision
    )
    assert found is not None, f"decision {decision} closed no cycle"
    return Cycle(**dict(found))


def business_date(time_ns: int) -> date:
    """Return the day, in UTC, that a stamp is of."""
    return datetime.fromtimestamp(time_ns // _NANOSECONDS, UTC).date()

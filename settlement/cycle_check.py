"""Whether settlement cycles say what entries, modes and decisions come to.

Read in the transaction of ``settlement.reconcile_loader``, as of one event.
"""

from runtime.postgres import Connection
from settlement.cycles import MODE_SPANS
from settlement.reconcile import Finding, Settled

# Settled is what was never a cycle's, and what was confirmed; unsettled is the open cycle, and what
# obligations have left. Neither is stored, and neither is what the other leaves of the balance.
_SETTLED = f"""
with {MODE_SPANS}, last as (
    select coalesce(max(cycle), 0) as cycle, coalesce(max(through_event), 0) as through_event
    from settlement.cycles where through_event <= $1
), booked as (
    select entry.account, entry.asset, entry.amount_atoms, entry.event_number,
        entry.cause between 1 and 9 and span.mode is not distinct from 2 as is_netted
    from settlement.entries as entry
    left join spans as span on span.account = entry.account
        and entry.event_number > span.after_event and entry.event_number <= span.through_event
    where entry.event_number <= $1 and entry.kind in (1, 2)
), parts as (
    select account, asset, amount_atoms as settled, 0 as unsettled
    from booked where not is_netted
    union all
    select account, asset, 0, amount_atoms from booked, last
    where is_netted and event_number > last.through_event
    union all
    select account, asset, 0, amount_atoms from settlement.obligations as owed, last
    where owed.party = 1 and owed.cycle <= last.cycle
    union all
    select account, asset, happened.amount_atoms, -happened.amount_atoms
    from last, settlement.instructions as asked
    join settlement.instruction_events as happened using (instruction)
    where asked.party = 1 and asked.cycle <= last.cycle
)
select account, asset, sum(settled)::bigint as settled, sum(unsettled)::bigint as unsettled
from parts group by account, asset order by account, asset
"""  # noqa: S608  # our own text

_OBLIGATIONS = f"""
with {MODE_SPANS}, netted as (
    select cycle.cycle, party.party,
        case party.party when 1 then entry.account else 0 end as account, entry.asset,
        sum(entry.amount_atoms) as atoms
    from settlement.cycles as cycle
    join settlement.entries as entry on entry.event_number > cycle.after_event
        and entry.event_number <= cycle.through_event and entry.cause between 1 and 9
    left join spans as span on span.account = entry.account
        and entry.event_number > span.after_event and entry.event_number <= span.through_event
    cross join lateral (select case when span.mode = 2 then 1
        when entry.account = 0 or entry.cause in (2, 4, 6, 7, 8, 9) then 2
        else 3 end as party) as party
    group by 1, 2, 3, 4 having sum(entry.amount_atoms) <> 0
)
select cycle, party, account, asset, coalesce(netted.atoms, 0)::text as expected,
    coalesce(owed.amount_atoms, 0)::text as found
from netted full join settlement.obligations as owed using (cycle, party, account, asset)
where netted.atoms is distinct from owed.amount_atoms
order by cycle, asset, party, account limit $1
"""  # noqa: S608  # our own text

# The first instruction is for the obligation, each later one for what the one before left failing.
_INSTRUCTIONS = """
with told as (
    select instruction, sum(amount_atoms) as confirmed, bool_or(kind = 2) as has_failed
    from settlement.instruction_events group by instruction
), wanted as (
    select cycle, party, account, asset, 1 as attempt, amount_atoms as atoms
    from settlement.obligations
    union all
    select asked.cycle, asked.party, asked.account, asked.asset, asked.attempt + 1,
        asked.amount_atoms - told.confirmed
    from settlement.instructions as asked join told using (instruction)
    where told.has_failed and exists (
        select from settlement.cycles as later
        where later.cycle > asked.issued_in and later.decision > (
            select max(decision) from settlement.instruction_events as happened
            where happened.instruction = asked.instruction
        )
    )
)
select cycle, party, account, asset, attempt, coalesce(wanted.atoms, 0)::text as expected,
    coalesce(asked.amount_atoms, 0)::text as found
from wanted full join settlement.instructions as asked
    using (cycle, party, account, asset, attempt)
where wanted.atoms is distinct from asked.amount_atoms
order by cycle, asset, party, account, attempt limit $1
"""


async def settled_amounts(connection: Connection, event_number: int) -> list[Settled]:
    """Return what each account has settled and unsettled of each asset, as of an event."""
    return [Settled(*row) for row in await connection.fetch(_SETTLED, event_number)]


async def cycle_findings(connection: Connection, *, findings_max: int) -> list[Finding]:
    """Compute every cycle's obligations and instructions again, and say what differs."""
    findings = [
        Finding(
            "obligations are those of the cycle's entries",
            f"cycle {row['cycle']} party {row['party']} account {row['account']}"
            f" asset {row['asset']}",
            row["expected"],
            row["found"],
        )
        for row in await connection.fetch(_OBLIGATIONS, findings_max)
    ]
    findings += [
        Finding(
            "instructions are for what is owed and was not settled",
            f"cycle {row['cycle']} party {row['party']} account {row['account']}"
            f" asset {row['asset']} attempt {row['attempt']}",
            row["expected"],
            row["found"],
        )
        for row in await connection.fetch(_INSTRUCTIONS, findings_max)
    ]
    return findings

"""Settlement cycles: modes, decisions, cycles, obligations, instructions and what became of them.

The database keeps what would be dear to break: nothing is changed or removed, cycles and decisions
follow one another without a gap, the obligations of a cycle sum to zero in each asset, and no
instruction is settled beyond its amount.
"""

from alembic import op

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
create table settlement.decisions (
    decision bigint not null,
    kind smallint not null,
    operator bigint not null,
    reference text not null,
    reason text not null,
    request text not null,
    at_event bigint not null,
    decided_at_ns bigint not null,
    constraint decisions_pk primary key (decision),
    constraint decisions_kind_is_known check (kind between 1 and 4),
    constraint decisions_has_a_reference check (reference <> ''),
    constraint decisions_reference_once unique (reference)
);
create table settlement.account_modes (
    account bigint not null,
    after_event bigint not null,
    decision bigint not null,
    mode smallint not null,
    constraint account_modes_pk primary key (account, after_event, decision),
    constraint account_modes_mode_is_known check (mode in (1, 2))
);
create table settlement.cycles (
    cycle bigint not null,
    after_event bigint not null,
    through_event bigint not null,
    business_date date not null,
    cutoff_ns bigint,
    decision bigint not null,
    constraint cycles_pk primary key (cycle),
    constraint cycles_is_forwards check (after_event <= through_event),
    constraint cycles_decision_once unique (decision),
    constraint cycles_decision_fk foreign key(decision) references settlement.decisions (decision)
);
create table settlement.obligations (
    cycle bigint not null,
    party smallint not null,
    account bigint not null,
    asset bigint not null,
    amount_atoms bigint not null,
    constraint obligations_pk primary key (cycle, party, account, asset),
    constraint obligations_cycle_fk foreign key(cycle) references settlement.cycles (cycle),
    constraint obligations_moves_something check (amount_atoms <> 0),
    constraint obligations_party_is_known check (party in (1, 2, 3)),
    constraint obligations_account_fits_party check ((party = 1) = (account <> 0)),
    constraint obligations_asset_fk foreign key(asset) references settlement.assets (asset)
);
create table settlement.instructions (
    instruction bigint not null,
    cycle bigint not null,
    party smallint not null,
    account bigint not null,
    asset bigint not null,
    attempt integer not null,
    issued_in bigint not null,
    amount_atoms bigint not null,
    constraint instructions_pk primary key (instruction),
    constraint instructions_obligation_fk foreign key(cycle, party, account, asset)
        references settlement.obligations (cycle, party, account, asset),
    constraint instructions_attempt_once unique (cycle, party, account, asset, attempt),
    constraint instructions_moves_something check (amount_atoms <> 0),
    constraint instructions_attempt_counts check (attempt > 0),
    constraint instructions_issued_in_fk foreign key(issued_in)
        references settlement.cycles (cycle)
);
create table settlement.instruction_events (
    decision bigint not null,
    instruction bigint not null,
    kind smallint not null,
    amount_atoms bigint not null,
    constraint instruction_events_pk primary key (decision, instruction),
    constraint instruction_events_kind_is_known check (kind in (1, 2)),
    constraint instruction_events_amount_fits_kind check ((kind = 1) = (amount_atoms <> 0)),
    constraint instruction_events_decision_fk foreign key(decision)
        references settlement.decisions (decision),
    constraint instruction_events_instruction_fk foreign key(instruction)
        references settlement.instructions (instruction)
);
create index instruction_events_instruction on settlement.instruction_events (instruction)
"""

FOLLOW_CYCLES = """
create function settlement.follow_cycles() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last record;
begin
    select coalesce(max(cycle), 0) as cycle, coalesce(max(through_event), 0) as through_event
        into last from settlement.cycles;
    if new.cycle <> last.cycle + 1 or new.after_event <> last.through_event then
        raise exception 'cycle % after event % does not follow cycle %, which ends with event %',
            new.cycle, new.after_event, last.cycle, last.through_event
            using errcode = 'check_violation', constraint = 'cycles_follow';
    end if;
    return new;
end
$$
"""

FOLLOW_DECISIONS = """
create function settlement.follow_decisions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last bigint;
begin
    select coalesce(max(decision), 0) into last from settlement.decisions;
    if new.decision <> last + 1 then
        raise exception 'decision % does not follow decision %', new.decision, last
            using errcode = 'check_violation', constraint = 'decisions_follow';
    end if;
    return new;
end
$$
"""

BALANCE_OBLIGATIONS = """
create function settlement.balance_obligations() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
begin
    select cycle, asset, sum(amount_atoms) as total into broken
        from owed group by cycle, asset having sum(amount_atoms) <> 0 limit 1;
    if found then
        raise exception 'obligations of cycle % do not balance: asset % sums to %',
            broken.cycle, broken.asset, broken.total
            using errcode = 'check_violation', constraint = 'obligations_balance';
    end if;
    return null;
end
$$
"""

BOUND_INSTRUCTIONS = """
create function settlement.bound_instructions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
begin
    select instruction, asked.amount_atoms as asked, sum(happened.amount_atoms) as confirmed,
            count(*) filter (where happened.kind = 2) as fails,
            bool_or(happened.kind = 2 and happened.decision < latest.decision) as is_after_fail
        into broken
        from settlement.instructions as asked
        join settlement.instruction_events as happened using (instruction)
        cross join lateral (
            select max(decision) as decision from settlement.instruction_events as every
            where every.instruction = asked.instruction
        ) as latest
        where instruction in (select instruction from told)
        group by instruction, asked.amount_atoms
        having sign(asked.amount_atoms) * sum(happened.amount_atoms) > abs(asked.amount_atoms)
            or min(sign(asked.amount_atoms) * happened.amount_atoms) < 0
            or count(*) filter (where happened.kind = 2) > 1
            or bool_or(happened.kind = 2 and happened.decision < latest.decision)
            or (sum(happened.amount_atoms) = asked.amount_atoms and bool_or(happened.kind = 2))
        limit 1;
    if found then
        raise exception 'instruction % is over: of % atoms % are confirmed, and it failed % times',
            broken.instruction, broken.asked, broken.confirmed, broken.fails
            using errcode = 'check_violation', constraint = 'instructions_within_bounds';
    end if;
    return null;
end
$$
"""

NAMES = (
    "decisions",
    "account_modes",
    "cycles",
    "obligations",
    "instructions",
    "instruction_events",
)

FINAL = """create trigger {table}_are_final
    before update or delete or truncate on settlement.{table}
    for each statement execute function
    settlement.refuse_change('what was decided and what follows from it is append-only')"""

RULES = (
    """create trigger cycles_follow before insert on settlement.cycles
        for each row execute function settlement.follow_cycles()""",
    """create trigger decisions_follow before insert on settlement.decisions
        for each row execute function settlement.follow_decisions()""",
    """create trigger obligations_balance after insert on settlement.obligations
        referencing new table as owed
        for each statement execute function settlement.balance_obligations()""",
    """create trigger instructions_are_bounded after insert on settlement.instruction_events
        referencing new table as told
        for each statement execute function settlement.bound_instructions()""",
)

CARRY_OVER = """
insert into settlement.account_modes (account, after_event, decision, mode)
select account,
    coalesce((select event_number from settlement.positions where consumer = 'ledger'), 0), 0, 2
from settlement.balances where kind = 1 and credit_line_atoms > 0 group by account
"""
"""Accounts on credit settle net from here on; what they traded before was settled at once."""

FUNCTIONS = ("follow_cycles", "follow_decisions", "balance_obligations", "bound_instructions")


def upgrade() -> None:
    """Create tables, rules and rights: the application adds, nobody changes."""
    for statement in TABLES.split(";\n"):
        op.execute(statement.strip())
    for function in (FOLLOW_CYCLES, FOLLOW_DECISIONS, BALANCE_OBLIGATIONS, BOUND_INSTRUCTIONS):
        op.execute(function.strip())
    op.execute(CARRY_OVER)
    for rule in RULES:
        op.execute(rule)
    for table in NAMES:
        op.execute(FINAL.format(table=table))
        op.execute(f"grant select on settlement.{table} to rialto_settlement, rialto_reader")
        op.execute(f"grant insert on settlement.{table} to rialto_settlement")
    for name in FUNCTIONS:
        op.execute(f"revoke all on function settlement.{name}() from public")


def downgrade() -> None:
    """Take all of it away, with what was decided."""
    for table in reversed(NAMES):
        op.execute(f"drop table settlement.{table}")
    for name in FUNCTIONS:
        op.execute(f"drop function settlement.{name}()")

"""A batch of entries in one statement: what it moves is summed once, and found by keys.

- ``post_entries`` sums a statement's entries for each ledger account into arrays and moves the
  balances by their key. Before, the sums were joined with the rows that had moved, without an
  index, by a plan that was made for the first, small statement of a session.
- The rules of balances are kept by statement and by column where they were kept by row: a trigger
  before each row locks each row once more.
- Entries that are not a trade's are found by account. A trade's are, through ``trades``.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_REFUSE_UNBALANCED = """
    select event_number, asset, sum(amount_atoms) as total into broken
        from posted group by event_number, asset having sum(amount_atoms) <> 0 limit 1;
    if found then
        raise exception 'entries of event % do not balance: asset % sums to %',
            broken.event_number, broken.asset, broken.total
            using errcode = 'check_violation', constraint = 'entries_balance';
    end if;
"""

POST_ENTRIES = f"""
create or replace function settlement.post_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
    kinds smallint[];
    accounts bigint[];
    assets bigint[];
    changes bigint[];
    moved bigint;
    opened bigint;
begin
{_REFUSE_UNBALANCED}
    -- In the order of their key, so that writers meet in the same order and pages are near.
    select array_agg(kind), array_agg(account), array_agg(asset), array_agg(change)
        into kinds, accounts, assets, changes
        from (select kind, account, asset, sum(amount_atoms)::bigint as change
            from posted group by kind, account, asset order by kind, account, asset) as delta;
    update settlement.balances as balance
        set balance_atoms = balance.balance_atoms + delta.change
        from unnest(kinds, accounts, assets, changes) as delta (kind, account, asset, change)
        where balance.kind = delta.kind
            and balance.account = delta.account and balance.asset = delta.asset;
    get diagnostics moved = row_count;
    if moved = coalesce(cardinality(kinds), 0) then
        return null;
    end if;
    -- Another writer may open the same ledger account meanwhile, the poster or a bookkeeper.
    insert into settlement.balances as balance (kind, account, asset, balance_atoms)
        select kind, account, asset, change
        from unnest(kinds, accounts, assets, changes) as delta (kind, account, asset, change)
        where not exists (
            select from settlement.balances as known
            where known.kind = delta.kind
                and known.account = delta.account and known.asset = delta.asset
        )
        on conflict (kind, account, asset) do update
            set balance_atoms = balance.balance_atoms + excluded.balance_atoms;
    get diagnostics opened = row_count;
    if moved + opened <> cardinality(kinds) then
        raise exception 'a ledger account was opened between two looks'
            using errcode = 'serialization_failure';
    end if;
    return null;
end
$$
"""  # noqa: S608  # our own text

FORMER_POST_ENTRIES = f"""
create or replace function settlement.post_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
begin
{_REFUSE_UNBALANCED}
    with deltas as materialized (
        select kind, account, asset, sum(amount_atoms)::bigint as change
            from posted group by kind, account, asset
    ), moved as (
        update settlement.balances as balance
            set balance_atoms = balance.balance_atoms + deltas.change
            from deltas
            where balance.kind = deltas.kind
                and balance.account = deltas.account and balance.asset = deltas.asset
            returning balance.kind, balance.account, balance.asset
    )
    insert into settlement.balances as balance (kind, account, asset, balance_atoms)
        select kind, account, asset, change from deltas
        where not exists (
            select from moved
            where moved.kind = deltas.kind
                and moved.account = deltas.account and moved.asset = deltas.asset
        )
    -- Another writer may open the same ledger account meanwhile, the poster or a bookkeeper.
    on conflict (kind, account, asset) do update
        set balance_atoms = balance.balance_atoms + excluded.balance_atoms;
    return null;
end
$$
"""  # noqa: S608  # our own text

_DROP_RULES = (
    "drop trigger balances_follow_entries on settlement.balances",
    "drop trigger credit_floors_never_rise on settlement.balances",
)

RULES = (
    """create trigger balances_follow_entries
        before update of kind, account, asset, balance_atoms on settlement.balances
        for each statement when (pg_trigger_depth() = 0)
        execute function settlement.refuse_change('only entries move a balance')""",
    """create trigger credit_floors_never_rise
        after update of credit_floor_atoms on settlement.balances
        for each row when (new.credit_floor_atoms < old.credit_floor_atoms)
        execute function settlement.refuse_change('what a line once allowed may be in use')""",
)

FORMER_RULES = (
    """create trigger balances_follow_entries before update on settlement.balances
        for each row when (
            (new.balance_atoms, new.kind, new.account, new.asset)
                is distinct from (old.balance_atoms, old.kind, old.account, old.asset)
            and pg_trigger_depth() = 0)
        execute function settlement.refuse_change('only entries move a balance')""",
    """create trigger credit_floors_never_rise before update on settlement.balances
        for each row when (new.credit_floor_atoms < old.credit_floor_atoms)
        execute function settlement.refuse_change('what a line once allowed may be in use')""",
)

INDEX = """create index entries_not_of_trades on settlement.entries (account, event_number)
    where cause not in (1, 2, 7)"""


def upgrade() -> None:
    """Book batches by key, keep rules by statement, and find other entries by account."""
    for statement in (POST_ENTRIES, *_DROP_RULES, *RULES, INDEX):
        op.execute(statement)


def downgrade() -> None:
    """Go back to sums that are joined, and rules by row."""
    op.execute("drop index settlement.entries_not_of_trades")
    for statement in (FORMER_POST_ENTRIES, *_DROP_RULES, *FORMER_RULES):
        op.execute(statement)

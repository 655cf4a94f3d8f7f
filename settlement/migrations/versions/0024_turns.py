"""Batches that are on their way together: one adds its entries, and moves balances in its turn.

``post_entries`` sums a statement's entries as before. Where the transaction says which batch is
before it (``rialto.after_batch``), it then waits until that one has ended, and only then touches a
balance. That orders the work and guards nothing: what a balance may be, and that entries sum to
zero, is checked as it was, and the position tells whether the batch before was committed.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_HEAD = """
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
"""

_SUMS = """
    select event_number, asset, sum(amount_atoms) as total into broken
        from posted group by event_number, asset having sum(amount_atoms) <> 0 limit 1;
    if found then
        raise exception 'entries of event % do not balance: asset % sums to %',
            broken.event_number, broken.asset, broken.total
            using errcode = 'check_violation', constraint = 'entries_balance';
    end if;
    -- In the order of their key, so that writers meet in the same order and pages are near.
    select array_agg(kind), array_agg(account), array_agg(asset), array_agg(change)
        into kinds, accounts, assets, changes
        from (select kind, account, asset, sum(amount_atoms)::bigint as change
            from posted group by kind, account, asset order by kind, account, asset) as delta;
"""

# The first key is settlement.locks.TURN_SPACE.
_TURN = """
    before := nullif(current_setting('rialto.after_batch', true), '')::integer;
    if before is not null then
        perform pg_advisory_xact_lock_shared(1381257806, before);
    end if;
"""

_MOVES = """
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
"""


def upgrade() -> None:
    """Let balances wait for the batch before."""
    op.execute(f"{_HEAD}    before integer;\nbegin{_SUMS}{_TURN}{_MOVES}")


def downgrade() -> None:
    """Let them move at once."""
    op.execute(f"{_HEAD}begin{_SUMS}{_MOVES}")

"""The rules that the database itself keeps, and the roles that work under them.

- Entries of one statement sum to zero per event and asset, or the statement fails.
- The same trigger moves the balances, and nobody else may: the application's role has no right
  to the column, and the owner is stopped by a trigger unless he disables it on purpose.
- Entries, trades and balances are never deleted; entries and trades never changed.

The triggers are per statement and work on transition tables, so they cost two hash aggregates
over the batch instead of a queued event per row (docs/ledger.md has the measured price).
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CREATE_ROLE = """
do $$
begin
    if not exists (select from pg_roles where rolname = '{role}') then
        create role {role} nologin;
    end if;
    if not pg_has_role(current_user, '{role}', 'member') then
        grant {role} to current_user;
    end if;
exception
    -- Roles belong to the whole server: a migration of another database may be first.
    when duplicate_object or unique_violation then null;
end
$$
"""

POST_ENTRIES = """
create function settlement.post_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
begin
    select event_number, asset, sum(amount_atoms) as total into broken
        from posted group by event_number, asset having sum(amount_atoms) <> 0 limit 1;
    if found then
        raise exception 'entries of event % do not balance: asset % sums to %',
            broken.event_number, broken.asset, broken.total
            using errcode = 'check_violation', constraint = 'entries_balance';
    end if;
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
"""

REFUSE_CHANGE = """
create function settlement.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '% of %.% is not allowed: %', tg_op, tg_table_schema, tg_table_name, tg_argv[0]
        using errcode = 'insufficient_privilege';
end
$$
"""

TRIGGERS = (
    """create trigger entries_are_posted after insert on settlement.entries
        referencing new table as posted
        for each statement execute function settlement.post_entries()""",
    """create trigger entries_are_final before update or delete or truncate on settlement.entries
        for each statement execute function
        settlement.refuse_change('the journal is append-only; a correction is a new entry')""",
    """create trigger trades_are_final before update or delete or truncate on settlement.trades
        for each statement execute function settlement.refuse_change('trades are append-only')""",
    """create trigger balances_stay before delete or truncate on settlement.balances
        for each statement execute function
        settlement.refuse_change('a ledger account is never removed')""",
    """create trigger balances_open_empty before insert on settlement.balances
        for each row when (new.balance_atoms <> 0 and pg_trigger_depth() = 0)
        execute function settlement.refuse_change('only entries move a balance')""",
    """create trigger balances_follow_entries before update on settlement.balances
        for each row when (
            (new.balance_atoms, new.kind, new.account, new.asset)
                is distinct from (old.balance_atoms, old.kind, old.account, old.asset)
            and pg_trigger_depth() = 0)
        execute function settlement.refuse_change('only entries move a balance')""",
    """create trigger credit_floors_never_rise before update on settlement.balances
        for each row when (new.credit_floor_atoms < old.credit_floor_atoms)
        execute function settlement.refuse_change('what a line once allowed may be in use')""",
    """create trigger lineage_is_final before update or delete or truncate on settlement.lineage
        for each statement execute function
        settlement.refuse_change('a ledger belongs to one venue for ever')""",
)

GRANTS = """
grant usage on schema settlement to rialto_settlement, rialto_reader;
grant select on all tables in schema settlement to rialto_settlement, rialto_reader;
grant insert on settlement.lineage to rialto_settlement;
grant insert, update on settlement.positions to rialto_settlement;
grant insert on settlement.assets, settlement.instruments, settlement.firms, settlement.accounts
    to rialto_settlement;
grant insert on settlement.entries, settlement.trades to rialto_settlement;
grant insert (kind, account, asset, credit_line_atoms, credit_floor_atoms, position_max_atoms),
    update (credit_line_atoms, credit_floor_atoms, position_max_atoms)
    on settlement.balances to rialto_settlement;
grant insert, update, truncate on settlement.orders, settlement.order_events to rialto_settlement;
revoke all on function settlement.post_entries(), settlement.refuse_change() from public
"""


def upgrade() -> None:
    """Create roles, functions and triggers, and grant no more than the work needs."""
    for role in ("rialto_settlement", "rialto_reader"):
        op.execute(CREATE_ROLE.format(role=role))
    for statement in (POST_ENTRIES, REFUSE_CHANGE, *TRIGGERS, *GRANTS.split(";\n")):
        op.execute(statement.strip())


def downgrade() -> None:
    """Take rights, triggers and functions away; the roles stay, other databases may use them."""
    for table, trigger in (
        ("lineage", "lineage_is_final"),
        ("balances", "credit_floors_never_rise"),
        ("balances", "balances_follow_entries"),
        ("balances", "balances_open_empty"),
        ("balances", "balances_stay"),
        ("trades", "trades_are_final"),
        ("entries", "entries_are_final"),
        ("entries", "entries_are_posted"),
    ):
        op.execute(f"drop trigger {trigger} on settlement.{table}")
    op.execute("drop function settlement.post_entries()")
    op.execute("drop function settlement.refuse_change()")
    op.execute(
        "revoke all on all tables in schema settlement from rialto_settlement, rialto_reader"
    )
    op.execute("revoke usage on schema settlement from rialto_settlement, rialto_reader")

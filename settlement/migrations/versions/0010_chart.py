"""The whole chart of accounts, marks for balances as of an event, and entries of the house.

An older ledger is carried over: what its fee income paid out as rebates is moved to the account
of rebates by house posting 0, credit lines as they stand become memoranda (events 0, -1, ..., one
for each line), and balances are written down where the ledger stands.
"""

from alembic import op

revision = "0010"
down_revision = "0003"
branch_labels = None
depends_on = None

CREATE_ROLE = """
do $$
begin
    if not exists (select from pg_roles where rolname = 'rialto_bookkeeper') then
        create role rialto_bookkeeper nologin;
    end if;
    if not pg_has_role(current_user, 'rialto_bookkeeper', 'member') then
        grant rialto_bookkeeper to current_user;
    end if;
exception
    -- Roles belong to the whole server: a migration of another database may be first.
    when duplicate_object or unique_violation then null;
end
$$
"""

CHECKS = (
    "alter table settlement.balances drop constraint balances_kind_is_known",
    """alter table settlement.balances add constraint balances_kind_is_known
        check (kind in (1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 30, 31, 32, 40, 41, 50, 51))""",
    "alter table settlement.balances drop constraint balances_not_below_credit_floor",
    """alter table settlement.balances add constraint balances_not_below_credit_floor
        check (kind not in (1, 2, 4, 10, 40, 41) or balance_atoms >= -credit_floor_atoms)""",
    "alter table settlement.balances drop constraint balances_receivable_is_a_claim",
    """alter table settlement.balances add constraint balances_never_above_zero
        check (kind not in (3, 11, 13, 21, 30, 31, 32) or balance_atoms <= 0)""",
    """alter table settlement.entries add constraint entries_memoranda_are_apart
        check ((kind in (4, 21)) = (cause = 19))""",
)

TABLES = (
    """create table settlement.ledger_marks (
        event_number bigint not null,
        time_ns bigint not null,
        constraint ledger_marks_pk primary key (event_number)
    )""",
    """create index ledger_marks_time_ns_event_number
        on settlement.ledger_marks (time_ns, event_number)""",
    """create table settlement.balance_marks (
        kind smallint not null,
        account bigint not null,
        asset bigint not null,
        event_number bigint not null,
        balance_atoms bigint not null,
        constraint balance_marks_pk primary key (kind, account, asset, event_number)
    )""",
    """create table settlement.house_postings (
        posting bigint not null,
        after_event bigint not null,
        time_ns bigint not null,
        cause smallint not null,
        operator bigint not null,
        approver bigint not null,
        reference text not null,
        text text not null,
        constraint house_postings_pk primary key (posting),
        constraint house_postings_reference_once unique (reference),
        constraint house_postings_takes_two check (posting = 0
            or (operator > 0 and approver > 0 and operator <> approver)),
        constraint house_postings_cause_is_the_houses
            check (posting = 0 or cause between 41 and 44),
        constraint house_postings_says_why check (length(text) > 0 and length(reference) > 0)
    )""",
    """create table settlement.house_entries (
        posting bigint not null,
        leg smallint not null,
        kind smallint not null,
        asset bigint not null,
        amount_atoms bigint not null,
        constraint house_entries_pk primary key (posting, leg),
        constraint house_entries_posting_fk foreign key (posting)
            references settlement.house_postings (posting),
        constraint house_entries_asset_fk foreign key (asset)
            references settlement.assets (asset),
        constraint house_entries_moves_something check (amount_atoms <> 0),
        constraint house_entries_moves_the_houses_money
            check (kind in (12, 13, 20, 30, 31, 32, 40, 41, 50, 51)
                or (posting = 0 and kind in (10, 11)))
    )""",
    """create index house_entries_kind_asset_posting
        on settlement.house_entries (kind, asset, posting)""",
)

# Entries of the house move balances as those of events do, and may not give away more of the
# fees than were earned.
POST_HOUSE_ENTRIES = """
create function settlement.post_house_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    broken record;
begin
    select posting, asset, sum(amount_atoms) as total into broken
        from posted group by posting, asset having sum(amount_atoms) <> 0 limit 1;
    if found then
        raise exception 'entries of house posting % do not balance: asset % sums to %',
            broken.posting, broken.asset, broken.total
            using errcode = 'check_violation', constraint = 'house_entries_balance';
    end if;
    insert into settlement.balances as balance (kind, account, asset, balance_atoms)
        select kind, 0, asset, 0 from posted group by kind, asset order by kind, asset
        on conflict do nothing;
    update settlement.balances as balance
        set balance_atoms = balance.balance_atoms + deltas.change
        from (select kind, asset, sum(amount_atoms)::bigint as change
            from posted group by kind, asset) as deltas
        where balance.account = 0
            and balance.kind = deltas.kind and balance.asset = deltas.asset;
    select asset, sum(balance_atoms) as left_over into broken from settlement.balances
        where kind in (10, 11, 13) and account = 0
            and asset in (select asset from posted where kind = 13)
        group by asset having sum(balance_atoms) < 0 limit 1;
    if found then
        raise exception 'of the fees in asset % more would be taken than was earned, by %',
            broken.asset, -broken.left_over
            using errcode = 'check_violation', constraint = 'fees_taken_were_earned';
    end if;
    return null;
end
$$
"""

# Postings have no gaps, and each has its place among the events; whoever makes one says neither.
FOLLOW = """
create function settlement.follow_house_postings() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    select coalesce(max(posting), 0) + 1 into new.posting from settlement.house_postings;
    select coalesce(max(event_number), 0) into new.after_event
        from settlement.positions where consumer = 'ledger';
    return new;
end
$$
"""

# Of trades, and of what busts and corrections took back or gave again.
CARRY_OVER = (
    """insert into settlement.house_postings
        select 0, event_number, time_ns, 40, 0, 0, 'opening',
            'rebates had been paid out of fee income'
        from settlement.positions where consumer = 'ledger' and event_number > 0""",
    """with rebates as (
        select market.quote_asset as asset, sum(told.atoms)::bigint as atoms from (
            select instrument, least(maker_fee_atoms, 0) + least(taker_fee_atoms, 0) as atoms
                from settlement.trades
            union all
            select instrument, least(maker_fee_atoms, 0) + least(taker_fee_atoms, 0)
                - least(maker_previous_fee_atoms, 0) - least(taker_previous_fee_atoms, 0)
                from settlement.trade_corrections
        ) as told join settlement.instruments as market using (instrument)
        group by market.quote_asset having sum(told.atoms) <> 0
    )
    insert into settlement.house_entries
        select 0, row_number() over (order by asset, kind), kind, asset, amount
        from rebates cross join lateral
            (values (10::smallint, -atoms), (11::smallint, atoms)) as legs (kind, amount)""",
    """insert into settlement.entries
        select 1 - line.place, leg, kind, 19, legs.account, line.asset, amount, stands.time_ns
        from (select account, asset, credit_line_atoms as atoms,
                row_number() over (order by account, asset) as place
            from settlement.balances where credit_line_atoms > 0) as line
        cross join (select time_ns from settlement.positions where consumer = 'ledger') as stands
        cross join lateral (values
            (1::smallint, 4::smallint, line.account, line.atoms),
            (2::smallint, 21::smallint, 0::bigint, -line.atoms)
        ) as legs (leg, kind, account, amount)""",
    """insert into settlement.ledger_marks
        select event_number, time_ns from settlement.positions
        where consumer = 'ledger' and event_number > 0""",
    """insert into settlement.balance_marks
        select kind, account, asset, stands.event_number,
            balance_atoms - coalesce((select sum(amount_atoms) from settlement.house_entries as own
                where own.kind = balance.kind and own.asset = balance.asset), 0)
        from settlement.balances as balance cross join settlement.positions as stands
        where stands.consumer = 'ledger' and stands.event_number > 0""",
)

TRIGGERS = (
    """create trigger house_postings_follow before insert on settlement.house_postings
        for each row execute function settlement.follow_house_postings()""",
    *(
        f"""create trigger {table}_are_final
            before update or delete or truncate on settlement.{table}
            for each statement execute function settlement.refuse_change('{why}')"""
        for table, why in (
            ("house_postings", "the journal is append-only; a correction is a new posting"),
            ("house_entries", "the journal is append-only; a correction is a new posting"),
            ("ledger_marks", "what was written down stays"),
            ("balance_marks", "what was written down stays"),
        )
    ),
)

POSTS = """create trigger house_entries_are_posted after insert on settlement.house_entries
    referencing new table as posted
    for each statement execute function settlement.post_house_entries()"""

GRANTS = (
    """grant select on settlement.ledger_marks, settlement.balance_marks,
        settlement.house_postings, settlement.house_entries
        to rialto_settlement, rialto_reader""",
    "grant insert on settlement.ledger_marks, settlement.balance_marks to rialto_settlement",
    "grant usage on schema settlement to rialto_bookkeeper",
    "grant select on all tables in schema settlement to rialto_bookkeeper",
    "grant insert on settlement.house_postings, settlement.house_entries to rialto_bookkeeper",
    """revoke all on function settlement.post_house_entries(),
        settlement.follow_house_postings() from public""",
)

# A downgrade throws no entry away: the older program has no place for these. When all is to go
# (``database.migrate`` to nothing, asked for in so many words), it goes here.
REFUSE_LOSS = """
do $$
begin
    if current_setting('rialto.remove_all', true) = 'on' then
        alter table settlement.entries disable trigger user;
        alter table settlement.balances disable trigger user;
        truncate settlement.entries, settlement.balances;
        alter table settlement.entries enable trigger user;
        alter table settlement.balances enable trigger user;
    elsif exists (select from settlement.house_entries)
        or exists (select from settlement.entries where cause in (7, 8, 9, 19, 20, 21))
    then
        raise exception 'the ledger holds entries that schema version 0003 has no accounts for'
            using hint = 'keep this version, or make the ledger again from the event log';
    end if;
end
$$
"""

DOWNGRADE = (
    REFUSE_LOSS,
    "revoke all on all tables in schema settlement from rialto_bookkeeper",
    "revoke usage on schema settlement from rialto_bookkeeper",
    "drop table settlement.house_entries",
    "drop table settlement.house_postings",
    "drop table settlement.balance_marks",
    "drop table settlement.ledger_marks",
    "drop function settlement.post_house_entries()",
    "drop function settlement.follow_house_postings()",
    "alter table settlement.entries drop constraint entries_memoranda_are_apart",
    "alter table settlement.balances drop constraint balances_never_above_zero",
    """alter table settlement.balances add constraint balances_receivable_is_a_claim
        check (kind <> 3 or balance_atoms <= 0)""",
    "alter table settlement.balances drop constraint balances_not_below_credit_floor",
    """alter table settlement.balances add constraint balances_not_below_credit_floor
        check (kind in (3, 10, 20) or balance_atoms >= -credit_floor_atoms)""",
    "alter table settlement.balances drop constraint balances_kind_is_known",
    """alter table settlement.balances add constraint balances_kind_is_known
        check (kind in (1, 2, 3, 10, 20))""",
)


def upgrade() -> None:
    """Widen the chart, make the tables, and carry over what an older ledger holds."""
    op.execute(CREATE_ROLE)
    for statement in (*CHECKS, *TABLES, POST_HOUSE_ENTRIES, FOLLOW, POSTS):
        op.execute(statement)
    for statement in (*CARRY_OVER, *TRIGGERS, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    """Take it all away; refused while there are entries that would be lost."""
    for statement in DOWNGRADE:
        op.execute(statement)

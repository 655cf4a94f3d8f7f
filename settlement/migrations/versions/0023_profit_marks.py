"""Marks of what positions had cost, so that a statement does not walk through all trades."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = (
    """create table settlement.profit_places (
        event_number bigint not null,
        constraint profit_places_pk primary key (event_number)
    )""",
    """create table settlement.profit_marks (
        account bigint not null,
        instrument bigint not null,
        event_number bigint not null,
        base_atoms bigint not null,
        cost_atoms bigint not null,
        realised_atoms bigint not null,
        constraint profit_marks_pk primary key (account, instrument, event_number)
    )""",
)

FOLLOW = """
create function settlement.follow_profit_places() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last bigint;
begin
    select coalesce(max(event_number), 0) into last from settlement.profit_places;
    if exists (select from made where event_number <= last) then
        raise exception 'marks as of event % are made', last
            using errcode = 'check_violation', constraint = 'profit_marks_follow';
    end if;
    return null;
end
$$
"""
"""A place is closed once it is there: nobody adds marks at or before it."""

RULE = """create trigger profit_marks_follow after insert on settlement.profit_marks
    referencing new table as made
    for each statement execute function settlement.follow_profit_places()"""

NAMES = ("profit_places", "profit_marks")

FINAL = """create trigger {table}_are_final
    before update or delete or truncate on settlement.{table}
    for each statement execute function
    settlement.refuse_change('marks follow from trades and are append-only')"""


def upgrade() -> None:
    """Create tables that the application adds to and nobody changes."""
    for statement in TABLES:
        op.execute(statement)
    op.execute(FOLLOW.strip())
    op.execute(RULE)
    op.execute("revoke all on function settlement.follow_profit_places() from public")
    for table in NAMES:
        op.execute(FINAL.format(table=table))
        op.execute(f"grant select on settlement.{table} to rialto_settlement, rialto_reader")
        op.execute(f"grant insert on settlement.{table} to rialto_settlement")


def downgrade() -> None:
    """Forget the marks; they can be made again."""
    for table in reversed(NAMES):
        op.execute(f"drop table settlement.{table}")
    op.execute("drop function settlement.follow_profit_places()")

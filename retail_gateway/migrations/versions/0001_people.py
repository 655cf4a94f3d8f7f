"""Which account a person has, and the role that works there.

Written out as it was when this migration was made.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLE = "rialto_retail"

CREATE_ROLE = f"""
do $$
begin
    if not exists (select from pg_roles where rolname = '{ROLE}') then
        create role {ROLE} nologin;
    end if;
    if not pg_has_role(current_user, '{ROLE}', 'member') then
        grant {ROLE} to current_user;
    end if;
exception
    -- Roles belong to the whole server: a migration of another database may be first.
    when duplicate_object or unique_violation then null;
end
$$
"""

TABLES = f"""
create sequence retail.ordinals;

create table retail.people (
    person uuid not null,
    account bigint not null,
    constraint people_pk primary key (person),
    constraint people_account_once unique (account)
);

grant usage on schema retail to {ROLE};
grant select on retail.alembic_version to {ROLE};
grant usage on sequence retail.ordinals to {ROLE};
grant select, insert on retail.people to {ROLE}
"""


def upgrade() -> None:
    """Make everything."""
    op.execute(CREATE_ROLE)
    for statement in TABLES.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Remove everything; the role belongs to the server and stays."""
    op.execute("drop table retail.people")
    op.execute("drop sequence retail.ordinals")

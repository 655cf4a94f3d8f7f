"""People, their keys, their record, letters that wait, and attempts; and the role that works there.

Written out as it was when this migration was made.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLE = "rialto_accounts"

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

TABLES = """
create table accounts.people (
    person uuid not null,
    email text not null,
    status text not null,
    lapses_at_ns bigint not null,
    state jsonb not null,
    constraint people_pk primary key (person),
    constraint people_email_once unique (email)
);
create index people_lapsing on accounts.people (lapses_at_ns) where status = 'unverified';

create table accounts.api_keys (
    key_id uuid not null,
    person uuid not null,
    constraint api_keys_pk primary key (key_id),
    constraint api_keys_person_fk
        foreign key (person) references accounts.people on delete cascade
);
create index api_keys_person on accounts.api_keys (person);

create table accounts.record (
    number bigint generated always as identity,
    person uuid not null,
    activity text not null,
    time_ns bigint not null,
    address text not null,
    detail text not null,
    constraint record_pk primary key (number)
);
create index record_person on accounts.record (person, number);

create table accounts.letters (
    number bigint generated always as identity,
    sealed bytea not null,
    due_at_ns bigint not null,
    tries integer not null,
    constraint letters_pk primary key (number)
);
create index letters_due on accounts.letters (due_at_ns);

create table accounts.attempts (
    subject bytea not null,
    count integer not null,
    last_at_ns bigint not null,
    is_locked boolean not null,
    constraint attempts_pk primary key (subject)
);
create index attempts_last on accounts.attempts (last_at_ns) where not is_locked;
"""

GRANTS = f"""
grant usage on schema accounts to {ROLE};
grant select on accounts.alembic_version to {ROLE};
grant select, insert, update, delete
    on accounts.people, accounts.api_keys, accounts.letters, accounts.attempts to {ROLE};
grant select, insert on accounts.record to {ROLE};
"""


def upgrade() -> None:
    """Make everything."""
    op.execute(CREATE_ROLE)
    for statement in (TABLES + GRANTS).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Remove everything; the role belongs to the server and stays."""
    for table in ("attempts", "letters", "record", "api_keys", "people"):
        op.execute(f"drop table accounts.{table}")

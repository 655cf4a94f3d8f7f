"""Where surveillance stands, what it found, what people decided about that.

Alerts and decisions are append-only for everybody: a trigger refuses any change, and the two
roles may not even ask for one.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UPGRADE = (
    """create table surveillance.position (
        single boolean not null constraint position_is_single check (single),
        venue uuid,
        event_number bigint not null constraint position_is_a_position check (event_number >= 0),
        time_ns bigint not null,
        checkpoint_event bigint not null,
        checkpoint bytea not null,
        constraint position_pk primary key (single),
        constraint position_checkpoint_is_behind check (checkpoint_event <= event_number)
    )""",
    """create table surveillance.accounts (
        account bigint not null,
        firm bigint not null,
        owner_group bigint not null,
        name text not null,
        event_number bigint not null,
        constraint accounts_pk primary key (account)
    )""",
    """create table surveillance.instruments (
        instrument bigint not null,
        symbol text not null,
        event_number bigint not null,
        constraint instruments_pk primary key (instrument)
    )""",
    """create table surveillance.alerts (
        alert_id text not null,
        kind text not null,
        event_number bigint not null,
        time_ns bigint not null,
        instrument bigint not null,
        owner bigint not null,
        accounts bigint[] not null,
        events bigint[] not null,
        orders bigint[] not null,
        figures json not null,
        parameters json not null,
        constraint alerts_pk primary key (alert_id)
    )""",
    """create table surveillance.decisions (
        decision bigint generated always as identity,
        alert_id text not null,
        state text not null constraint decisions_state_is_known
            check (state in ('open', 'dismissed', 'escalated')),
        operator text not null constraint decisions_somebody_decided check (operator <> ''),
        reason text not null constraint decisions_say_why check (reason <> ''),
        decided_at_ns bigint not null,
        signature text not null,
        constraint decisions_pk primary key (decision),
        constraint decisions_alert_id_fk foreign key (alert_id)
            references surveillance.alerts (alert_id)
    )""",
    "create index alerts_event_number on surveillance.alerts (event_number)",
    "create index alerts_accounts on surveillance.alerts using gin (accounts)",
    "create index decisions_alert_id on surveillance.decisions (alert_id, decision desc)",
    """create function surveillance.refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '% is append-only', tg_table_name
                using errcode = 'restrict_violation';
        end $$""",
    *(
        f"""create trigger {table}_are_final
            before update or delete or truncate on surveillance.{table}
            for each statement execute function surveillance.refuse_change()"""
        for table in ("accounts", "instruments", "alerts", "decisions")
    ),
    *(
        f"""do $$ begin
            if not exists (select from pg_roles where rolname = '{role}') then
                create role {role} nologin;
            end if;
            if not pg_has_role(current_user, '{role}', 'member') then
                grant {role} to current_user;
            end if;
        exception
            -- Roles belong to the whole server: a migration of another database may be first.
            when duplicate_object or unique_violation then null;
        end $$"""
        for role in ("rialto_surveillance", "rialto_surveillance_desk")
    ),
    "grant usage on schema surveillance to rialto_surveillance, rialto_surveillance_desk",
    """grant select on all tables in schema surveillance
        to rialto_surveillance, rialto_surveillance_desk""",
    """grant insert on surveillance.position, surveillance.accounts, surveillance.instruments,
        surveillance.alerts to rialto_surveillance""",
    "grant update on surveillance.position to rialto_surveillance",
    "grant insert on surveillance.decisions to rialto_surveillance_desk",
)

DOWNGRADE = (
    """drop table surveillance.decisions, surveillance.alerts, surveillance.instruments,
        surveillance.accounts, surveillance.position""",
    "drop function surveillance.refuse_change()",
    "revoke usage on schema surveillance from rialto_surveillance, rialto_surveillance_desk",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Take them away; the roles stay, for they belong to the server."""
    for statement in DOWNGRADE:
        op.execute(statement)

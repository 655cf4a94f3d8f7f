"""Trades, candles, and how far the events were recorded.

Both tables are divided by time, a part for each month. Where the extension TimescaleDB can be
used they are hypertables, which divide themselves; otherwise they are partitioned, and
``provide`` makes the parts. Nobody who writes or reads knows which it is.
"""

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """create table market_data.position (
        single boolean not null constraint position_is_single check (single),
        venue uuid,
        event_number bigint not null constraint position_is_a_position check (event_number >= 0),
        time_ns bigint not null,
        constraint position_pk primary key (single)
    )""",
    # Only what is wrong stays out of the index-only reads that histories are made of.
    """create table market_data.trades (
        instrument bigint not null,
        trade_id bigint not null,
        time_ns bigint not null,
        price_ticks bigint not null,
        lots bigint not null constraint trades_have_lots check (lots > 0),
        quote_atoms bigint not null,
        taker_side smallint not null constraint trades_side check (taker_side in (1, 2)),
        is_auction boolean not null,
        aggregate_id bigint not null,
        is_busted boolean not null default false,
        constraint trades_pk primary key (instrument, trade_id, time_ns)
    ){partitioned_trades}""",
    # Sums outgrow 64 bits: the turnover of a month in atoms of a small asset.
    """create table market_data.candles (
        instrument bigint not null,
        span integer not null constraint candles_span check (span > 0),
        opened_ms bigint not null,
        open bigint not null,
        high bigint not null,
        low bigint not null,
        close bigint not null,
        lots numeric(38, 0) not null,
        quote_atoms numeric(38, 0) not null,
        trades bigint not null constraint candles_are_not_empty check (trades > 0),
        taker_bought_lots numeric(38, 0) not null,
        taker_bought_atoms numeric(38, 0) not null,
        first_trade bigint not null,
        last_trade bigint not null,
        constraint candles_pk primary key (instrument, span, opened_ms),
        constraint candles_low_is_low check (low <= least(open, close)),
        constraint candles_high_is_high check (high >= greatest(open, close))
    ){partitioned_candles}""",
)

ROLES = (
    """do $$ begin
        if not exists (select from pg_roles where rolname = 'rialto_market_data') then
            create role rialto_market_data nologin;
        end if;
        if not pg_has_role(current_user, 'rialto_market_data', 'member') then
            grant rialto_market_data to current_user;
        end if;
    exception
        -- Roles belong to the whole server: a migration of another database may be first.
        when duplicate_object or unique_violation then null;
    end $$""",
    "grant usage on schema market_data to rialto_market_data",
    "grant select on all tables in schema market_data to rialto_market_data",
    "grant insert, update on market_data.position, market_data.trades to rialto_market_data",
    "grant insert, update, delete on market_data.candles to rialto_market_data",
    # A role's right to execute is the public's unless it is taken away.
    "revoke all on function market_data.provide(text, bigint, bigint) from public",
    "grant execute on function market_data.provide(text, bigint, bigint) to rialto_market_data",
)

PARTITIONS = """
    create function market_data.provide(part text, from_ms bigint, to_ms bigint)
    returns void language plpgsql security definer set search_path = market_data, pg_temp as $$
    begin
        if part !~ '^[0-9]{4}_[0-9]{2}$' then
            raise exception 'no name of a month: %', part;
        end if;
        if to_regclass('market_data.trades_' || part) is null then
            execute format(
                'create table market_data.%I partition of market_data.trades'
                ' for values from (%s) to (%s)',
                'trades_' || part, from_ms * 1000000, to_ms * 1000000);
        end if;
        if to_regclass('market_data.candles_' || part) is null then
            execute format(
                'create table market_data.%I partition of market_data.candles'
                ' for values from (%s) to (%s)',
                'candles_' || part, from_ms, to_ms);
        end if;
    end $$"""

HYPERTABLES = (
    "create extension if not exists timescaledb",
    """select create_hypertable('market_data.trades', 'time_ns',
        chunk_time_interval => 2592000000000000::bigint, create_default_indexes => false)""",
    """select create_hypertable('market_data.candles', 'opened_ms',
        chunk_time_interval => 2592000000::bigint, create_default_indexes => false)""",
    """create function market_data.provide(part text, from_ms bigint, to_ms bigint)
    returns void language sql as $$ select null::void $$""",
)

DOWNGRADE = (
    "drop table market_data.trades, market_data.candles, market_data.position",
    "drop function market_data.provide(text, bigint, bigint)",
    "revoke usage on schema market_data from rialto_market_data",
)

# The extension's library must be loaded with the server, or making the extension ends our session.
TIMESCALE_IS_USABLE = """
    select exists (select from pg_available_extensions where name = 'timescaledb')
        and current_setting('shared_preload_libraries') like '%timescaledb%'"""


def statements(*, has_timescale: bool) -> list[str]:
    """Return what makes the schema, on a server with TimescaleDB or without."""
    ranges = (
        ("", "")
        if has_timescale
        else (
            " partition by range (time_ns)",
            " partition by range (opened_ms)",
        )
    )
    tables = [
        each.replace("{partitioned_trades}", ranges[0]).replace("{partitioned_candles}", ranges[1])
        for each in TABLES
    ]
    return [*tables, *(HYPERTABLES if has_timescale else (PARTITIONS,)), *ROLES]


def upgrade() -> None:
    """Make the tables."""
    has_timescale = bool(op.get_bind().execute(text(TIMESCALE_IS_USABLE)).scalar())
    for statement in statements(has_timescale=has_timescale):
        op.execute(statement)


def downgrade() -> None:
    """Take them away; the role stays, for it belongs to the server."""
    for statement in DOWNGRADE:
        op.execute(statement)

"""The tables: whose ledger it is, the ledger itself, the order history.

Written out as they were when this migration was made; ``settlement/schema.py`` is what they have
become since, and a test compares the two.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table settlement.assets (
    asset bigint not null,
    symbol text not null,
    scale smallint not null,
    supply_max_atoms bigint not null,
    event_number bigint not null,
    constraint assets_pk primary key (asset),
    constraint assets_symbol_once unique (symbol)
);

create table settlement.entries (
    event_number bigint not null,
    leg smallint not null,
    kind smallint not null,
    cause smallint not null,
    account bigint not null,
    asset bigint not null,
    amount_atoms bigint not null,
    time_ns bigint not null,
    constraint entries_pk primary key (event_number, leg),
    constraint entries_moves_something check (amount_atoms <> 0)
);

create table settlement.firms (
    firm bigint not null,
    name text not null,
    event_number bigint not null,
    constraint firms_pk primary key (firm)
);

create table settlement.lineage (
    single boolean not null constraint lineage_is_single check (single),
    venue uuid not null,
    constraint lineage_pk primary key (single)
);

create table settlement.order_events (
    event_number bigint not null,
    leg smallint not null,
    kind smallint not null,
    order_id bigint,
    account bigint not null,
    session bigint not null,
    connection bigint not null,
    instrument bigint not null,
    side smallint not null,
    status smallint not null,
    reason integer not null,
    price_ticks bigint not null,
    quantity_lots bigint not null,
    leaves_lots bigint not null,
    filled_lots bigint not null,
    filled_value bigint not null,
    held_atoms bigint not null,
    client_order_id text not null,
    related_client_order_id text,
    origin_session bigint,
    trade_id bigint,
    last_ticks bigint,
    last_lots bigint,
    fee_atoms bigint,
    is_maker boolean,
    limit_value bigint,
    usage_value bigint,
    refused_kind integer,
    scope smallint,
    cancelled bigint,
    text text,
    time_ns bigint not null,
    received_at_ns bigint not null,
    constraint order_events_pk primary key (event_number, leg)
);
create index order_events_client_order_id
    on settlement.order_events (account, client_order_id) where kind not in (1, 10);
create index order_events_order
    on settlement.order_events (order_id, event_number) where order_id is not null;
create index order_events_related_client_order_id
    on settlement.order_events (account, related_client_order_id)
    where related_client_order_id is not null;

create table settlement.orders (
    created_event bigint not null,
    order_id bigint,
    account bigint not null,
    session bigint not null,
    instrument bigint not null,
    client_order_id text not null,
    side smallint not null,
    order_type smallint not null,
    time_in_force smallint not null,
    order_flags smallint not null,
    self_trade_prevention smallint not null,
    status smallint not null,
    is_open boolean not null,
    reason integer not null,
    price_ticks bigint not null,
    stop_price_ticks bigint not null,
    quantity_lots bigint not null,
    leaves_lots bigint not null,
    filled_lots bigint not null,
    filled_value bigint not null,
    display_lots bigint not null,
    minimum_lots bigint not null,
    expire_at_ns bigint not null,
    held_atoms bigint not null,
    created_at_ns bigint not null,
    updated_event bigint not null,
    updated_at_ns bigint not null,
    constraint orders_pk primary key (created_event),
    constraint orders_order_id_once unique (order_id)
)
 with (fillfactor = 70);
create index orders_account_client_order_id on settlement.orders (account, client_order_id);
create index orders_account_created_event on settlement.orders (account, created_event);
create index orders_open on settlement.orders (account, created_event) where is_open;

create table settlement.positions (
    consumer text not null,
    event_number bigint not null,
    time_ns bigint not null,
    constraint positions_pk primary key (consumer),
    constraint positions_is_a_position check (event_number >= 0)
);

create table settlement.trades (
    event_number bigint not null,
    trade_id bigint not null,
    time_ns bigint not null,
    instrument bigint not null,
    price_ticks bigint not null,
    quantity_lots bigint not null,
    notional_atoms bigint not null,
    base_atoms bigint not null,
    taker_side smallint not null,
    is_auction boolean not null,
    maker_order_id bigint not null,
    maker_account bigint not null,
    maker_fee_atoms bigint not null,
    maker_client_order_id text not null,
    taker_order_id bigint not null,
    taker_account bigint not null,
    taker_fee_atoms bigint not null,
    taker_client_order_id text not null,
    constraint trades_pk primary key (event_number),
    constraint trades_trade_id_once unique (trade_id)
);
create index trades_maker_account_event_number
    on settlement.trades (maker_account, event_number);
create index trades_taker_account_event_number
    on settlement.trades (taker_account, event_number);

create table settlement.accounts (
    account bigint not null,
    firm bigint not null,
    owner_group bigint not null,
    account_kind smallint not null,
    name text not null,
    event_number bigint not null,
    constraint accounts_pk primary key (account),
    constraint accounts_firm_fk foreign key(firm) references settlement.firms (firm)
);
create index accounts_firm on settlement.accounts (firm);

create table settlement.balances (
    kind smallint not null,
    account bigint not null,
    asset bigint not null,
    balance_atoms bigint default 0 not null,
    credit_line_atoms bigint default 0 not null,
    credit_floor_atoms bigint default 0 not null,
    position_max_atoms bigint default 0 not null,
    constraint balances_pk primary key (kind, account, asset),
    constraint balances_kind_is_known check (kind in (1, 2, 10, 20)),
    constraint balances_account_fits_kind check ((kind < 10) = (account <> 0)),
    constraint balances_not_below_credit_floor
        check (kind >= 10 or balance_atoms >= -credit_floor_atoms),
    constraint balances_line_in_floor
        check (credit_line_atoms between 0 and credit_floor_atoms),
    constraint balances_credit_is_for_funds check (kind = 1 or credit_floor_atoms = 0),
    constraint balances_asset_fk foreign key(asset) references settlement.assets (asset)
)
 with (fillfactor = 50);
create index balances_account_asset on settlement.balances (account, asset);

create table settlement.instruments (
    instrument bigint not null,
    symbol text not null,
    base_asset bigint not null,
    quote_asset bigint not null,
    lot_atoms bigint not null,
    tick_lot_atoms bigint not null,
    tick_units bigint not null,
    lot_units bigint not null,
    price_decimals smallint not null,
    quantity_decimals smallint not null,
    event_number bigint not null,
    constraint instruments_pk primary key (instrument),
    constraint instruments_symbol_once unique (symbol),
    constraint instruments_base_asset_fk
        foreign key(base_asset) references settlement.assets (asset),
    constraint instruments_quote_asset_fk
        foreign key(quote_asset) references settlement.assets (asset)
);
"""

NAMES = (
    "order_events, orders, trades, entries, balances, accounts, firms, instruments, assets,"
    " positions, lineage"
)


def upgrade() -> None:
    """Create the tables."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement.strip().removesuffix(";"))


def downgrade() -> None:
    """Drop the tables, and everything in them."""
    for name in NAMES.split(", "):
        op.execute(f"drop table settlement.{name.strip()}")

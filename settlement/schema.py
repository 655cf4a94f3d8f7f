"""The tables of settlement, in the PostgreSQL schema ``settlement``.

Two groups, each with a position of its own: the ledger (append-only, never rebuilt in place) and
the order history (a projection that may be thrown away and made again). Triggers, functions and
grants stand in the migrations; ``docs/ledger.md`` says which rule is enforced where.

Numbers: ids are the venue's own; u32 and u64 fields become bigint, which holds every number that
a venue reaches. Amounts are atoms: an asset's supply stays below 2**62, so sums fit a bigint.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

NAMESPACE = "settlement"

metadata = MetaData(
    schema=NAMESPACE,
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s",
        "uq": "%(table_name)s_%(column_0_name)s_once",
        "ix": "%(table_name)s_%(column_0_N_name)s",
    },
)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _code(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, SmallInteger, nullable=null)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


# --- whose ledger this is, and how far it goes ---

lineage = Table(
    "lineage",
    metadata,
    Column("single", Boolean, CheckConstraint("single", name="is_single"), primary_key=True),
    Column("venue", Uuid, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_number", BigInteger, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    CheckConstraint("event_number >= 0", name="is_a_position"),
)

# --- what the events are about ---

assets = Table(
    "assets",
    metadata,
    _key("asset"),
    Column("symbol", Text, nullable=False, unique=True),
    _code("scale"),
    _number("supply_max_atoms"),
    _number("event_number"),
)

instruments = Table(
    "instruments",
    metadata,
    _key("instrument"),
    Column("symbol", Text, nullable=False, unique=True),
    Column("base_asset", BigInteger, ForeignKey(assets.c.asset), nullable=False),
    Column("quote_asset", BigInteger, ForeignKey(assets.c.asset), nullable=False),
    _number("lot_atoms"),
    _number("tick_lot_atoms"),
    _number("tick_units"),
    _number("lot_units"),
    _code("price_decimals"),
    _code("quantity_decimals"),
    _number("event_number"),
)

firms = Table(
    "firms", metadata, _key("firm"), Column("name", Text, nullable=False), _number("event_number")
)

accounts = Table(
    "accounts",
    metadata,
    _key("account"),
    Column("firm", BigInteger, ForeignKey(firms.c.firm), nullable=False, index=True),
    _number("owner_group"),
    _code("account_kind"),
    Column("name", Text, nullable=False),
    _number("event_number"),
)

# --- the ledger ---

balances = Table(
    "balances",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    _key("account"),
    Column("asset", BigInteger, ForeignKey(assets.c.asset), primary_key=True, autoincrement=False),
    Column("balance_atoms", BigInteger, nullable=False, server_default=text("0")),
    Column("credit_line_atoms", BigInteger, nullable=False, server_default=text("0")),
    # The widest line there ever was. A line may be set below what is used: that use stands, and
    # the engine alone knows the holds in it, so the database's bound never narrows.
    Column("credit_floor_atoms", BigInteger, nullable=False, server_default=text("0")),
    Column("position_max_atoms", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint(
        "kind in (1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 30, 31, 32, 40, 41, 50, 51)",
        name="kind_is_known",
    ),
    CheckConstraint("(kind < 10) = (account <> 0)", name="account_fits_kind"),
    CheckConstraint(
        "kind not in (1, 2, 4, 10, 40, 41) or balance_atoms >= -credit_floor_atoms",
        name="not_below_credit_floor",
    ),
    CheckConstraint(
        "kind not in (3, 11, 13, 21, 30, 31, 32) or balance_atoms <= 0",
        name="never_above_zero",
    ),
    CheckConstraint("credit_line_atoms between 0 and credit_floor_atoms", name="line_in_floor"),
    CheckConstraint("kind = 1 or credit_floor_atoms = 0", name="credit_is_for_funds"),
    Index(None, "account", "asset"),
    # Balances are updated all day, in place: room on the page keeps that from growing indexes.
    postgresql_with={"fillfactor": "50"},
)
"""One row per ledger account. Entries alone move ``balance_atoms``: a trigger does it.

The signs that each kind may have are ``chart.SIGNS``.
"""

entries = Table(
    "entries",
    metadata,
    _key("event_number"),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    _code("kind"),
    _code("cause"),
    _number("account"),
    _number("asset"),
    _number("amount_atoms"),
    _number("time_ns"),
    CheckConstraint("amount_atoms <> 0", name="moves_something"),
    CheckConstraint("(kind in (4, 21)) = (cause = 19)", name="memoranda_are_apart"),
    # Those of trades, nearly all, are found through ``trades``.
    Index(
        "entries_not_of_trades",
        "account",
        "event_number",
        postgresql_where=text("cause not in (1, 2, 7)"),
    ),
)
"""The journal. Append-only; the entries of an event sum to zero in each asset."""

ledger_marks = Table(
    "ledger_marks",
    metadata,
    _key("event_number"),
    # Of the last entry up to here.
    _number("time_ns"),
    Index(None, "time_ns", "event_number"),
)
"""Places of marks: events as of which balances were written down, by ``marks.MARKS``."""

balance_marks = Table(
    "balance_marks",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    _key("account"),
    _key("asset"),
    _key("event_number"),
    _number("balance_atoms"),
)
"""Balances at places of marks, by events alone.

Where an account has a row, all of its ledger accounts have one that moved since it had one last.
"""

house_postings = Table(
    "house_postings",
    metadata,
    _key("posting"),
    # Where the ledger stood: the posting lies after this event and before the next.
    _number("after_event"),
    _number("time_ns"),
    _code("cause"),
    _number("operator"),
    _number("approver"),
    Column("reference", Text, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    CheckConstraint(
        "posting = 0 or (operator > 0 and approver > 0 and operator <> approver)",
        name="takes_two",
    ),
    CheckConstraint("posting = 0 or cause between 41 and 44", name="cause_is_the_houses"),
    CheckConstraint("length(text) > 0 and length(reference) > 0", name="says_why"),
)
"""Who moved what the house has between its own accounts, who agreed, when and why. Append-only."""

house_entries = Table(
    "house_entries",
    metadata,
    Column("posting", BigInteger, ForeignKey(house_postings.c.posting), primary_key=True),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    _code("kind"),
    Column("asset", BigInteger, ForeignKey(assets.c.asset), nullable=False),
    _number("amount_atoms"),
    CheckConstraint("amount_atoms <> 0", name="moves_something"),
    CheckConstraint(
        "kind in (12, 13, 20, 30, 31, 32, 40, 41, 50, 51) or (posting = 0 and kind in (10, 11))",
        name="moves_the_houses_money",
    ),
    Index(None, "kind", "asset", "posting"),
)
"""The entries of ``house_postings``. Append-only; each posting sums to zero in each asset."""

trades = Table(
    "trades",
    metadata,
    _key("event_number"),
    Column("trade_id", BigInteger, nullable=False, unique=True),
    _number("time_ns"),
    _number("instrument"),
    _number("price_ticks"),
    _number("quantity_lots"),
    _number("notional_atoms"),
    _number("base_atoms"),
    _code("taker_side"),
    Column("is_auction", Boolean, nullable=False),
    _number("maker_order_id"),
    _number("maker_account"),
    _number("maker_fee_atoms"),
    Column("maker_client_order_id", Text, nullable=False),
    _number("taker_order_id"),
    _number("taker_account"),
    _number("taker_fee_atoms"),
    Column("taker_client_order_id", Text, nullable=False),
    Index(None, "maker_account", "event_number"),
    Index(None, "taker_account", "event_number"),
)
"""Every trade once. Append-only. The maker made liquidity, the taker took it."""

trade_corrections = Table(
    "trade_corrections",
    metadata,
    _key("event_number"),
    Column("trade_id", BigInteger, ForeignKey(trades.c.trade_id), nullable=False, index=True),
    Column("is_bust", Boolean, nullable=False),
    # Of the trade, or of the correction before this one.
    _number("corrected_event"),
    _number("time_ns"),
    _number("instrument"),
    _number("previous_price_ticks"),
    _number("previous_quantity_lots"),
    _number("previous_notional_atoms"),
    _number("previous_base_atoms"),
    _number("price_ticks"),
    _number("quantity_lots"),
    _number("notional_atoms"),
    _number("base_atoms"),
    _code("taker_side"),
    _number("maker_order_id"),
    _number("maker_account"),
    _number("maker_previous_fee_atoms"),
    _number("maker_fee_atoms"),
    _number("taker_order_id"),
    _number("taker_account"),
    _number("taker_previous_fee_atoms"),
    _number("taker_fee_atoms"),
    _number("operator"),
    _number("approver"),
    Column("reference", Text, nullable=False),
    Column("text", Text, nullable=False),
)
"""Every bust and correction once. Append-only; the present terms and fees of a bust are zero."""

# --- the order history ---

orders = Table(
    "orders",
    metadata,
    _key("created_event"),
    # Empty for a request that was refused before it became an order.
    Column("order_id", BigInteger, nullable=True, unique=True),
    _number("account"),
    _number("session"),
    _number("instrument"),
    Column("client_order_id", Text, nullable=False),
    _code("side"),
    _code("order_type"),
    _code("time_in_force"),
    _code("order_flags"),
    _code("self_trade_prevention"),
    _code("status"),
    Column("is_open", Boolean, nullable=False),
    Column("reason", Integer, nullable=False),
    _number("price_ticks"),
    _number("stop_price_ticks"),
    _number("quantity_lots"),
    _number("leaves_lots"),
    _number("filled_lots"),
    _number("filled_value"),
    _number("display_lots"),
    _number("minimum_lots"),
    _number("expire_at_ns"),
    _number("held_atoms"),
    _number("created_at_ns"),
    _number("updated_event"),
    _number("updated_at_ns"),
    Index(None, "account", "created_event"),
    Index(None, "account", "client_order_id"),
    Index("orders_open", "account", "created_event", postgresql_where=text("is_open")),
    postgresql_with={"fillfactor": "70"},
)
"""Every order as it stands now. ``reason`` is a RejectCode when rejected, else a CancelReason."""

order_events = Table(
    "order_events",
    metadata,
    _key("event_number"),
    # 1, and for the taker's side of a trade 2.
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    _code("kind"),
    _number("order_id", null=True),
    _number("account"),
    _number("session"),
    _number("connection"),
    _number("instrument"),
    _code("side"),
    _code("status"),
    Column("reason", Integer, nullable=False),
    _number("price_ticks"),
    _number("quantity_lots"),
    _number("leaves_lots"),
    _number("filled_lots"),
    _number("filled_value"),
    _number("held_atoms"),
    Column("client_order_id", Text, nullable=False),
    # Before an amend; of the request that cancelled; or what a refused request named.
    Column("related_client_order_id", Text, nullable=True),
    _number("origin_session", null=True),
    _number("trade_id", null=True),
    _number("last_ticks", null=True),
    _number("last_lots", null=True),
    _number("fee_atoms", null=True),
    Column("is_maker", Boolean, nullable=True),
    _number("limit_value", null=True),
    _number("usage_value", null=True),
    Column("refused_kind", Integer, nullable=True),
    _code("scope", null=True),
    _number("cancelled", null=True),
    Column("text", Text, nullable=True),
    _number("time_ns"),
    _number("received_at_ns"),
    Index(
        "order_events_order",
        "order_id",
        "event_number",
        postgresql_where=text("order_id is not null"),
    ),
    # Amends, cancels and refusals: few beside acceptances and fills, which ``orders`` finds.
    Index(
        "order_events_client_order_id",
        "account",
        "client_order_id",
        postgresql_where=text("kind not in (1, 10)"),
    ),
    Index(
        "order_events_related_client_order_id",
        "account",
        "related_client_order_id",
        postgresql_where=text("related_client_order_id is not null"),
    ),
)
"""Everything that happened to an order or was asked of one; ``kind`` is the event's."""
